"""One schedule.

A site, its faults, a phase in which nothing unsafe may happen, and a phase in which all must become well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from msgspec.structs import replace

from understudy.failover.memory import Part
from understudy.failover.model import Mode, PartInfo, Phase, Site
from understudy.failover.step import HOLDING
from understudy.simulation import faults, footage, operators, registers
from understudy.simulation.fault import Fault, Takeover
from understudy.simulation.machine import Machine
from understudy.simulation.mutations import MUTATIONS
from understudy.simulation.world import Violation, World
from understudy.site.plan import Handback

FAULTS_END_S = 26.0
#: after healing, everything must be in its place within this time
LIVENESS_S = 240.0
AFTER_S = 4.0
CLOCK_RATE = 1e-3
HandbackMode = Literal["automatic", "window", "manual"]
#: how often each is drawn, compared with the others
MODES: dict[HandbackMode, int] = {"automatic": 6, "window": 1, "manual": 1}


@dataclass(slots=True)
class Report:
    """What became of one schedule."""

    seed: int
    faults: list[Fault]
    violation: str = ""
    story: list[str] = field(default_factory=list)
    rows: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    takeovers: int = 0
    #: moments in the one case that `takeover: early` gives up
    conceded: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.violation or 'ok'}", *(f"  {fault}" for fault in self.faults)]
        return "\n".join([*lines, *(f"    {line}" for line in self.story)])


def run(
    seed: int, mutation: str = "none", planned: list[Fault] | None = None, takeover: Takeover | None = None
) -> Report:
    """Play one schedule; `planned` instead of drawn faults replays or shrinks one. Never raises a Violation."""
    world = World(seed, MUTATIONS[mutation]())
    build(world, takeover=takeover or world.mutation.takeover, mode=_mode(seed))
    # A generator of its own, so that a schedule with fewer faults is the same history otherwise.
    schedule = faults.draw(Random(seed + 1_000_003), list(world.machines)) if planned is None else planned
    report = Report(seed=seed, faults=schedule, rows=world.rows)
    for fault in schedule:
        world.at(fault.at, faults.inject, world, fault)
    try:
        world.run_until(FAULTS_END_S)
        heal(world)
        become_well(world)
        footage.check(world)
    except Violation as violation:
        report.violation = str(violation)
        report.story = [
            f"{at:7.2f} {name:6} {row.row} {row.part} {row.before} -> {row.after}: {row.reason}"
            for at, name, row in world.history
        ]
    report.seconds = world.now
    report.takeovers = world.rows[501]
    report.conceded = world.conceded
    return report


def _mode(seed: int) -> HandbackMode:
    """When parts go home in this schedule; by a generator of its own, as the faults."""
    return Random(seed + 2_000_003).choices(tuple(MODES), weights=tuple(MODES.values()))[0]


def build(
    world: World,
    homes: int = 0,
    standbys: int = 0,
    limit: int = 1,
    takeover: Takeover = "certain",
    mode: HandbackMode = "automatic",
) -> None:
    """Put a site of that size into the world (0: of a size that is drawn) and switch it on."""
    if not homes:
        homes, standbys, limit = world.random.choice([(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1), (3, 2, 1), (3, 2, 2)])
    parts = tuple(PartInfo(name=f"part{n}", home=f"rec{n}", priority=100 + n) for n in range(1, homes + 1))
    names = tuple(f"stby{n}" for n in range(1, standbys + 1))
    for node in [part.home for part in parts] + list(names):
        site = Site(
            name="sim",
            node=node,
            parts=parts,
            standbys=names,
            takeover_limit=limit,
            takeover=takeover,
            handback=Handback(mode=mode, after_s=AFTER_S),
        )
        rate = 1.0 + world.random.uniform(-CLOCK_RATE, CLOCK_RATE)
        machine = Machine(world, site, rate, world.random.uniform(0.0, 1e6))
        world.machines[node] = machine
    for machine in world.machines.values():
        world.at(world.random.uniform(0.0, 1.0), machine.power_on)


def heal(world: World) -> None:
    """Undo every fault."""
    world.cut.clear()
    world.register_cut.clear()
    world.stale.clear()
    world.mute_arp.clear()
    world.register_down = world.register_slow = world.register_lossy = world.loss = world.jitter = 0
    world.lose_claims = 0
    world.at_row.clear()
    world.healed = True
    for machine in world.machines.values():
        operators.set_right(world, machine)
        machine.recorder_mute, machine.wants, machine.trap_s, machine.leaving = False, {}, 0.0, False
        machine.thaw()
        machine.order(replace(machine.standing, maintenance=None))
        if machine.standing.fault is not None:
            operators.repair(world, machine)
            operators.restart(machine)
        if not machine.up:
            machine.power_on()
        machine.start_agent()
    # What was to heal later has been healed now.
    world.drop_heals()
    registers.order(world, world.now + registers.WATCHES_S)


def become_well(world: World) -> None:
    """Liveness: Violation unless everything is in its place in time."""
    end = world.now + LIVENESS_S
    while (wrong := out_of_place(world)) is not None:
        if world.now >= end:
            raise Violation(f"{LIVENESS_S:.0f} s after healing {wrong}")
        world.run_until(world.now + 1.0)


def out_of_place(world: World) -> str | None:
    """What is not as it should be in a healthy site; None when all is."""
    machines = world.machines.values()
    wrong = next((why for machine in machines if (why := _misplaced(world, machine)) is not None), None)
    if wrong is not None:
        return wrong
    left = [machine for machine in machines if machine.site.is_standby and not machine.standing.detached]
    room = sum(machine.site.takeover_limit for machine in left)
    homeless = [m.site.mine[0].name for m in machines if m.standing.detached and not m.site.is_standby]
    for part in homeless[:room]:
        if not any(machine.kernel.get(part, 0.0) > world.now for machine in left):
            return f"nobody carries {part}, whose home was removed"
    first = sum(machine.state is not None and machine.state.place == 0 for machine in machines)
    wanted = int(len(homeless) < room)
    return None if first == wanted else f"{first} servers are PRIMARY STANDBY, not {wanted}"


def _misplaced(world: World, machine: Machine) -> str | None:
    state = machine.state
    assert state is not None
    for part in state.parts.values():
        allowed, mode = _place(world, machine, part)
        if part.phase not in allowed:
            return f"{machine.name} is {part.phase} for {part.name} ({part.reason})"
        if part.phase in HOLDING and machine.kernel.get(part.name, 0.0) <= world.now:
            return f"{machine.name} does not hold the addresses of {part.name}"
        if part.phase != Phase.TAKEN_OVER and machine.recorder.assignment.get(part.name) != mode:
            return f"{machine.name} does not {mode} {part.name}"
    return None


def _place(world: World, machine: Machine, part: Part) -> tuple[set[Phase], Mode]:
    """States a part may be in when all is well, and what the recorder does with it."""
    away = machine.site.is_standby
    if machine.standing.detached:
        return {Phase.DETACHED}, "off" if away else "record"
    if not away:
        return {Phase.SERVING}, "record"
    homeless = world.machines[part.home].standing.detached
    return {Phase.STANDBY, Phase.TAKEN_OVER} if homeless else {Phase.STANDBY}, "preroll"
