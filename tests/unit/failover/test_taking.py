"""Golden cases: when a standby records, when it may claim, who is first, when it hands back."""

from __future__ import annotations

from typing import Any

import msgspec
from understudy.arbitration.register import Beat, Owner, decode_beat, encode
from understudy.failover import decide, order
from understudy.failover.facts import Facts
from understudy.failover.model import Assign, Observation, PartProgress, Phase, ProbeResult


def watching(bench: Any, takers: tuple[str, ...] = ("stby1",), node: str = "stby1", **options: Any) -> Any:
    """A standby that has seen rec1 and rec2 carry their parts until now."""
    server = bench(node, **options)
    values = server.register.values
    for part, home in (("north", "rec1"), ("south", "rec2")):
        values[server.keys.owner(part)] = encode(Owner(node=home, epoch=1))
        values[server.keys.beat(home)] = encode(Beat(boot="b", seq=1, takers=takers, holds=(part,)))
    for _ in range(20):
        hear(server, "rec1", "rec2")
        server.step()
    assert server.phase() is Phase.STANDBY
    return server


def hear(server: Any, *homes: str) -> None:
    """These homes live: they renew, and say so."""
    for home in homes:
        part, key = {"rec1": "north", "rec2": "south"}[home], server.keys.beat(home)
        last = decode_beat(key, server.register.values[key])
        server.register.values[key] = beat = encode(msgspec.structs.replace(last, seq=last.seq + 1))
        server.hear(home, carries=(part,), ready=(part,), beat=beat, parts={part: Phase.SERVING})


def silence(server: Any, seconds: float, *alive: str) -> None:
    for _ in range(round(seconds * 10)):
        hear(server, *alive)
        server.step()


def limitation(server: Any, part: str = "north") -> str:
    facts = Facts(server.state, Observation(now_s=server.now, peers=server.peers))
    facts.rescue = order.rescue(facts)
    return decide.claim_limitation(facts, server.state.parts[part]) or ""


def test_s53_says_primary_standby_once(bench: Any) -> None:
    server = watching(bench)
    silence(server, 5.0, "rec1", "rec2")
    assert server.rows.count(351) == 1


def test_s05_shadow_after_one_second_take_after_take_s(bench: Any) -> None:
    server = watching(bench)
    silence(server, 0.8, "rec2")
    assert server.phase() is Phase.STANDBY
    silence(server, 0.5, "rec2")
    assert server.phase() is Phase.SHADOWING
    assert Assign(parts={"north": "record", "south": "preroll"}) in server.actions
    silence(server, 2.0, "rec2")
    assert server.phase() is Phase.SHADOWING
    silence(server, 1.5, "rec2")
    assert server.phase() is Phase.TAKEN_OVER
    assert list(server.held) == ["north"]


def test_fault_24_heartbeats_lost_but_beat_moves_is_never_taken(bench: Any) -> None:
    server = watching(bench)
    for seq in range(50, 90):
        beat = Beat(boot="b", seq=seq, takers=("stby1",), holds=("north",))
        server.register.values[server.keys.beat("rec1")] = encode(beat)
        silence(server, 0.5, "rec2")
        assert server.phase() in (Phase.STANDBY, Phase.SHADOWING)


def test_not_a_named_taker_never_claims(bench: Any) -> None:
    server = watching(bench, takers=("stby2",))
    silence(server, 10.0, "rec2")
    assert server.phase() is Phase.SHADOWING
    assert "does not name this server among its takers" in limitation(server)


def test_promised_standby_waits(bench: Any) -> None:
    server = watching(bench)
    silence(server, 3.0, "rec2")
    server.hear("rec1", ask=7.0)
    silence(server, 2.0, "rec2")
    assert server.phase() is Phase.SHADOWING
    assert "promised rec1" in limitation(server)


def test_addresses_that_answer_delay_a_claim_and_do_not_stop_it(bench: Any) -> None:
    server = watching(bench)
    facts = Facts(server.state, Observation(now_s=server.now))
    part = server.state.parts["north"]
    part.probed_s = server.now
    for waited_s, blocked in ((3.7, True), (9.8, False)):
        facts.now_s = server.now + waited_s
        facts.observation = Observation(
            now_s=facts.now_s, probes={"north": ProbeResult(asked_s=server.now, answered=True)}
        )
        assert (decide._wire_limitation(facts, part) is not None) is blocked


def test_row_401_false_alarm_ends_after_five_calm_seconds(bench: Any) -> None:
    server = watching(bench)
    silence(server, 1.5, "rec2")
    silence(server, 4.5, "rec1", "rec2")
    assert server.phase() is Phase.SHADOWING
    silence(server, 1.0, "rec1", "rec2")
    assert server.phase() is Phase.STANDBY


def test_row_302_carrier_that_reboots_unnoticed_is_covered_from_pre_roll(bench: Any) -> None:
    server = watching(bench)
    server.hear("rec1", boot="b2", state=Phase.STARTING)
    server.step()
    assert server.rows[-1] == 302
    assert Assign(parts={"north": "record", "south": "preroll"}) in server.actions


def test_fault_38_an_agent_that_restarts_lets_the_recorder_go_on_recording(bench: Any) -> None:
    """Back to pre-roll, and the frames until the next key frame would be in neither the ring nor a file."""
    server = bench("stby1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    server.recorder = {"north": PartProgress(mode="record"), "south": PartProgress(mode="preroll")}
    modes = set()
    while server.phase() is not Phase.SHADOWING:
        server.step()
        server.hear("rec2", carries=("south",))
        modes |= {action.parts["north"] for action in server.actions if isinstance(action, Assign)}
    assert modes == {"record"}
    assert server.actions
    assert Assign(parts={"north": "record", "south": "preroll"}) in server.actions


def test_f10_recorder_that_stops_on_a_living_carrier_is_covered(bench: Any) -> None:
    server = watching(bench)
    server.hear("rec1", carries=("north",), ready=(), parts={"north": Phase.SERVING})
    server.step()
    assert server.rows[-1] == 302


def test_fault_36_two_die_one_standby_takes_the_first_by_priority(bench: Any) -> None:
    server = watching(bench)
    silence(server, 1.2, "rec1")
    assert server.phase("south") is Phase.SHADOWING
    silence(server, 6.0)
    assert server.phase("north") is Phase.TAKEN_OVER
    assert server.phase("south") is Phase.STANDBY


def test_second_in_line_waits_its_turn_and_acts_when_the_first_does_not(bench: Any) -> None:
    server = watching(bench, takers=("stby1", "stby2"), node="stby2", standbys=("stby1", "stby2"))
    for _ in range(60):
        server.hear("stby1", state=Phase.STANDBY, room=1, register_ok=True)
        silence(server, 0.1, "rec2")
        if 403 in server.rows:
            break
        if server.now - 1002.0 < 3.5:
            assert server.phase() is Phase.STANDBY
    claimed_s = next(row.at_s for row in server.fired if row.row == 403)
    assert 4.1 <= claimed_s - 1002.0 <= 4.6


def test_s09_handback_drops_before_it_hands_over_and_records_on(bench: Any) -> None:
    server = bench("stby1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=2))
    server.addresses = frozenset({"north"})
    for _ in range(320):
        server.hear("rec1", state=Phase.RETURNING, parts={"north": Phase.RETURNING}, ready=("north",), register_ok=True)
        server.step()
        if server.state.parts["north"].dropped_s:
            break
    assert server.rows[-2:] == [605, 701]
    assert server.held == {}
    server.run(0.5)
    assert server.register.values[server.keys.owner("north")] == encode(Owner(node="stby1", epoch=2))
    server.addresses = frozenset()
    server.run(0.3)
    assert server.register.values[server.keys.owner("north")] == encode(Owner(node="rec1", epoch=3))
    assert server.phase() is Phase.STANDBY
    modes = next(a.parts for a in server.actions if isinstance(a, Assign))
    assert modes["north"] == "record"
    for _ in range(55):
        server.hear("rec1", carries=("north",), ready=("north",))
        server.step()
    modes = next(a.parts for a in server.actions if isinstance(a, Assign))
    assert modes["north"] == "preroll"


def test_home_is_ready_when_its_recorder_says_so(bench: Any) -> None:
    server = bench("rec1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=2))
    server.recorder = {"north": PartProgress(mode="record", ready=True)}
    for _ in range(10):
        server.hear("stby1", state=Phase.TAKEN_OVER, carries=("north",), parts={"north": Phase.TAKEN_OVER})
        server.step()
    assert server.rows[:2] == [113, 801]


def test_a_late_write_of_a_past_claim_changes_nothing(bench: Any) -> None:
    server = watching(bench)
    while not any(sent.purpose == "take" for sent in server.sent):
        server.answers = "lost" if server.phase() is Phase.SHADOWING and not limitation(server) else "ok"
        silence(server, 0.1, "rec2")
        if 403 in server.rows:
            break
    late = next(sent for sent in server.sent if sent.purpose == "take")
    if not server.register.execute(late.txn)[0]:
        return
    server.answers = "ok"
    silence(server, 1.0, "rec2")
    assert server.phase() is Phase.TAKEN_OVER
    assert server.register.execute(late.txn)[0] is False
