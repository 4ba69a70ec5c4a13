"""Whether the wall clock may be believed when footage is deleted by age: a jump by years must not delete all of it.

The clock that is believed goes on with CLOCK_BOOTTIME; a wall clock further ahead of it is not believed until somebody
confirms it (`understudy clock confirm`) or it comes back. Over a reboot nobody counts, so a machine may have been off
for `AWAY_S`. A clock that is behind deletes nothing, and needs no guard. What is believed is on disk every
`SAVE_EVERY_S`; a crash leaves an older one, which is as good.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from understudy import durable
from understudy.clock import boottime_s
from understudy.footage.instants import show

log = logging.getLogger(__name__)

#: NTP that is reached late, or a leap of a time server, moves a clock by less
AHEAD_S = 3600.0
#: how long a machine may have been off without anybody having to confirm the time
AWAY_S = 7 * 86_400.0
SAVE_EVERY_S = 300.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Anchor(msgspec.Struct, frozen=True):
    """A moment at which the wall clock was believed."""

    boot: str
    boottime_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Now:
    """What the clocks say."""

    boot: str
    boottime_s: float
    wall_s: float


def doubt(anchor: Anchor | None, now: Now) -> float:
    """By how many seconds the wall clock is further ahead than can be believed; 0 when it is believed. Pure."""
    if anchor is None:
        return 0.0
    if anchor.boot == now.boot:
        expected_s, allowed_s = anchor.wall_s + now.boottime_s - anchor.boottime_s, AHEAD_S
    else:
        expected_s, allowed_s = anchor.wall_s + now.boottime_s, AWAY_S
    ahead_s = now.wall_s - expected_s
    return ahead_s if ahead_s > allowed_s else 0.0


class ClockGuard:
    """One per recorder, asked by every keeper. `path` holds the anchor."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._boot = _BOOT_ID.read_text().strip()
        self._anchor = _load(path)
        self._saved_s = float("-inf")
        #: why the clock is not believed, a sentence; None when it is
        self.problem: str | None = None

    def believed(self) -> bool:
        """Look at the clocks; a change of mind goes to the journal. Never raises."""
        now = Now(self._boot, boottime_s(), time.time())
        with self._lock:
            ahead_s = doubt(self._anchor, now)
            if ahead_s:
                self._doubt(ahead_s, now)
                return False
            if self.problem is not None:
                log.warning("the clock is believed again; footage is deleted by age again")
            self.problem = None
            self._move(now)
            return True

    def confirm(self) -> None:
        """Believe the clock as it is."""
        with self._lock:
            self._saved_s = float("-inf")
            self._anchor = None
            self._move(Now(self._boot, boottime_s(), time.time()))
            self.problem = None
        log.warning("the clock was confirmed; footage is deleted by age again")

    def _doubt(self, ahead_s: float, now: Now) -> None:
        if self.problem is None:
            self.problem = (
                f"the clock says {show(int(now.wall_s * 1e6))}, {ahead_s / 86_400:.1f} days more than can be: no "
                "footage is deleted by age until it is right again, or confirmed with `understudy clock confirm`"
            )
            log.error("%s", self.problem)

    def _move(self, now: Now) -> None:
        """Believe what the clock says now, unless it is behind: it may only be on its way to what it was."""
        known = self._anchor
        if known is not None and known.boot == now.boot and now.wall_s < known.wall_s:
            return
        self._anchor = Anchor(now.boot, now.boottime_s, now.wall_s)
        if now.boottime_s - self._saved_s < SAVE_EVERY_S:
            return
        try:
            durable.replace(self._path, msgspec.json.encode(self._anchor) + b"\n")
            self._saved_s = now.boottime_s
        except OSError as error:
            log.warning("%s: %s", self._path, error)


def _load(path: Path) -> Anchor | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Anchor)
    except (OSError, msgspec.DecodeError):
        return None
