"""The timeline of one camera, track and stream: which frames of which segments to play, in order, and the gaps. Pure.

`needed` says which frame indexes it takes (seams, doubtful segments and the ends of the asked span; not the hours in
between), `build` makes the timeline from them. A segment of which no index could be had is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any, TypeVar

import msgspec

from understudy.footage.gaps import Gap, between_events, gap
from understudy.footage.model import Segment, SegmentIndex, event_of
from understudy.footage.runs import DEFAULT_INTERVAL_US
from understudy.footage.stitch import GAP_INTERVALS, Step, stitch

#: segments of two recorders nearer than this to each other may hold the same frames
GUARD_US = 2_000_000
#: a segment whose length and number of frames disagree by this share of an interval may have a hole
DOUBT = 0.75


T = TypeVar("T")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Frames `first` to before `stop` of a segment."""

    segment: Segment
    first: int
    stop: int
    #: capture time of the first and of the last frame, microseconds since the epoch
    start_us: int
    end_us: int
    #: media time from the last frame of the piece before to the first of this one, microseconds; None at the start
    step_us: int | None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Uninterrupted footage of one recorder held by one server; `frames` counts what plays, repeats left out."""

    from_us: int
    to_us: int
    holder: str
    recorder: str
    frames: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    pieces: tuple[Piece, ...] = ()
    gaps: tuple[Gap, ...] = ()
    #: ids of segments that are known of but could not be looked into: their holder does not answer
    unavailable: tuple[str, ...] = ()

    def spans(self) -> list[Span]:
        """Pieces put together as far as holder and recorder stay the same and no gap is between."""
        spans: list[Span] = []
        starts_behind_gap = {found.to_us for found in self.gaps}
        event = ""
        for piece in self.pieces:
            segment = piece.segment
            last = spans[-1] if spans and piece.start_us not in starts_behind_gap else None
            event, event_before = event_of(segment.session), event
            if event != event_before:
                last = None
            if last and (last.holder, last.recorder) == (segment.holder, segment.recorder):
                frames = last.frames + piece.stop - piece.first
                spans[-1] = msgspec.structs.replace(last, to_us=piece.end_us, frames=frames)
            else:
                spans.append(
                    Span(
                        from_us=piece.start_us,
                        to_us=piece.end_us,
                        holder=segment.holder,
                        recorder=segment.recorder,
                        frames=piece.stop - piece.first,
                    )
                )
        return spans


def needed(segments: Iterable[Segment], from_us: int | None = None, to_us: int | None = None) -> set[str]:
    """Ids of the segments (of one camera, track and stream) whose frame index `build` wants."""
    rows = sorted(segments, key=lambda s: (s.start_us, s.id))
    intervals = _intervals(rows)
    wanted = {row.id for row in rows if row.state == "open" or _doubtful(row, intervals[_session(row)])}
    for edge in (from_us, to_us):
        if edge is not None:
            wanted |= {row.id for row in rows if row.start_us - GUARD_US < edge <= row.end_us + GUARD_US}
    latest: list[Segment] = []  # start no later, and end near enough to share frames
    for row in rows:
        latest = [other for other in latest if other.end_us >= row.start_us - GUARD_US]
        for other in latest:
            if _contested(other, row, intervals[_session(row)]):
                wanted |= {other.id, row.id}
        latest.append(row)
    return wanted


def _session(row: Segment) -> tuple[str, str]:
    return row.recorder, row.session


def _intervals(rows: list[Segment]) -> dict[tuple[str, str], int]:
    steps: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        known = steps.setdefault(_session(row), [])
        if row.frames > 1:
            known.append((row.end_us - row.start_us) / (row.frames - 1))
    return {session: round(median(known)) if known else DEFAULT_INTERVAL_US for session, known in steps.items()}


def _doubtful(row: Segment, interval_us: int) -> bool:
    """Whether the row's length and number of frames do not fit: it may have a hole."""
    return abs(row.end_us - row.start_us - (row.frames - 1) * interval_us) > DOUBT * interval_us


def _contested(before: Segment, after: Segment, interval_us: int) -> bool:
    """Whether `after`, which starts later, may share frames with `before`, or follows it with a doubtful step."""
    step_us = after.start_us - before.end_us
    if _session(before) != _session(after):
        return step_us <= GUARD_US
    return not (1 - DOUBT) * interval_us <= step_us <= GAP_INTERVALS * interval_us


def build(
    segments: Iterable[Segment],
    indexes: Mapping[str, SegmentIndex],
    from_us: int | None = None,
    to_us: int | None = None,
) -> Timeline:
    """The timeline of `segments` (of one camera, track and stream), cut to [from_us, to_us)."""
    rows = sorted(segments, key=lambda s: (s.start_us, s.id))
    wanted = needed(rows, from_us, to_us)
    missing = tuple(row.id for row in rows if row.id in wanted and row.id not in indexes)
    usable = [row for row in rows if row.id not in missing and (row.id in indexes or row.frames)]
    pieces: list[Piece] = []
    gaps: list[Gap] = []
    intervals = _intervals(usable)
    for looked_into, block in groupby(usable, key=lambda row: row.id in wanted):
        if looked_into:
            _add_steps(stitch(block, indexes), from_us, to_us, pieces, gaps)
        else:
            _add_whole(block, intervals, pieces, gaps)
    return _cut(Timeline(pieces=tuple(pieces), gaps=tuple(gaps), unavailable=missing), from_us, to_us)


def _add_whole(
    rows: Iterable[Segment], intervals: dict[tuple[str, str], int], pieces: list[Piece], gaps: list[Gap]
) -> None:
    for row in rows:
        step_us = _follow(pieces, gaps, row, row.start_us, intervals[_session(row)])
        pieces.append(
            Piece(segment=row, first=0, stop=row.frames, start_us=row.start_us, end_us=row.end_us, step_us=step_us)
        )


def _follow(pieces: list[Piece], gaps: list[Gap], row: Segment, wall_us: int, interval_us: int) -> int | None:
    """The step from the last piece to a frame of `row` by wall time; notes the gap if it is one."""
    if not pieces:
        return None
    last = pieces[-1]
    step_us = wall_us - last.end_us
    if step_us > GAP_INTERVALS * interval_us and not between_events(last.segment, row):
        gaps.append(gap(last.segment, row, (last.end_us, wall_us), step_us - interval_us, "wall time"))
    return step_us


def _add_steps(steps: list[Step], from_us: int | None, to_us: int | None, pieces: list[Piece], gaps: list[Gap]) -> None:
    """Fold frames into pieces: neighbours in one file without a gap between them."""
    open_piece: dict[str, Any] = {}
    low, high = _bounds(from_us, to_us)
    for step in _first_to_last(steps, lambda step: low <= step.entry.frame.wall_us < high):
        frame, segment, number = step.entry
        step_us = step.step_us
        behind_gap = False
        if open_piece and step_us is not None and step_us > GAP_INTERVALS * step.interval_us:
            behind_gap = True
            walls = (open_piece["end_us"], frame.wall_us)
            if not between_events(open_piece["segment"], segment):
                gaps.append(gap(open_piece["segment"], segment, walls, step_us - step.interval_us, step.proof))
        if open_piece and not behind_gap and (open_piece["segment"], open_piece["stop"]) == (segment, number):
            open_piece |= {"stop": number + 1, "end_us": frame.wall_us}
            continue
        if open_piece:
            pieces.append(Piece(**open_piece))
        else:
            step_us = _follow(pieces, gaps, segment, frame.wall_us, step.interval_us)
        open_piece = {"segment": segment, "first": number, "stop": number + 1}
        open_piece |= {"start_us": frame.wall_us, "end_us": frame.wall_us, "step_us": step_us}
    if open_piece:
        pieces.append(Piece(**open_piece))


def _bounds(from_us: int | None, to_us: int | None) -> tuple[int, int]:
    return (from_us if from_us is not None else -(2**62)), (to_us if to_us is not None else 2**62)


def _first_to_last(found: Sequence[T], inside: Callable[[T], bool]) -> Sequence[T]:
    """From the first that is inside to the last one, with all between: wall times are those of arrival, and where one
    recorder follows another they may step back. Whoever sorted frames out one by one would leave a hole there."""
    numbers = [number for number, each in enumerate(found) if inside(each)]
    return found[numbers[0] : numbers[-1] + 1] if numbers else ()


def _cut(timeline: Timeline, from_us: int | None, to_us: int | None) -> Timeline:
    low, high = _bounds(from_us, to_us)
    return Timeline(
        pieces=tuple(_first_to_last(timeline.pieces, lambda piece: piece.end_us >= low and piece.start_us < high)),
        gaps=tuple(found for found in timeline.gaps if found.to_us > low and found.from_us < high),
        unavailable=timeline.unavailable,
    )
