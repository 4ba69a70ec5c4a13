"""Where the logical addresses were at every moment, seen from outside the hosts: never on two machines at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from harness.podman import podman
from harness.topology import LOGICAL_ADDRESSES, SERVERS

INTERVAL_S = 0.02
SCRIPT = Path(__file__).with_name("addresses_script.py")
ALL = tuple(address for addresses in LOGICAL_ADDRESSES.values() for address in addresses)

Span = tuple[float, float]


class Sampler:
    """A running look at all logical addresses on all servers; a context manager. Times are CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        #: (time, host, addresses there from now on)
        self.changes: list[tuple[float, str, frozenset[str]]] = []
        #: (time, address, host, host): an address seen on two hosts at once
        self.twice: list[tuple[float, str, str, str]] = []
        self.looks = 0
        self.longest_pause_s = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Sampler:
        hosts = [f"{name}={_pidfile(name)}" for name in SERVERS]
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(INTERVAL_S), ",".join(ALL), *hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)

    def left_s(self, host: str, part: str, after_s: float) -> float | None:
        """When the last address of `part` left `host`, looking from `after_s` on; None when some never did."""
        mine = frozenset(LOGICAL_ADDRESSES[part])
        return next(
            (at for at, name, there in self.changes if name == host and at > after_s and not there & mine), None
        )

    def came_s(self, host: str, part: str, after_s: float) -> float | None:
        """When all addresses of `part` were on `host`, looking from `after_s` on; None when they never were."""
        mine = frozenset(LOGICAL_ADDRESSES[part])
        return next((at for at, name, there in self.changes if name == host and at > after_s and mine <= there), None)

    def overlap_s(self) -> float:
        """Seconds from the first to the last look that found some address on two hosts; 0 when none did."""
        times = [at for at, *_ in self.twice]
        return max(times) - min(times) + INTERVAL_S if times else 0.0

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, *rest = line.split()
            if word == "at":
                self.changes.append((float(rest[0]), rest[1], frozenset(rest[2:])))
            elif word == "twice":
                self.twice.append((float(rest[0]), rest[1], rest[2], rest[3]))
            else:
                self.looks, self.longest_pause_s = int(rest[0]), float(rest[1])


def longest(gaps: tuple[Span, ...], begin_s: float, end_s: float) -> float:
    """The longest of the silences that began between `begin_s` and `end_s`; 0 when there was none."""
    return max((last - first for first, last in gaps if begin_s <= first < end_s), default=0.0)


def wait_for_first_look(sampler: Sampler, limit_s: float = 5.0) -> None:
    """Until every server has been looked at once."""
    until_s = time.monotonic() + limit_s
    while {name for _, name, _ in sampler.changes} < set(SERVERS):
        assert time.monotonic() < until_s, f"the addresses of the servers were not seen within {limit_s:g} s"
        time.sleep(0.01)


def _pidfile(name: str) -> str:
    """Where podman keeps the id of the host's first process, across restarts."""
    found: str = json.loads(podman("inspect", name).stdout)[0]["PidFile"]
    return found
