"""The alert rules and the dashboard (F17) ask for nothing that is not served, and select by labels that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from understudy.web.metric_table import BY_NAME

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "observability"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
#: what the scraper adds to every series
SCRAPED = {"job", "instance"}
NAMES = re.compile(r"\b(understudy_\w+)(?:\{([^}]*)\})?")


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_f17_every_metric_and_label_that_is_asked_for_is_served(where: str, expression: str) -> None:
    found = NAMES.findall(expression)
    assert found or where == "UnderstudyNotScraped"
    labels = set(SCRAPED)
    for name, selector in found:
        assert name in BY_NAME, f"{where}: there is no metric {name}"
        asked = set(re.findall(r'(\w+)\s*[=!]~?\s*"', selector))
        assert asked <= {*BY_NAME[name].labels, *SCRAPED}, f"{where}: {name} has no label of {asked}"
        labels |= set(BY_NAME[name].labels)
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        assert {each.strip() for each in group.split(",")} <= labels, where
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_f17_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    known = {label for name, _ in NAMES.findall(rule["expr"]) for label in BY_NAME[name].labels} | SCRAPED
    aggregated = re.match(r"(?:min|max|count) by \(([^)]*)\)", rule["expr"])
    kept = {each.strip() for each in aggregated[1].split(",")} if aggregated else known
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert told <= kept, f"{rule['alert']}: {told - kept} is not there any more"


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_states_that_are_selected_exist() -> None:
    said = {m.name: m.help for m in BY_NAME.values()}
    for where, expression in expressions():
        for name, selector in NAMES.findall(expression):
            for label, wanted in re.findall(r'(state|mode|kind)[=!]~?"([^"]*)"', selector):
                for each in wanted.split("|"):
                    assert each in said[name], f"{where}: {name} has no {label} {each}"


def test_f17_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert "id" not in DASHBOARD  # given by the Grafana that imports it
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
        assert panel["datasource"]["uid"] == "${datasource}"
