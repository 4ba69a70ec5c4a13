"""Whatever answers, heartbeats and pauses come in whatever order: what one server may never do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.arbitration.memory import MemoryRegister
from understudy.arbitration.register import Keys, Owner, TxnResult, encode
from understudy.failover.model import Addresses, Heartbeat, Memory, Observation, PartInfo, Peer, Phase, Site, Transact
from understudy.failover.step import initial, step

PARTS = (PartInfo(name="north", home="rec1"), PartInfo(name="south", home="rec2"))
#: pause before the step, what becomes of its transactions, what the other servers say, whether the register is edited
MOVES = st.tuples(
    st.sampled_from([0.0, 0.05, 0.1, 0.1, 0.1, 0.4, 1.0, 3.0, 7.0]),
    st.sampled_from(["ok", "ok", "ok", "lost", "executed, lost", "late"]),
    st.sampled_from(["nothing", "carries", "returning", "ask"]),
    st.sampled_from([None, None, None, None, None, None, "rec1", "stby1", "stby2"]),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["rec1", "stby1"]), st.lists(MOVES, max_size=60))
def test_f12_addresses_only_within_own_s_of_sending_a_confirmed_write(
    node: str, moves: list[tuple[float, str, str, str | None]]
) -> None:
    site = Site(name="lab", node=node, parts=PARTS, standbys=("stby1", "stby2"))
    keys, register, now, results, late = Keys("lab"), MemoryRegister(), 500.0, [], []
    state, confirmed, peers = initial(site, "boot", Memory(), now), -1e9, {}
    for pause, outcome, word, editor in moves:
        now += pause
        if editor:
            epoch = state.memory.epochs.get("north", 0) + 1
            register.values[keys.owner("north")] = encode(Owner(node=editor, epoch=epoch))
        other = "stby1" if node == "rec1" else "rec1"
        if word != "nothing":
            phase = Phase.RETURNING if word == "returning" else Phase.SERVING
            heartbeat = Heartbeat(
                node=other,
                boot="b",
                state=phase,
                parts={"north": phase},
                carries=("north",) if word == "carries" else (),
                ask=now if word == "ask" else None,
                register_ok=True,
            )
            peers = {other: Peer(heartbeat=heartbeat, heard_s={"lan": now})}
        confirmed = max([confirmed, *(r.sent_at_s for r in results if r.outcome == "ok")])
        state, actions, fired = step(state, Observation(now_s=now, results=tuple(results), peers=peers))
        results, late = list(late), []
        hold = next(action.hold for action in actions if isinstance(action, Addresses))
        assert all(now < deadline <= confirmed + site.timing.own_s for deadline in hold.values())
        assert all(state.parts[name].epoch for name in hold)
        writes = [action for action in actions if isinstance(action, Transact) and action.txn.puts]
        assert len(writes) <= 1
        for action in actions:
            if not isinstance(action, Transact):
                continue
            if action.txn.puts:
                assert keys.beat(node) in dict(action.txn.compare)
            ok, values = register.execute(action.txn) if outcome != "lost" else (False, {})
            answered = "ok" if ok else "refused"
            result = TxnResult(
                id=action.id,
                outcome="lost" if "lost" in outcome else answered,
                sent_at_s=now,
                answered_at_s=now,
                values=values,
            )
            (late if outcome == "late" else results).append(result)
        assert all(row.reason for row in fired)
