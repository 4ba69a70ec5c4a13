"""Golden cases: planned moves, maintenance, FAILED, removal: who records, who drops, what the register is told."""

from __future__ import annotations

from typing import Any

import pytest
from understudy.arbitration.register import Beat, Owner, decode_owner, encode
from understudy.failover import commands, decide, window
from understudy.failover.facts import Facts
from understudy.failover.model import Assign, Flap, Memory, Mode, Observation, Phase, SetBeacon
from understudy.failover.orders import Fault, Orders, Standing, at_start
from understudy.site.plan import Handback


def owner(server: Any, part: str = "north") -> Owner:
    key = server.keys.owner(part)
    return decode_owner(key, server.register.values[key])


def said(server: Any) -> Any:
    return next(action.heartbeat for action in server.actions if isinstance(action, SetBeacon))


def assigned(server: Any) -> dict[str, Mode]:
    return next(action.parts for action in server.actions if isinstance(action, Assign))


def serving(bench: Any, *able: str, standbys: tuple[str, ...] = ("stby1",)) -> Any:
    """A home that serves, with standbys that could take its part."""
    server = bench("rec1", standbys=standbys)
    server.run(1.0)
    hear_standbys(server, *able)
    server.step()
    assert server.phase() is Phase.SERVING
    return server


def hear_standbys(server: Any, *names: str, **fields: Any) -> None:
    for name in names:
        server.hear(name, **{"state": Phase.STANDBY, "room": 1, "register_ok": True, **fields})


def carrying(bench: Any, orders: Orders | None = None, **options: Any) -> Any:
    """A standby that carries north."""
    server = bench("stby1", **options)
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=2))
    server.run(0.6)
    assert server.phase() is Phase.TAKEN_OVER
    server.orders = orders or Orders()
    return server


def test_fault_04_shutdown_waits_for_first_frames_then_drops_then_releases(bench: Any) -> None:
    server = serving(bench, "stby1")
    server.orders, server.addresses = Orders(leaving=True), frozenset({"north"})
    server.step()
    assert (server.rows[-1], said(server).handing, said(server).moved) == (211, {"north": "stby1"}, ())
    for _ in range(30):
        hear_standbys(server, "stby1", room=0, takes=("north",))
        server.step()
        assert "north" in server.held
    hear_standbys(server, "stby1", room=0, takes=("north",), ready=("north",))
    server.step()
    assert (server.rows[-1], server.held) == (231, {})
    server.run(0.3)
    assert owner(server) == Owner(node="rec1", epoch=1)
    server.addresses = frozenset()
    server.run(0.3)
    assert owner(server) == Owner(node="rec1", epoch=2, state="released", to="stby1")
    assert (server.phase(), assigned(server)) == (Phase.RETURNING, {"north": "record"})


def test_row_213_shutdown_without_a_standby_releases_for_anybody_at_once(bench: Any) -> None:
    server = serving(bench)
    server.orders = Orders(leaving=True)
    server.run(0.4)
    assert server.rows[-3:] == [213, 231, 232]
    assert owner(server) == Owner(node="rec1", epoch=2, state="released")


def test_shutdown_goes_on_after_ten_seconds_without_frames_there(bench: Any) -> None:
    server = serving(bench, "stby1")
    server.orders = Orders(leaving=True)
    server.step()
    for _ in range(98):
        hear_standbys(server, "stby1", room=0, takes=("north",))
        server.step()
    assert server.phase() is Phase.HANDING_OVER
    server.run(0.6)
    assert owner(server).to == "stby1"


def test_row_233_maintenance_is_broken_off_without_frames_there_and_retried(bench: Any) -> None:
    server = serving(bench, "stby1")
    server.orders = Orders(maintenance="until noon")
    for _ in range(450):
        hear_standbys(server, "stby1", room=1, takes=("north",))
        server.step()
        assert "north" in server.held
    assert [row for row in server.rows if row in (215, 233)] == [215, 233, 215]


def test_f03_maintenance_without_a_standby_keeps_the_part(bench: Any) -> None:
    server = serving(bench)
    server.orders = Orders(maintenance="until noon")
    server.run(2.0)
    assert "north" in server.held
    facts = Facts(server.state, Observation(now_s=server.now, orders=server.orders))
    assert commands.waiting(facts) == {"north": "in maintenance until noon; no standby can take it now"}


def test_f03_a_home_in_maintenance_takes_nothing_back_until_it_is_over(bench: Any) -> None:
    server = bench("rec1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=4, state="released"))
    server.orders = Orders(maintenance="until noon")
    server.run(5.0)
    assert server.phase() is Phase.MAINTENANCE
    assert said(server).withdrawn == "in maintenance until noon"
    server.orders = Orders()
    server.run(1.0)
    assert (server.phase(), owner(server)) == (Phase.SERVING, Owner(node="rec1", epoch=5))
    assert server.rows[-3:] == [822, 806, 511]


def test_a_standby_that_is_asked_records_keeps_the_place_and_takes_what_is_released_for_it(bench: Any) -> None:
    server = bench("stby1")
    key = server.keys.owner("north")
    server.register.values[key] = encode(Owner(node="rec1", epoch=1))
    server.run(1.0)
    for _ in range(80):
        server.hear("rec1", carries=("north",), parts={"north": Phase.HANDING_OVER}, handing={"north": "stby1"})
        server.step()
    assert (server.rows.count(304), server.phase(), said(server).room) == (1, Phase.SHADOWING, 0)
    server.register.values[key] = encode(Owner(node="rec1", epoch=2, state="released", to="stby1"))
    server.run(0.6)
    assert (server.phase(), owner(server)) == (Phase.TAKEN_OVER, Owner(node="stby1", epoch=3))
    assert server.rows[-2:] == [402, 501]
    assert server.state.memory.flaps == {}


def test_what_was_released_for_another_is_left_to_it_for_two_seconds(bench: Any) -> None:
    server = bench("stby2", standbys=("stby1", "stby2"))
    key = server.keys.owner("north")
    server.register.values[key] = encode(Owner(node="rec1", epoch=2, state="released", to="stby1"))
    server.run(1.9)
    assert server.phase() is Phase.STANDBY
    server.run(1.5)
    assert owner(server) == Owner(node="stby2", epoch=3)


def test_f03_moved_by_hand_stays_until_handed_back(bench: Any) -> None:
    server = bench("stby1")
    key = server.keys.owner("north")
    server.register.values[key] = encode(Owner(node="rec1", epoch=1))
    server.run(1.0)
    asked = {"handing": {"north": "stby1"}, "moved": ("north",), "parts": {"north": Phase.HANDING_OVER}}
    for _ in range(3):
        server.hear("rec1", carries=("north",), **asked)
        server.step()
    server.register.values[key] = encode(Owner(node="rec1", epoch=2, state="released", to="stby1"))
    for _ in range(400):
        server.hear("rec1", state=Phase.RETURNING, parts={"north": Phase.RETURNING}, register_ok=True)
        server.step()
    assert server.phase() is Phase.TAKEN_OVER
    facts = Facts(server.state, Observation(now_s=server.now, peers=server.peers))
    assert "moved it here" in (decide.handback_limitation(facts, server.state.parts["north"]) or "")
    server.orders = Orders(moves={"north": "rec1"})
    server.hear("rec1", state=Phase.RETURNING, parts={"north": Phase.RETURNING}, ready=("north",), register_ok=True)
    server.run(0.5)
    assert owner(server) == Owner(node="rec1", epoch=4)
    assert server.state.memory.stays == ()


def test_s59_s62_failed_gives_up_after_two_seconds_and_records_nothing(bench: Any) -> None:
    server = serving(bench, "stby1")
    server.orders = Orders(failed="disk C is read-only")
    server.step()
    for _ in range(18):
        hear_standbys(server, "stby1", room=0, takes=("north",))
        server.step()
        assert "north" in server.held
    server.run(0.6)
    assert (server.phase(), server.held, assigned(server)) == (Phase.FAILED, {}, {"north": "off"})
    assert owner(server) == Owner(node="rec1", epoch=2, state="released", to="stby1")
    server.run(10.0)
    assert owner(server).state == "released"


def test_s64_no_arbitration_while_failed_or_cleared(bench: Any) -> None:
    for orders, phase in ((Orders(failed="x"), Phase.FAILED), (Orders(failed="x", cleared=True), Phase.CLEARED)):
        server = bench("rec1")
        server.orders = orders
        server.run(6.0)
        assert server.phase() is phase
        assert not [sent for sent in server.sent if sent.purpose == "take"]
        assert server.register.values.get(server.keys.owner("north")) is None


def test_s63_an_isolated_server_that_fails_releases_when_the_register_is_back(bench: Any) -> None:
    server = serving(bench)
    server.answers = "lost"
    server.run(4.0)
    assert server.phase() is Phase.ISOLATED
    server.orders = Orders(failed="x")
    server.run(0.2)
    server.answers = "ok"
    server.run(1.0)
    assert (server.phase(), owner(server).state) == (Phase.FAILED, "released")


def test_s65_a_cleared_fault_is_over_after_a_restart_of_the_machine_only() -> None:
    lasting = Standing(fault=Fault(reason="x", since_wall_s=0.0))
    cleared = Standing(fault=Fault(reason="x", since_wall_s=0.0, cleared_boot="boot1"))
    assert at_start(lasting, "boot2") == lasting
    assert at_start(cleared, "boot1") == cleared
    assert at_start(cleared, "boot2") == Standing()


def test_s56_a_removed_standby_hands_over_and_falls_silent_in_the_register(bench: Any) -> None:
    server = carrying(bench, Orders(detached=True))
    server.run(1.0)
    assert (server.phase(), owner(server).state) == (Phase.DETACHED, "released")
    assert assigned(server) == {"north": "off", "south": "off"}
    sent = len([action for action in server.sent if action.txn.puts])
    server.run(20.0)
    assert len([action for action in server.sent if action.txn.puts]) == sent


@pytest.mark.parametrize(("who", "row", "phase"), [("rec1", 823, Phase.SERVING), ("stby1", 323, Phase.TAKEN_OVER)])
def test_rows_823_323_a_claim_that_had_won_is_served_in_maintenance_too(
    who: str, row: int, phase: Phase, bench: Any
) -> None:
    server = bench(who)
    key = server.keys.owner("north")
    server.register.values[key] = encode(Owner(node="other", epoch=1))
    server.orders = Orders(maintenance="until noon")
    server.run(1.0)
    assert server.phase() is Phase.MAINTENANCE
    server.register.values[key] = encode(Owner(node=who, epoch=2))
    server.run(1.5)
    assert row in server.rows
    assert server.phase() is phase


def test_fault_29_takeovers_in_a_row_lengthen_the_hold_and_say_so(bench: Any) -> None:
    server = carrying(bench)
    part = server.state.parts["north"]
    part.hold_s, part.home_since_s = 120.0, server.now - 12
    server.state.memory = Memory(flaps={"north": Flap(count=3, at_s=server.now)})
    facts = Facts(server.state, Observation(now_s=server.now))
    assert decide.handback_limitation(facts, part) == (
        "rec1 is back for 12 s of 120 s, longer than 30 s because it was taken over 3 times within an hour"
    )


def test_s09_window_and_manual_wait_for_their_time(bench: Any) -> None:
    for handback, said_why in (
        (Handback(mode="window", window="02:00-04:00"), "handback.window is 02:00-04:00"),
        (Handback(mode="manual"), "handback.mode is manual"),
    ):
        server = carrying(bench, handback=handback)
        part = server.state.parts["north"]
        part.home_since_s = server.now - 60
        facts = Facts(server.state, Observation(now_s=server.now, window_open=False))
        assert said_why in (decide.handback_limitation(facts, part) or "")
        asked = Facts(server.state, Observation(now_s=server.now, orders=Orders(moves={"north": "rec1"})))
        assert decide.handback_limitation(asked, part) is None
    opened = Facts(server.state, Observation(now_s=server.now, window_open=True))
    opened.state.site = bench("stby1", handback=Handback(mode="window", window="02:00-04:00")).site
    assert decide.handback_limitation(opened, part) is None


@pytest.mark.parametrize(
    ("hours", "zone", "at", "opened"),
    [
        ("02:00-04:00", "UTC", 2.0, True),
        ("02:00-04:00", "UTC", 4.0, False),
        ("22:00-04:00", "UTC", 23.5, True),
        ("22:00-04:00", "UTC", 3.9, True),
        ("22:00-04:00", "UTC", 12.0, False),
        ("02:00-04:00", "Europe/Zurich", 1.5, True),
        ("02:00-04:00", "Europe/Zurich", 3.5, False),
        ("02:00-04:00", "Nowhere/Atall", 2.5, True),
        (None, "UTC", 12.0, True),
    ],
)
def test_the_window_is_daily_in_the_site_s_zone(hours: str | None, zone: str, at: float, opened: bool) -> None:
    midnight_s = 1795392000.0  # 2026-11-23T00:00:00Z
    assert window.is_open(hours, zone, midnight_s + at * 3600) is opened


def test_f12_a_claim_that_cannot_be_sent_at_once_is_given_up(bench: Any) -> None:
    """A standby that has just booted may not write yet; its home takes the part meanwhile: no claim must follow."""
    server = bench("stby1")
    values, key = server.register.values, server.keys.owner("north")
    values[key] = encode(Owner(node="rec1", epoch=2, state="released", to="stby1"))
    values[server.keys.beat("stby1")] = encode(Beat(boot="the boot before", seq=1))
    server.run(0.7)
    assert server.phase() is Phase.SHADOWING
    values[key] = encode(Owner(node="rec1", epoch=3))
    server.run(0.8)
    assert not [sent for sent in server.sent if sent.purpose == "take"]
    assert owner(server) == Owner(node="rec1", epoch=3)
