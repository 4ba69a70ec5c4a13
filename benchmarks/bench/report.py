"""What a benchmark says: a table for people, a JSON document for machines, and the exit status."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from understudy.control import ControlError

from bench import tools
from bench.measure import Spread, Window
from bench.processes import ProcessError


def parser(name: str, text: str, *, cameras: int, seconds: float) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    made = argparse.ArgumentParser(f"benchmarks/{name}", description=text)
    made.add_argument("--cameras", type=int, default=cameras, metavar="N", help=f"default: {cameras}")
    made.add_argument(
        "--seconds", type=float, default=seconds, metavar="S", help=f"of one repetition (default: {seconds:g})"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    return made


def document(
    name: str, options: argparse.Namespace, windows: Sequence[Window], summary: dict[str, Any]
) -> dict[str, Any]:
    """Everything measured."""
    return {
        "benchmark": name,
        "machine": tools.machine(),
        "options": {key: value for key, value in vars(options).items() if key != "json"},
        "valid": bool(windows) and not any(each.faults for each in windows),
        "windows": list(windows),
        **summary,
    }


def save(path: Path | None, told: dict[str, Any]) -> None:
    """Write the document, if a file was asked for."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=2, default=_plain) + "\n")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return str(value)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; the first is the head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if not number:
            print("  ".join("-" * width for width in widths))


def cell(of: Spread | None, form: str, scale: float = 1.0) -> str:
    """A spread as text."""
    if of is None:
        return "-"
    return Spread(of.median * scale, of.least * scale, of.most * scale).text(form)


def validity(windows: Sequence[Window]) -> None:
    """Say which repetitions do not count, and how loaded the machine was."""
    for number, each in enumerate(windows, 1):
        state = "INVALID: " + "; ".join(each.faults) if each.faults else "valid"
        print(
            f"repetition {number}: {each.seconds:.0f} s, machine {each.machine_busy_share:.0%} busy, simulator "
            f"{each.simulator_cpu_share:.0%} of a core, at most {each.simulator_late_ms} ms late: {state}"
        )


def main(work: Callable[[], int]) -> int:
    """Run a benchmark; Ctrl-C and SIGTERM end what it started too."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ProcessError, ControlError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
