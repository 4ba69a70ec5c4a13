"""Gap healing, the holder's side: frames that the carrier of a logical server lacks go from the ring into segments.

The ring and the live pre-roll stay as they are; the files are ordinary ones of this recorder and come home like those
of a takeover. Asked again for the same span, nothing is written again. All of it runs in the ingest loop's thread. A
crash leaves whole parts (`segment_file.py`), and the carrier asks again while its gap is there.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from understudy.recorder.camera import TAKEOVER_ROOM_BYTES, Feed
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.ingest.parser import SessionParser
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Chunk
from understudy.recorder.tracks import Tracks

log = logging.getLogger(__name__)

#: spans remembered per camera; older ones have left any ring by the time so many were asked
_REMEMBERED = 64


class Span(NamedTuple):
    """Wall time, microseconds since the epoch: the last frame before a gap and the first one behind it."""

    from_us: int
    to_us: int


class Healing:
    """One span being written, in slices of the loop's time; `frames` tells how many were, once all is handed over."""

    def __init__(self, span: Span, chunks: Iterable[Chunk], tracks: Tracks, loop: Loop, label: str) -> None:
        self.span = span
        self.frames: Future[int] = Future()
        self._chunks = deque(chunks)
        self._tracks = tracks
        self._loop = loop
        self._label = label
        self._parser: SessionParser | None = None
        self._written = 0

    def start(self) -> None:
        self._loop.add(self)
        self._loop.has_backlog(self)

    def event(self, writable: bool, buffer: bytearray, view: memoryview) -> None:
        raise AssertionError("it has no socket")

    def timer(self) -> None:
        """Come back after the disks had no room, or leave the loop."""
        if self.frames.done():
            self._loop.remove(self)
        else:
            self._loop.has_backlog(self)

    def work(self, until_s: float) -> bool:
        """Write until `until_s` (monotonic seconds); False when done or when live frames need the disks' queues."""
        try:
            while self._chunks:
                if self._tracks.room_bytes < TAKEOVER_ROOM_BYTES:
                    return False
                self._write(self._chunks.popleft())
                if self._chunks and time.monotonic() >= until_s:
                    return True
        except Exception:
            log.exception("%s: the pre-roll asked for cannot be written", self._label)
        self._tracks.close()
        self.frames.set_result(self._written)
        return False

    def _write(self, chunk: Chunk) -> None:
        parser = self._parser
        if parser is None or parser.session is not chunk.session:
            parser = self._parser = SessionParser(chunk.session, self._tracks)
        before = parser.written
        parser.feed(chunk.data, walk(chunk.data), chunk.wall_us)
        self._written += parser.written - before


class Healer:
    """Answers what carriers ask for, and remembers what was written."""

    def __init__(self, loop: Loop, open_tracks: Callable[[Feed], Tracks]) -> None:
        self._loop = loop
        self._open_tracks = open_tracks
        self._done: dict[str, deque[Healing]] = {}

    def heal(self, feed: Feed, ring: Ring, span: Span) -> Healing | str:
        """Have what `ring` holds of `span` written; a sentence when it holds nothing of it or no disk takes it."""
        done = self._done.setdefault(feed.label, deque(maxlen=_REMEMBERED))
        left = _without_ends(span, [healing.span for healing in done])
        if left.from_us >= left.to_us:
            return next(healing for healing in reversed(done) if _overlap(healing.span, span))
        chunks = ring.between(*left)
        if not chunks:
            return "the pre-roll holds nothing of it"
        tracks = self._open_tracks(feed)
        if tracks.error is not None:
            return tracks.error
        reached = Span(left.from_us, min(left.to_us, chunks[-1].wall_us))
        healing = Healing(reached, chunks, tracks, self._loop, feed.label)
        done.append(healing)
        healing.start()
        return healing


def _overlap(one: Span, other: Span) -> bool:
    return one.from_us < other.to_us and other.from_us < one.to_us


def _without_ends(span: Span, written: Sequence[Span]) -> Span:
    """What is left of `span` between the ends that were written before; its start is not before its end then."""
    for other in sorted(written):
        if other.from_us <= span.from_us < other.to_us:
            span = Span(other.to_us, span.to_us)
    for other in sorted(written, reverse=True):
        if other.from_us < span.to_us <= other.to_us:
            span = Span(span.from_us, other.from_us)
    return span
