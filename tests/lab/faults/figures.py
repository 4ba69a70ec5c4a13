"""What was measured, kept in the repository beside the scenarios: the newest runs of each, their median and worst."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.shell import run

FILE = Path(__file__).with_name("figures.json")
#: runs kept of each scenario, the newest
RUNS = 20


@dataclass(frozen=True)
class Figure:
    """One figure over the kept runs."""

    name: str
    median: float
    worst: float


def keep(name: str, figures: dict[str, float], complaints: list[str], *, code: str, file: Path = FILE) -> None:
    """Add a run of a scenario: what was measured, what was not kept, and the commit of the code that ran."""
    kept = load(file)
    run = {"code": code, "complaints": complaints, "figures": dict(sorted(figures.items()))}
    kept[name] = [*kept.get(name, []), run][-RUNS:]
    new = file.with_suffix(".new")
    new.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
    new.replace(file)


def code(root: Path) -> str:
    """The commit of a checkout, `+` behind it when its tree differs from it in more than the figures themselves."""
    git = ["git", "-C", str(root)]
    commit = run([*git, "describe", "--always", "--exclude=*"]).stdout.strip()
    others = (f":(top,exclude){FILE.relative_to(root)}", ":(top,exclude)docs/reference/faults.md")
    changed = run([*git, "status", "--porcelain", "--untracked-files=no", "--", ":(top)", *others]).stdout.strip()
    return commit + ("+" if changed else "")


def load(file: Path = FILE) -> dict[str, list[dict[str, Any]]]:
    """Scenario -> its runs, oldest first."""
    if not file.exists():
        return {}
    found: dict[str, list[dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def measured(runs: list[dict[str, Any]]) -> list[Figure]:
    """Median and worst of every figure of these runs."""
    names = sorted({name for run in runs for name in run["figures"]})
    values = {name: [run["figures"][name] for run in runs if name in run["figures"]] for name in names}
    return [Figure(name, statistics.median(found), max(found)) for name, found in values.items()]
