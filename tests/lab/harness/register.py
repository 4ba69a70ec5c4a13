"""The faults that are in force, kept in `.lab/faults.json`, so that any later command can undo them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from harness.paths import Paths


@dataclass(frozen=True)
class Active:
    """One fault in force. `guard_pid` is the process that undoes it after a while even if nobody heals, 0 without."""

    host: str
    name: str
    arguments: tuple[str, ...]
    since_wall_s: float
    guard_pid: int = 0

    @property
    def words(self) -> str:
        """As it was typed."""
        return " ".join((self.name, self.host, *self.arguments))


def recorded(paths: Paths) -> list[Active]:
    """The faults in force, oldest first."""
    if not paths.faults.exists():
        return []
    entries = json.loads(paths.faults.read_text(encoding="utf-8"))
    return [Active(**{**entry, "arguments": tuple(entry["arguments"])}) for entry in entries]


def record(paths: Paths, fault: Active) -> None:
    """Note a fault, before it is done: one that was cut off half-way is healed too."""
    _write(paths, [*(active for active in recorded(paths) if active.words != fault.words), fault])


def withdraw(paths: Paths, fault: Active) -> None:
    """Note that a fault did not come about."""
    _write(paths, [active for active in recorded(paths) if active.words != fault.words])


def forget(paths: Paths, host: str) -> None:
    """Note that no fault of `host` is in force any more."""
    _write(paths, [active for active in recorded(paths) if active.host != host])


@contextmanager
def changing(paths: Paths) -> Iterator[None]:
    """One change of faults at a time; a second command waits. The lock goes with the process."""
    paths.lab.mkdir(parents=True, exist_ok=True)
    handle = os.open(paths.lab / "faults.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(paths: Paths, actives: list[Active]) -> None:
    """Replace the file whole: a reader never sees half of it."""
    new = paths.faults.with_suffix(".new")
    new.write_text(json.dumps([asdict(active) for active in actives], indent=2) + "\n", encoding="utf-8")
    new.replace(paths.faults)
