"""The keeper of a letter: a thread that recovers it when it comes into use, and then applies retention.

One per letter and apart from its writer and sync threads: neither a slow look through a large disk nor the
catalogue on the system disk holds up recording.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time

from understudy.footage.catalogue import Catalogue
from understudy.footage.holds import HoldError
from understudy.recorder.clock_guard import ClockGuard
from understudy.recorder.recover import Place, apply, recover
from understudy.recorder.retention import Retention
from understudy.recorder.rows import RowWriter
from understudy.recorder.volume import Volume
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

AGE_EVERY_S = 60.0


class Keeper:
    """Recovery and retention of one letter."""

    def __init__(
        self, plan: Plan, volume: Volume, catalogue: Catalogue, rows: RowWriter, clock: ClockGuard, look_s: float
    ) -> None:
        """`look_s`: how soon a breached floor or a disk that is back is noticed."""
        self._look_s = look_s
        self._node = plan.node
        self._volume = volume
        self._catalogue = catalogue
        self._rows = rows
        self._clock = clock
        self._retention = Retention(plan, volume, catalogue)
        self._stop = threading.Event()
        self._recovered = 0
        #: not at once: after an outage the other servers first tell what legal holds there are now
        self._aged_s = time.monotonic()
        self._failing = ""
        self._thread = threading.Thread(target=self._loop, name=f"keep-{volume.letter}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop at the next file; what is left undone is found again by the next start."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while True:
            try:
                self._look()
                self._failing = ""
            except (OSError, sqlite3.Error, HoldError) as error:
                if str(error) != self._failing:
                    log.error("disk %s: recovery and retention: %s; trying again", self._volume.letter, error)
                self._failing = str(error)
            if self._stop.wait(self._look_s):
                return

    def _look(self) -> None:
        state = self._volume.state().state
        if state == "ok" and self._recovered != self._volume.doubts:
            self._recover()
        believed = self._clock.believed()
        if state in ("ok", "full"):
            # With a clock that is not believed no legal hold has ended, and no day is over.
            self._retention.by_space(time.time_ns() // 1000 if believed else 0)
        aged = time.monotonic() - self._aged_s < AGE_EVERY_S
        # As long as there is something to delete, every look takes a batch.
        if state == "ok" and believed and not aged and self._retention.by_age(time.time_ns() // 1000) == 0:
            self._aged_s = time.monotonic()

    def _recover(self) -> None:
        doubts = self._volume.doubts
        live = self._volume.live
        with self._volume.root() as root:
            place = Place(
                self._node, self._volume.letter, self._volume.path, root, lambda: frozenset(live), self._flush
            )
            began_s = time.monotonic()
            for finding in recover(place, self._catalogue):
                log.info("recovery: %s: %s", finding.id, finding.what)
                apply(place, self._catalogue, finding)
                # Half of the disk's time at most: rebuilding a lost catalogue reads every file, while cameras record.
                if self._stop.wait(min(time.monotonic() - began_s, 1.0)):
                    return
                began_s = time.monotonic()
        self._recovered = doubts

    def _flush(self) -> None:
        if not self._rows.flush():
            raise TimeoutError("the catalogue takes no rows")
