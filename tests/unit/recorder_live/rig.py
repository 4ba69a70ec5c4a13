"""Cameras in a loop with tracks that remember instead of writing, and waiting for what other threads bring about."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_wire import Memory
from understudy.recorder.camera import CameraFeed, Feed, Mode
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.preroll import Ring
from understudy.recorder.tracks import Tracks
from understudy.recorder.units import AccessUnit, StreamKind
from understudy.site.plan import Camera, Source, Track


@dataclass
class FakeWriter(Memory):
    """A track that remembers instead of writing."""

    room_bytes: int = 1 << 30
    error: str | None = None
    closed: bool = False
    fail: bool = False

    @property
    def frames_written(self) -> int:
        return len(self.video)

    @property
    def first_frame_wall_us(self) -> int | None:
        return self.video[0].wall_us if self.video else None

    @property
    def numbers(self) -> list[int]:
        """Which of the scripted camera's pictures were written."""
        return [int(found[1]) for unit in self.video if (found := re.search(rb"n(\d{5}) ", unit.payload))]

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        if self.fail:
            raise RuntimeError("a fault for the test")
        super().write(kind, unit)

    def tick(self, now_wall_us: int) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


@dataclass
class Rig:
    """A loop in a thread, and the writers its cameras opened."""

    loop: Loop = field(default_factory=lambda: Loop(tick_s=0.01))
    writers: list[FakeWriter] = field(default_factory=list)

    def camera(
        self, url: str, number: int = 1, preroll_s: float = 15.0, login: tuple[str, str] = ("", "")
    ) -> CameraFeed:
        source = Source(type="rtsp", url=url, username=login[0], password=login[1])
        track = Track(name="main", disk="C", days=1)
        plan = Camera(number=number, name="Gate", source=source, preroll_s=preroll_s, tracks=(track,))
        feed = Feed("north", plan, ("127.0.0.1/8",), (track,))
        return CameraFeed(feed, self.loop, self._open, lambda feed: Ring(feed.camera.preroll_s))

    def _open(self, feed: Feed) -> Tracks:
        self.writers.append(FakeWriter())
        return Tracks(self.writers[-1:])

    def do(self, action: Callable[[], object]) -> None:
        """Run `action` in the loop's thread."""
        done = threading.Event()
        self.loop.call(lambda: (action(), done.set()))
        assert done.wait(5)

    def mode(self, camera: CameraFeed, mode: Mode) -> None:
        self.do(lambda: camera.set_mode(mode, time.monotonic()))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.005)
