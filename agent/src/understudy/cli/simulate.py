"""`understudy simulate`: show that the protocol holds, or the seed and the fewest faults with which it does not."""

from __future__ import annotations

import argparse
import sys
import time

from understudy.simulation import campaign
from understudy.simulation.campaign import Summary
from understudy.simulation.mutations import MUTATIONS

PROGRESS_S = 2.0


def simulate(options: argparse.Namespace) -> int:
    """Exit status 0: every invariant held in every schedule; 1: one did not; 2: wrong usage."""
    if options.mutation not in MUTATIONS:
        known = ", ".join(sorted(MUTATIONS))
        if options.mutation == "list":
            print(known)
            return 0
        print(f"understudy simulate: --mutation {options.mutation}: allowed are {known}", file=sys.stderr)
        return 2
    takeover = options.takeover or MUTATIONS[options.mutation].takeover
    seeds = range(options.seed, options.seed + options.schedules)
    summary = campaign.run(
        seeds, mutation=options.mutation, takeover=takeover, workers=options.workers, progress=_Progress(len(seeds))
    )
    for report in summary.failures:
        print(campaign.shrink(report, options.mutation, takeover))
        again = f"understudy simulate --schedules 1 --seed {report.seed} --takeover {takeover}"
        print(f"  again: {again}{'' if options.mutation == 'none' else f' --mutation {options.mutation}'}\n")
    print(summary)
    print(_verdict(summary, len(seeds)))
    return 1 if summary.failures else 0


def _verdict(summary: Summary, asked: int) -> str:
    if summary.failures:
        stopped = f", stopped after {summary.schedules} of {asked}" if summary.schedules < asked else ""
        seeds = ", ".join(str(report.seed) for report in summary.failures)
        return f"NOT SAFE: an invariant did not hold with seed {seeds}{stopped}"
    return f"every invariant held in all {summary.schedules} schedules"


class _Progress:
    """One line on a terminal, brought up to date; a line every now and then in a log."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._told_s = time.monotonic()

    def __call__(self, summary: Summary) -> None:
        terminal, over = sys.stderr.isatty(), summary.schedules == self._asked
        if not over and time.monotonic() - self._told_s < PROGRESS_S * (1 if terminal else 15):
            return
        self._told_s = time.monotonic()
        left_s = summary.wall_s / summary.schedules * (self._asked - summary.schedules)
        text = f"{summary.schedules} of {self._asked}, {len(summary.failures)} failures, {left_s:.0f} s to go"
        print(
            f"\r\033[K{text}" if terminal else text,
            end="\n" if over or not terminal else "",
            file=sys.stderr,
            flush=True,
        )
