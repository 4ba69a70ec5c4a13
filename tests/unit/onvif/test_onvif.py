"""F11: ONVIF cameras are found, their login, clock and streams are tested, a key frame can be asked for."""

from __future__ import annotations

from typing import Literal

import pytest
from camsim.onvif import OnvifDevice
from understudy.cli import main
from understudy.onvif.device import Device
from understudy.onvif.discovery import discover
from understudy.onvif.soap import OnvifError, RefusedError
from understudy.recorder.ingest.auth import Credentials

USER, PASSWORD = "viewer", "p@ss:w/rd#1?<&"
RTSP = "rtsp://127.0.0.1:8554/gate"


def camera(**settings: object) -> OnvifDevice:
    return OnvifDevice(RTSP, USER, PASSWORD, **settings)  # type: ignore[arg-type]


def asked(device: OnvifDevice, password: str = PASSWORD) -> Device:
    return Device(f"127.0.0.1:{device.port}", Credentials(USER, password))


def test_f11_cameras_are_discovered() -> None:
    with camera() as device:
        (found,) = discover("127.0.0.1", device.discovery, wait_s=0.5)
    assert (found.host, found.name) == ("127.0.0.1", "Sim Cam")
    assert found.address == f"http://127.0.0.1:{device.port}/onvif/device_service"


@pytest.mark.parametrize("login", ["token", "digest"])
@pytest.mark.parametrize("offset_s", [0.0, -7200.0])
def test_f11_streams_are_found_whatever_the_camera_thinks_the_time_is(
    login: Literal["token", "digest"], offset_s: float
) -> None:
    with camera(login=login, clock_offset_s=offset_s) as device:
        client = asked(device)
        main_stream, second = client.profiles()
        assert (main_stream.encoding, main_stream.width, second.token) == ("H264", 640, "sub")
        assert client.stream_url(main_stream) == f"{RTSP}?profile=main"
        client.ask_for_key_frame(main_stream)
        assert device.key_frames == ["main"]
        assert client.clock_offset_s() == pytest.approx(offset_s, abs=2)


@pytest.mark.parametrize("login", ["token", "digest"])
def test_f11_a_wrong_password_is_told(login: Literal["token", "digest"]) -> None:
    with camera(login=login) as device, pytest.raises(RefusedError, match="user name or password"):
        asked(device, "wrong").model()


@pytest.mark.parametrize("garbage", [b"hello", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a/>"])
def test_what_is_no_onvif_is_told_in_a_sentence(garbage: bytes) -> None:
    with camera(garbage=garbage) as device, pytest.raises(OnvifError, match="not one of ONVIF"):
        asked(device).model()


def test_f11_the_command_prints_a_piece_of_the_site_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_CAMERA_PASSWORD", PASSWORD)
    with camera(clock_offset_s=90.0) as device:
        words = ["cameras", "test", f"127.0.0.1:{device.port}", "--user", USER, "--number", "7"]
        assert main(words) == 0
        printed = capsys.readouterr().out.splitlines()
        monkeypatch.setenv("UNDERSTUDY_CAMERA_PASSWORD", "wrong")
        assert main(words) == 1
    assert "set its NTP server" in printed[0]
    assert printed[1:] == [
        "- number: 7",
        '  name: "Sim Cam 1"',
        f"  url: {RTSP}?profile=main  # main, H264 640x360",
        f"  # or: {RTSP}?profile=sub  # sub, JPEG 320x180",
    ]
    said = capsys.readouterr()
    assert (said.out, "refuses the user name or password" in said.err) == ("", True)
