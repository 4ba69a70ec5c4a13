"""Several standbys and several failures: who takes what, and what happens when one of them dies in the middle."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from understudy.failover.model import Fired, Phase
from understudy.simulation import footage, schedule
from understudy.simulation.fault import Fault
from understudy.simulation.faults import KINDS, inject
from understudy.simulation.machine import Machine
from understudy.simulation.mutations import Mutation
from understudy.simulation.world import World

SEEDS = range(1, 9)
#: a takeover by the second in line after the first died in the middle of it
SECOND_S = 12.0


def site(seed: int, homes: int, standbys: int, limit: int = 1) -> World:
    world = World(seed, Mutation())
    schedule.build(world, homes, standbys, limit)
    world.run_until(18.0 + seed / 50)
    return world


def holder(world: World, part: str) -> str | None:
    found = [name for name, machine in world.machines.items() if machine.kernel.get(part, 0.0) > world.now]
    assert len(found) <= 1
    return found[0] if found else None


def whole_again(world: World) -> None:
    schedule.heal(world)
    schedule.become_well(world)
    footage.check(world)


@pytest.mark.parametrize("row", [301, 403, 501])
@pytest.mark.parametrize("seed", SEEDS)
def test_fault_38_the_primary_standby_dies_at_any_step_and_the_next_goes_on(row: int, seed: int) -> None:
    world = site(seed, 2, 2)
    died: list[str] = []

    def strike(machine: Machine, _fired: Fired) -> None:
        died.append(machine.name)
        machine.power_off()

    world.at_row[row] = strike
    world.machines["rec1"].power_off()
    world.run_until(world.now + SECOND_S)
    assert len(died) == 1
    assert holder(world, "part1") == {"stby1": "stby2", "stby2": "stby1"}[died[0]]
    assert holder(world, "part2") == "rec2"
    whole_again(world)


@pytest.mark.parametrize("row", [304, 402, 501])
@pytest.mark.parametrize("seed", SEEDS)
def test_faults_04_and_38_the_next_carrier_dies_during_a_planned_move(row: int, seed: int) -> None:
    world = site(seed, 2, 2)
    world.at_row[row] = lambda machine, _fired: machine.power_off()
    inject(world, Fault(at=world.now, lasts=60.0, kind="shutdown", targets=("rec1",)))
    world.run_until(world.now + 24.0)
    assert holder(world, "part1") in ("stby1", "stby2")
    whole_again(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_39_a_standby_dies_while_it_carries(seed: int) -> None:
    world = site(seed, 2, 2)
    world.machines["rec1"].power_off()
    world.run_until(world.now + 6.0)
    first = holder(world, "part1")
    assert first in ("stby1", "stby2")
    world.machines[first].power_off()
    world.run_until(world.now + 6.0)
    assert holder(world, "part1") == {"stby1": "stby2", "stby2": "stby1"}[first]
    whole_again(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_s05_takeover_limit_two_plays_two_parts_at_once(seed: int) -> None:
    world = site(seed, 2, 1, limit=2)
    world.machines["rec1"].power_off()
    world.machines["rec2"].power_off()
    world.run_until(world.now + 8.0)
    assert (holder(world, "part1"), holder(world, "part2")) == ("stby1", "stby1")
    whole_again(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_36_and_40_what_nobody_has_room_for_is_taken_as_soon_as_a_standby_is_free(seed: int) -> None:
    world = site(seed, 2, 1)
    world.machines["rec2"].power_off()
    world.run_until(world.now + 6.0)
    world.machines["rec1"].power_off()
    world.run_until(world.now + 6.0)
    assert (holder(world, "part1"), holder(world, "part2")) == (None, "stby1")
    world.machines["rec2"].power_on()
    world.run_until(world.now + 16.0)
    assert (holder(world, "part1"), holder(world, "part2")) == ("stby1", "rec2")
    whole_again(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_f03_two_servers_leave_at_once_and_there_is_room_for_one(seed: int) -> None:
    world = site(seed, 2, 1)
    for name in ("rec1", "rec2"):
        inject(world, Fault(at=world.now, lasts=40.0, kind="maintenance", targets=(name,)))
    world.run_until(world.now + 6.0)
    holders = {holder(world, "part1"), holder(world, "part2")}
    assert "stby1" in holders
    assert len(holders & {"rec1", "rec2"}) == 1
    whole_again(world)


def test_f05_ten_die_at_once_and_ten_standbys_take_one_each() -> None:
    world = site(1, 12, 10)
    for number in range(1, 11):
        world.machines[f"rec{number}"].power_off()
    world.run_until(world.now + 5.0)
    carriers = [holder(world, f"part{number}") for number in range(1, 11)]
    assert sorted(str(name) for name in carriers) == sorted(f"stby{number}" for number in range(1, 11))
    phases = [machine.state_of("part11").phase for machine in world.machines.values() if machine.site.is_standby]
    assert set(phases) == {Phase.STANDBY}


@pytest.mark.parametrize("seed", range(1, 61))
def test_fault_20_keep_is_safe_where_the_network_cannot_split(seed: int) -> None:
    """`arbitration_lost: keep`: with every fault but cuts between machines, no address is ever on two of them."""
    world = World(seed, Mutation())
    schedule.build(world)
    for machine in world.machines.values():
        machine.site = replace(machine.site, arbitration_lost="keep")
    kinds = ("crash", "kill-agent", "register-down", "register-slow", "register-lossy", "cut-register", "shutdown")
    for _ in range(world.random.randint(2, 6)):
        kind = world.random.choice(kinds)
        targets = tuple(world.random.sample(list(world.machines), KINDS[kind][1]))
        fault = Fault(world.random.uniform(3, 18), world.random.uniform(0.5, 12), kind, targets)
        world.at(fault.at, inject, world, fault)
    world.run_until(schedule.FAULTS_END_S)
    whole_again(world)


def test_fault_20_keep_outlives_register_and_standby_together() -> None:
    held = {}
    for policy in ("drop", "keep"):
        world = World(1, Mutation())
        schedule.build(world, 2, 1)
        for machine in world.machines.values():
            machine.site = replace(machine.site, arbitration_lost=policy)
        world.run_until(12.0)
        world.register_down += 1
        world.machines["stby1"].power_off()
        world.run_until(30.0)
        held[policy] = holder(world, "part1")
        whole_again(world)
    assert held == {"drop": None, "keep": "rec1"}
