"""F05: groups and locations decide who takes what, and a large site loses ten servers at once."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace
from understudy.failover.model import PartInfo
from understudy.simulation import schedule
from understudy.simulation.mutations import Mutation
from understudy.simulation.world import World


def site(seed: int, choices: dict[str, dict[str, int]], homes: int = 2, standbys: int = 3) -> World:
    world = World(seed, Mutation())
    schedule.build(world, homes, standbys)
    for machine in world.machines.values():
        parts = tuple(replace(part, choice=choices.get(part.name)) for part in machine.site.parts)
        machine.site = replace(machine.site, parts=parts)
    world.run_until(18.0 + seed / 50)
    return world


def holder(world: World, part: str) -> str | None:
    return next((n for n, machine in world.machines.items() if machine.kernel.get(part, 0.0) > world.now), None)


@pytest.mark.parametrize("seed", range(1, 6))
def test_f05_a_second_choice_takes_it_only_when_no_first_choice_can(seed: int) -> None:
    world = site(seed, {"part1": {"stby2": 0, "stby1": 1}})
    world.machines["rec1"].power_off()
    world.run_until(world.now + 5.0)
    assert holder(world, "part1") == "stby2"
    world.machines["stby2"].power_off()
    world.run_until(world.now + 5.0)
    assert holder(world, "part1") == "stby1"


@pytest.mark.parametrize("seed", range(1, 6))
def test_f05_a_standby_elsewhere_never_takes_it(seed: int) -> None:
    world = site(seed, {"part1": {"stby3": 0}})
    world.machines["stby3"].power_off()
    world.machines["rec1"].power_off()
    world.machines["rec2"].power_off()
    world.run_until(world.now + 12.0)
    assert holder(world, "part1") is None
    assert holder(world, "part2") in ("stby1", "stby2")
    assert "part1" not in {part.name for part in world.machines["stby1"].site.mine}


@pytest.mark.parametrize("seed", range(1, 6))
def test_f05_two_parts_and_the_only_place_for_the_second_is_not_given_to_the_first(seed: int) -> None:
    world = site(seed, {"part1": {"stby1": 1, "stby2": 0}, "part2": {"stby1": 0, "stby2": 1}}, standbys=2)
    world.machines["rec1"].power_off()
    world.machines["rec2"].power_off()
    world.run_until(world.now + 5.0)
    assert (holder(world, "part1"), holder(world, "part2")) == ("stby2", "stby1")


def test_a_part_without_choices_may_be_taken_by_all() -> None:
    part = PartInfo(name="north", home="rec1")
    assert part.choice_of("stby9") == 0


@pytest.mark.timeout(900)
def test_f05_ten_of_a_hundred_die_at_once_and_ten_standbys_take_one_each_without_a_storm() -> None:
    world = World(1, Mutation())
    schedule.build(world, 100, 10)
    world.run_until(18.0)
    writes: Counter[int] = Counter()
    execute = world.register.execute

    def counted(txn):  # type: ignore[no-untyped-def]
        writes[int(world.now)] += bool(txn.puts)
        return execute(txn)

    world.register.execute = counted  # type: ignore[method-assign]
    dead = [f"rec{number}" for number in range(5, 105, 10) if number <= 100]
    world.run_until(20.0)
    for name in dead:
        world.machines[name].power_off()
    world.run_until(25.0)
    carriers = [holder(world, f"part{name.removeprefix('rec')}") for name in dead]
    assert sorted(str(name) for name in carriers) == sorted(f"stby{number}" for number in range(1, 11))
    # 100 carriers renew twice a second; ten claims and their renewals come on top, nothing else
    assert max(writes.values()) <= 2 * 100 + 10 * 4, writes
    assert all(holder(world, f"part{number}") == f"rec{number}" for number in (1, 2, 50, 100))
