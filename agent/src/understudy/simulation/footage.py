"""The recording invariant: no camera is unrecorded while a machine could have recorded it.

Pre-roll covers the finding out.
"""

from __future__ import annotations

from understudy.simulation.machine import Machine
from understudy.simulation.world import Violation, World

#: a machine must have been well this long before a hole to answer for it: its ring fills, and it finds out
SETTLED_S = 8.0
#: from start-up until a machine's first frames
FIRST_S = 4.0
TOLERANCE_S = 0.05


def check(world: World) -> None:
    """Violation if there is a hole in a part's footage that a machine in good health should have filled."""
    parts = {part.name for machine in world.machines.values() for part in machine.site.parts}
    for part in sorted(parts):
        for start, end in holes(world, part):
            for machine in world.machines.values():
                if _answers_for(machine, part, start, end):
                    raise Violation(
                        f"{part} has no footage from {start:.2f} to {end:.2f} s although {machine.name} was well"
                    )


def holes(world: World, part: str) -> list[tuple[float, float]]:
    """Stretches of time of which nobody has footage."""
    found, covered = [], FIRST_S
    stretches = [s for machine in world.machines.values() for s in machine.recorder.stretches(part, world.now)]
    for start, end in sorted(stretches):
        if start > covered + TOLERANCE_S:
            found.append((covered, start))
        covered = max(covered, end)
    return found


def _answers_for(machine: Machine, part: str, start: float, end: float) -> bool:
    if part not in {info.name for info in machine.site.mine}:
        return False
    begin, finish = start - SETTLED_S, max(end, start + SETTLED_S)
    return all(b <= begin or a >= finish for a, b in machine.health.troubles(part, machine.world.now))
