"""All cameras of this process: makes what runs equal to plan and assignment. Runs in the ingest loop's thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from understudy.recorder.assignment import Assignment, feeds
from understudy.recorder.camera import CameraFeed, Feed, Mode
from understudy.recorder.healing import Healer, Healing, Span
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.rings import Rings
from understudy.recorder.tracks import Tracks
from understudy.site.plan import Camera, Plan


class Disk(Protocol):
    """The state of a disk letter (`volume.DiskState`)."""

    @property
    def state(self) -> str: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def error(self) -> str | None: ...


_ORDER: tuple[Mode, ...] = ("record", "preroll", "off")


class Fleet:
    """One CameraFeed per camera that this server can record, by (logical server, camera number)."""

    def __init__(self, plan: Plan, loop: Loop, open_tracks: Callable[[Feed], Tracks], rings: Rings) -> None:
        self.plan = plan
        self.assignment: Assignment = {}
        self._loop = loop
        self._open_tracks = open_tracks
        self._rings = rings
        self._healer = Healer(loop, open_tracks)
        self._running: dict[tuple[str, int], CameraFeed] = {}

    def apply(self, plan: Plan, assignment: Assignment, now_s: float) -> None:
        """Switch to plan and assignment; cameras for which neither changed anything are not touched.

        Cameras that are to record come first: a takeover must not wait for others to be let go.
        """
        self.plan, self.assignment = plan, dict(assignment)
        wanted = {
            (logical.name, number): (feed, _mode(feed, assignment.get(logical.name, "off")))
            for logical in plan.logical
            for number, feed in feeds(plan, logical).items()
        }
        for key, camera in list(self._running.items()):
            if key not in wanted or wanted[key][0] != camera.feed:
                camera.set_mode("off", now_s)
                del self._running[key]
        for key, (feed, mode) in sorted(wanted.items(), key=lambda item: _ORDER.index(item[1][1])):
            if key not in self._running:
                self._running[key] = CameraFeed(feed, self._loop, self._open_tracks, self._rings.open)
            self._running[key].set_mode(mode, now_s)
        self._rings.let_go_but({camera.feed.label for camera in self._running.values() if camera.ring is not None})

    def close(self, now_s: float) -> None:
        """Let go of all cameras, segments closed; plan, assignment and the rings' memory stay as they are."""
        for camera in self._running.values():
            camera.set_mode("off", now_s)
        self._running.clear()

    def heal(self, logical: str, number: int, span: Span) -> Healing | str:
        """Write what the camera's pre-roll holds of a gap of its carrier; a sentence when there is nothing to write."""
        camera = self._running.get((logical, number))
        if camera is None or camera.mode == "off":
            return f"{self.plan.node} holds no pre-roll of {logical}/{number}"
        if camera.ring is None:
            return f"{self.plan.node} records {logical}/{number} itself: what it has is in its segments"
        return self._healer.heal(camera.feed, camera.ring, span)

    def progress(self, disks: Mapping[str, Disk], now_s: float) -> dict[str, Any]:
        """The answer to `progress` (docs/reference/interfaces.md)."""
        parts = {}
        for logical in self.plan.logical:
            cameras = [self._camera(logical.name, camera, now_s) for camera in logical.cameras]
            parts[logical.name] = {"mode": self.assignment.get(logical.name, "off"), "cameras": cameras}
        shown = {
            letter: {"state": d.state, "free_bytes": d.free_bytes, "total_bytes": d.total_bytes, "error": d.error}
            for letter, d in disks.items()
        }
        return {"node": self.plan.node, "disks": shown, "parts": parts}

    def _camera(self, logical: str, camera: Camera, now_s: float) -> dict[str, Any]:
        running = self._running.get((logical, camera.number))
        if running is not None:
            return running.progress(now_s)
        return dataclasses.asdict(_Idle(camera.number, camera.name))


@dataclasses.dataclass(frozen=True)
class _Idle:
    """Progress of a camera that is off."""

    number: int
    name: str
    mode: str = "off"
    frames: int = 0
    last_frame_age_s: float | None = None
    first_frame_wall_s: float | None = None
    ring_s: float = 0.0
    engine: str = "native"
    engine_reason: str | None = None
    error: str | None = None


def _mode(feed: Feed, mode: Mode) -> Mode:
    """What a logical server's mode means for a camera: without pre-roll it is off until it records."""
    return "off" if mode == "preroll" and feed.camera.preroll_s <= 0 else mode
