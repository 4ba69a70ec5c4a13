"""One camera: puts what its line brings into the pre-roll ring or onto its tracks.

Everything here runs in the ingest loop's thread. Whatever a camera does ends as a sentence in its status and another
attempt; no exception leaves `event`, `timer` and `work`.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from understudy.recorder.ingest.errors import CameraError, Redirected
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.line import Line
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.ingest.parser import SessionParser
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Chunk, Held
from understudy.recorder.tracks import Tracks
from understudy.site.plan import Camera, Track

log = logging.getLogger(__name__)

Mode = Literal["record", "preroll", "off"]

#: reads per socket and tick; what is left waits in the kernel, so that one camera cannot keep the loop
_READS_PER_TICK = 4
#: a takeover pauses while a disk's queue has less room than this, so that live frames of other cameras still fit
TAKEOVER_ROOM_BYTES = 48 * 1024 * 1024
#: and goes on regardless when so much has come in meanwhile: memory is bounded, a disk that hangs costs frames
_BACKLOG_SPARE_BYTES = 16 * 1024 * 1024
#: damage is told in the journal at most so often
_TELL_EVERY_S = 60.0
#: a camera clock that is off further than this is worth a line
_CLOCK_OFF_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Feed:
    """What a camera needs to be fed; equal feeds are left alone when the plan is read again."""

    logical: str
    camera: Camera
    #: this server's physical addresses on camera networks, CIDR
    own: tuple[str, ...]
    #: the tracks that record
    tracks: tuple[Track, ...]

    @property
    def label(self) -> str:
        return f"{self.logical}/{self.camera.number}"


class CameraFeed:
    """Mode, ring, tracks and counters of one camera; `open_tracks` is called when recording begins, `open_ring` when
    pre-roll does."""

    def __init__(
        self, feed: Feed, loop: Loop, open_tracks: Callable[[Feed], Tracks], open_ring: Callable[[Feed], Ring]
    ) -> None:
        self.feed = feed
        self.mode: Mode = "off"
        #: arrival of the newest frame, monotonic seconds
        self.last_frame_s: float | None = None
        #: exceptions that should not have happened; each cost a reconnection
        self.faults = 0
        self._loop = loop
        self._line = Line(feed.label, feed.camera.source, feed.own, loop)
        self._open_tracks = open_tracks
        self._open_ring = open_ring
        self._tracks: Tracks | None = None
        self._ring: Ring | None = None
        self._backlog: deque[Chunk | Held] = deque()
        self._backlog_bytes = 0
        self._backlog_limit = 0
        self._parser: SessionParser | None = None
        #: frames counted before the present mode, or in the ring
        self._counted = 0
        #: frames handed to the tracks that the ring has counted already
        self._replayed = 0
        self._tell_s = 0.0
        self._told_damaged = 0
        self._told_clock = False

    @property
    def frames(self) -> int:
        """Video frames on disk (recording) or taken into the ring (pre-roll) since the process started."""
        written = self._tracks.frames_written if self._tracks is not None else 0
        return self._counted + max(0, written - self._replayed)

    @property
    def ring(self) -> Ring | None:
        """The pre-roll; None in every other mode."""
        return self._ring

    def set_mode(self, mode: Mode, now_s: float) -> None:
        """Switch; `preroll` to `record` keeps the connection and loses nothing; leaving `record` closes segments."""
        before, self.mode = self.mode, mode
        if mode == before:
            return
        if before == "record":
            self._backlog_limit = 0
            self.work(float("inf"))
            self._close_tracks()
        if mode == "record":
            self._tracks = self._open_tracks(self.feed)
            if self._ring is not None:
                self._backlog_bytes = self._ring.bytes
                self._backlog_limit = self._ring.bytes + _BACKLOG_SPARE_BYTES
                self._backlog = deque(self._ring.drain())
                self._loop.has_backlog(self)
        self._ring = self._open_ring(self.feed) if mode == "preroll" else None
        self._line.set_calm(mode == "preroll")
        if before == "off":
            self._loop.add(self)
            self._line.open(self, now_s)
        elif mode == "off":
            self._loop.remove(self)
            self._line.close()

    def _close_tracks(self) -> None:
        if self._tracks is not None:
            self._tracks.close()
        self._counted = self.frames
        self._tracks = self._parser = None
        self._replayed = 0

    def event(self, writable: bool, buffer: bytearray, view: memoryview) -> None:
        """The socket is ready."""
        now_s = time.monotonic()
        self._guard(now_s, self._drain_socket, writable, buffer, view, now_s)

    def _drain_socket(self, writable: bool, buffer: bytearray, view: memoryview, now_s: float) -> None:
        line = self._line
        if writable:
            line.writable(now_s)
        for _ in range(_READS_PER_TICK):
            batch, more = line.read(buffer, view, now_s)
            session = line.session
            if batch.offsets and session is not None:
                self._take(Chunk(batch.data, session, time.time_ns() // 1000, now_s), batch.offsets)
            if not more:
                return

    def _take(self, chunk: Chunk, offsets: list[int]) -> None:
        if self._ring is not None:
            frames = self._ring.append(chunk, offsets)
            self._counted += frames
        elif self._backlog:
            self._backlog.append(chunk)
            self._backlog_bytes += chunk.size
            return
        else:
            frames = self._parse(chunk, offsets)
        if frames:
            self._came(chunk.now_s)

    def _came(self, now_s: float) -> None:
        self.last_frame_s = now_s
        self._line.frames_came(now_s)

    def _parse(self, chunk: Chunk, offsets: list[int]) -> int:
        """Write the frames that end in `chunk`; how many arrived."""
        assert self._tracks is not None
        parser = self._parser
        if parser is None or parser.session is not chunk.session:
            parser = self._parser = SessionParser(chunk.session, self._tracks)
        arrived, written = parser.arrived, parser.written
        parser.feed(chunk.data, offsets, chunk.wall_us)
        if chunk.counted:
            self._replayed += parser.written - written
        return parser.arrived - arrived

    def timer(self) -> None:
        """Connection timers, and parts that are due although no frame comes."""
        now_s = time.monotonic()
        self._guard(now_s, self._timer, now_s)

    def _timer(self, now_s: float) -> None:
        if self._backlog:
            self._loop.has_backlog(self)
        elif self._tracks is not None:
            self._tracks.tick(time.time_ns() // 1000)
        self._line.timer(now_s)
        if self._parser is not None and now_s >= self._tell_s:
            self._tell_s = now_s + _TELL_EVERY_S
            self._tell(self._parser)

    def _tell(self, parser: SessionParser) -> None:
        """Say in the journal what is no error of the connection but should be known."""
        if parser.damaged > self._told_damaged:
            lost = parser.lost_packets
            log.warning("%s: %d frames damaged, %d packets lost so far", self.feed.label, parser.damaged, lost)
        self._told_damaged = parser.damaged
        report = parser.sender_report
        if report is not None and abs(report.ahead_us) > _CLOCK_OFF_US and not self._told_clock:
            log.warning("%s: the camera's clock is %.1f s ahead of ours", self.feed.label, report.ahead_us / 1e6)
            self._told_clock = True

    def work(self, until_s: float) -> bool:
        """Write what the ring held, oldest first. False when done, or when the disks have no room just now: the timer
        comes back to it. True when there is more to do at `until_s` (monotonic seconds)."""
        while self._backlog:
            if self._backlog_bytes <= self._backlog_limit and self._crowded():
                return False
            chunk = self._backlog.popleft()
            self._backlog_bytes -= chunk.size
            self._guard(chunk.now_s, self._work, chunk)
            if time.monotonic() >= until_s:
                break
        return bool(self._backlog)

    def _crowded(self) -> bool:
        return self._tracks is not None and self._tracks.room_bytes < TAKEOVER_ROOM_BYTES

    def _work(self, waiting: Chunk | Held) -> None:
        chunk = waiting.load() if isinstance(waiting, Held) else waiting
        frames = self._parse(chunk, walk(chunk.data))
        if frames and not chunk.counted:
            self._came(chunk.now_s)

    def _guard(self, now_s: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something for this camera; whatever goes wrong costs this camera a reconnection, no other anything."""
        try:
            action(*arguments)
        except (CameraError, Redirected) as reason:
            self._line.ended(reason, now_s)
        except Exception:
            self.faults += 1
            log.exception("%s: fault number %d in the recorder, connecting anew", self.feed.label, self.faults)
            self._parser = None
            self._line.ended(CameraError("internal error, connecting anew; see the journal", 1.0), now_s)

    def progress(self, now_s: float) -> dict[str, Any]:
        """This camera's entry in the answer to `progress` (docs/reference/interfaces.md)."""
        tracks = self._tracks
        first_us = tracks.first_frame_wall_us if tracks else None
        return {
            "number": self.feed.camera.number,
            "name": self.feed.camera.name,
            "mode": {"record": "recording", "preroll": "pre-roll", "off": "off"}[self.mode],
            "frames": self.frames,
            "last_frame_age_s": None if self.last_frame_s is None else round(now_s - self.last_frame_s, 3),
            "first_frame_wall_s": None if first_us is None else first_us / 1e6,
            "ring_s": round(self._ring.seconds, 3) if self._ring else 0.0,
            "engine": "native" if (reason := self._line.engine_reason) is None else "pyav",
            "engine_reason": reason,
            "error": self._line.error or (tracks.error if tracks else None) or self._waiting(),
        }

    def _waiting(self) -> str | None:
        parser = self._parser
        if self.mode != "record" or parser is None or parser.written or not parser.arrived:
            return None
        return "frames arrive, waiting for the first key frame with its parameter sets"
