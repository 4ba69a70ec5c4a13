"""The schedule of announcements, without a network."""

from __future__ import annotations

import ipaddress

from understudy.network import announce

PLACE = ("cli0", ipaddress.ip_address("198.18.31.101"))


def sent_at(plan: announce.Plan, until_s: float, step_s: float = 0.05) -> list[float]:
    moments, now_s = [], 0.0
    for tick in range(int(until_s / step_s) + 1):
        now_s = round(tick * step_s, 3)
        moments += [now_s for _ in plan.due(now_s)]
    return moments


def test_s12_announced_at_once_then_ever_slower_then_every_minute() -> None:
    plan = announce.Plan()
    plan.start(PLACE, 0.0)
    assert sent_at(plan, 131.0) == [0.0, 0.05, 0.2, 0.6, 1.3, 2.5, 5.0, 10.0, 70.0, 130.0]


def test_a_new_move_starts_over() -> None:
    plan = announce.Plan()
    plan.start(PLACE, 0.0)
    sent_at(plan, 20.0)
    plan.start(PLACE, 20.0)
    assert plan.due(20.0) == [PLACE]


def test_what_is_not_kept_is_not_announced() -> None:
    plan = announce.Plan()
    plan.start(PLACE, 0.0)
    plan.keep([])
    assert plan.due(0.0) == []
    assert plan.next_s() is None


def test_a_pause_of_the_process_is_not_made_up_for() -> None:
    plan = announce.Plan()
    plan.start(PLACE, 0.0)
    assert plan.due(3.0) == [PLACE]
    assert plan.due(3.0) == []
    assert plan.next_s() == 5.0


def test_the_rate_of_an_interface_is_bounded_and_nothing_is_lost() -> None:
    plan = announce.Plan()
    places = [("cli0", ipaddress.ip_address(f"10.0.0.{n}")) for n in range(1, 121)]
    for place in places:
        plan.start(place, 0.0)
    assert len(plan.due(0.0)) == announce.RATE_PER_S
    assert plan.due(0.5) == []
    told = set(plan.due(1.0)) | set(plan.due(2.0)) | set(plan.due(3.0))
    assert len(told) > announce.RATE_PER_S
