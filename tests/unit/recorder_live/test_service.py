"""The service: assignments are on disk before the answer, are resumed, and choose the right cameras."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from scripted import ScriptedCamera
from understudy import control
from understudy.recorder import assignment, service
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.segments import Store
from understudy.recorder.service import Places, Service
from understudy.site.plan import Camera, Disk, Logical, Nic, Plan, Server, Source, Track


def plan(root: Path, url: str, node: str = "rec1") -> Plan:
    track = Track(name="main", disk="C", days=1)
    off = Track(name="spare", disk="C", days=1, mode="off")
    gate = Source(type="rtsp", url=url)
    cameras = (
        Camera(number=1, name="Gate", source=gate, tracks=(track,)),
        Camera(number=2, name="Yard", source=gate, tracks=(track,), failover="none"),
        Camera(number=3, name="Hall", source=gate, tracks=(track,), failover="live-only"),
        Camera(number=4, name="Old", source=Source(type="analogue"), tracks=(track,)),
        Camera(number=5, name="Door", source=gate, tracks=(off,)),
        Camera(number=6, name="Roof", source=gate, tracks=(track,), preroll_s=0),
    )
    nics = (Nic(name="lo", role="cameras", addresses=("127.0.0.1/8",)),)
    disks = (Disk(letter="C", path=str(root / "C"), free_floor_bytes=0),)
    return Plan(
        version=1,
        site="lab",
        node=node,
        servers=(
            Server(name="rec1", kind="server", nics=nics, disks=disks),
            Server(name="stby1", kind="standby", rank=0, nics=nics, disks=disks),
        ),
        logical=(Logical(name="north", home="rec1", cameras=cameras),),
    )


def until_frames(places: Places, count: int) -> control.Document:
    """Progress, as soon as camera 1 of north has that many frames."""
    for _ in range(1000):
        progress = control.call(places.socket, "progress")
        if progress["parts"]["north"]["cameras"][0]["frames"] >= count:
            return progress
        threading.Event().wait(0.01)
    raise AssertionError(progress)


class Running:
    """A service in a thread."""

    def __init__(self, places: Places) -> None:
        self.places = places
        (places.plan.parent / "C").mkdir(exist_ok=True)
        decoded = msgspec.json.decode(places.plan.read_bytes(), type=Plan)
        self.store = Store(decoded, places.state, require_mount=False)
        self.store.start()
        self.service = Service(decoded, self.store, places)
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()
        while not places.socket.exists():
            threading.Event().wait(0.005)

    def stop(self) -> None:
        self.service.stop()
        self.thread.join()
        self.store.close()


@pytest.fixture
def source() -> Iterator[ScriptedCamera]:
    with ScriptedCamera() as camera:
        yield camera


@pytest.fixture
def places(tmp_path: Path, source: ScriptedCamera) -> Places:
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan(tmp_path, source.url)))
    (tmp_path / "state").mkdir()
    return Places(tmp_path / "plan.json", tmp_path / "state", tmp_path / "control.sock")


def test_an_assignment_is_recorded_saved_and_resumed(places: Places, source: ScriptedCamera) -> None:
    running = Running(places)
    control.call(places.socket, "assign", parts={"north": {"mode": "record"}})
    assert assignment.load(places.state / "assignment.json") == {"north": "record"}
    source.wait_for_session(4)
    source.frames(50)
    progress = until_frames(places, 40)
    assert progress["node"] == "rec1"
    assert progress["disks"]["C"]["state"] == "ok"
    cameras = progress["parts"]["north"]["cameras"]
    assert [camera["mode"] for camera in cameras] == ["recording"] * 3 + ["off"] * 2 + ["recording"]
    assert cameras[0]["engine"] == "native"
    assert cameras[0]["first_frame_wall_s"] > 1e9
    running.stop()
    assert len(list(places.plan.parent.rglob("*.v.mp4"))) == 4
    again = Running(places)
    source.wait_for_session(8)
    again.service.reload()
    source.frames(50)
    until_frames(places, 40)
    assert source.connections == 8
    again.stop()


def test_s05_a_takeover_does_not_wait_for_the_system_disk(
    places: Places, source: ScriptedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, save = threading.Event(), assignment.save

    def slow(path: Path, wanted: assignment.Assignment) -> None:
        synced.wait(20)
        save(path, wanted)
        raise OSError("the disk has failed after all")

    monkeypatch.setattr(assignment, "save", slow)
    running = Running(places)
    failures: list[str] = []

    def assign() -> None:
        try:
            control.call(places.socket, "assign", timeout_s=30, parts={"north": {"mode": "record"}})
        except control.ControlError as error:
            failures.append(str(error))

    asking = threading.Thread(target=assign)
    asking.start()
    try:
        source.wait_for_session(4)
        source.frames(50)
        until_frames(places, 40)
        assert asking.is_alive(), "the answer comes when the assignment is on disk"
    finally:
        synced.set()
        asking.join()
        running.stop()
    assert failures == ["assigned, but it cannot be saved: the disk has failed after all"]


def test_s28_away_from_home_only_what_fails_over_in_full(tmp_path: Path) -> None:
    away = plan(tmp_path, "rtsp://cam/", node="stby1")
    assert list(assignment.feeds(away, away.logical[0])) == [1, 6]
    home = plan(tmp_path, "rtsp://cam/")
    assert list(assignment.feeds(home, home.logical[0])) == [1, 2, 3, 6]


def test_wrong_assignments_are_refused_and_change_nothing(places: Places) -> None:
    running = Running(places)
    try:
        with pytest.raises(control.ControlError, match="no logical server 'west' in the plan; there are: north"):
            control.call(places.socket, "assign", parts={"west": {"mode": "record"}})
        with pytest.raises(control.ControlError, match="mode"):
            control.call(places.socket, "assign", parts={"north": {"mode": "play"}})
        with pytest.raises(control.ControlError, match="parts"):
            control.call(places.socket, "assign")
        assert not (places.state / "assignment.json").exists()
    finally:
        running.stop()


def test_a_damaged_assignment_is_an_error_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "assignment.json"
    assert assignment.load(path) == {}
    assignment.save(path, {"north": "record", "south": "preroll"})
    assert assignment.load(path) == {"north": "record", "south": "preroll"}
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(assignment.AssignmentError, match=r"assignment\.json"):
        assignment.load(path)


def test_a_wrong_plan_is_one_line_and_exit_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    (tmp_path / "plan.json").write_text('{"version": 1}')
    assert service.main(Places(tmp_path / "plan.json", tmp_path, tmp_path / "control.sock")) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_f10_pre_roll_is_written_on_demand_once_and_a_takeover_still_has_all_of_it(
    tmp_path: Path, source: ScriptedCamera
) -> None:
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan(tmp_path, source.url, node="stby1")))
    (tmp_path / "state").mkdir()
    places = Places(tmp_path / "plan.json", tmp_path / "state", tmp_path / "control.sock")
    running = Running(places)

    def heal(number: int = 1, from_us: int = 0) -> control.Document:
        wanted = {"logical": "north", "camera": number, "from_us": from_us, "to_us": time.time_ns() // 1000 + 1_000_000}
        return control.call(places.socket, "heal", **wanted)

    try:
        assert heal()["reason"] == "stby1 holds no pre-roll of north/1"
        control.call(places.socket, "assign", parts={"north": {"mode": "preroll"}})
        source.wait_for_session(1)
        source.frames(50)
        until_frames(places, 50)
        assert heal() == {"ok": True, "frames": 50, "reason": ""}
        assert heal(6)["reason"] == "stby1 holds no pre-roll of north/6"  # preroll_s is 0
        with pytest.raises(control.ControlError, match="from_us must be before to_us"):
            heal(from_us=2**62)
        with pytest.raises(control.ControlError, match="heal: "):
            control.call(places.socket, "heal")
        control.call(places.socket, "assign", parts={"north": {"mode": "record"}})
        assert "records north/1 itself" in heal()["reason"]
        source.frames(25)
        until_frames(places, 75)
    finally:
        running.stop()
    rows = [len(scan(path).frames) for path in sorted(tmp_path.rglob("*/001/*/*/*.v.mp4"))]
    assert rows == [50, 75]
