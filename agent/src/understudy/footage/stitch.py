"""Stitching: from frames that several recorders hold, the one sequence to play. Pure, no I/O.

The unit of choice is the group of pictures: a key frame and what depends on it. One recorder plays on for as long as it
has every frame that anybody has; where it lacks one, whoever holds the whole group takes over at its key frame. Only
where nobody holds a whole group are its frames taken from several recorders: their bytes are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from understudy.footage.islands import Island, Slot, islands
from understudy.footage.model import Segment, SegmentIndex
from understudy.footage.runs import Entry, Run, runs

#: a step above this many usual intervals is a gap
GAP_INTERVALS = 1.5
#: recorders without a common frame: a start this little before the other's end is jitter of the clocks, not overlap
CLOCK_JITTER_US = 250_000


@dataclass(frozen=True, slots=True)
class Step:
    """A frame to play, and how it follows the one before it."""

    entry: Entry
    #: media time since the frame before, microseconds; None for the first
    step_us: int | None
    #: the usual interval here
    interval_us: int
    #: how `step_us` is known: "media time", "frame identity" or "wall time"
    proof: str


@dataclass(frozen=True, slots=True)
class _Choice:
    island: int
    run: int
    slot: Slot


def stitch(segments: Iterable[Segment], indexes: Mapping[str, SegmentIndex]) -> list[Step]:
    """The frames of one camera, track and stream to play, in order: each once, none missing that any segment holds."""
    found = runs(segments, indexes)
    stretches: list[list[_Choice]] = []
    for number, island in enumerate(islands(found)):
        stretches += _stretches([_Choice(number, run, slot) for run, slot in _choose(island)], found)
    return _steps(_join(stretches), found)


def _choose(island: Island) -> list[tuple[int, Slot]]:
    """For every frame of the island the run to take it from."""
    chosen: list[tuple[int, Slot]] = []
    current = -1
    last_held = {run: position for position, slot in enumerate(island.slots) for run in slot.sources}
    for group in _groups(island.slots):
        held = Counter(run for slot in group for run in slot.sources)
        if held[current] < len(group):
            current = max(held, key=lambda run: (held[run], last_held[run], -run))
        for slot in group:
            chosen.append((current if current in slot.sources else min(slot.sources), slot))
    return chosen


def _groups(slots: Sequence[Slot]) -> Iterable[Sequence[Slot]]:
    """Cut at key frames."""
    start = 0
    for position in range(1, len(slots)):
        if slots[position].key:
            yield slots[start:position]
            start = position
    yield slots[start:]


def _stretches(choices: list[_Choice], found: list[Run]) -> list[list[_Choice]]:
    """Cut an island at its holes, so that another island may fill them."""
    stretches = [[choices[0]]]
    for before, after in pairwise(choices):
        if after.slot.at - before.slot.at > GAP_INTERVALS * found[after.run].interval_us:
            stretches.append([])
        stretches[-1].append(after)
    return stretches


def _wall(choice: _Choice) -> int:
    """The wall time the chosen recorder wrote, not that of the first holder."""
    return choice.slot.sources[choice.run].frame.wall_us


def _join(stretches: list[list[_Choice]]) -> list[_Choice]:
    """Put stretches one behind the other. Where islands overlap, switch at a key frame of the later by wall time."""
    stretches.sort(key=lambda s: (_wall(s[0]), s[0].island))
    joined = stretches[0]
    for stretch in stretches[1:]:
        if stretch[0].island == joined[-1].island:
            joined += stretch
            continue
        end_us = _wall(joined[-1])
        if _wall(stretch[-1]) <= end_us:
            continue
        first = _switch(stretch, end_us)
        while joined and _wall(joined[-1]) >= _wall(stretch[first]) + (CLOCK_JITTER_US if first == 0 else 0):
            joined.pop()
        joined += stretch[first:]
    return joined


def _switch(stretch: list[_Choice], end_us: int) -> int:
    """Where to enter `stretch`: its last key frame before `end_us`, else its start."""
    if _wall(stretch[0]) >= end_us - CLOCK_JITTER_US:
        return 0
    return max((n for n, choice in enumerate(stretch) if choice.slot.key and _wall(choice) <= end_us), default=0)


def _steps(choices: list[_Choice], found: list[Run]) -> list[Step]:
    steps: list[Step] = []
    before: _Choice | None = None
    for choice in choices:
        run = found[choice.run]
        step_us, proof = (None, "") if before is None else _step(before, choice, found)
        steps.append(Step(choice.slot.sources[choice.run], step_us, run.interval_us, proof))
        before = choice
    return steps


def _step(before: _Choice, after: _Choice, found: list[Run]) -> tuple[int, str]:
    if before.island != after.island:
        return _wall(after) - _wall(before), "wall time"
    common = before.slot.sources.keys() & after.slot.sources.keys()
    if not common:
        return after.slot.at - before.slot.at, "frame identity"
    run = found[min(common)]
    step_us = run.media_us(after.slot.sources[min(common)]) - run.media_us(before.slot.sources[min(common)])
    return step_us, "media time"
