"""A camera's true frame sequence, and what several recorders kept of it: the ground truth of the timeline's tests."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from understudy.footage.model import Frame, Segment, SegmentHeader, SegmentIndex

START_US = 1_795_427_000_000_000
INTERVAL_US = 40_000


@dataclass
class Camera:
    """Frame n of the camera: its CRC, its true time, and whether it is a key frame. `period`: when content repeats."""

    frames: int
    gop: int = 10
    period: int | None = None
    clock_rate: int = 90_000

    def crc(self, number: int) -> int:
        return 1000 + (number % self.period if self.period else number)

    def key(self, number: int) -> bool:
        return number % self.gop == 0


@dataclass
class Kept:
    """Segments and their indexes as several recorders wrote them; `Frame.offset` is the true number of the frame."""

    camera: Camera
    segments: list[Segment] = field(default_factory=list)
    indexes: dict[str, SegmentIndex] = field(default_factory=dict)
    sessions: int = 0

    def record(
        self,
        recorder: str,
        windows: Iterable[tuple[int, int]],
        *,
        clock_us: int = 0,
        jitter: random.Random | None = None,
        lost: frozenset[int] = frozenset(),
        segment_gops: int = 3,
        same_session: bool = False,
    ) -> None:
        """Let `recorder` keep the frames of `windows`, a session each, with its clock off by `clock_us`."""
        base = 0
        for first, stop in windows:
            if not base or not same_session:
                self.sessions += 1
                base = 1_000_000 * self.sessions + 17
            numbers = [n for n in range(first, stop) if n not in lost]
            part: list[int] = []
            for number in numbers:
                if part and self.camera.key(number) and number - part[0] >= segment_gops * self.camera.gop:
                    self._segment(recorder, part, base, clock_us, jitter)
                    part = []
                part.append(number)
            if part:
                self._segment(recorder, part, base, clock_us, jitter)

    def _segment(
        self, recorder: str, numbers: list[int], base: int, clock_us: int, jitter: random.Random | None
    ) -> None:
        camera = self.camera
        step = camera.clock_rate * INTERVAL_US // 1_000_000
        frames = tuple(
            Frame(
                camera.crc(n),
                START_US + n * INTERVAL_US + clock_us + (jitter.randint(-15_000, 15_000) if jitter else 0),
                base + n * step,
                0,
                camera.key(n),
                n,
                1,
            )
            for n in numbers
        )
        header = SegmentHeader(
            logical="north",
            camera=1,
            track="main",
            stream="video",
            codec="h264",
            clock_rate=camera.clock_rate,
            recorder=recorder,
            session=f"{recorder}-{base}",
            start_us=frames[0].wall_us,
        )
        path = f"north/1/main/20261123/{frames[0].wall_us}_{recorder}.v.mp4"
        segment = Segment(
            id=f"{recorder}/{path}",
            logical="north",
            camera=1,
            track="main",
            stream="video",
            recorder=recorder,
            session=header.session,
            disk="C",
            path=path,
            start_us=frames[0].wall_us,
            end_us=frames[-1].wall_us,
            frames=len(frames),
            bytes=len(frames),
            state="closed",
            holder=recorder,
        )
        self.segments.append(segment)
        self.indexes[segment.id] = SegmentIndex(
            header=header, init_size=0, parts=(), frames=frames, whole_size=len(frames)
        )
