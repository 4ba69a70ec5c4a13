"""An event track in a real recorder: camera, ring, segment file, catalogue; armed over the control socket."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from scripted import ScriptedCamera
from test_service import Running, plan, until_frames
from understudy import control
from understudy.footage.model import event_of
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.service import Places
from understudy.site.plan import Plan, Track


def site(root: Path, url: str) -> Plan:
    """Camera 1 of north has an event track and nothing else."""
    known = plan(root, url)
    alarm = Track(name="alarm", disk="C", days=1, mode="event", pre_s=5, post_s=0.2)
    camera = msgspec.structs.replace(known.logical[0].cameras[0], tracks=(alarm,))
    north = msgspec.structs.replace(known.logical[0], cameras=(camera,))
    return msgspec.structs.replace(known, logical=(north,))


def test_f04_an_event_becomes_a_closed_segment_that_begins_before_it(tmp_path: Path) -> None:
    with ScriptedCamera() as source:
        (tmp_path / "plan.json").write_bytes(msgspec.json.encode(site(tmp_path, source.url)))
        (tmp_path / "state").mkdir()
        places = Places(tmp_path / "plan.json", tmp_path / "state", tmp_path / "control.sock")
        running = Running(places)
        try:
            control.call(places.socket, "assign", parts={"north": {"mode": "record"}})
            source.wait_for_session(1)
            source.frames(30)
            camera = until_frames(places, 25)["parts"]["north"]["cameras"][0]
            assert camera["first_frame_wall_s"] is not None, "the part is ready without any event"
            assert not list(tmp_path.rglob("*.mp4"))
            event = control.call(places.socket, "event", logical="north", camera=1, for_s=0.3)["event"]
            deadline_s = time.monotonic() + 20
            while not (rows := running.store.catalogue.held("rec1", state="closed")):
                assert time.monotonic() < deadline_s, "the event does not end"
                source.frames(1)
                time.sleep(0.02)
        finally:
            running.stop()
    [row] = rows
    assert (row.track, event_of(row.session)) == ("alarm", str(event["from_us"]))
    assert row.start_us < event["from_us"] < event["until_us"] <= row.end_us
    index = scan(tmp_path / "C" / row.path)
    assert index.frames[0].key
    assert len(index.frames) == row.frames
