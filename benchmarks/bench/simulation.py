"""Schedules of the failover simulation per second, and what they showed."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from understudy.failover.states import TABLE
from understudy.simulation import campaign
from understudy.simulation.campaign import Summary

PROGRESS_EVERY = 500


def main() -> int:
    """0: every invariant held in every schedule; 1: one did not."""
    parser = argparse.ArgumentParser(prog="benchmarks/simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, metavar="N", help="how many (default 20000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the first (default 1)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes")
    parser.add_argument("--takeover", choices=("certain", "early"), default="certain", help="the site option")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    options = parser.parse_args()
    if options.schedules < 1 or options.workers < 1:
        parser.error("--schedules and --workers start at 1")
    seeds = range(options.seed, options.seed + options.schedules)
    summary = campaign.run(seeds, takeover=options.takeover, workers=options.workers, progress=_tell)
    document = _document(options, summary)
    for name, value in document.items():
        print(f"{name:22} {value}")
    for report in summary.failures:
        print(campaign.shrink(report, takeover=options.takeover))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if summary.failures else 0


def _tell(summary: Summary) -> None:
    if summary.schedules % PROGRESS_EVERY == 0:
        print(summary, file=sys.stderr, flush=True)


def _document(options: argparse.Namespace, summary: Summary) -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    return {
        "takeover": options.takeover,
        "seeds": f"{options.seed} to {options.seed + summary.schedules - 1}",
        "workers": options.workers,
        "schedules": summary.schedules,
        "failures": len(summary.failures),
        "conceded": summary.conceded,
        "takeovers": summary.takeovers,
        "simulated_h": round(summary.simulated_s / 3600, 1),
        "rows_fired": sum(summary.rows.values()),
        "rows_reached": f"{len({row.id for row in TABLE} & set(summary.rows))} of {len(TABLE)}",
        "wall_s": round(summary.wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "schedules_per_s": round(summary.schedules / summary.wall_s, 1),
        "schedules_per_cpu_s": round(summary.schedules / cpu_s, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main())
