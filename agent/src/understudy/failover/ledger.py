"""This server's side of the register protocol: what answers mean. Pure; `writes` makes the next transactions.

Own writes are strictly one after the other and each compares our own beat with the value last known, so they form a
chain: a write that was given up and is executed late finds the chain has moved on, and does nothing. The deadline
until which addresses may be held counts from the SENDING of the last confirmed write.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from understudy.arbitration.register import Beat, Owner, RegisterError, TxnResult, decode_beat, decode_owner
from understudy.failover.memory import Seen, Sent, State
from understudy.failover.model import Observation, Phase

#: addresses are dropped this long before the deadline, so that the kernel has done it by then
DROP_MARGIN_S = 0.05
#: an edge that has not answered for this long after `request_s` has broken its promise: count the write as lost
ANSWER_GRACE_S = 1.0
#: after a start of the machine our own beat must have stood still for so long: a carrier renews every 0.5 s
STILL_S = 1.2
#: phases in which a server renews nothing: what the register still gives it, it releases
GIVEN_UP = frozenset({Phase.FAILED, Phase.CLEARED, Phase.DETACHED})


@lru_cache(maxsize=1024)
def beat_of(value: bytes | None) -> Beat | None:
    """Decode a beat; None when there is none or it cannot be read (then nobody is its taker)."""
    if value is None:
        return None
    try:
        return decode_beat("beat", value)
    except RegisterError:
        return None


def owned(state: State) -> dict[str, int]:
    """Parts that the newest view of the register gives to this server, with their epochs; not what it gave up.

    And not what somebody has seen a higher epoch of: the view is old, or the register was set back.
    """
    found = {}
    for name, part in state.parts.items():
        if part.phase in GIVEN_UP:
            continue
        owner = state.owners.get(name)
        if owner is None or owner.epoch < state.memory.epochs.get(name, 0):
            continue
        if owner.node == state.site.node and owner.state == "held":
            found[name] = owner.epoch
    return found


def possible_takers(state: State) -> set[str]:
    """Every server that any beat of ours the register may hold allows to take: all of them must promise (fault 18).

    A register that has lost our beat names nobody, and whoever writes it anew may name anybody.
    """
    named = {name for beat in _beats(state) for name in beat.takers}
    seen = state.view.get(state.site.keys.beat(state.site.node))
    if seen is not None and beat_of(seen.value) is None:
        named |= {*takers(state, {name: part.epoch for name, part in state.parts.items() if part.epoch})}
    return named


def takers(state: State, holds: dict[str, int]) -> tuple[str, ...]:
    """Who may take from this server: the other standbys, and the homes of parts it carries for them (row 805)."""
    site, homes = state.site, {state.parts[name].home for name in holds}
    able = {s for s in site.standbys if not holds or any(site.choice(name, s) is not None for name in holds)}
    return tuple(sorted((able | homes) - {site.node}))


def early_takers(state: State) -> set[str]:
    """Those of them that may claim after `early_take_s`, and for whose sake addresses are dropped before."""
    return {name for beat in _beats(state) for name in beat.early}


def _beats(state: State) -> list[Beat]:
    """Every beat of ours that the register may hold now."""
    seen = state.view.get(state.site.keys.beat(state.site.node))
    sent = [*state.unresolved, *([state.writing] if state.writing else [])]
    values = [seen.value if seen else None, *(s.beat for s in sent)]
    return [beat for value in values if (beat := beat_of(value)) is not None]


def hold_until_s(state: State) -> float:
    """When addresses must be gone if nothing else is confirmed or promised; 0: nothing is confirmed.

    With `takeover: early` before the deadline, by which the kernel would remove them: this agent drops them in time for
    a server that may be early, and only where it does not run do they stay until the deadline.
    """
    if not state.deadline_s or not early_takers(state):
        return state.deadline_s
    return min(state.deadline_s, max(state.renewed_s + state.site.timing.early_own_s, state.early_s))


def writing_limitation(state: State, observation: Observation) -> str | None:
    """Why nothing may be written to the register now; None when it may.

    Before the first write of a boot another machine of our name would be heard, or our own beat, which nobody else may
    write, would move (fault 48).
    """
    if state.writing:
        return "an earlier write to the register is not answered"
    seen = state.view.get(state.site.keys.beat(state.site.node))
    if seen is None:
        return "this server's own beat has not been read"
    if state.ousted or (observation.double and not state.fenced):
        return state.ousted or observation.double
    last = beat_of(seen.value)
    if state.fenced or last is None or last.boot == state.boot or observation.now_s - seen.since_s >= STILL_S:
        return None
    return f"this server's own beat must stay still for {seen.since_s + STILL_S - observation.now_s:.1f} s more"


def learn(state: State, key: str, value: bytes | None, at_s: float) -> None:
    """Note a register value first seen at `at_s`; ignore what is older than what is known (reads may be stale)."""
    seen, keys = state.view.get(key), state.site.keys
    part = key.removeprefix(keys.owner(""))
    if seen is not None and seen.value == value:
        if part in state.parts:
            _behind(state, part, state.owners.get(part))  # what others have seen since counts too
        return
    if part in state.parts:
        if not _learn_owner(state, key, part, value):
            return
    elif seen is not None and _older_beat(state, key, value, seen.value):
        return
    state.view = {**state.view, key: Seen(value=value, since_s=at_s)}
    beat = beat_of(value)
    if key == keys.beat(state.site.node) and beat is not None and beat.boot == state.boot:
        state.seq = max(state.seq, beat.seq)


def heed(state: State, epochs: dict[str, int]) -> None:
    """Believe another server that it has seen these epochs: a register that says less is not believed here either."""
    known = state.memory.epochs
    newer = {name: epoch for name, epoch in epochs.items() if epoch > known.get(name, 0) and name in state.parts}
    if newer:
        state.memory = msgspec.structs.replace(state.memory, epochs={**known, **newer})


def _learn_owner(state: State, key: str, part: str, value: bytes | None) -> bool:
    """Decode and check an owner; False when it is stale or not to be believed (fault 22: epochs never go back)."""
    try:
        owner = None if value is None else decode_owner(key, value)
    except RegisterError as error:
        state.trouble = str(error)
        return False
    if _behind(state, part, owner):
        return False
    state.owners = {**state.owners, part: owner}
    if owner is not None:
        heed(state, {part: owner.epoch})
    return True


def _behind(state: State, part: str, owner: Owner | None) -> bool:
    """Whether a higher epoch than this owner's was seen; then the register is not believed, and that is told."""
    epoch, known = 0 if owner is None else owner.epoch, state.memory.epochs.get(part, 0)
    if epoch < known:
        state.trouble = f"the register's epoch of {part} is {epoch}, {known} was seen: stale, lost or restored"
    return epoch < known


def _older_beat(state: State, key: str, value: bytes | None, known: bytes | None) -> bool:
    new, old = beat_of(value), beat_of(known)
    if new is None or old is None:
        return new is None
    if new.boot == old.boot:
        return new.seq < old.seq
    return key == state.site.keys.beat(state.site.node) and old.boot == state.boot


def lapse(state: State, now_s: float) -> None:
    """Give up every hold when the deadline is reached; what is still under way can no longer extend it."""
    if not state.deadline_s or now_s < hold_until_s(state) - DROP_MARGIN_S:
        return
    state.deadline_s = 0.0
    for part in state.parts.values():
        part.epoch = 0
    if state.writing:
        state.writing = msgspec.structs.replace(state.writing, holds={})


def consume(state: State, observation: Observation) -> None:
    """Take in the answers of this step, and give up a transaction the edge never answered."""
    for result in observation.results:
        if state.reading and result.id == state.reading.id:
            _read(state, state.reading, result)
        elif state.writing and result.id == state.writing.id:
            _written(state, state.writing, result, observation.now_s)
    limit_s = observation.now_s - state.site.timing.request_s - ANSWER_GRACE_S
    if state.reading and state.reading.asked_s < limit_s:
        state.reading = None
    if state.writing and state.writing.asked_s < limit_s:
        _lost(state, state.writing)


def _read(state: State, sent: Sent, result: TxnResult) -> None:
    state.reading = None
    if result.outcome == "lost":
        return
    state.trouble = ""
    for key, value in result.values.items():
        learn(state, key, value, result.answered_at_s)
    state.read_s = max(state.read_s, sent.asked_s)
    state.answered_s = max(state.answered_s, result.answered_at_s)


def _written(state: State, sent: Sent, result: TxnResult, now_s: float) -> None:
    if result.outcome == "lost":
        _lost(state, sent)
        return
    state.writing = None
    state.answered_s = max(state.answered_s, result.answered_at_s)
    if result.outcome == "ok":
        _confirmed(state, sent, result, now_s)
        return
    own = state.site.keys.beat(state.site.node)
    before, owners = state.view, state.site.keys.owner("")
    # A refused write is no stale read: whatever it says of beats is so, older ones of a register that was set back too.
    state.view = {k: seen for k, seen in before.items() if k not in result.values or k.startswith(owners)}
    for key, value in result.values.items():
        learn(state, key, value, result.answered_at_s)
    state.again = state.view != before
    newest = beat_of(state.view[own].value) if own in state.view else None
    # In a register that was restored from a backup it is a beat of our own, of an earlier boot.
    if state.fenced and newest is not None and newest.boot != state.boot and not state.trouble:
        _oust(state, newest.boot)
    if sent.purpose == "take":
        state.parts[sent.part].claim = "refused"


def _oust(state: State, boot: str) -> None:
    """Only a machine of the same name can have written since our last confirmed write: it or we must go (fault 48)."""
    state.ousted = f"another machine writes to the register as {state.site.node} (its boot is {boot})"
    state.deadline_s = 0.0
    for part in state.parts.values():
        part.epoch = 0


def _lost(state: State, sent: Sent) -> None:
    state.writing = None
    state.unresolved = (*state.unresolved, sent)
    if sent.purpose == "take":
        state.parts[sent.part].claim = "lost"


def _confirmed(state: State, sent: Sent, result: TxnResult, now_s: float) -> None:
    """A write was executed: earlier ones can no longer be, and its parts are ours until its sending + own_s."""
    keys = state.site.keys
    state.unresolved, state.fenced, state.again = (), True, False
    state.view = {
        **state.view,
        keys.beat(state.site.node): Seen(value=sent.beat, since_s=result.answered_at_s),
    }
    state.renewed_s = max(state.renewed_s, result.sent_at_s)
    if sent.owner is not None:
        learn(state, keys.owner(sent.part), sent.owner, result.answered_at_s)
    deadline_s = result.sent_at_s + state.site.timing.own_s
    # An answer that comes too late (this process was stopped) confirms nothing that may still be used.
    beat = beat_of(sent.beat)
    good_s = state.site.timing.early_own_s if beat is not None and beat.early else state.site.timing.own_s
    late, known = now_s >= result.sent_at_s + good_s - DROP_MARGIN_S, state.memory.epochs
    holds = {} if late else {name: epoch for name, epoch in sent.holds.items() if epoch >= known.get(name, 0)}
    if holds:
        state.deadline_s = max(state.deadline_s, deadline_s)
    for name, part in state.parts.items():
        part.epoch = holds.get(name, 0)
