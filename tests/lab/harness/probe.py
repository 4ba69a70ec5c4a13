"""Watching addresses from where a viewer's PC is: when they answered, and for how long they did not."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.podman import send_files
from harness.shell import wait
from harness.topology import CLIENT_HOST

INTERVAL_S = 0.02
"""Between two questions to one address; so a blackout is measured to about this."""

FRESH_S = 0.5
"""An address that answered a question sent within this time answers now."""

WARM_LIMIT_S = 10.0
SCRIPT = Path(__file__).with_name("probe_script.py")
REMOTE_SCRIPT = "/opt/lab/probe_script.py"


@dataclass(frozen=True)
class Blackout:
    """How an address was away while it was watched. Times are CLOCK_MONOTONIC seconds.

    `gaps` are the spans between two answers that lie more than three intervals apart; `longest_s` is the longest
    silence of all, 0.02 s or so when it was never away. A silence that had not ended counts up to the end.
    """

    address: str
    answers: int
    longest_s: float
    gaps: tuple[tuple[float, float], ...]

    @property
    def total_s(self) -> float:
        """Seconds without an answer, all gaps together."""
        return sum(end - begin for begin, end in self.gaps)


class Watch:
    """A running watch, made by `Lab.watch`. Entering waits until every address that must answer has done so once."""

    def __init__(self, addresses: Sequence[str], *, warm: bool = True) -> None:
        self.addresses = tuple(addresses)
        self._warm = warm
        self._answers: list[list[tuple[float, float]]] = [[] for _ in addresses]
        self._began_s = self._ended_s = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Watch:
        send_files(CLIENT_HOST, {REMOTE_SCRIPT: SCRIPT.read_bytes()})
        python = ["/usr/bin/python3", REMOTE_SCRIPT, str(INTERVAL_S), *self.addresses]
        self._process = subprocess.Popen(
            ["podman", "exec", "--interactive", CLIENT_HOST, *python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader.start()
        if self._warm:
            try:
                wait(self.all_answer, WARM_LIMIT_S, f"{', '.join(self.addresses)} to answer a client", every_s=0.02)
            except BaseException:
                self._stop()
                raise
        self._began_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def all_answer(self) -> bool:
        """Whether every address answers now."""
        now = time.monotonic()
        return all(answers and now - answers[-1][0] <= FRESH_S for answers in self._answers)

    def blackouts(self) -> dict[str, Blackout]:
        """What was seen since the watch began, up to now or to its end."""
        end = self._ended_s or time.monotonic()
        return {
            address: measure(address, [received for _, received in answers], self._began_s, end)
            for address, answers in zip(self.addresses, self._answers, strict=True)
        }

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            index, sent, received = line.split()
            self._answers[int(index)].append((float(sent), float(received)))

    def _stop(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._ended_s = time.monotonic()
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)


def measure(address: str, received: Sequence[float], began_s: float, ended_s: float) -> Blackout:
    """The silences between `began_s` and `ended_s`, given the times of all answers in order."""
    inside = [at for at in received if began_s <= at <= ended_s]
    edges = [began_s, *inside, ended_s]
    spans = list(itertools.pairwise(edges))
    gaps = tuple((begin, end) for begin, end in spans if end - begin > 3 * INTERVAL_S)
    return Blackout(address, len(inside), max(end - begin for begin, end in spans), gaps)
