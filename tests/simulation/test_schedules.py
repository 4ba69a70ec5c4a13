"""Fault schedules against the real step: nothing unsafe, everything well after healing, and mistakes are noticed."""

from __future__ import annotations

import os
from statistics import median

import pytest
from understudy.failover.states import TABLE
from understudy.simulation import campaign, footage, schedule
from understudy.simulation.fault import Fault
from understudy.simulation.faults import inject
from understudy.simulation.mutations import MUTATIONS, Mutation
from understudy.simulation.world import World

SCHEDULES = int(os.environ.get("UNDERSTUDY_SCHEDULES", "2000"))
WORKERS = os.cpu_count() or 1
#: a register changed by hand, or an answer later than any fault here makes it: golden cases of their own
STAGED = {207, 310, 323, 609, 823}
#: rows of `takeover: early`, see test_early
EARLY = {404, 804}


def crash(at: float, lasts: float, name: str = "rec1") -> Fault:
    return Fault(at, lasts, "crash", (name,))


def on(name: str, kind: str, at: float, lasts: float) -> Fault:
    return Fault(at, lasts, kind, (name,))


#: rows so rare that they need schedules of their own -> these
RARE: dict[int, list[Fault]] = {
    405: [crash(4, 12), on("stby1", "isolate", 6.5, 4)],
    406: [crash(4, 12, "rec2"), crash(4.5, 12, "rec1")],
    408: [crash(6, 8), on("stby1", "fail", 8, 5)],
    409: [crash(6, 8), on("stby1", "detach", 8, 1)],
    410: [crash(6, 12), Fault(6, 6, "claim-unanswered", ())],
    513: [crash(6, 5), on("rec1", "carrier-dies-at-last", 10.5, 9)],
    515: [crash(4, 5), Fault(10, 15, "claim-unanswered", ()), crash(10.5, 14, "stby1")],
    607: [crash(4, 16), on("stby1", "fail", 10, 5)],
    612: [crash(4, 16), on("stby1", "detach", 10, 5)],
    611: [crash(4, 16), on("stby1", "shutdown", 10, 5)],
    613: [crash(4, 16), on("stby1", "shutdown", 10, 5)],
    615: [crash(4, 16), on("stby1", "maintenance", 10, 8)],
    617: [crash(4, 16), Fault(10, 8, "move", ("stby1", "stby2"))],
    631: [crash(4, 16), on("stby1", "maintenance", 10, 8)],
    632: [crash(4, 16), on("stby1", "maintenance", 10, 8)],
    233: [on("stby1", "mute-recorder", 5, 16), on("rec1", "maintenance", 6, 14)],
    633: [crash(2, 22), on("stby2", "mute-recorder", 8, 16), on("stby1", "maintenance", 9, 14)],
    234: [on("rec1", "isolate", 6, 10), on("rec1", "shutdown", 7.2, 3)],
    634: [crash(2, 22), on("stby1", "isolate", 9, 10), on("stby1", "shutdown", 10.2, 3)],
    704: [
        crash(4, 5),
        on("rec1", "mute-recorder", 9.5, 16),
        crash(13.4, 10, "stby2"),
        on("stby1", "cut-register", 13.5, 8),
    ],
    703: [crash(4, 5), Fault(4, 18, "home-dies-in-handback", ())],
    904: [crash(4, 5), on("stby1", "isolate", 10, 7)],
    905: [on("rec1", "isolate", 6, 12), on("rec1", "fail", 12, 5)],
    906: [on("rec1", "isolate", 6, 12), on("rec1", "detach", 12, 5)],
    911: [crash(2, 20), on("stby1", "isolate", 9, 12), on("stby1", "fail", 15, 5)],
    912: [crash(2, 20), on("stby1", "isolate", 9, 12), on("stby1", "detach", 15, 5)],
    825: [on("rec1", "maintenance", 6, 12), on("rec1", "fail", 12, 8)],
    826: [on("rec1", "maintenance", 6, 12), on("rec1", "detach", 12, 8)],
    335: [on("stby1", "maintenance", 6, 12), on("stby1", "fail", 9, 8)],
    336: [on("stby1", "maintenance", 6, 12), on("stby1", "detach", 9, 8)],
    808: [crash(4, 8), on("rec1", "detach", 13, 1)],
    807: [crash(4, 8), on("rec1", "fail", 13, 3)],
    102: [crash(6, 3), on("rec1", "detach", 7, 1)],
    110: [crash(6, 3, "stby1"), on("stby1", "detach", 7, 1)],
    103: [on("rec1", "fail", 6, 12), crash(9, 3)],
    104: [on("stby1", "fail", 6, 12), crash(9, 3, "stby1")],
    213: [crash(4, 18, "stby1"), crash(4, 18, "stby2"), on("rec1", "shutdown", 7, 3)],
    806: [crash(4, 18, "stby1"), crash(4, 18, "stby2"), on("rec1", "shutdown", 7, 3)],
    954: [on("rec1", "fail", 6, 12), on("rec1", "detach", 12, 1)],
    958: [on("stby1", "fail", 6, 12), on("stby1", "detach", 12, 1)],
    956: [on("rec1", "fail", 6, 6), on("rec1", "detach", 12.5, 1)],
    960: [on("stby1", "fail", 6, 6), on("stby1", "detach", 12.5, 1)],
    953: [on("rec1", "fail", 6, 6), on("rec1", "fail", 12.5, 3)],
    959: [on("stby1", "fail", 6, 6), on("stby1", "fail", 12.5, 3)],
}

#: (mutation, seeds within which it must be caught, by what): about ten times the first that was
BOUNDS = {
    "no-kernel-lifetime": (220, "the addresses of"),
    "deadline-from-answer": (1000, "the addresses of"),
    "skip-promise": (250, "the addresses of"),
    "drop-comparison": (3000, "the addresses of"),
    "ignore-fitness": (300, "claims a part although its configuration has drifted"),
    "ignore-heard-epochs": (200, "the addresses of"),
    "ignore-handback-mode": (100, "home although handback.mode is"),
}


@pytest.mark.timeout(1500)
def test_f12_no_schedule_breaks_an_invariant_and_rows_are_reached() -> None:
    summary = campaign.run(range(1, SCHEDULES + 1), workers=WORKERS)
    told = "\n".join(str(campaign.shrink(report)) for report in summary.failures)
    assert not summary.failures, told
    assert summary.schedules == SCHEDULES
    missing = {row.id for row in TABLE} - set(summary.rows) - STAGED - set(RARE) - EARLY
    assert not missing, f"rows never reached: {sorted(missing)}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mutation", "bound", "told"), [(name, *found) for name, found in BOUNDS.items()])
def test_f12_every_deliberate_mistake_is_caught(mutation: str, bound: int, told: str) -> None:
    summary = campaign.run(range(1, bound + 1), mutation=mutation, workers=WORKERS, stop_after=1)
    assert summary.failures, f"{mutation} was not caught in {bound} schedules"
    assert told in summary.failures[0].violation


def test_every_mutation_is_tested() -> None:
    certain = {name for name, mutation in MUTATIONS.items() if mutation.takeover == "certain"}
    assert set(BOUNDS) == certain - {"none"}


@pytest.mark.parametrize(("row", "faults"), RARE.items())
def test_rare_rows_are_reached(row: int, faults: list[Fault]) -> None:
    for seed in range(1, 60):
        report = schedule.run(seed, planned=[f for f in faults if _possible(seed, f)])
        assert not report.violation, str(report)
        if report.rows[row]:
            return
    pytest.fail(f"row {row} was not reached")


def _possible(seed: int, fault: Fault) -> bool:
    world = World(seed, Mutation())
    schedule.build(world)
    return set(fault.targets) <= set(world.machines)


def test_a_seed_is_a_whole_history() -> None:
    first, second = schedule.run(7), schedule.run(7)
    assert (first.rows, first.seconds) == (second.rows, second.seconds)


def test_a_failure_names_seed_and_faults_and_shrinks() -> None:
    failed = campaign.run(range(1, 60), mutation="no-kernel-lifetime", stop_after=1).failures[0]
    shrunk = campaign.shrink(failed, "no-kernel-lifetime")
    assert len(shrunk.faults) <= len(failed.faults)
    assert str(shrunk).startswith(f"seed {failed.seed}: at ")
    assert str(shrunk.faults[0]) in str(shrunk)


def test_f03_fault_04_budget_of_an_orderly_reboot() -> None:
    """No frame is missing, addresses are away at most 0.5 s, on the way out and on the way home."""
    away = []
    for seed in range(1, 26):
        world = World(seed, Mutation())
        schedule.build(world, 2, 1)
        world.run_until(12 + seed / 50)
        home, standby = world.machines["rec1"], world.machines["stby1"]
        inject(world, Fault(at=world.now, lasts=5.0, kind="shutdown", targets=("rec1",)))
        for source, target in ((home, standby), (standby, home)):
            dropped_s = _until(world, lambda m=source: "part1" not in m.kernel)
            away.append(_until(world, lambda m=target: "part1" in m.kernel) - dropped_s)
        footage.check(world)
        assert not footage.holes(world, "part1")
    assert max(away) <= 0.5


def test_s05_s09_budget_of_crash_and_handback() -> None:
    """Addresses within 4.2 s of a crash, away at most 0.5 s when going home (F03)."""
    taken, away = [], []
    for seed in range(1, 26):
        world = World(seed, Mutation())
        schedule.build(world, 2, 1)
        crash_s = 10 + seed / 50
        world.run_until(crash_s)
        world.machines["rec1"].power_off()
        taken.append(_until(world, lambda w=world: "part1" in w.machines["stby1"].kernel) - crash_s)
        world.run_until(20.0)
        world.machines["rec1"].power_on()
        dropped_s = _until(world, lambda w=world: "part1" not in w.machines["stby1"].kernel)
        away.append(_until(world, lambda w=world: "part1" in w.machines["rec1"].kernel) - dropped_s)
    assert max(taken) <= 4.2
    assert median(taken) <= 3.7
    assert max(away) <= 0.5


def _until(world: World, so: object) -> float:
    assert callable(so)
    end = world.now + 60.0
    while not so():
        assert world.now < end
        world.run_until(world.now + 0.005)
    return world.now
