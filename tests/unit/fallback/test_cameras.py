"""Cameras that our own ingest does not speak with, recorded by PyAV in a process of their own."""

from __future__ import annotations

import os
import re
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import audit
import av
import pytest
from camsim import media
from camsim.stamp import STAMP
from recording import Recording
from running import PASSWORD, USER, Simulator, start
from understudy.recorder.codec.nal import frame_crc
from understudy.recorder.fmp4.scan import scan

CAMERAS = {
    "gate": {"path": "/gate", "media": "gate.clip", "transport": "udp"},
    "yard": {"path": "/yard", "media": "yard.clip", "transport": "udp"},
    "roof": {"path": "/roof", "media": "roof.clip", "transport": "http"},
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two cameras that send over UDP only, one that has nothing but Motion JPEG over HTTP."""
    clips = tmp_path_factory.mktemp("clips")
    media.make(media.Recipe("gate", gop=25, sound=True), clips, loop_s=2)
    media.make(media.Recipe("yard", gop=25, sound="pcmu", video="h265"), clips, loop_s=2)
    media.make(media.Recipe("roof", gop=25, video="mjpeg"), clips, loop_s=2)
    with start(clips, cameras=CAMERAS, http_port=0) as simulator:
        yield simulator


def jpeg(simulator: Simulator) -> str:
    return f"http://127.0.0.1:{simulator.http_port}/roof"


def until(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.02)


def children() -> list[int]:
    """The processes of cameras that this one has."""
    told = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    numbers = [int(number) for file in told for number in file.read_text().split()]
    return [n for n in numbers if b"understudy.recorder.fallback" in Path(f"/proc/{n}/cmdline").read_bytes()]


@pytest.mark.parametrize(("name", "codec", "entry"), [("gate", "h264", None), ("yard", "h265", "ulaw")])
def test_rtsp_over_udp_is_recorded_whole(
    odd: Simulator, tmp_path: Path, name: str, codec: str, entry: str | None
) -> None:
    with Recording(tmp_path, odd.url(f"/{name}")) as recording:
        recording.mode("record")
        recording.until_frames(60)
        told = recording.progress()
    assert (told["engine"], told["engine_reason"]) == ("pyav", "the camera does not send over TCP")
    assert told["error"] is None
    (video,), (sound,) = recording.files("v"), recording.files("a")
    verdict = audit.check([video])
    assert verdict.ok, verdict
    assert audit.decodes(video) == (verdict.count, [])
    assert scan(video).header.codec == codec
    assert entry is None or audit.sound(sound)[0] == entry


def test_motion_jpeg_over_http_is_recorded_as_it_comes(odd: Simulator, tmp_path: Path) -> None:
    with Recording(tmp_path, jpeg(odd), login=(USER, PASSWORD)) as recording:
        recording.mode("record")
        recording.until_frames(60)
        told = recording.progress()
    assert (told["engine"], told["engine_reason"]) == ("pyav", "a stream over HTTP")
    (video,) = recording.files("v")
    index, content = scan(video), video.read_bytes()
    images = [content[frame.offset : frame.offset + frame.size] for frame in index.frames]
    assert all(image[:2] == b"\xff\xd8" for image in images)
    assert [frame_crc("mjpeg", image) for image in images] == [frame.crc for frame in index.frames]
    counters = [struct.unpack(">Q", image[22:30])[0] for image in images if image[6:22] == STAMP.bytes]
    assert counters == list(range(counters[0], counters[0] + len(images))), "every picture, none twice"
    with av.open(str(video)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("mjpeg", 640, 360)
        assert sum(1 for _ in file.decode(stream)) == len(images)


@pytest.mark.parametrize("kind", ["udp", "jpeg"])
def test_a_takeover_writes_the_pre_roll_of_such_a_camera(odd: Simulator, tmp_path: Path, kind: str) -> None:
    url, login = (odd.url("/gate"), ("", "")) if kind == "udp" else (jpeg(odd), (USER, PASSWORD))
    with Recording(tmp_path, url, login=login) as recording:
        recording.mode("preroll")
        recording.until_frames(75)
        held = recording.progress()["frames"]
        recording.mode("record")
        recording.until_frames(held + 50)
    (video,) = recording.files("v")
    frames = scan(video).frames
    assert len(frames) >= 100, "what was held, and what came behind"
    if kind == "udp":
        assert audit.check([video]).ok


def test_the_process_of_a_camera_dies_and_hangs_and_the_camera_comes_back(odd: Simulator, tmp_path: Path) -> None:
    with Recording(tmp_path, jpeg(odd), login=(USER, PASSWORD)) as recording:
        recording.mode("record")
        recording.until_frames(10)
        (first,) = children()
        assert PASSWORD.encode() not in Path(f"/proc/{first}/cmdline").read_bytes()
        os.kill(first, signal.SIGKILL)
        before = recording.progress()["frames"]
        recording.until_frames(before + 25)
        (second,) = children()
        assert second != first
        os.kill(second, signal.SIGSTOP)
        until(lambda: second not in children())
        recording.until_frames(recording.progress()["frames"] + 25)
    until(lambda: not children())


def test_a_wrong_password_is_told_without_showing_it(odd: Simulator, tmp_path: Path) -> None:
    with Recording(tmp_path, jpeg(odd), login=(USER, "wr/ong")) as recording:
        recording.mode("record")
        until(lambda: "user name or password" in (recording.progress()["error"] or ""))
        assert not re.search(r"wr.{0,3}ong", str(recording.progress()))
