"""Habits of cameras, over real sockets: redirections, SHA-256, session limits, old sessions, early packets, TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Rig, until
from scripted import ScriptedCamera
from understudy.recorder.camera import CameraFeed

LOGIN = ("viewer", "p@ss:w/rd#1?")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one, and its key."""
    path = tmp_path_factory.mktemp("pki") / "camera.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-keyout", path, "-out", path.with_suffix(".crt"))
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-days", "1", "-subj", "/CN=camera", *files],
        check=True,
        capture_output=True,
        timeout=30,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[ScriptedCamera]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ScriptedCamera(tls=context) as camera:
        yield camera


def error(camera: CameraFeed) -> str:
    return str(camera.progress(time.monotonic())["error"])


def test_a_redirection_is_followed_and_the_camera_records(rig: Rig, source: ScriptedCamera) -> None:
    with ScriptedCamera(redirect=source.url) as door:
        camera = rig.camera(door.url)
        rig.mode(camera, "record")
        source.wait_for_session(1)
        source.frames(5)
        until(lambda: rig.writers[0].numbers == list(range(5)))
        assert door.connections == 0


def test_redirections_in_a_circle_end_in_a_sentence(rig: Rig) -> None:
    with ScriptedCamera() as door:
        door.redirect = door.url
        camera = rig.camera(door.url)
        rig.mode(camera, "record")
        until(lambda: error(camera) == "the camera redirects in a circle")


def test_sha_256_is_answered_and_a_wrong_password_told(rig: Rig, source: ScriptedCamera) -> None:
    source.login = LOGIN
    camera, wrong = rig.camera(source.url, login=LOGIN), rig.camera(source.url, 2, login=("viewer", "wrong"))
    rig.mode(camera, "record")
    rig.mode(wrong, "record")
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: camera.frames == 5)
    until(lambda: "refuses the user name or password" in error(wrong))


def test_453_is_told_and_the_session_taken_when_it_is_free(rig: Rig, source: ScriptedCamera) -> None:
    source.limit = 0
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    until(lambda: "no bandwidth or session left" in error(camera))
    assert "(453 Not Enough Bandwidth)" in error(camera)
    source.limit = 1
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: camera.frames == 5)
    assert camera.progress(time.monotonic())["error"] is None


def test_a_session_that_lingers_at_the_camera_delays_no_longer_than_it_lasts(rig: Rig, source: ScriptedCamera) -> None:
    source.limit = 1
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: camera.frames == 5)
    source.cut()
    until(lambda: "453" in error(camera))
    released_s = time.monotonic()
    source.release()
    source.wait_for_session(2)
    assert time.monotonic() - released_s < 3, "the pause between attempts is 2 s at most"
    source.frames(5)
    until(lambda: camera.frames == 10)
    assert camera.faults == 0


def test_leaving_frees_the_only_session_for_another_recorder(rig: Rig, source: ScriptedCamera) -> None:
    source.limit = 1
    first, second = rig.camera(source.url), rig.camera(source.url, 2)
    rig.mode(first, "record")
    source.wait_for_session(1)
    rig.mode(first, "off")
    until(lambda: source.held == 0)
    rig.mode(second, "record")
    source.wait_for_session(2)


def test_pictures_before_the_answer_to_play_are_kept(rig: Rig, source: ScriptedCamera) -> None:
    source.early = 7
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: rig.writers[0].numbers == list(range(12)))


def test_a_flood_of_garbage_costs_that_camera_its_connection_and_no_other(rig: Rig, source: ScriptedCamera) -> None:
    with ScriptedCamera(lead=b"$\x00\x00\x00\x80" * 200_000) as hostile:
        flood, good = rig.camera(hostile.url, 2), rig.camera(source.url)
        rig.mode(flood, "record")
        rig.mode(good, "record")
        hostile.wait_for_session(1)
        source.wait_for_session(1)
        hostile.frames(1)
        until(lambda: "floods the connection with garbage" in error(flood))
        source.frames(20)
        until(lambda: good.frames == 20)


def test_rtsps_records_without_asking_who_signed(rig: Rig, secure: ScriptedCamera) -> None:
    camera = rig.camera(secure.url)
    rig.mode(camera, "record")
    secure.wait_for_session(1)
    secure.frames(200)
    until(lambda: rig.writers[0].numbers == list(range(200)))
    secure.cut()
    secure.wait_for_session(2)
    rig.mode(camera, "off")
    until(lambda: "TEARDOWN" in secure.requests)
    assert secure.names == [None, None], "an address is no server name"


def test_rtsps_asks_a_named_camera_by_its_name(rig: Rig, secure: ScriptedCamera) -> None:
    camera = rig.camera(secure.url.replace("127.0.0.1", "localhost"))
    rig.mode(camera, "preroll")
    secure.wait_for_session(1)
    secure.frames(20)
    until(lambda: camera.frames == 20)
    assert secure.names == ["localhost"]


def test_a_camera_that_speaks_no_tls_is_a_sentence(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        camera = rig.camera(f"rtsps://127.0.0.1:{plain.getsockname()[1]}/live")
        rig.mode(camera, "record")
        with plain.accept()[0] as connection:
            connection.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")
            until(lambda: error(camera) == "TLS with 127.0.0.1 failed: wrong version number")
        assert camera.faults == 0
