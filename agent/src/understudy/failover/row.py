"""What a row of the table is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from understudy.failover.facts import Facts
from understudy.failover.guards import Guard
from understudy.failover.memory import Part
from understudy.failover.model import Phase

Who = Literal["home", "standby"]
Task = Callable[[Facts, Part], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `guard` gives the facts that make it fire, or None; `does` is for people, `task` is what is done at
    once.

    What a state means for addresses, recorder and register is not in the rows: `step` derives it from the state.
    """

    id: int
    before: Phase
    after: Phase
    guard: Guard
    sentence: str
    does: str = ""
    task: Task | None = None
    who: Who = "home"
