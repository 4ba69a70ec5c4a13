"""Legal holds: spans of a camera's footage that nothing deletes until the hold ends (F14).

Every server of the site has all of them in a file of its own, apart from the catalogue, which may be rebuilt any time:
whoever holds the bytes, now or after they have moved, keeps them. Holds are only ever added and released, so servers
that tell each other what they know (`hold_exchange.py`) agree in whatever order they hear of it. The web process
writes the file, everybody reads it; a crash leaves the file as it was before or after.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from understudy import durable
from understudy.footage.model import Segment

#: beside the catalogue
FILE = "holds.json"


class HoldError(Exception):
    """The holds cannot be read, so nothing may be deleted; or one is refused. A sentence."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times are microseconds since the epoch."""

    id: str
    logical: str
    camera: int
    from_us: int
    to_us: int
    reason: str
    #: who asked for it, on which server
    by: str
    made_us: int
    #: ends by itself then
    until_us: int | None = None
    released_us: int | None = None
    released_by: str = ""

    def is_active(self, now_us: int) -> bool:
        return self.released_us is None and (self.until_us is None or now_us < self.until_us)

    def covers(self, segment: Segment) -> bool:
        """Whether a frame of `segment` may lie in the span."""
        return (
            (self.logical, self.camera) == (segment.logical, segment.camera)
            and segment.start_us < self.to_us
            and segment.end_us >= self.from_us
        )


def merged(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """One of each, by the time it was made; released if anybody knows it to be, at the earliest time told."""
    found: dict[str, Hold] = {}
    for hold in holds:
        known = found.get(hold.id)
        if known is None or _release(hold) < _release(known):
            found[hold.id] = hold
    return tuple(sorted(found.values(), key=lambda hold: (hold.made_us, hold.id)))


def _release(hold: Hold) -> tuple[bool, int, str]:
    return hold.released_us is None, hold.released_us or 0, hold.released_by


def is_held(segment: Segment, active: Iterable[Hold]) -> bool:
    return any(hold.covers(segment) for hold in active)


class HoldBook:
    """The file. `all` reads it again when it has changed; HoldError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._holds: tuple[Hold, ...] = ()

    def all(self) -> tuple[Hold, ...]:
        """Every hold there ever was, by the time it was made."""
        with self._lock:
            return self._read()

    def active(self, now_us: int) -> list[Hold]:
        """Those that keep footage from being deleted."""
        return [hold for hold in self.all() if hold.is_active(now_us)]

    def add(self, holds: Iterable[Hold]) -> bool:
        """Know these too; whether that was news. On disk when it returns; OSError when it cannot be put there."""
        with self._lock:
            known = self._read()
            changed = merged([*known, *holds])
            if changed == known:
                return False
            durable.replace(self._path, msgspec.json.encode(changed) + b"\n")
            return True

    def _read(self) -> tuple[Hold, ...]:
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._holds = merged(msgspec.json.decode(self._path.read_bytes(), type=tuple[Hold, ...]))
                self._seen = seen
        except FileNotFoundError:
            self._holds, self._seen = (), None
        except (OSError, msgspec.DecodeError) as error:
            raise HoldError(f"{self._path}: {error}; no footage is deleted until it can be read") from error
        return self._holds
