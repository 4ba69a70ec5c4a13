"""The tracks of one camera that record now: every access unit goes to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from understudy.recorder.units import AccessUnit, Format, StreamKind


class Writer(Protocol):
    """What a track offers (`segments.TrackWriter`); no call blocks."""

    @property
    def frames_written(self) -> int: ...

    @property
    def first_frame_wall_us(self) -> int | None: ...

    @property
    def room_bytes(self) -> int: ...

    @property
    def error(self) -> str | None: ...

    def start(self, formats: tuple[Format, ...], session: str) -> None: ...

    def write(self, kind: StreamKind, unit: AccessUnit) -> None: ...

    def tick(self, now_wall_us: int) -> None: ...

    def close(self) -> None: ...


class Tracks:
    """The sink of a camera's parser, with at least one writer; opened when it starts to record, then closed."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = tuple(writers)

    def start(self, formats: tuple[Format, ...], session: str) -> None:
        for writer in self._writers:
            writer.start(formats, session)

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        for writer in self._writers:
            writer.write(kind, unit)

    def tick(self, now_wall_us: int) -> None:
        for writer in self._writers:
            writer.tick(now_wall_us)

    def close(self) -> None:
        """Close the segments; they are whole once the store has worked off its queues."""
        for writer in self._writers:
            writer.close()

    @property
    def frames_written(self) -> int:
        """Video frames that every track has written."""
        return min(writer.frames_written for writer in self._writers)

    @property
    def first_frame_wall_us(self) -> int | None:
        """Since when every track has frames: capture time, microseconds since the epoch; None before that."""
        times = [time for writer in self._writers if (time := writer.first_frame_wall_us) is not None]
        return max(times) if len(times) == len(self._writers) else None

    @property
    def room_bytes(self) -> int:
        """How much may be written now without a disk's queue overflowing."""
        return min(writer.room_bytes for writer in self._writers)

    @property
    def error(self) -> str | None:
        """The first track's trouble."""
        return next((writer.error for writer in self._writers if writer.error), None)
