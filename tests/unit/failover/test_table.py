"""The table is well formed, and the document shows it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from understudy.failover import diagram
from understudy.failover.model import Phase
from understudy.failover.row import Who
from understudy.failover.states import NOT_PRIMARY_ROW, PRIMARY_ROW, ROWS, START_ROW, TABLE, find
from understudy.failover.step import HOLDING

ROOT = Path(__file__).parents[3]
GOALS = {"home": Phase.SERVING, "standby": Phase.STANDBY}
#: left by a restart of the machine only (S56, S64): the next agent begins with STARTING
FINAL = {Phase.FAILED, Phase.CLEARED, Phase.DETACHED}


def targets(who: Who, phase: Phase) -> set[Phase]:
    return {row.after for row in ROWS[who, phase]}


def reach(who: Who, start: Phase) -> set[Phase]:
    found, todo = {start}, [start]
    while todo:
        for after in targets(who, todo.pop()) - found:
            found.add(after)
            todo.append(after)
    return found


def test_row_numbers_are_unique() -> None:
    ids = [row.id for row in TABLE] + [START_ROW, PRIMARY_ROW, NOT_PRIMARY_ROW]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("who", ["home", "standby"])
def test_every_state_is_reached_and_none_is_a_dead_end(who: Who) -> None:
    used = {row.before for row in TABLE if row.who == who} | {row.after for row in TABLE if row.who == who}
    assert reach(who, Phase.STARTING) == used
    for phase in used - FINAL:
        assert GOALS[who] in reach(who, phase), f"{phase} of a {who} never leads to {GOALS[who]}"


@pytest.mark.parametrize("who", ["home", "standby"])
def test_s64_what_has_given_up_never_works_again_without_a_restart(who: Who) -> None:
    assert reach(who, Phase.FAILED) == FINAL
    assert targets(who, Phase.DETACHED) == set()


@pytest.mark.parametrize("who", ["home", "standby"])
def test_every_state_that_may_hold_addresses_can_lose_them(who: Who) -> None:
    for phase in HOLDING & reach(who, Phase.STARTING):
        assert Phase.ISOLATED in targets(who, phase)
        assert targets(who, phase) & {Phase.RETURNING, Phase.STANDBY}


def test_every_row_says_what_it_means() -> None:
    for row in TABLE:
        assert row.sentence
        assert not row.sentence.endswith(".")
        assert row.guard.__doc__, row.id


def test_every_phase_is_declared_for_somebody() -> None:
    assert {row.before for row in TABLE} | {row.after for row in TABLE} == set(Phase)
    assert callable(find)


def test_the_document_shows_the_table_as_it_is() -> None:
    document = (ROOT / diagram.DOCUMENT).read_text(encoding="utf-8")
    assert diagram.replaced(document) == document, "run python -m understudy.failover.states --diagram"


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no section"):
        diagram.replaced("nothing here")
