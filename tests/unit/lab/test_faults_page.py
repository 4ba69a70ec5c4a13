"""The page of faults is made from the scenarios: it names every fault of the list and does not drift from the code."""

from pathlib import Path

from faults import figures, page
from faults.catalogue import FAULTS
from faults.every import SCENARIOS


def test_every_fault_of_the_list_is_injected_or_says_why_not() -> None:
    assert list(FAULTS) == list(range(1, 55))
    injected = {scenario.number for scenario in SCENARIOS}
    assert injected <= set(FAULTS)
    silent = [number for number, fault in FAULTS.items() if number not in injected and not fault.not_here]
    assert not silent, f"neither a scenario nor a reason: {silent}"


def test_the_page_is_what_the_scenarios_and_figures_make() -> None:
    made = page.PAGE.read_text(encoding="utf-8")
    assert made == page.text(), "run: PYTHONPATH=tests/lab .venv/bin/python -m faults.page"


def test_figures_are_of_scenarios_that_exist() -> None:
    unknown = set(figures.load()) - {scenario.name for scenario in SCENARIOS}
    assert not unknown, f"figures.json has figures of {unknown}"


def test_what_was_not_kept_or_never_measured_is_told() -> None:
    kept, told = figures.load(), page.text()
    for scenario in SCENARIOS:
        line = next(line for line in told.splitlines() if f"| {scenario.does}" in line)
        runs = kept.get(scenario.name, [])
        assert ("no figures yet" in line) == (not runs)
        assert ("**not kept**" in line) == bool(scenario.defect or (runs and runs[-1]["complaints"]))


def test_the_newest_runs_are_kept_and_summed_up(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    for value in range(figures.RUNS + 2):
        figures.keep("crash", {"north away, s": float(value)}, [], code="c0ffee", file=file)
    runs = figures.load(file)["crash"]
    assert len(runs) == figures.RUNS
    assert figures.measured(runs) == [figures.Figure("north away, s", 11.5, 21.0)]
