"""The decision log and the memory on disk, written by a thread of their own: the disk may hang, the loop may not."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from understudy.failover.model import Fired, Memory

log = logging.getLogger(__name__)

#: the decision log is turned over to `decisions.jsonl.1` at this size; two of them are years of a quiet site
MAX_LOG_BYTES = 4 * 1024 * 1024
#: rows waiting for a disk that hangs; more than that are counted and dropped
MAX_WAITING = 1000
#: rows kept in memory for `explain`
MAX_RECENT = 500
#: how long the start waits for the memory of the last agent: losing it costs waiting, never safety
LOAD_S = 2.0


def load_memory(directory: Path, limit_s: float = LOAD_S) -> Memory:
    """What the last agent remembered; an empty Memory, and a line in the journal, when that cannot be read in time."""
    found: list[Memory] = []
    reader = threading.Thread(target=_read_memory, args=(directory / "memory.json", found), daemon=True)
    reader.start()
    reader.join(limit_s)
    if reader.is_alive():
        log.error("%s: no answer from the disk within %g s, starting without memory", directory, limit_s)
    return found[0] if found else Memory()


def _read_memory(path: Path, found: list[Memory]) -> None:
    try:
        found.append(msgspec.json.decode(path.read_bytes(), type=Memory))
    except FileNotFoundError:
        log.info("%s is not there: first start", path)
    except (OSError, msgspec.DecodeError) as error:
        log.error("%s: %s, starting without memory", path, error)


def entry(fired: Fired, facts: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """One line of the decision log."""
    return {
        "time": datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "row": fired.row,
        "part": fired.part,
        "before": fired.before,
        "after": fired.after,
        "reason": fired.reason,
        "boottime_s": round(fired.at_s, 3),
        "facts": facts,
    }


class Journal:
    """Keeps decisions and memory in `directory`; `start` before use."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "decisions.jsonl"
        self._memory = directory / "memory.json"
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._broken = ""
        self._thread = threading.Thread(target=self._work, name="decision log", daemon=True)
        self.recent: deque[dict[str, Any]] = deque(maxlen=MAX_RECENT)

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def close(self, limit_s: float) -> None:
        """Write what waits, for at most `limit_s`; the rest is lost."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(limit_s)

    def decided(self, fired: Fired, facts: dict[str, Any]) -> None:
        """Log a row: to the journal now, to the disk when it can."""
        move = fired.before if fired.before == fired.after else f"{fired.before}→{fired.after}"
        log.info("row %d %s %s: %s", fired.row, move, fired.part or "server", fired.reason)
        line = entry(fired, facts, time.time())
        self.recent.append(line)
        self._later(lambda: self._append(line))

    def remember(self, memory: Memory) -> None:
        """Replace the memory on disk; after a crash it is this one or the one before, whole."""
        self._later(lambda: self._replace(msgspec.json.encode(memory)))

    def _later(self, work: Callable[[], None]) -> None:
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            self._dropped += 1

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except OSError as error:
                if str(error) != self._broken:
                    log.error("decision log: %s", error)
                self._broken = str(error)
                continue
            self._broken = ""
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                log.error("decision log: %d entries were lost while the disk did not answer", dropped)

    def _append(self, line: dict[str, Any]) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            size = file.tell()
        if size > MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".jsonl.1"))

    def _replace(self, data: bytes) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        new = self._memory.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._memory)
