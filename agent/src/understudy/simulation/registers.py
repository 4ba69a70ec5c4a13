"""A simulated register that loses its data or is set back, and the operator who has it written anew.

What is written, and when it may be, is the product's own code (`failover.recreate`).
"""

from __future__ import annotations

from collections.abc import Callable

from understudy.failover import recreate
from understudy.failover.facts import Facts
from understudy.failover.model import Observation
from understudy.simulation.fault import Fault, Inject
from understudy.simulation.machine import Machine
from understudy.simulation.world import World

#: an operator looks again after so long, for so long at least: an agent notices with its next write
AGAIN_S, WATCHES_S = 1.0, 10.0


def lose(world: World, fault: Fault) -> Callable[[], None]:
    """[22] All of it is gone; an operator has it written anew later."""
    world.register.values.clear()
    return lambda: order(world, world.now + WATCHES_S)


def restore(world: World, fault: Fault) -> Callable[[], None]:
    """[22] What it holds now is brought back from a backup when the fault ends, and an operator puts it right."""
    backup = dict(world.register.values)

    def bring_back() -> None:
        world.register.values.clear()
        world.register.values.update(backup)
        order(world, world.now + WATCHES_S)

    return bring_back


def order(world: World, until: float) -> None:
    """An operator restarts agents that took the old register for another machine's, and looks for a server that can
    write it anew; again and again until there is nothing to do."""
    for machine in world.machines.values():
        if machine.agent_runs and machine.state is not None and machine.state.ousted:
            machine.stop_agent()
            machine.start_agent()
    for machine in world.machines.values():
        if (found := _look(world, machine)) is None:
            continue
        if found.owners:
            world.at(world.now + machine.site.timing.take_s, _write, world, machine, machine.process, found, until)
        elif world.now < until:
            world.at(world.now + AGAIN_S, order, world, until)
        return
    world.at(world.now + AGAIN_S, order, world, until)


def _look(world: World, machine: Machine) -> recreate.Recreation | None:
    """What the machine would write; None when it must not say, or cannot."""
    unreachable = world.register_down or world.register_cut[machine.name]
    if machine.state is None or not machine.agent_runs or machine.frozen or unreachable:
        return None
    facts = Facts(machine.state, Observation(now_s=machine.local(), peers=dict(machine.peers)))
    values: dict[str, bytes | None] = {}
    for txn in recreate.reads([part.name for part in machine.site.parts], list(world.machines), machine.site.keys):
        values |= world.register.execute(txn)[1]
    found = recreate.recreation(facts, values, ())
    return found if recreate.limitation(facts, list(world.machines), ()) is None or not found.owners else None


def _write(world: World, machine: Machine, process: int, first: recreate.Recreation, until: float) -> None:
    if process == machine.process and _look(world, machine) == first:
        for txn in first.txns:
            world.register.execute(txn)
    order(world, until)


#: as `faults.KINDS`; drawn apart from the others
KINDS: dict[str, tuple[Inject, int, int]] = {"register-lost": (lose, 0, 0), "register-restored": (restore, 0, 0)}
