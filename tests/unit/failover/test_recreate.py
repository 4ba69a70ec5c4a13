"""A register that was lost or restored: carriers outlive it, and people can have it written anew (faults 22 and 53)."""

from __future__ import annotations

from typing import Any

import pytest
from understudy.arbitration.register import Beat, Owner, Txn, encode
from understudy.failover import recreate
from understudy.failover.facts import Facts
from understudy.failover.model import Heartbeat, Memory, Observation, Peer, Phase, ProbeResult

SERVERS = ("rec1", "rec2", "stby1")


@pytest.fixture
def serving(bench: Any) -> Any:
    """rec1 carries north under epoch 5; rec2 and stby1 are heard."""
    one = bench("rec1")
    key = one.keys.owner("north")
    one.register.execute(_put((key, encode(Owner(node="rec1", epoch=5)))))
    for _ in range(20):
        _hear(one)
        one.step()
    assert one.phase() == Phase.SERVING
    return one


def _put(*pairs: tuple[str, bytes]) -> Txn:
    return Txn(puts=pairs)


def _hear(one: Any, *, standby: dict[str, Any] | None = None) -> None:
    one.hear("rec2", parts={"south": Phase.SERVING}, carries=("south",), epochs={"south": 2})
    one.hear("stby1", state=Phase.STANDBY, room=1, **{"epochs": {"north": 5, "south": 2}, **(standby or {})})


def _values(one: Any) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for txn in recreate.reads(("north", "south"), SERVERS, one.keys):
        found |= one.register.execute(txn)[1]
    return found


def _facts(one: Any) -> Facts:
    return Facts(one.state, Observation(now_s=one.now, peers=one.peers))


def test_f22_a_lost_register_is_written_anew_above_every_epoch_and_carriers_keep_their_parts(serving: Any) -> None:
    serving.register.values.clear()
    for _ in range(60):
        token = serving.state.beacon.ask
        grants = {"rec1": ("boot1", token)} if token is not None else {}
        _hear(serving, standby={"grants": grants})
        serving.step()
    assert serving.phase() == Phase.SERVING, "promises carry it over"
    assert "lost or restored" in serving.state.trouble
    found = recreate.recreation(_facts(serving), _values(serving), ())
    assert recreate.limitation(_facts(serving), SERVERS, ()) is None
    assert found.owners == {"north": Owner(node="rec1", epoch=6), "south": Owner(node="rec2", epoch=3)}
    assert found.faults["north"] == "the register has no owner, epoch 5 was seen: it was lost"
    for txn in found.txns:
        assert serving.register.execute(txn)[0]
    for _ in range(20):
        _hear(serving)
        serving.step()
    assert (serving.phase(), serving.state.parts["north"].epoch) == (Phase.SERVING, 6)
    assert serving.state.trouble == ""
    assert not {205, 207} & set(serving.rows)
    assert recreate.recreation(_facts(serving), _values(serving), ()).owners == {}, "nothing is left to do"


def test_f22_without_a_promise_of_every_server_that_may_take_it_a_carrier_does_not_outlive_a_lost_register(
    serving: Any,
) -> None:
    serving.register.values.clear()
    serving.run(6)
    assert serving.phase() == Phase.ISOLATED
    assert serving.held == {}


def test_f22_a_restored_beat_of_an_earlier_boot_is_no_second_machine(serving: Any) -> None:
    serving.register.execute(
        _put(
            (serving.keys.owner("north"), encode(Owner(node="rec1", epoch=1))),
            (serving.keys.beat("rec1"), encode(Beat(boot="an earlier one", seq=1, takers=("stby1",)))),
        )
    )
    for _ in range(10):
        _hear(serving)
        serving.step()
    assert serving.state.ousted == ""
    assert "restored" in serving.state.trouble
    assert serving.phase() == Phase.SERVING


def test_f22_what_was_restored_from_a_backup_and_what_cannot_be_read_is_wrong_and_the_rest_stays(serving: Any) -> None:
    north, south = (serving.keys.owner(part) for part in ("north", "south"))
    serving.register.execute(_put((north, encode(Owner(node="stby1", epoch=4))), (south, b"{")))
    found = recreate.recreation(_facts(serving), _values(serving), ())
    assert found.owners == {"north": Owner(node="rec1", epoch=6), "south": Owner(node="rec2", epoch=3)}
    assert "it was restored from a backup" in found.faults["north"]
    assert "cannot be read" in found.faults["south"]
    serving.register.execute(_put((south, encode(Owner(node="rec2", epoch=2)))))
    assert recreate.recreation(_facts(serving), _values(serving), ()).owners.keys() == {"north"}


def test_f53_a_site_that_never_had_an_owner_has_nothing_to_write(bench: Any) -> None:
    one = bench("rec1")
    one.step()
    assert recreate.recreation(_facts(one), _values(one), ()).owners == {}


def test_f22_what_nobody_carries_is_released_for_its_home_unless_that_is_away(bench: Any) -> None:
    one = bench("stby1", memory=Memory(epochs={"north": 7, "south": 2}))
    one.step()
    one.hear("rec1", state=Phase.ISOLATED)
    one.hear("rec2", state=Phase.MAINTENANCE, withdrawn="in maintenance")
    found = recreate.recreation(_facts(one), _values(one), ())
    assert found.owners == {
        "north": Owner(node="rec1", epoch=8, state="released", to="rec1"),
        "south": Owner(node="rec2", epoch=3, state="released"),
    }


def test_f22_a_server_that_is_not_heard_has_to_be_named_and_costs_a_jump_of_the_epochs(bench: Any) -> None:
    one = bench("stby1", memory=Memory(epochs={"north": 7}))
    one.step()
    one.hear("rec2", carries=("south",), epochs={"south": 2})
    facts = _facts(one)
    assert "rec1 is not heard" in str(recreate.limitation(facts, SERVERS, ()))
    assert "--without rec1" in str(recreate.limitation(facts, SERVERS, ()))
    assert "rec2: it is heard" in str(recreate.limitation(facts, SERVERS, ("rec1", "rec2")))
    assert "allowed: rec1, rec2, stby1" in str(recreate.limitation(facts, SERVERS, ("rec1", "rec9")))
    assert recreate.limitation(facts, SERVERS, ("rec1",)) is None
    found = recreate.recreation(facts, _values(one), ("rec1",))
    assert found.owners["north"] == Owner(node="rec1", epoch=8 + recreate.UNHEARD_STEP, state="released")
    assert found.owners["south"] == Owner(node="rec2", epoch=3 + recreate.UNHEARD_STEP)


def test_f22_a_carrier_that_died_before_it_renewed_the_new_owner_can_be_left_out(bench: Any) -> None:
    one = bench("stby1", memory=Memory(epochs={"north": 7}))
    one.register.execute(_put((one.keys.owner("north"), encode(Owner(node="rec1", epoch=8)))))
    one.step()
    one.hear("rec2")
    assert recreate.recreation(_facts(one), _values(one), ()).owners == {}
    assert recreate.recreation(_facts(one), _values(one), ("rec1",)).owners["north"].state == "released"
    one.register.execute(_put((one.keys.beat("rec1"), encode(Beat(boot="b", seq=1)))))
    assert recreate.recreation(_facts(one), _values(one), ("rec1",)).owners == {}


def test_f22_a_part_that_two_servers_carry_is_not_decided_by_this_command(serving: Any) -> None:
    heartbeat = Heartbeat(node="stby1", boot="b", state=Phase.TAKEN_OVER, carries=("north",))
    serving.peers = {**serving.peers, "stby1": Peer(heartbeat=heartbeat, heard_s={"lan": serving.now})}
    assert recreate.limitation(_facts(serving), SERVERS, ()) == "north is carried by rec1 and stby1"


def test_a_large_site_is_asked_for_and_written_in_pieces(bench: Any) -> None:
    parts = tuple(f"p{number}" for number in range(150))
    txns = recreate.reads(parts, SERVERS, bench.keys)
    assert [len(txn.reads) for txn in txns] == [100, 53]


def test_f22_heartbeats_tell_the_highest_epoch_that_was_seen(serving: Any) -> None:
    assert serving.state.beacon.epochs == {"north": 5}


def test_f22_what_another_server_has_seen_counts_more_than_a_restored_register(bench: Any) -> None:
    """stby1 took north while rec1 was off; rec1 comes back to a register from before that."""
    one = bench("rec1", memory=Memory(epochs={"north": 1}))
    one.register.execute(
        _put(
            (one.keys.owner("north"), encode(Owner(node="rec1", epoch=1))),
            (one.keys.beat("rec1"), encode(Beat(boot="the last one", seq=1, takers=("stby1",)))),
        )
    )
    for _ in range(40):
        one.hear("stby1", state=Phase.TAKEN_OVER, carries=("north",), epochs={"north": 2})
        one.step()
        assert one.held == {}
    assert "epoch of north is 1, 2 was seen" in one.state.trouble
    assert one.phase() == Phase.STARTING


def test_f22_a_home_without_memory_does_not_create_what_another_server_remembers(bench: Any) -> None:
    one = bench("rec1")
    one.run(0.5)
    for _ in range(30):
        one.hear("stby1", state=Phase.STANDBY, room=1, epochs={"north": 5})
        one.step()
    assert one.rows == [115]
    assert "epoch of north is 0, 5 was seen" in one.state.trouble
    assert one.register.values.get(one.keys.owner("north")) is None


def test_f22_a_claim_that_is_refused_teaches_the_beat_of_a_register_that_was_set_back(bench: Any) -> None:
    one = bench("stby1")
    owner, beat = one.keys.owner("north"), one.keys.beat("rec1")
    old, new = (encode(Beat(boot="b", seq=seq, takers=("stby1",), holds=("north",))) for seq in (1, 2))
    one.register.execute(_put((owner, encode(Owner(node="rec1", epoch=1))), (beat, old)))
    for _ in range(20):
        one.hear("rec1", carries=("north",), beat=new)
        one.step()
    one.probes = {"north": ProbeResult(asked_s=one.now + 600, answered=False)}
    one.run(12)
    assert [row for row in one.rows if row in (403, 503, 501)] == [403, 503, 403, 501]
