"""What people do to a simulated site: maintenance, moves, FAILED, `failover-delete`; and a server that drifts."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from understudy.failover.model import Phase
from understudy.failover.order import CARRIED
from understudy.failover.orders import Fault as Latch
from understudy.failover.orders import Maintenance
from understudy.simulation.fault import Fault, Inject
from understudy.simulation.machine import Machine
from understudy.simulation.world import World

#: a shutdown waits so long for the hand-over (`commands.LEAVE_S`), looking this often
LEAVE_S, LOOK_S = 15.0, 0.05
#: from clearing a fault to the restart of the machine
RESTART_S = 1.0


def ask_handback(world: World, fault: Fault) -> Callable[[], None]:
    """An operator wants everything handed back."""
    for machine in world.machines.values():
        machine.wants = {part.name: part.home for part in machine.site.parts}
    return lambda: _want_nothing(world)


def move(world: World, fault: Fault) -> Callable[[], None]:
    """An operator wants the parts of one server, or those it plays, on another."""
    a, b = fault.targets
    world.machines[a].wants = {part.name: b for part in world.machines[a].site.mine if _able(world, b, part.home)}
    return lambda: _want_nothing(world)


def _able(world: World, server: str, home: str) -> bool:
    return server == home or world.machines[server].site.is_standby


def _want_nothing(world: World) -> None:
    for machine in world.machines.values():
        machine.wants = {}


def maintenance(world: World, fault: Fault) -> Callable[[], None]:
    """A server is in maintenance for a while."""
    machine = world.machines[fault.targets[0]]
    machine.order(replace(machine.standing, maintenance=Maintenance(since_wall_s=0.0)))
    return lambda: machine.order(replace(machine.standing, maintenance=None))


def shutdown(world: World, fault: Fault) -> Callable[[], None]:
    """[4] An orderly reboot that takes `lasts`."""
    machine = world.machines[fault.targets[0]]
    if not machine.up or not machine.agent_runs or machine.leaving:
        return lambda: None
    machine.leaving = True
    _leave(world, machine, machine.process, world.now + LEAVE_S, fault.lasts)
    return lambda: None


def _leave(world: World, machine: Machine, process: int, end: float, lasts: float) -> None:
    if machine.process != process or not machine.leaving:
        return
    state = machine.state
    carried = state is not None and any(part.phase in CARRIED - {Phase.ISOLATED} for part in state.parts.values())
    if carried and world.now < end:
        world.at(world.now + LOOK_S, _leave, world, machine, process, end, lasts)
        return
    machine.shut_down()
    world.at(world.now + lasts, lambda: None if machine.up else machine.power_on())


def fail(world: World, fault: Fault) -> Callable[[], None]:
    """[12] A server is declared FAILED; later the fault is cleared and the machine restarted."""
    machine = world.machines[fault.targets[0]]
    machine.order(replace(machine.standing, fault=Latch(reason="a test", since_wall_s=0.0)))
    return lambda: repair(world, machine)


def repair(world: World, machine: Machine) -> None:
    """Clear the fault, and restart the machine a little later."""
    if machine.standing.fault is None:
        return
    machine.standing = replace(
        machine.standing, fault=replace(machine.standing.fault, cleared_boot=f"boot{machine.boots}")
    )
    world.at(world.now + RESTART_S, restart, machine)


def restart(machine: Machine) -> None:
    """Off and on."""
    if machine.up:
        machine.shut_down()
    machine.power_on()


def detach(world: World, fault: Fault) -> Callable[[], None]:
    """[52] `failover-delete --force`, for good."""
    machine = world.machines[fault.targets[0]]
    machine.order(replace(machine.standing, detached=True))
    return lambda: None


def drift(world: World, fault: Fault) -> Callable[[], None]:
    """A server is not as it should be, or its licence has ended: as a standby it must not take over meanwhile."""
    machine = world.machines[fault.targets[0]]
    machine.unfit = "its configuration has drifted"
    if machine.site.is_standby:
        machine.health.ill("unfit", world.now)
    return lambda: set_right(world, machine)


def set_right(world: World, machine: Machine) -> None:
    """It is as it should be again."""
    machine.unfit = ""
    machine.health.well("unfit", world.now)


#: as `faults.KINDS`
KINDS: dict[str, tuple[Inject, int, int]] = {
    "ask-handback": (ask_handback, 0, 1),
    "move": (move, 2, 2),
    "maintenance": (maintenance, 1, 2),
    "shutdown": (shutdown, 1, 3),
    "fail": (fail, 1, 2),
    "detach": (detach, 1, 1),
    #: drawn apart from the others
    "drift": (drift, 1, 0),
}
