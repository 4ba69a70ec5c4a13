"""What a scenario is: a fault of the list, how it is injected here, what may happen at most. Data; nothing runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import story

if TYPE_CHECKING:
    from faults.play import Play

#: an address whose carrier does not change is never away for longer, not even on a loaded machine
STEADY_S = 0.5
#: seconds an address may be away when a part goes home (`docs/concepts/failover.md`: planned moves)
HOMEWARD_S = 0.5
NONE, TAKEN_AND_BACK, HANDED_AND_BACK = (0,), (2,), (3,)
"""Changes of owner that are possible when nothing moves, when a part is taken over and goes home again, and when it is
released for its next carrier, taken and goes home."""
#: seconds an address may be away in a planned move (`docs/concepts/failover.md`)
PLANNED_S = 0.5


@dataclass(frozen=True)
class Limits:
    """What may happen to one logical server. None: measured, not judged."""

    #: changes of owner in the register: one of these
    moves: tuple[int, ...] = NONE
    #: longest silence of its addresses for a client, from the fault until the healing
    away_s: float | None = STEADY_S
    #: the same from the healing until everything is at home
    homeward_s: float | None = HOMEWARD_S
    #: frames of one camera missing in the end that the camera has sent
    missing: int | None = 0
    #: cameras whose frames cannot be there, because of the fault itself
    spared: tuple[int, ...] = ()


STEADY = Limits()
TAKEN = Limits(moves=TAKEN_AND_BACK, away_s=story.TAKEOVER_LIMIT_S)
HANDED = Limits(moves=HANDED_AND_BACK, away_s=PLANNED_S)


@dataclass(frozen=True)
class Scenario:
    """One way to inject the fault `number`. `does` says what is done, as a phrase."""

    number: int
    name: str
    does: str
    play: Callable[[Play], None]
    limits: Mapping[str, Limits]
    #: rows that must be in the decision log of a server: (server, row)
    rows: tuple[tuple[str, int], ...] = ()
    #: part of every CI run; the others run with `./lab test tests/lab/faults`
    ci: bool = False
    #: seconds of addresses on two machines that cannot be excluded (0: none, ever)
    overlap_s: float = 0.0
    #: why the limits are not met today; the scenario then must fail, and says so in the page
    defect: str = ""


@dataclass
class Registry:
    """All scenarios, in the order in which their modules define them."""

    scenarios: list[Scenario] = field(default_factory=list)

    def add(
        self,
        number: int,
        name: str,
        does: str,
        *,
        north: Limits = STEADY,
        south: Limits = STEADY,
        rows: tuple[tuple[str, int], ...] = (),
        ci: bool = False,
        overlap_s: float = 0.0,
        defect: str = "",
    ) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
        """Register the decorated function, which injects the fault and waits for what is expected."""

        def register(play: Callable[[Play], None]) -> Callable[[Play], None]:
            assert name not in {known.name for known in self.scenarios}, f"two scenarios are called {name}"
            limits = {"north": north, "south": south}
            self.scenarios.append(Scenario(number, name, does, play, limits, rows, ci, overlap_s, defect))
            return play

        return register


REGISTRY = Registry()
fault = REGISTRY.add
