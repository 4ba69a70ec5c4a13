"""Rules and agents make incidents: when they begin, when they end, what is done, whom it concerns."""

from __future__ import annotations

from pathlib import Path

import depot
import pytest
from depot import look, orders, status
from understudy.arbitration.voters import quorum_trouble
from understudy.events.actions import hindrance
from understudy.events.book import Book
from understudy.events.facts import Facts, Readings, Script, facts_of
from understudy.events.incident import Incident
from understudy.events.rules import rules_of
from understudy.events.watch import Watch
from understudy.site.event_rules import Rule
from understudy.site.plan import Plan

DISK = Rule(name="disk", cause="disk-fault", for_s=5, clear_s=10, actions=("failover", "mail"))


def facts(plan: Plan, *, disk: str = "ok", **told: object) -> Facts:
    readings = Readings(nics={"eno1": ""})
    return facts_of(plan, readings, depot.progress(disk=disk), status(plan.node, **told))  # type: ignore[arg-type]


class Story:
    """Looks at one server, second by second."""

    def __init__(self, tmp_path: Path, plan: Plan) -> None:
        self.plan = plan
        self.book = Book(tmp_path / "incidents.json")
        self.watch = Watch(plan, self.book)
        self.now_s = 0.0

    def see(self, seconds: int = 1, *, ordered: dict[str, object] | None = None, **told: object) -> list[str]:
        """Look once a second; what is to be done in the end."""
        disk = str(told.pop("disk", "ok"))
        acts = []
        for _ in range(seconds):
            seen = facts(self.plan, disk=disk, **told)
            document = status(self.plan.node, **told)  # type: ignore[arg-type]
            acts = self.watch.look(look(self.now_s, seen, document, ordered))
            self.now_s += 1
        return [act.what for act in acts]

    def open(self) -> list[str]:
        return [incident.key for incident in self.book.all() if incident.open]


@pytest.fixture
def rec1(tmp_path: Path) -> Story:
    return Story(tmp_path, depot.plan("rec1", DISK))


def test_s57_a_rule_fires_after_its_time_and_a_short_fault_does_not_count(rec1: Story) -> None:
    rec1.see(4, disk="error")
    rec1.see(1)
    rec1.see(5, disk="error")
    assert rec1.open() == []
    assert rec1.see(1, disk="error") == ["fail"]
    (incident,) = rec1.book.all()
    assert (incident.key, incident.detail, incident.channels) == ("rule/disk/rec1", "disk letter C is error", ("mail",))
    assert incident.opened_us == round((depot.WALL_S + 10) * 1e6)


def test_s57_a_rule_is_over_only_when_it_was_well_for_long_enough(rec1: Story) -> None:
    rec1.see(6, disk="error")
    rec1.see(9)
    rec1.see(1, disk="error")
    rec1.see(10)
    assert rec1.open() == ["rule/disk/rec1"]
    assert rec1.watch.views["disk"].state == "clearing"
    rec1.see(1)
    assert rec1.open() == []


def test_s57_the_rule_of_another_server_is_idle_and_one_of_a_logical_server_follows_it(tmp_path: Path) -> None:
    mine = Rule(name="mine", cause="disk-fault", for_s=0, where=("rec2",))
    norths = Rule(name="norths", cause="disk-fault", for_s=0, clear_s=5, where=("north",))
    story = Story(tmp_path, depot.plan("rec1", mine, norths))
    story.see(1, disk="error")
    assert "rule/norths/rec1" in story.open()
    assert story.watch.views["mine"].text == "only for rec2"
    assert next(i for i in story.book.all() if i.key == "rule/norths/rec1").logical == "north"
    # An agent that restarts tells for a moment that it carries nothing: that ends nothing.
    story.see(2, disk="error", north=None)
    story.see(1, disk="error")
    story.see(5, disk="error", north="stby1")
    assert "rule/norths/rec1" in story.open()
    story.see(1, disk="error", north="stby1")
    assert "rule/norths/rec1" not in story.open()


def test_s57_a_rule_with_a_window_begins_only_then(tmp_path: Path) -> None:
    rule = Rule(name="disk", cause="disk-fault", for_s=0, window="12:00-13:00")  # it is 11:00 in Zurich
    story = Story(tmp_path, depot.plan("rec1", rule))
    story.see(3, disk="error")
    assert "rule/disk/rec1" not in story.open()
    story.now_s += 3600
    story.see(1, disk="error")
    assert "rule/disk/rec1" in story.open()


def test_a_restart_of_the_service_neither_fires_again_nor_forgets(tmp_path: Path, rec1: Story) -> None:
    rec1.see(6, disk="error")
    again = Story(tmp_path, rec1.plan)
    again.book.learn(rec1.book.all(), 0)
    again.now_s = 6
    again.see(20, disk="error")
    assert [incident.key for incident in again.book.all()] == ["rule/disk/rec1"]
    again.see(11)
    assert again.open() == []


def test_s59_s63_a_rule_declares_failed_until_it_is_well_and_then_clears(rec1: Story) -> None:
    assert rec1.see(6, disk="error") == ["fail"]
    failed = orders("rule disk: disk letter C is error")
    # It stays so without further orders, also when the part is carried elsewhere.
    assert rec1.see(30, disk="error", north="stby1", ordered=failed) == []
    assert rec1.open() == ["rule/disk/rec1", "failed/rec1"]
    assert rec1.see(11, north="stby1", ordered=failed) == ["clear"]
    assert rec1.see(1, north="stby1", ordered=orders("rule disk: x", cleared=True)) == []
    assert rec1.open() == ["failed/rec1"]
    rec1.see(1, north="stby1")
    assert rec1.open() == []


def test_s65_a_fault_that_lasts_over_a_restart_declares_failed_again(rec1: Story) -> None:
    rec1.see(6, disk="error")
    assert rec1.see(1, disk="error", ordered=orders("rule disk: x", cleared=True)) == []
    assert rec1.see(1, disk="error", ordered=orders()) == ["fail"]


def test_a_failed_by_people_is_not_cleared_by_a_rule(rec1: Story) -> None:
    assert rec1.see(60, ordered=orders("the fan is loud")) == []


def test_a_machine_in_maintenance_is_not_failed_and_nobody_is_told(rec1: Story) -> None:
    assert rec1.see(6, disk="error", ordered=orders(maintenance=True)) == []
    (incident,) = rec1.book.all()
    assert incident.held == "rec1 is in maintenance"


def test_nothing_is_declared_failed_while_nobody_could_carry_its_part() -> None:
    assert hindrance(depot.plan(), status()) == ""
    assert hindrance(depot.plan(), status(away=("stby1",))) == "nobody could take north now"
    assert hindrance(depot.plan("stby1"), status("stby1")) == ""
    assert (
        hindrance(depot.plan("stby1"), status("stby1", north="stby1", away=("rec1",))) == "nobody could take north now"
    )
    assert hindrance(depot.plan("stby1"), status("stby1", north="stby1")) == ""
    assert hindrance(depot.plan(), status(north=None)).startswith("nobody carries north")
    lost = "the arbitration register does not answer: no address can move"
    assert hindrance(depot.plan(), status(unprotected=lost)) == lost


def test_s58_a_script_asks_for_the_failover_by_99_and_for_nothing_by_another_code(tmp_path: Path) -> None:
    rule = Rule(name="fan", cause="script", command="/opt/fan", for_s=0)
    story = Story(tmp_path, depot.plan("rec1", rule))

    def seen(code: int) -> list[str]:
        told = Readings(scripts={"fan": Script(code)})
        story.now_s += 1
        return [a.what for a in story.watch.look(look(story.now_s, facts_of(story.plan, told, None, status())))]

    assert seen(3) == []
    assert story.open() == ["rule/fan/rec1"]
    assert seen(99) == ["fail"]


def test_a_takeover_is_raised_by_the_standby_and_its_end_by_the_home(tmp_path: Path) -> None:
    stby1, rec1 = Story(tmp_path / "stby1", depot.plan("stby1")), Story(tmp_path / "rec1", depot.plan("rec1"))
    stby1.see(3, north="stby1", away=("rec1",))
    (takeover,) = [i for i in stby1.book.all() if i.kind == "takeover"]
    assert takeover.title == "stby1 carries north instead of rec1"
    assert takeover.detail == "nobody heard rec1 for 3.6 s"
    # rec1 is back and hears of it; its part comes home
    rec1.now_s = stby1.now_s
    rec1.book.learn([takeover], takeover.opened_us)
    rec1.see(3, north="stby1")
    assert [i.kind for i in rec1.book.all()] == ["takeover"]
    rec1.see(3)
    kinds = [(i.kind, i.open) for i in rec1.book.all()]
    assert kinds == [("takeover", False), ("handback", False)]
    stby1.see(3)
    assert [i.kind for i in stby1.book.all() if i.open] == ["takeover"]  # until rec1 tells
    stby1.book.learn(rec1.book.all(), takeover.opened_us)
    assert not any(i.open for i in stby1.book.all() if i.kind == "takeover")


def test_a_takeover_from_a_server_in_maintenance_is_recorded_and_nobody_is_told(tmp_path: Path) -> None:
    story = Story(tmp_path, depot.plan("stby1"))
    story.see(1, north="stby1", reasons={"rec1": "in maintenance until 2026-11-23T12:00:00Z"})
    (takeover,) = [i for i in story.book.all() if i.kind == "takeover"]
    assert takeover.held == "rec1 is in maintenance"


def test_f08_unprotected_is_told_by_the_first_server_alone_and_the_next_one_goes_on(tmp_path: Path) -> None:
    rec1, rec2 = Story(tmp_path / "1", depot.plan("rec1")), Story(tmp_path / "2", depot.plan("rec2"))
    bad = {"away": ("stby1",), "unprotected": "no standby can take over now; quorum at risk: stby1 does not answer"}
    rec1.see(11, **bad)
    rec2.see(11, **bad)
    assert sorted(rec1.open()) == ["rule/quorum", "rule/unprotected"]
    assert rec2.open() == []
    # rec1 goes away too: rec2 speaks for the site, knows of the incidents, and does not raise them again
    rec2.book.learn(rec1.book.all(), 0)
    rec2.see(30, away=("rec1", "stby1"), unprotected=bad["unprotected"], north=None)
    assert len([i for i in rec2.book.all() if i.key == "rule/unprotected"]) == 1
    rec2.see(31, away=("rec1",))
    assert rec2.open() == []


def test_f08_a_rule_of_the_site_replaces_a_built_in_one_that_would_tell_the_same() -> None:
    built_in = {rule.name for rule in rules_of(depot.plan())}
    everywhere, north = Rule(name="mine", cause="disk-fault"), Rule(name="mine", cause="disk-fault", where=("north",))
    assert {rule.name for rule in rules_of(depot.plan("rec1", everywhere))} == built_in - {"disk"} | {"mine"}
    assert {rule.name for rule in rules_of(depot.plan("rec1", north))} == built_in | {"mine"}
    quorum = Rule(name="quorum", cause="quorum", for_s=60)
    assert [r for r in rules_of(depot.plan("rec1", quorum)) if r.name == "quorum"] == [quorum]


def test_a_rule_that_left_the_site_file_leaves_no_open_incident(tmp_path: Path, rec1: Story) -> None:
    rec1.see(6, disk="error")
    without = Story(tmp_path / "without", depot.plan("rec1", Rule(name="other", cause="disk-hung")))
    mine: list[Incident] = [i for i in rec1.book.all() if i.key == "rule/disk/rec1"]
    without.book.learn([*mine], 0)
    assert without.watch.rules[0].name == "other"
    without.watch.rules = tuple(rule for rule in without.watch.rules if rule.name != "disk")
    without.see(1)
    assert without.open() == []


def test_the_words_for_which_no_address_can_move_are_those_of_the_agent() -> None:
    lost = quorum_trouble(["rec1", "rec2", "stby1"], ["rec1", "rec2"])
    assert hindrance(depot.plan(), status(unprotected=lost)) == lost
    risk = quorum_trouble(["rec1", "rec2", "stby1"], ["rec1"])
    assert hindrance(depot.plan(), status(unprotected=risk)) == ""
    assert risk.startswith("quorum")
