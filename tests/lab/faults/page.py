"""docs/reference/faults.md, made from the list, the scenarios and the kept figures.

`python -m faults.page` (with tests/lab on PYTHONPATH) writes it; a unit test compares it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from faults.catalogue import FAULTS
from faults.every import SCENARIOS
from faults.figures import Figure, load, measured
from faults.scenario import Scenario

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "faults.md"
HEAD = """\
# Faults: what was injected, what was measured

Made by `python -m faults.page` from `tests/lab/faults`; do not edit. `./lab test tests/lab/faults` injects all of
them in the lab, with `-m 'not full'` those marked *ci*; `--figures` keeps what it measures.

Every scenario begins and ends with a whole site. A client asks all logical addresses every 20 ms, and as often it is
seen from outside the hosts which of them has which address. Afterwards: no address was ever on two machines; every
part has exactly one carrier, and register, servers and kernels agree who; owners changed as often as expected; the
decision logs have every move with its reason; every frame that the cameras sent is in an export, once, and plays, as
far as the limit says, and `understudy gaps` tells the rest; the footage of the outage is at home; no half copy,
address, failed unit or traceback is left.

*away*: longest silence of a logical address for the client. *home*: the same while it goes home. *missing*: frames of
the worst camera. Figures are medians, in brackets the worst; *n* is the number of runs. Where nothing is said of a
part, it did not move, was away for less than 0.1 s and misses nothing. Behind *n*: the commits that were measured.
**not kept**: what the newest run complained of. The lab: five hosts on one machine with two cores.

| # | fault | expected | how | measured |
|---|---|---|---|---|
"""


def text() -> str:
    """The whole page."""
    return HEAD + "\n".join(line for number in FAULTS for line in _rows(number)) + "\n"


def _rows(number: int) -> Iterable[str]:
    """The lines of one fault: one for each scenario, one for what is not injected here."""
    fault, kept = FAULTS[number], load()
    mine = [scenario for scenario in SCENARIOS if scenario.number == number]
    head = f"| {number} | {fault.what} | {fault.expected} |"
    for scenario in mine:
        mark = " *ci*" if scenario.ci else ""
        yield f"{head} {scenario.does}{mark} | {_measured(scenario, kept.get(scenario.name, []))} |"
        head = "| | | |"
    if fault.not_here:
        yield f"{head} *not here*: {fault.not_here} | – |"


def _measured(scenario: Scenario, runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "no figures yet"
    found = {figure.name: figure for figure in measured(runs)}
    words = [word for part in scenario.limits for word in _part(part, scenario, found)]
    words += [f"{name.removesuffix(', s')} {_value(figure)} s" for name, figure in found.items() if _own(name)]
    if not words:
        words = ["nothing moved, was away or is missing"]
    broken = scenario.defect or "; ".join(map(str, runs[-1]["complaints"])).replace("|", "\\|")
    if broken:
        words.insert(0, f"**not kept**: {broken}")
    codes = ", ".join(dict.fromkeys(str(run["code"]) for run in runs))
    return f"{'; '.join(words)} (n = {len(runs)}, {codes})"


def _part(part: str, scenario: Scenario, found: dict[str, Figure]) -> Iterable[str]:
    """What is worth saying of one logical server."""
    moves, missing = found.get(f"{part} moves"), found.get(f"{part} frames missing")
    if moves is not None and moves.worst:
        yield f"{part} moves {moves.worst:g}"
    for name, word in (("away, s", "away"), ("away on the way home, s", "home")):
        figure = found.get(f"{part} {name}")
        if figure is not None and figure.worst >= 0.1:
            yield f"{part} {word} {_value(figure)} s"
    if missing is not None and (missing.worst or (moves is not None and moves.worst)):
        yield f"{part} missing {missing.worst:g}"
    if (spared := found.get(f"{part} frames missing where spared")) is not None:
        cameras = ", ".join(map(str, scenario.limits[part].spared))
        yield f"not judged: {part} camera {cameras} missing {spared.worst:g}"


def _own(name: str) -> bool:
    """Whether a figure is the scenario's own, not one that every scenario has."""
    common = ("moves", "away, s", "away on the way home, s", "frames missing", "where spared", "two machines, s")
    return not name.endswith(common)


def _value(figure: Figure) -> str:
    return f"{figure.median:.2f} ({figure.worst:.2f})"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
