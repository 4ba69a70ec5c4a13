"""Many schedules, on every core; what failed is shrunk to the fewest faults that still fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from understudy.simulation import schedule
from understudy.simulation.fault import Takeover
from understudy.simulation.schedule import Report

#: failures that are told in full
MAX_FAILURES = 5


@dataclass(slots=True)
class Summary:
    """What many schedules showed."""

    schedules: int = 0
    takeovers: int = 0
    simulated_s: float = 0.0
    wall_s: float = 0.0
    #: schedules in which an address was on two machines in the one way `takeover: early` gives up
    conceded: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    failures: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.takeovers += report.takeovers
        self.simulated_s += report.seconds
        self.rows.update(report.rows)
        self.conceded += bool(report.conceded)
        if report.violation:
            self.failures.append(report)

    def __str__(self) -> str:
        speed = self.schedules / self.wall_s if self.wall_s else 0.0
        conceded = f"{self.conceded} with the overlap that `takeover: early` gives up, " if self.conceded else ""
        return (
            f"{self.schedules} schedules, {self.simulated_s / 3600:.1f} simulated hours, {self.takeovers} takeovers, "
            f"{conceded}{len(self.failures)} failures, {self.wall_s:.1f} s ({speed:.1f} schedules/s)"
        )


def run(
    seeds: range,
    *,
    mutation: str = "none",
    takeover: Takeover | None = None,
    workers: int = 1,
    stop_after: int = MAX_FAILURES,
    progress: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Play all seeds, or until `stop_after` have failed."""
    summary, began = Summary(), time.monotonic()
    for report in _play(seeds, mutation, takeover, workers):
        summary.add(report)
        summary.wall_s = time.monotonic() - began
        progress(summary)
        if len(summary.failures) >= stop_after:
            break
    return summary


def _play(seeds: range, mutation: str, takeover: Takeover | None, workers: int) -> Iterator[Report]:
    play = partial(schedule.run, mutation=mutation, takeover=takeover)
    if workers == 1:
        yield from map(play, seeds)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(play, seeds, chunksize=5)
        finally:
            pool.shutdown(cancel_futures=True)


def shrink(report: Report, mutation: str = "none", takeover: Takeover | None = None) -> Report:
    """Leave out faults one by one as long as it still fails."""
    best, index = report, 0
    while index < len(best.faults):
        fewer = best.faults[:index] + best.faults[index + 1 :]
        shorter = schedule.run(best.seed, mutation, fewer, takeover)
        if shorter.violation:
            best = shorter
        else:
            index += 1
    return best
