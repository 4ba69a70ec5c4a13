"""Runs: the frames one recorder wrote of one stream in one session, in media order. Pure, no I/O.

Within a run the media time (dts) alone tells order, gaps and repeats. Nothing here compares two runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from understudy.footage.model import Frame, Segment, SegmentIndex

#: media time and wall time of neighbours may disagree by this much (arrival jitter of both is below 0.2 s);
#: beyond it the session's media time was set anew and what follows is a run of its own
REBASE_US = 1_000_000
#: how many steps the frame interval is taken from; enough for a median, cheap for a run of hours
INTERVAL_SAMPLES = 200
DEFAULT_INTERVAL_US = 40_000


class Entry(NamedTuple):
    """A frame, and where it is: the frame `number` of `segment`."""

    frame: Frame
    segment: Segment
    number: int


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of one session in decode order, each once, the first one first."""

    recorder: str
    session: str
    clock_rate: int
    interval_us: int
    entries: tuple[Entry, ...]

    def media_us(self, entry: Entry) -> int:
        """Media time in microseconds; only differences within the run mean anything."""
        return entry.frame.dts * 1_000_000 // self.clock_rate


def interval_us(frames: Iterable[Frame], clock_rate: int) -> int:
    """The usual step from frame to frame in microseconds; a guess (40 ms) where there are fewer than two frames."""
    ticks = [frame.dts for _, frame in zip(range(INTERVAL_SAMPLES), frames, strict=False)]
    steps = [after - before for before, after in pairwise(ticks) if after > before]
    return max(1_000, round(median(steps) * 1_000_000 / clock_rate)) if steps else DEFAULT_INTERVAL_US


def runs(segments: Iterable[Segment], indexes: Mapping[str, SegmentIndex]) -> list[Run]:
    """Cut `segments` of one camera, track and stream into runs, ordered by their first frame's wall time."""
    sessions: dict[tuple[str, str], list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: (s.start_us, s.id)):
        if indexes[segment.id].frames:
            sessions.setdefault((segment.recorder, segment.session), []).append(segment)
    found = [run for parts in sessions.values() for run in _runs_of_session(parts, indexes)]
    return sorted(found, key=lambda run: (run.entries[0].frame.wall_us, run.recorder, run.session))


def _runs_of_session(segments: list[Segment], indexes: Mapping[str, SegmentIndex]) -> list[Run]:
    clock_rate = indexes[segments[0].id].header.clock_rate
    groups: list[list[Entry]] = []
    before: Frame | None = None
    for segment in segments:
        for number, frame in enumerate(indexes[segment.id].frames):
            if before is None or _rebased(before, frame, clock_rate):
                groups.append([])
            groups[-1].append(Entry(frame, segment, number))
            before = frame
    return [_run(group, clock_rate) for group in groups]


def _rebased(before: Frame, after: Frame, clock_rate: int) -> bool:
    media_us = (after.dts - before.dts) * 1_000_000 // clock_rate
    return abs(media_us - (after.wall_us - before.wall_us)) > REBASE_US


def _run(entries: list[Entry], clock_rate: int) -> Run:
    # A ring written a second time after a quick return repeats frames of the same session: same dts, same frame.
    ordered: list[Entry] = []
    for entry in sorted(entries, key=lambda e: e.frame.dts):
        if not ordered or entry.frame.dts > ordered[-1].frame.dts:
            ordered.append(entry)
    first = ordered[0].segment
    step = interval_us((entry.frame for entry in ordered), clock_rate)
    return Run(first.recorder, first.session, clock_rate, step, tuple(ordered))
