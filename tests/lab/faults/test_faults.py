"""Every fault of the list that can be injected here, with audits after it. `./lab test tests/lab/faults` runs them all.

`--figures` keeps what was measured in `figures.json`, from which docs/reference/faults.md is made.
"""

from __future__ import annotations

import pytest
from harness.lab import Lab

from faults import figures, play
from faults.every import SCENARIOS
from faults.scenario import Scenario


def _case(scenario: Scenario) -> object:
    marks = [] if scenario.ci else [pytest.mark.full]
    if scenario.defect:
        marks.append(pytest.mark.xfail(reason=scenario.defect, strict=True))
    return pytest.param(scenario, id=f"{scenario.number:02}-{scenario.name}", marks=marks)


@pytest.mark.parametrize("scenario", [_case(scenario) for scenario in SCENARIOS])
def test_fault(lab: Lab, scenario: Scenario, request: pytest.FixtureRequest) -> None:
    complaints: list[str] = []

    def tell(played: play.Play) -> None:
        for name, value in sorted(played.figures.items()):
            print(f"{scenario.number} {scenario.name}: {name}: {value:g}")
        for complaint in played.complaints:
            print(f"{scenario.number} {scenario.name}: NOT KEPT: {complaint}")
        if request.config.getoption("--figures"):
            figures.keep(scenario.name, played.figures, played.complaints, code=figures.code(lab.paths.root))
        complaints.extend(played.complaints)

    play.run(lab, scenario, tell)
    assert not complaints, "\n".join(complaints)
