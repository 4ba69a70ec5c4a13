"""Golden cases: how long a carrier may hold addresses, and what makes it give them up."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from understudy.arbitration.register import Beat, Owner, encode
from understudy.failover import promises
from understudy.failover.facts import Facts
from understudy.failover.model import Assign, Memory, Observation, PartProgress, Persist, Phase, SetBeacon
from understudy.failover.step import step, wake_s


def serving(bench: Any, **options: Any) -> Any:
    server = bench("rec1", **options)
    server.run(1.5)
    assert server.phase() is Phase.SERVING
    return server


def ask(server: Any) -> float | None:
    return next(action.heartbeat.ask for action in server.actions if isinstance(action, SetBeacon))


def test_s09_cold_start_creates_the_own_part_and_serves(bench: Any) -> None:
    server = serving(bench)
    assert server.rows[:2] == [111, 511]
    assert server.register.values[server.keys.owner("north")] == encode(Owner(node="rec1", epoch=1))


def test_an_empty_register_gives_the_home_nothing_that_a_heard_server_carries(bench: Any) -> None:
    """A lost register and a replaced home at once: the standby holds the addresses by promises (fault 22)."""
    server = bench("rec1")
    for _ in range(30):
        server.hear("stby1", state=Phase.TAKEN_OVER, carries=("north",))
        server.step()
    assert (server.phase(), server.held) == (Phase.STARTING, {})
    server.hear("stby1", state=Phase.STANDBY)
    server.run(0.3)
    assert server.phase() is Phase.SERVING


def test_f18_records_before_and_without_the_register(bench: Any) -> None:
    server = bench("rec1")
    server.answers = "lost"
    server.run(3.0)
    assert server.phase() is Phase.STARTING
    assert 115 in server.rows
    assert Assign(parts={"north": "record"}) in server.actions
    assert server.held == {}


def test_deadline_counts_from_sending(bench: Any) -> None:
    server = serving(bench)
    server.latency_s = 0.35
    server.run(1.0)
    sent_s = max(t for t in [server.state.renewed_s])
    assert server.held["north"] == pytest.approx(sent_s + 3.0)


def test_addresses_go_at_the_deadline_and_recording_goes_on(bench: Any) -> None:
    server = serving(bench)
    server.answers = "lost"
    server.step()  # takes in the answer that was under way
    deadline_s = server.held["north"]
    while server.now < deadline_s - 0.16:
        server.step()
        assert server.held == {"north": deadline_s}
    server.now = deadline_s - 0.05
    server.step(0.0)
    assert server.held == {}
    assert server.phase() is Phase.ISOLATED
    assert Assign(parts={"north": "record"}) in server.actions


def test_the_loop_wakes_in_time_for_the_deadline(bench: Any) -> None:
    server = serving(bench)
    deadline_s = server.state.deadline_s
    assert wake_s(server.state, deadline_s - 0.08) == pytest.approx(deadline_s - 0.05)


def test_answer_to_a_renewal_sent_before_the_deadline_does_not_revive_it(bench: Any) -> None:
    server = serving(bench)
    server.answers = "lost"
    server.run(2.4)
    server.answers = "ok"
    server.step()
    late, server.results = server.results, []
    server.now = server.state.deadline_s
    server.step(0.0)
    assert server.phase() is Phase.ISOLATED
    server.results = late
    server.step(0.0)
    assert server.held == {}
    server.run(0.3)
    assert server.phase() is Phase.SERVING


def test_fault_06_answer_read_after_a_stop_confirms_nothing(bench: Any) -> None:
    server = bench("rec1")
    server.run(0.3)
    server.step(5.0)
    assert server.held == {}


def test_row_207_register_gives_the_part_away(bench: Any) -> None:
    server = serving(bench)
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=2))
    server.run(1.0)
    assert 207 in server.rows
    assert server.phase() is Phase.RETURNING
    assert server.held == {}


def test_row_609_register_gives_a_taken_part_away(bench: Any) -> None:
    server = bench("stby1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=4))
    server.run(0.6)
    assert 108 in server.rows
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=5))
    server.run(1.0)
    assert 609 in server.rows
    assert server.held == {}


def test_row_310_a_forgotten_claim_had_won(bench: Any) -> None:
    server = bench("stby1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    server.run(0.5)
    assert server.phase() is Phase.STANDBY
    server.register.values[server.keys.owner("north")] = encode(Owner(node="stby1", epoch=2))
    server.run(1.5)
    assert 310 in server.rows
    assert "north" in server.held


def test_fault_22_epochs_never_go_back(bench: Any) -> None:
    server = bench("rec1", memory=Memory(boot="old", epochs={"north": 7}))
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=3))
    server.run(5.0)
    assert server.held == {}
    assert "epoch of north is 3, 7 was seen" in server.state.parts["north"].reason
    server.register.values.clear()
    server.run(1.0)
    assert server.held == {}


def test_row_101_new_boot_leaves_no_address_alone(bench: Any) -> None:
    fresh = bench("rec1", memory=Memory(boot="boot0"))
    fresh.step()
    assert fresh.left == frozenset()


def test_fault_05_agent_restart_keeps_addresses_until_the_register_speaks(bench: Any) -> None:
    restarted = bench("rec1", memory=Memory(boot="boot1", epochs={"north": 1}))
    restarted.register.values[restarted.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    restarted.step()
    assert restarted.left == {"north"}
    restarted.run(0.3)
    assert restarted.left == frozenset()
    assert "north" in restarted.held


def test_agent_restart_of_a_standby_never_stops_a_recording_it_finds(bench: Any) -> None:
    server = bench("stby1", memory=Memory(boot="boot1"))
    server.answers = "lost"
    server.recorder = None
    server.step()
    assert not any(isinstance(action, Assign) for action in server.actions)
    server.recorder = {"north": PartProgress(mode="record"), "south": PartProgress(mode="preroll")}
    server.run(6.0)
    assert Assign(parts={"north": "record", "south": "preroll"}) in server.actions
    assert {105, 106} <= set(server.rows)


def test_persisted_once_per_change(bench: Any) -> None:
    server = bench("rec1")
    persisted = []
    for _ in range(20):
        persisted += [action.memory for action in server.step() if isinstance(action, Persist)]
    assert persisted == [Memory(boot="boot1"), Memory(boot="boot1", epochs={"north": 1})]


def test_fault_18_all_promises_move_the_deadline_one_missing_does_not(bench: Any) -> None:
    for promising, held in ((("stby1", "stby2"), True), (("stby1",), False)):
        server = serving(bench, standbys=("stby1", "stby2"))
        server.answers = "lost"
        for _ in range(60):
            server.step()
            for name in ("stby1", "stby2"):
                promised = name in promising and ask(server) is not None
                server.hear(name, grants={"rec1": ("boot1", ask(server))} if promised else {})
        assert ("north" in server.held) is held


def test_fault_26_a_carrier_that_hears_nobody_asks_for_no_promise(bench: Any) -> None:
    """It could not hear it either; all it would do is to hold up the takeover by as long as a promise binds."""
    server = serving(bench)
    server.hear("stby1")
    server.answers = "lost"
    while server.held:
        server.step()
        heard = server.now - server.peers["stby1"].last_s < server.site.timing.suspect_s
        assert heard or ask(server) is None


def test_promise_made_to_another_boot_is_none(bench: Any) -> None:
    server = serving(bench)
    server.answers = "lost"
    for _ in range(40):
        server.step()
        server.hear("stby1", grants={"rec1": ("boot0", server.now)})
    assert server.held == {}


def test_no_promise_with_a_claim_on_the_way_or_just_started(bench: Any) -> None:
    standby = bench("stby1")
    standby.hear("rec1", carries=("north",), ask=5.0)
    standby.step()
    facts = Facts(standby.state, Observation(now_s=standby.now, peers=standby.peers))
    refusal = promises.refusal(facts, "rec1", standby.peers["rec1"])
    assert refusal is not None
    assert "just started" in refusal
    standby.run(0.5)
    assert standby.state.grants["rec1"] == ("b", 5.0)


def test_a_repeated_token_does_not_renew_a_promise(bench: Any) -> None:
    standby = bench("stby1")
    standby.run(0.5)
    standby.hear("rec1", carries=("north",), ask=5.0)
    standby.step()
    until_s = standby.state.promised["rec1"]
    standby.run(1.0)
    assert standby.state.promised["rec1"] == until_s


def test_step_leaves_its_input_alone_and_replays_from_json(bench: Any) -> None:
    server = bench("rec1")
    for _ in range(15):
        before = copy.deepcopy(server.state)
        kept, results = server.state, tuple(server.results)
        server.step()
        assert msgspec.to_builtins(kept) == msgspec.to_builtins(before)
        observation = Observation(now_s=server.now, results=results, recorder={})
        replayed = msgspec.json.decode(msgspec.json.encode(observation), type=Observation)
        state, actions, _ = step(before, replayed)
        assert actions == server.actions
        assert state == server.state


def test_fault_20_keep_counts_a_silent_taker_as_dead_while_another_server_is_heard(bench: Any) -> None:
    for policy, others, held in (("keep", ("rec2",), True), ("keep", (), False), ("drop", ("rec2",), False)):
        server = serving(bench, arbitration_lost=policy)
        server.answers = "lost"
        for _ in range(60):
            for name in others:
                server.hear(name)
            server.step()
        assert ("north" in server.held) is held, (policy, others)


def test_fault_48_a_second_machine_of_the_same_name_refuses_to_write(bench: Any) -> None:
    second = bench("rec1")
    key = second.keys.beat("rec1")
    second.register.values[second.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    for seq in range(40):
        if seq % 5 == 0:
            second.register.values[key] = encode(Beat(boot="the first", seq=seq, holds=("north",)))
        second.step()
    assert (second.phase(), second.held) == (Phase.STARTING, {})
    assert not [sent for sent in second.sent if sent.txn.puts]
    second.run(2.0)
    assert second.phase() is Phase.SERVING


def test_fault_48_one_that_is_heard_keeps_a_second_from_writing(bench: Any) -> None:
    second = bench("rec1")
    second.double = "another machine of this name was heard 0.1 s ago"
    second.run(3.0)
    assert (second.phase(), second.held) == (Phase.STARTING, {})
    assert "another machine of this name" in second.state.parts["north"].reason


def test_fault_48_the_first_goes_when_somebody_else_has_written_as_it(bench: Any) -> None:
    first = serving(bench)
    first.register.values[first.keys.beat("rec1")] = encode(Beat(boot="a clone", seq=10**9, holds=("north",)))
    first.run(1.5)
    assert (first.phase(), first.held) == (Phase.ISOLATED, {})
    assert "another machine writes to the register as rec1" in first.state.parts["north"].reason
    written = len([sent for sent in first.sent if sent.txn.puts])
    first.run(5.0)
    assert len([sent for sent in first.sent if sent.txn.puts]) == written
