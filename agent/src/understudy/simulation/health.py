"""When a simulated machine could be counted on: the recording invariant holds it to account only then.

Times are true time of the simulated world in seconds.
"""

from __future__ import annotations

from understudy.failover.model import Phase

#: phases in which a part takes no place on a standby
IDLE = frozenset({Phase.STANDBY, Phase.STARTING, Phase.MAINTENANCE, Phase.FAILED, Phase.CLEARED, Phase.DETACHED})


class Health:
    """One machine's: ill until its first start, for any of several causes; `places` parts at a time."""

    def __init__(self, places: int) -> None:
        self._places = places
        #: (from, to) during which this machine could not be counted on
        self._sick: list[tuple[float, float]] = []
        self._causes: set[str] = {"power"}
        self._sick_since: float | None = 0.0
        #: (from, to, part): when it was occupied with which part
        self._busy: list[tuple[float, float, str]] = []
        self._busy_since: dict[str, float] = {}

    def ill(self, cause: str, now: float) -> None:
        """From now on nothing can be expected of it."""
        self._causes.add(cause)
        if self._sick_since is None:
            self._sick_since = now

    def well(self, cause: str, now: float) -> None:
        """It works again, unless there are other causes."""
        self._causes.discard(cause)
        if self._sick_since is not None and not self._causes:
            self._sick.append((self._sick_since, now))
            self._sick_since = None

    def occupied(self, part: str, phase: Phase, now: float) -> None:
        """It is in this phase for the part from now on."""
        if part in self._busy_since and phase in IDLE:
            self._busy.append((self._busy_since.pop(part), now, part))
        elif part and phase not in IDLE:
            self._busy_since.setdefault(part, now)

    def troubles(self, part: str, now: float) -> list[tuple[float, float]]:
        """When it could not be counted on for `part`: sick, or occupied with as many other parts as it may carry."""
        others = [(a, b) for a, b, other in self._busy if other != part]
        others += [(a, now) for other, a in self._busy_since.items() if other != part]
        found = [*self._sick, *crowded(others, self._places)]
        return found + ([(self._sick_since, now)] if self._sick_since is not None else [])


def crowded(stretches: list[tuple[float, float]], limit: int) -> list[tuple[float, float]]:
    """When at least `limit` of the stretches run side by side."""
    found, running, begin = [], 0, 0.0
    for at, change in sorted([*((a, 1) for a, _ in stretches), *((b, -1) for _, b in stretches)]):
        before, running = running, running + change
        if before < limit <= running:
            begin = at
        elif running < limit <= before:
            found.append((begin, at))
    return found
