"""Gap healing, the carrier's side: what its recordings lack and a standby's pre-roll still has is asked for.

Level-triggered: every `POLL_S` the newest rows of every carried camera are looked at. Where they changed, the frames
tell the gaps (those that `understudy gaps` shows), and for each one servers that may hold it are asked, one after
the other, to write what they have. What they write shows here by redirect, closes the gap, and comes home by copy. A
gap older than any ring is left as it is. A crash leaves nothing: the gap is found again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from understudy.footage.access import Footage
from understudy.footage.catalogue import Catalogue
from understudy.footage.document import tracks_of
from understudy.footage.instants import show
from understudy.footage.model import Segment
from understudy.footage.peers import PeerError, Peers
from understudy.site.plan import Camera, Logical, Plan

log = logging.getLogger(__name__)

POLL_S = 0.5
#: rows that began longer ago are not looked at: twice a segment, and the oldest gap that a ring can hold
_RECENT_S = 180.0
#: a ring reaches back further than its pre-roll by at most this (`preroll.MAX_GOP_S`)
_RING_SLACK_S = 30.0
#: how long what a server has written may take to show here: its row, our poll
_SHOW_S = 4.0
_RETRY_S = 1.0
#: times a server is asked that does not answer; others come first meanwhile, for their rings run out too
_TRIES = 3
#: per camera and `_BUDGET_S`: a camera of uneven frame rate must not have all its footage brought twice
_BUDGET = 30
_BUDGET_S = 600.0
#: questions on the way at a time
_PARALLEL = 8
#: frames after which a segment's mean interval is taken as its usual one
_SURE_FRAMES = 25

#: names of the logical servers this server carries now
Carried = Callable[[], Awaitable[set[str]]]


@dataclass
class _Gap:
    """A gap that somebody may fill. Monotonic seconds."""

    #: servers still to be asked, the next one first
    left: list[str]
    tries: Counter[str] = field(default_factory=Counter)
    next_s: float = 0.0
    reasons: list[str] = field(default_factory=list)


class _Pace(NamedTuple):
    """How a segment has grown: its state when last seen, its usual interval, and how many intervals had no frame."""

    frames: int
    end_us: int
    interval_us: float
    lost: int


@dataclass
class _Watch:
    """What is known of one camera."""

    logical: str
    camera: Camera
    #: servers that may hold its pre-roll
    holders: tuple[str, ...]
    shape: Hashable = None
    #: by segment id
    paces: dict[str, _Pace] = field(default_factory=dict)
    #: (last frame before, first frame behind) in microseconds since the epoch
    gaps: dict[tuple[int, int], _Gap] = field(default_factory=dict)
    asked_s: deque[float] = field(default_factory=lambda: deque(maxlen=_BUDGET))


class Healing:
    """Watches the cameras of the logical servers carried here, of those whose pre-roll another server may hold."""

    def __init__(
        self, plan: Plan, catalogue: Catalogue, footage: Callable[[], Footage], peers: Peers, carried: Carried
    ) -> None:
        self._catalogue = catalogue
        self._footage = footage
        self._peers = peers
        self._carried = carried
        self._parallel = asyncio.Semaphore(_PARALLEL)
        #: of the catalogue, and of which cameras, when it was last looked at
        self._token: object = None
        #: server that did not answer -> monotonic time before which it is not asked for any camera
        self._silent: dict[str, float] = {}
        self._watches = [
            _Watch(logical.name, camera, holders(plan, logical))
            for logical in plan.logical
            for camera in logical.cameras
            if camera.failover == "full" and camera.preroll_s > 0 and camera.source.type == "rtsp"
        ]

    async def run(self) -> None:
        """Heal until cancelled."""
        while True:
            try:
                await self.round()
            except sqlite3.Error as error:
                log.error("catalogue: %s; gaps are looked for again", error)
            await asyncio.sleep(POLL_S)

    async def round(self) -> None:
        """Look once, ask what is due."""
        carried = await self._carried()
        watches = [watch for watch in self._watches if watch.logical in carried]
        now_us = time.time_ns() // 1000
        changed = await asyncio.to_thread(self._changed, watches, now_us)
        await asyncio.gather(*(self._look(watch, rows, shape, now_us) for watch, rows, shape in changed))
        await asyncio.gather(*(self._ask_due(watch) for watch in watches if watch.gaps))

    def _changed(self, watches: list[_Watch], now_us: int) -> list[tuple[_Watch, list[Segment], Hashable]]:
        """Cameras whose rows are no longer those looked into, with their rows and what these look like."""
        token = self._catalogue.token(), [(watch.logical, watch.camera.number) for watch in watches]
        if token == self._token:
            return []
        found = []
        for watch in watches:
            since_us = now_us - int(_RECENT_S * 1e6)
            rows = self._catalogue.begun_since(watch.logical, watch.camera.number, since_us, "video")
            shape = _shape(watch, rows)
            if shape != watch.shape:
                found.append((watch, rows, shape))
        self._token = token
        return found

    async def _look(self, watch: _Watch, rows: list[Segment], shape: Hashable, now_us: int) -> None:
        """Note the gaps that somebody may fill; those known before keep who has been asked for them."""
        found = await self._gaps(rows, now_us - int((watch.camera.preroll_s + _RING_SLACK_S) * 1e6))
        watch.gaps = {gap: watch.gaps.get(gap) or _Gap(list(watch.holders)) for gap in found}
        watch.shape = shape

    async def _ask_due(self, watch: _Watch) -> None:
        for span, gap in watch.gaps.items():
            now_s = time.monotonic()
            if gap.next_s <= now_s and _affordable(watch, now_s):
                async with self._parallel:
                    await self._ask(watch, span, gap)

    async def _gaps(self, rows: list[Segment], since_us: int) -> list[tuple[int, int]]:
        """Where a track has no frames although it has some before and behind, as far back as a ring may reach."""
        found: set[tuple[int, int]] = set()
        for track in tracks_of(rows).values():
            timeline = await self._footage().timeline(track, "video")
            found |= {(gap.from_us, gap.to_us) for gap in timeline.gaps if gap.to_us > since_us}
        return sorted(found)

    async def _ask(self, watch: _Watch, span: tuple[int, int], gap: _Gap) -> None:
        """Ask the next server that is not silent; its part in this gap ends with an answer, or with the last try."""
        began_s = time.monotonic()
        name = next((name for name in gap.left if self._silent.get(name, 0.0) <= began_s), None)
        if name is None:
            return
        what = f"{watch.logical}/{watch.camera.number}: {(span[1] - span[0]) / 1e6:.2f} s from {show(span[0])}"
        watch.asked_s.append(began_s)
        try:
            answer = await self._peers.heal(name, watch.logical, watch.camera.number, *span)
        except PeerError as error:
            self._silent[name] = time.monotonic() + _RETRY_S
            gap.tries[name] += 1
            if gap.tries[name] < _TRIES:
                return
            gap.reasons.append(str(error))
        else:
            if answer.frames:
                log.info("%s: %s has written %d frames around it", what, name, answer.frames)
                gap.next_s = time.monotonic() + _SHOW_S
            else:
                gap.reasons.append(f"{name}: {answer.reason}")
        gap.left.remove(name)
        if not gap.left and gap.reasons:
            log.warning("%s: stays missing: %s", what, "; ".join(gap.reasons))


def holders(plan: Plan, logical: Logical) -> tuple[str, ...]:
    """Who may hold pre-roll of `logical`: the standbys by rank and its home, other than this server."""
    names = [server.name for server in plan.standbys] + [logical.home]
    return tuple(name for name in dict.fromkeys(names) if name != plan.node)


def _shape(watch: _Watch, rows: list[Segment]) -> Hashable:
    """What has to change before the frames are looked at again: segments, who holds them, intervals lost in them."""
    watch.paces = {row.id: _paced(row, watch.paces.get(row.id)) for row in rows if row.frames >= _SURE_FRAMES}
    return tuple(
        (row.id, row.holder, row.state, watch.paces[row.id].lost if row.id in watch.paces else 0) for row in rows
    )


def _paced(row: Segment, before: _Pace | None) -> _Pace:
    """The pace of a row that has grown since `before`: compared step by step, so that no error adds up."""
    mean_us = (row.end_us - row.start_us) / (row.frames - 1)
    if before is None:
        return _Pace(row.frames, row.end_us, mean_us, 0)
    lost = round((row.end_us - before.end_us) / before.interval_us) - (row.frames - before.frames)
    interval_us = before.interval_us if lost or before.lost else mean_us
    return _Pace(row.frames, row.end_us, interval_us, before.lost + lost)


def _affordable(watch: _Watch, now_s: float) -> bool:
    return len(watch.asked_s) < _BUDGET or now_s - watch.asked_s[0] > _BUDGET_S
