"""Cameras in the loop, over real sockets: recording, pre-roll, takeover, faults that cost one camera only."""

from __future__ import annotations

import threading
import time

from rig import Rig, until
from scripted import ScriptedCamera
from understudy.recorder.ingest.line import source_address


def test_recording_writes_every_frame_and_says_goodbye(rig: Rig, source: ScriptedCamera) -> None:
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(20)
    until(lambda: camera.frames == 20)
    shown = camera.progress(time.monotonic())
    assert (shown["mode"], shown["frames"], shown["error"]) == ("recording", 20, None)
    assert shown["last_frame_age_s"] < 5
    rig.mode(camera, "off")
    until(lambda: "TEARDOWN" in source.requests)
    assert rig.writers[0].numbers == list(range(20))
    assert rig.writers[0].closed


def test_s06_takeover_writes_ring_and_live_without_hole_or_double(rig: Rig, source: ScriptedCamera) -> None:
    camera = rig.camera(source.url)
    rig.mode(camera, "preroll")
    source.wait_for_session(1)
    source.frames(33)
    until(lambda: camera.frames == 33)
    assert camera.progress(time.monotonic())["mode"] == "pre-roll"
    sending = threading.Thread(target=source.frames, args=(200,))
    sending.start()
    rig.mode(camera, "record")
    sending.join()
    until(lambda: len(rig.writers[0].numbers) == 233)
    assert rig.writers[0].numbers == list(range(233))
    until(lambda: camera.frames == 233)
    assert source.connections == 1


def test_a_takeover_waits_for_room_on_the_disk_and_loses_nothing(rig: Rig, source: ScriptedCamera) -> None:
    camera = rig.camera(source.url)
    rig.mode(camera, "preroll")
    source.wait_for_session(1)
    source.frames(10)
    until(lambda: camera.frames == 10)
    rig.mode(camera, "record")
    rig.do(lambda: None)
    rig.mode(camera, "preroll")
    source.frames(10)
    until(lambda: camera.frames == 20)

    def crowded() -> None:
        camera.set_mode("record", time.monotonic())
        rig.writers[1].room_bytes = 0

    rig.do(crowded)
    source.frames(10)
    rig.do(lambda: None)
    assert rig.writers[1].numbers == []
    rig.writers[1].room_bytes = 1 << 30
    until(lambda: rig.writers[1].numbers == list(range(10, 30)))


def test_leaving_record_closes_the_segments_and_keeps_the_connection(rig: Rig, source: ScriptedCamera) -> None:
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: camera.frames == 5)
    rig.mode(camera, "preroll")
    assert rig.writers[0].closed
    source.frames(5)
    until(lambda: camera.frames == 10)
    assert source.connections == 1


def test_a_lost_connection_is_made_anew_at_once(rig: Rig, source: ScriptedCamera) -> None:
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(7)
    until(lambda: camera.frames == 7)
    source.cut()
    source.wait_for_session(2)
    source.frames(10)
    until(lambda: rig.writers[0].numbers == [*range(7), *range(10, 17)])
    assert len({session for _, session in rig.writers[0].starts}) == 2


def test_a_refusal_is_told_and_tried_again(rig: Rig, source: ScriptedCamera) -> None:
    source.refuse = "503 Service Unavailable"
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    until(lambda: "503" in str(camera.progress(time.monotonic())["error"]))
    source.refuse = ""
    source.wait_for_session(1)
    source.frames(5)
    until(lambda: camera.progress(time.monotonic())["error"] is None)


def test_garbage_between_packets_costs_no_frame(rig: Rig, source: ScriptedCamera) -> None:
    source.lead = b"\x00\x01\x02$\x09garbage" * 20
    camera = rig.camera(source.url)
    rig.mode(camera, "record")
    source.wait_for_session(1)
    source.frames(20)
    until(lambda: camera.frames == 20)


def test_a_fault_of_one_camera_leaves_the_others_alone(rig: Rig, source: ScriptedCamera) -> None:
    good, bad = rig.camera(source.url, 1), rig.camera(source.url, 2)
    rig.mode(good, "record")
    rig.mode(bad, "record")
    source.wait_for_session(2)
    rig.writers[1].fail = True
    source.frames(20)
    until(lambda: good.frames == 20)
    until(lambda: bad.faults > 0)
    assert "internal error" in bad.progress(time.monotonic())["error"]


def test_nobody_at_the_address_is_a_sentence(rig: Rig) -> None:
    camera = rig.camera("rtsp://127.0.0.1:1/live")
    rig.mode(camera, "record")
    until(lambda: camera.progress(time.monotonic())["error"] == "cannot connect to 127.0.0.1:1: Connection refused")


def test_recording_starts_from_the_physical_address_that_is_near() -> None:
    own = ("10.0.0.5/24", "fd00::5/64", "192.168.1.5/24")
    assert source_address("192.168.1.77", own) == "192.168.1.5"
    assert source_address("172.16.0.1", own) == "10.0.0.5"
    assert source_address("fd00::9", own) == "fd00::5"
    assert source_address("fd00::9", ("10.0.0.5/24",)) is None
