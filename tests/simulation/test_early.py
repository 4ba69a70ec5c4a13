"""`takeover: early`: how much sooner, what it keeps, and the one thing it gives up."""

from __future__ import annotations

import os
from statistics import median

import pytest
from understudy.simulation import campaign, footage, schedule
from understudy.simulation.fault import Fault, Takeover
from understudy.simulation.faults import inject
from understudy.simulation.mutations import MUTATIONS, Mutation
from understudy.simulation.world import World

SCHEDULES = int(os.environ.get("UNDERSTUDY_SCHEDULES", "2000")) // 5
WORKERS = os.cpu_count() or 1


def site(seed: int, takeover: Takeover = "early", homes: int = 2, standbys: int = 1) -> World:
    world = World(seed, Mutation())
    schedule.build(world, homes, standbys, takeover=takeover)
    world.run_until(12.0 + seed / 50)
    return world


def until(world: World, so: object, limit_s: float = 30.0) -> float:
    assert callable(so)
    end = world.now + limit_s
    while not so():
        assert world.now < end
        world.run_until(world.now + 0.005)
    return world.now


def has(world: World, name: str, part: str = "part1") -> bool:
    return world.machines[name].kernel.get(part, 0.0) > world.now


def test_s05_addresses_are_on_the_standby_within_2_s_of_a_crash() -> None:
    took = []
    for seed in range(1, 41):
        world = site(seed)
        crash_s = world.now
        world.machines["rec1"].power_off()
        took.append(until(world, lambda w=world: has(w, "stby1")) - crash_s)
        assert world.rows[404] == 1
        schedule.heal(world)
        schedule.become_well(world)
        footage.check(world)
    assert median(took) < 1.7
    assert max(took) < 2.7


@pytest.mark.timeout(1500)
def test_f12_no_schedule_breaks_an_invariant_but_in_the_case_given_up() -> None:
    summary = campaign.run(range(1, SCHEDULES + 1), takeover="early", workers=WORKERS)
    told = "\n".join(str(campaign.shrink(report, takeover="early")) for report in summary.failures)
    assert not summary.failures, told
    assert {404, 804} <= set(summary.rows)
    assert summary.conceded, "a stopped and cut off carrier was never played: is the network modelled honestly?"


def test_certain_never_claims_early() -> None:
    summary = campaign.run(range(1, 41), takeover="certain", workers=WORKERS)
    assert not {404, 804} & set(summary.rows)
    assert not summary.conceded


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mutation", "bound"), [("ignore-wire", 300), ("ignore-early-deadline", 60)])
def test_f12_every_deliberate_mistake_is_caught(mutation: str, bound: int) -> None:
    assert MUTATIONS[mutation].takeover == "early"
    summary = campaign.run(range(1, bound + 1), mutation=mutation, workers=WORKERS, stop_after=1)
    assert summary.failures, f"{mutation} was not caught in {bound} schedules"
    assert "the addresses of" in summary.failures[0].violation


def test_fault_25_a_carrier_that_is_alone_drops_its_addresses_before_they_are_taken() -> None:
    """Nobody can ask it, nobody needs to: where its agent runs, early is as safe as certain."""
    for seed in range(1, 21):
        world = site(seed)
        inject(world, Fault(world.now, 20.0, "isolate", ("rec1",)))
        gone_s = until(world, lambda w=world: not has(w, "rec1"))
        assert until(world, lambda w=world: has(w, "stby1")) - gone_s > 0.2
        assert not world.conceded


def test_faults_05_and_06_a_kernel_that_answers_for_the_addresses_is_not_taken_from_early() -> None:
    """The agent is stopped, or killed and starts again: its addresses answer on the wire."""
    for seed in range(1, 11):
        stopped = site(seed)
        inject(stopped, Fault(stopped.now, 20.0, "freeze", ("rec1",)))
        gone_s = until(stopped, lambda w=stopped: not has(w, "rec1"))
        until(stopped, lambda w=stopped: has(w, "stby1"))
        assert stopped.now > gone_s
        killed = site(seed)
        inject(killed, Fault(killed.now, 1.0, "kill-agent", ("rec1",)))
        while killed.now < 20.0:
            killed.run_until(killed.now + 0.05)
            assert has(killed, "rec1")


def test_fault_18_the_register_is_gone_and_promises_keep_the_addresses() -> None:
    for seed in range(1, 6):
        world = site(seed)
        inject(world, Fault(world.now, 12.0, "register-down", ()))
        while world.now < 22.0:
            world.run_until(world.now + 0.02)
            assert has(world, "rec1")
            assert has(world, "rec2", "part2")


def test_a_standby_that_was_dead_before_costs_no_addresses_in_an_election() -> None:
    """Only servers that are heard may be early: the silence of another is no reason to drop anything soon."""
    for seed in range(1, 6):
        world = site(seed, standbys=2)
        world.machines["stby2"].power_off()
        world.run_until(world.now + 4.0)
        inject(world, Fault(world.now, 1.8, "register-down", ()))
        end = world.now + 4.0
        while world.now < end:
            world.run_until(world.now + 0.02)
            assert has(world, "rec1")


def test_the_case_given_up_is_bounded() -> None:
    """A stopped agent, cut off in the same second: on two machines, out of reach of each other, for at most 2.15 s."""
    found = 0
    for seed in range(1, 41):
        world = site(seed)
        inject(world, Fault(world.now, 20.0, "stopped-unseen", ("rec1",)))
        until(world, lambda w=world: has(w, "stby1"))
        world.run_until(world.now + 6.0)  # a Violation when it is longer, or when the agent over there runs
        found += bool(world.conceded)
    assert found
