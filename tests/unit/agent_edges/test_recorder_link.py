"""The recorder is told what to do until it does it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from understudy import control
from understudy.clock import boottime_s
from understudy.control import ControlError
from understudy.failover.model import PartProgress
from understudy.failover.recorder_link import SILENT_S, RecorderLink, disk_faults, read_progress


def camera(**fields: Any) -> dict[str, Any]:
    return {"mode": "recording", "first_frame_wall_s": None, "error": None, **fields}


@pytest.mark.parametrize(
    ("cameras", "ready"),
    [
        ([camera(first_frame_wall_s=1.0)], True),
        ([camera(first_frame_wall_s=1.0), camera()], False),
        ([camera(first_frame_wall_s=1.0), camera(error="no route to host")], True),
        ([camera(mode="off")], True),
        ([], True),
    ],
)
def test_s09_ready_is_a_first_frame_of_every_camera_that_can_be_reached(
    cameras: list[dict[str, Any]], ready: bool
) -> None:
    answer = {"parts": {"north": {"mode": "record", "cameras": cameras}, "south": {"mode": "preroll", "cameras": []}}}
    assert read_progress(answer) == {
        "north": PartProgress(mode="record", ready=ready),
        "south": PartProgress(mode="preroll", ready=False),
    }


@pytest.mark.parametrize("answer", [{}, {"parts": 3}, {"parts": {"north": {}}}, {"parts": {"north": {"mode": "x"}}}])
def test_an_answer_that_is_none_is_told(answer: dict[str, Any]) -> None:
    with pytest.raises(ControlError, match="cannot be read"):
        read_progress(answer)


def test_s57_disks_that_cannot_be_recorded_on_are_named() -> None:
    disks = {"C": {"state": "ok"}, "D": {"state": "missing"}, "E": {"state": "full"}, "F": {"state": "hung"}}
    assert disk_faults({"disks": disks}) == ["disk letter D is missing", "disk letter F is hung"]


class Recorder:
    """Does what it is told, unless it forgets."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.parts: dict[str, Any] = {}
        self.told: list[dict[str, Any]] = []
        self.assigned = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.parts = {}
        self._server = await control.serve(self._path, {"assign": self._assign, "progress": self._progress})

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._path.unlink()

    async def _assign(self, request: dict[str, Any]) -> dict[str, Any]:
        self.parts = request["parts"]
        self.told.append(self.parts)
        self.assigned.set()
        return {}

    async def _progress(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"parts": {name: {**part, "cameras": []} for name, part in self.parts.items()}, "disks": {}}


def test_an_assignment_is_sent_once_and_again_to_a_recorder_that_restarted(tmp_path: Path) -> None:
    async def story() -> None:
        recorder, changed = Recorder(tmp_path / "control.sock"), asyncio.Event()
        link = RecorderLink(tmp_path / "control.sock", changed.set)
        assert link.limitation(boottime_s()) == "the recorder has not answered yet"
        link.start()
        await recorder.start()
        link.assign({"north": "record"})
        async with asyncio.timeout(3):
            while link.parts(boottime_s()) != {"north": PartProgress(mode="record", ready=True)}:
                changed.clear()
                await changed.wait()
        link.assign({"north": "record"})
        await asyncio.sleep(0.7)
        assert recorder.told == [{"north": {"mode": "record"}}]
        recorder.stop()
        recorder.assigned.clear()
        await asyncio.sleep(0.7)
        assert "control.sock" in str(link.limitation(boottime_s() + SILENT_S))
        await recorder.start()
        await asyncio.wait_for(recorder.assigned.wait(), 3)
        assert recorder.parts == {"north": {"mode": "record"}}
        link.close()

    asyncio.run(story())
