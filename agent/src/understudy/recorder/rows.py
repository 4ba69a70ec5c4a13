"""The catalogue thread: rows from the writer threads into SQLite, so that no letter waits for the system disk.

A crash loses at most the last `BATCH_S` of rows; the files say the same and the next start reads them (`recover.py`).
"""

from __future__ import annotations

import logging
import sqlite3
import threading

from understudy.footage.catalogue import Catalogue
from understudy.footage.model import Segment

log = logging.getLogger(__name__)

BATCH_S = 1.0
#: two hours of 64 cameras with sound; beyond it rows are left to the next recovery
MAX_WAITING = 16_384


class RowWriter:
    """Puts rows into the catalogue from a thread of its own; of several for one segment only the last is written."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._waiting: dict[str, Segment] = {}
        self._changed = threading.Condition()
        self._urgent = False
        self._closing = False
        self._writing = False
        self._failing = False
        self._thread = threading.Thread(target=self._loop, name="catalogue", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is waiting and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def put(self, segment: Segment) -> None:
        """Have `segment` written within about `BATCH_S`; never blocks."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING and segment.id not in self._waiting:
                return
            self._waiting[segment.id] = segment

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every row put before is in the catalogue; False when that takes longer than `timeout_s`."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._urgent or self._closing, BATCH_S)
                self._urgent = False
                batch, self._waiting = self._waiting, {}
                self._writing = bool(batch)
                closing = self._closing
            written = self._write(batch)
            with self._changed:
                if not written:
                    self._waiting = batch | self._waiting
                self._writing = False
                self._changed.notify_all()
                if closing:
                    return

    def _write(self, batch: dict[str, Segment]) -> bool:
        try:
            self._catalogue.put(batch.values())
        except sqlite3.Error as error:
            if not self._failing:
                log.error("%s: %s; recording goes on, rows are written later", self._catalogue.path, error)
            self._failing = True
            return False
        self._failing = False
        return True
