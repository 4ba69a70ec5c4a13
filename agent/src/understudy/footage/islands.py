"""Islands: runs of several recorders laid onto one another, because they hold the same frames. Pure, no I/O.

A frame is known by the CRC of its slices. Content may repeat, so a CRC counts only within a gate of wall time, the
frames that follow have to agree too, and of several places that agree the one nearest in wall time is taken.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from statistics import median

from understudy.footage.runs import Entry, Run

#: two recorders' wall times of one frame differ by less than this (both follow the site's time server)
GATE_US = 2_000_000
#: with few frames in common only a near match is believed: clocks of the site agree within 0.1 s
NEAR_US = 300_000
#: so many agreeing frames are enough for the wide gate
SURE_FRAMES = 8
#: how many frames behind a matching one are compared, and the share of them that must agree
VERIFY_FRAMES = 24
VERIFY_SHARE = 0.8
#: frames of a run that are tried for a match, spread evenly over the overlap
PROBES = 120
#: identical content closer than twice this cannot be told apart by media time; frame numbers repeat after 0.64 s
FOLLOW_US = 250_000


class Slot:
    """One frame of the camera, and every run that holds it."""

    __slots__ = ("at", "crc", "key", "sources", "wall")

    def __init__(self, at: int, run: int, entry: Entry) -> None:
        #: microseconds on the island's own axis of media time
        self.at = at
        self.wall = entry.frame.wall_us
        self.crc = entry.frame.crc
        self.key = entry.frame.key
        self.sources: dict[int, Entry] = {run: entry}


class Island:
    """Frames in true order, from runs that were matched frame by frame."""

    def __init__(self, number: int, run: Run) -> None:
        self._by_crc: dict[int, list[Slot]] = {}
        first = run.entries[0]
        origin = first.frame.wall_us - run.media_us(first)
        self.slots = [Slot(origin + run.media_us(entry), number, entry) for entry in run.entries]
        self._note(self.slots)

    def _note(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            insort(self._by_crc.setdefault(slot.crc, []), slot, key=lambda s: s.at)

    def join(self, number: int, run: Run) -> bool:
        """Lay `run` onto this island; False, and nothing changed, when they have no frame in common."""
        offset = self._offset(run)
        if offset is None:
            return False
        self._merge(number, run, offset)
        return True

    def _offset(self, run: Run) -> int | None:
        """What to add to the run's media time to get the island's; None without a verified match."""
        votes = sorted(self._votes(run, keys=True) or self._votes(run, keys=False), key=lambda vote: vote[0])
        clusters: list[list[tuple[int, int, int, Slot]]] = []
        for vote in votes:
            if not clusters or vote[0] - clusters[-1][-1][0] > run.interval_us // 3:
                clusters.append([])
            clusters[-1].append(vote)
        clusters.sort(key=lambda cluster: (median(abs(vote[1]) for vote in cluster), cluster[0][0]))
        for cluster in clusters:
            apart_us = median(abs(vote[1]) for vote in cluster)
            agreeing = max(self._agreeing(run, vote[2], vote[3]) for vote in cluster[:8])
            if agreeing >= SURE_FRAMES or (agreeing and apart_us <= NEAR_US):
                return cluster[len(cluster) // 2][0]
        return None

    def _votes(self, run: Run, *, keys: bool) -> list[tuple[int, int, int, Slot]]:
        """(offset, wall time apart, index in the run, slot) of every (key) frame of equal CRC within the gate."""
        votes = []
        begins_us, ends_us = self.slots[0].wall - GATE_US, self.slots[-1].wall + GATE_US
        probes = [
            number
            for number, entry in enumerate(run.entries)
            if (entry.frame.key or not keys) and begins_us <= entry.frame.wall_us <= ends_us
        ]
        for number in probes[:: len(probes) // PROBES + 1]:
            frame = run.entries[number].frame
            same = self._by_crc.get(frame.crc, [])
            low = bisect_left(same, frame.wall_us - GATE_US, key=lambda s: s.wall)
            high = bisect_right(same, frame.wall_us + GATE_US, key=lambda s: s.wall)
            for slot in same[low:high]:
                votes.append((slot.at - run.media_us(run.entries[number]), frame.wall_us - slot.wall, number, slot))
        return votes

    def _agreeing(self, run: Run, number: int, slot: Slot) -> int:
        """How many frames from the match on are in both; 0 when too many are not."""
        here = bisect_left(self.slots, slot.at, key=lambda s: s.at)
        mine = {s.crc for s in self.slots[here : here + VERIFY_FRAMES]}
        theirs = [entry.frame.crc for entry in run.entries[number : number + min(VERIFY_FRAMES, len(mine))]]
        agreeing = sum(crc in mine for crc in theirs)
        return agreeing if agreeing >= VERIFY_SHARE * min(len(theirs), len(mine)) else 0

    def _merge(self, number: int, run: Run, offset: int) -> None:
        added: list[Slot] = []
        last = -(2**62)
        for entry in run.entries:
            at = run.media_us(entry) + offset
            slot = self._same(entry.frame.crc, at, last)
            if slot is not None:
                slot.sources[number] = entry
                offset += slot.at - at  # follows a recorder that set its media time anew
                last = slot.at
            elif not self._occupied(at, run.interval_us):
                last = max(at, last + 1)
                added.append(Slot(last, number, entry))
        self._note(added)
        self.slots = sorted([*self.slots, *added], key=lambda s: s.at)

    def _same(self, crc: int, at: int, last: int) -> Slot | None:
        """The frame `crc` nearest to `at`, behind `last`; None when the island does not hold it."""
        same = self._by_crc.get(crc, [])
        low = bisect_left(same, max(at - FOLLOW_US, last + 1), key=lambda s: s.at)
        high = bisect_right(same, at + FOLLOW_US, key=lambda s: s.at)
        return min(same[low:high], key=lambda s: (abs(s.at - at), s.at), default=None)

    def _occupied(self, at: int, interval_us: int) -> bool:
        """Whether the island has another frame at this very time: the same picture, damaged on one side."""
        near = bisect_left(self.slots, at - interval_us // 3, key=lambda s: s.at)
        return near < len(self.slots) and self.slots[near].at <= at + interval_us // 3


def islands(runs: list[Run]) -> list[Island]:
    """Lay runs that hold frames in common onto one another; runs without any stay alone. Ordered by start."""
    found: list[Island] = []
    for number, run in enumerate(runs):
        if not any(island.join(number, run) for island in reversed(found)):
            found.append(Island(number, run))
    return found
