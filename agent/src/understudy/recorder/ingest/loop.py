"""The one loop of all cameras of this process: wakes on a tick and drains every ready socket in large reads.

Connections that play are looked at once per tick, whatever arrives: waking per packet is what makes other engines
expensive. Handshakes and calls from other threads are answered at once. Knows nothing of cameras but `Feed`.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from understudy.recorder.ingest.connection import BUFFER_BYTES

log = logging.getLogger(__name__)

#: measured (docs/benchmarks.md): recording costs a sixth less than at 50 ms, pre-roll at twice this a quarter less
TICK_S = 0.1
#: timers (keep-alive, stall, reconnect, parts) are looked at every so many ticks
TICKS_PER_TIMER = 1
#: pre-roll is drained every so many ticks; what waits in the kernel meanwhile is not lost at a takeover
TICKS_PER_CALM = 2
#: a takeover's backlog is worked off in slices, so that the other cameras' sockets do not run over
WORK_SLICE_S = 0.03


class Feed(Protocol):
    """What the loop drives; none of these may block or raise."""

    def event(self, writable: bool, buffer: bytearray, view: memoryview) -> None: ...

    def timer(self) -> None: ...

    def work(self, until_s: float) -> bool:
        """Do backlog until `until_s` (monotonic); True when some is left."""
        ...


class Loop:
    """Runs in the thread that calls `run`; `call` is the only method for other threads."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._soon = select.epoll()
        self._live = select.epoll()
        self._calm = select.epoll()
        #: which of the three a socket is in
        self._place: dict[int, select.epoll] = {}
        self._feeds: dict[int, Feed] = {}
        self._timers: list[Feed] = []
        self._backlogs: list[Feed] = []
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._soon.register(self._wake, select.EPOLLIN)
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._running = True

    def add(self, feed: Feed) -> None:
        self._timers.append(feed)

    def remove(self, feed: Feed) -> None:
        self._timers = [other for other in self._timers if other is not feed]
        self._backlogs = [other for other in self._backlogs if other is not feed]

    def watch_handshake(self, descriptor: int, feed: Feed) -> None:
        """Serve a new socket as soon as it is ready; wants to know when it has connected."""
        self._feeds[descriptor] = feed
        self._place[descriptor] = self._soon
        self._soon.register(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def connected(self, descriptor: int) -> None:
        self._soon.modify(descriptor, select.EPOLLIN)

    def watch_live(self, descriptor: int, calm: bool) -> None:
        """From now on look at the socket once per tick, or less often when `calm`."""
        place = self._calm if calm else self._live
        self._place[descriptor].unregister(descriptor)
        self._place[descriptor] = place
        place.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """The socket is about to be closed."""
        del self._feeds[descriptor]
        self._place.pop(descriptor).unregister(descriptor)

    def has_backlog(self, feed: Feed) -> None:
        if feed not in self._backlogs:
            self._backlogs.append(feed)

    def call(self, action: Callable[[], None]) -> None:
        """Have `action` run in the loop's thread, soon; from any thread."""
        self._calls.put(action)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        self._running = False

    def run(self, every_tick: Callable[[float], None]) -> None:
        """Serve until `stop`; `every_tick` gets the monotonic time and may do small things."""
        next_tick_s = time.monotonic()
        ticks = 0
        while self._running:
            wait_s = 0.0 if self._backlogs else max(0.0, next_tick_s - time.monotonic())
            self._serve(self._soon.poll(wait_s))
            self._work()
            now_s = time.monotonic()
            if now_s < next_tick_s:
                continue
            # After a pause of the whole process the missed ticks are not made up for.
            next_tick_s = max(next_tick_s + self._tick_s, now_s)
            self._serve(self._live.poll(0))
            ticks += 1
            if ticks % TICKS_PER_CALM == 0:
                self._serve(self._calm.poll(0))
            if ticks % TICKS_PER_TIMER == 0:
                for feed in tuple(self._timers):
                    feed.timer()
            every_tick(now_s)

    def _serve(self, events: list[tuple[int, int]]) -> None:
        for descriptor, mask in events:
            if descriptor == self._wake:
                self._answer_calls()
                continue
            feed = self._feeds.get(descriptor)
            if feed is not None:
                feed.event(bool(mask & select.EPOLLOUT), self._buffer, self._view)

    def _answer_calls(self) -> None:
        os.eventfd_read(self._wake)
        while True:
            try:
                action = self._calls.get_nowait()
            except Empty:
                return
            try:
                action()
            except Exception:
                log.exception("a call into the ingest loop failed")

    def _work(self) -> None:
        """One camera after the other: the first is whole on disk early instead of all of them late."""
        until_s = time.monotonic() + WORK_SLICE_S
        while self._backlogs and time.monotonic() < until_s:
            if not self._backlogs[0].work(until_s):
                self._backlogs.pop(0)

    def close(self) -> None:
        self._soon.close()
        self._live.close()
        self._calm.close()
        os.close(self._wake)
