"""Processes that a benchmark starts, what they cost, and their end. Knows nothing of cameras.

Costs are those of the processes themselves and of children they have waited for, from /proc: user and system seconds,
proportional set size, threads. Whatever happens to the benchmark, its processes end: by their ids here, by the kernel
when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TICKS_HZ = os.sysconf("SC_CLK_TCK")
#: utime, stime, cutime, cstime in /proc/PID/stat, counted from behind the command's name
_TIMES = slice(11, 15)
_STOP_S = 20.0
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


class ProcessError(Exception):
    """A process is not as it should be; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What some processes have used up to now."""

    cpu_s: float
    pss_bytes: int
    threads: int


class Group:
    """Processes that are measured as one: all ffmpegs, or our recorder. Use as a context."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Group:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, *, talks: bool = False
    ) -> subprocess.Popen[str]:
        """Start a command that ends when the benchmark does; what it says goes to the log, unless it `talks` to us."""
        with self._log.open("a") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                text=True,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def check(self) -> None:
        """ProcessError when a process has ended that nobody stopped."""
        dead = [process for process in self._running if process.poll() is not None]
        if dead:
            last = self._log.read_text()[-300:].strip()
            raise ProcessError(f"{len(dead)} of {len(self._running)} processes of {self.name} have ended: {last}")

    def cost(self) -> Cost:
        """What the processes have used; ProcessError when one has ended."""
        self.check()
        pids = [process.pid for process in self._running]
        return Cost(
            sum(_cpu_s(pid) for pid in pids), sum(pss_bytes(pid) for pid in pids), sum(_threads(pid) for pid in pids)
        )

    def cpu_s(self) -> float:
        """Only the CPU seconds: cheap, for the ends of a window."""
        return sum(_cpu_s(process.pid) for process in self._running)

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """SIGTERM; who has not ended after 20 s is killed."""
        self._signal(signal.SIGTERM)
        self._wait()

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(number)

    def _wait(self) -> None:
        for process in self._running:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._running.clear()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_TIMES])) / _TICKS_HZ


def pss_bytes(pid: int) -> int:
    """Proportional set size, and memory held in memfds that is mapped nowhere."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    match = _PSS.search(rollup)
    assert match, "the kernel tells the PSS of every process"
    return int(match[1]) * 1024 + _unmapped_memfd_bytes(pid)


def _unmapped_memfd_bytes(pid: int) -> int:
    held: dict[int, int] = {}
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()).startswith("/memfd:"):
                status = descriptor.stat()
                held[status.st_ino] = status.st_blocks * 512
    if not held:
        return 0
    mapped = {int(line.split()[4]) for line in _lines(Path(f"/proc/{pid}/maps")) if "/memfd:" in line}
    return sum(size for inode, size in held.items() if inode not in mapped)


def _lines(path: Path) -> Iterable[str]:
    return path.read_text().splitlines()


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
