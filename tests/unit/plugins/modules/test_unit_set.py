"""unit_set and unit_info: which unit is started, reloaded, restarted or left alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_units
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_units import Unit, Wanted
from ansible_collections.understudy.nvr.plugins.modules import unit_set

RUNNING = Unit("loaded", "enabled", "active", "running", False, started_at=100.0, changed_at=100.0, pid=7)


def verbs(wanted: Wanted, unit: Unit, changed_at: dict[str, float] | None = None) -> list[str]:
    return [action.verb for action in nvr_units.plan([wanted], {wanted.name: unit}, changed_at or {})]


@pytest.mark.parametrize(
    ("wanted", "unit", "expected"),
    [
        (Wanted("a.service"), RUNNING, []),
        (Wanted("a.service"), Unit(), ["enable", "start"]),
        (Wanted("a.service"), Unit("loaded", "disabled", "failed", "failed"), ["enable", "start"]),
        (Wanted("a.service"), Unit("loaded", "static", "inactive"), ["start"]),
        (Wanted("a.service"), Unit("masked", "masked", "inactive"), ["unmask", "enable", "start"]),
        (Wanted("a.service"), Unit("loaded", "enabled", "activating"), []),
        (Wanted("a.service", enabled=False, started=False), RUNNING, ["disable", "stop"]),
        (Wanted("a.service", enabled=False, started=False), Unit(), []),
    ],
)
def test_units_come_to_their_state(wanted: Wanted, unit: Unit, expected: list[str]) -> None:
    assert verbs(wanted, unit) == expected


def test_a_unit_that_started_before_its_file_was_replaced_is_restarted() -> None:
    wanted = Wanted("a.service", restart_paths=("/opt/current",), reload_paths=("/etc/plan",))
    assert verbs(wanted, RUNNING, {"/opt/current": 99.0, "/etc/plan": 99.0}) == []
    assert verbs(wanted, RUNNING, {"/opt/current": 101.0, "/etc/plan": 101.0}) == ["restart"]
    assert verbs(wanted, RUNNING, {"/etc/plan": 101.0}) == ["reload"]


def test_a_unit_that_was_reloaded_since_is_left_alone() -> None:
    reloaded = Unit("loaded", "enabled", "active", "running", False, started_at=100.0, changed_at=102.0)
    assert verbs(Wanted("a.service", reload_paths=("/etc/plan",)), reloaded, {"/etc/plan": 101.0}) == []


def test_a_unit_that_is_not_running_is_started_once_whatever_was_replaced() -> None:
    wanted = Wanted("a.service", restart_paths=("/opt/current",))
    assert verbs(wanted, Unit("loaded", "enabled", "inactive"), {"/opt/current": 5.0}) == ["start"]


def test_the_diff_says_why() -> None:
    wanted = [Wanted("a.service", restart_paths=("/opt/current",)), Wanted("b.service")]
    units = {"a.service": RUNNING, "b.service": RUNNING}
    actions = nvr_units.plan(wanted, units, {"/opt/current": 101.0})
    diff = nvr_units.describe(wanted, units, actions)
    assert diff["before"] == "a.service: enabled, active\n"
    assert diff["after"] == "a.service: restart (started before /opt/current was replaced)\n"


SHOWN = """\
MainPID=7
NRestarts=2
Result=success
Id=a.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=yes
ExecMainStartTimestampMonotonic=1500000
ActiveEnterTimestampMonotonic=1600000
StateChangeTimestampMonotonic=1700000

Id=srv-footage-C.mount
LoadState=not-found
ActiveState=inactive
ActiveEnterTimestampMonotonic=0
"""


def test_the_output_of_systemctl_is_read() -> None:
    units = nvr_units.parse(SHOWN)
    assert units["a.service"] == Unit("loaded", "enabled", "active", "running", True, 1.5, 1.7, 7, 2, "success")
    assert units["srv-footage-C.mount"] == Unit("not-found", "", "inactive", "dead")


def test_a_unit_shown_under_its_real_name_is_found_by_its_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvr_units, "_systemctl", lambda words: SHOWN)
    assert nvr_units.load(["alias.service", "srv-footage-C.mount"])["alias.service"].pid == 7


def test_options_become_wanted_units() -> None:
    item: dict[str, Any] = {
        "name": "a.service", "enabled": True, "state": "stopped", "restart_paths": ["/a"],
        "reload_paths": [], "wait": False,
    }  # fmt: skip
    assert unit_set.wanted_units([item]) == [Wanted("a.service", True, False, ("/a",), (), False)]


def test_unit_info_waits_until_all_are_active(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"a.service": Unit()}, {"a.service": RUNNING}]
    monkeypatch.setattr(nvr_units, "load", lambda names: answers.pop(0))
    monkeypatch.setattr(nvr_units.time, "sleep", lambda seconds: None)
    assert nvr_units.wait_active(["a.service"], 5.0) == {"a.service": RUNNING}
