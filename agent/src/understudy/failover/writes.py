"""This server's next transactions with the register: reads, renewals, claims, hand-overs, releases. Pure.

See `ledger` for what their answers mean, and why own writes come strictly one after the other.
"""

from __future__ import annotations

from understudy.arbitration.register import Beat, Owner, Txn, encode
from understudy.failover.ledger import GIVEN_UP, owned, takers, writing_limitation
from understudy.failover.memory import Part, Sent, State
from understudy.failover.model import Observation, Phase, Purpose, Transact

#: a server that carries nothing renews its beat this often: often enough to be seen, cheap for the disks
IDLE_BEAT_S = 5.0
#: where a server may be early, renewals older than this make the carrier ask for promises
EARLY_ASK_S = 0.7


def early(state: State, observation: Observation, holds: dict[str, int]) -> tuple[str, ...]:
    """Which of them may be early: those that are heard, so that the silence of a dead one costs no addresses.

    Nobody while renewals are late: whoever is named must be able to promise at once.
    """
    now_s, suspect_s = observation.now_s, state.site.timing.suspect_s
    if state.site.takeover != "early" or not holds or now_s - state.renewed_s > EARLY_ASK_S:
        return ()
    peers = observation.peers
    heard = [name for name, peer in peers.items() if now_s - peer.last_s < suspect_s and peer.heartbeat.register_ok]
    return tuple(name for name in takers(state, holds) if name in heard and not peers[name].heartbeat.withdrawn)


def next_read(state: State, observation: Observation, period_s: float, carriers: list[str]) -> Transact | None:
    """Read owners, our own beat and the beats of `carriers`, if `period_s` have passed since the last question."""
    hurry = observation.register_changed
    if state.reading or (not hurry and observation.now_s < state.asked_read_s + period_s):
        return None
    keys = state.site.keys
    reads = [keys.owner(name) for name in state.parts]
    reads += [keys.beat(name) for name in dict.fromkeys([state.site.node, *carriers])]
    state.asked_read_s = observation.now_s
    state.reading = Sent(id=state.next_id, purpose="read", asked_s=observation.now_s)
    state.next_id += 1
    return Transact(id=state.reading.id, purpose="read", txn=Txn(reads=tuple(reads)))


def next_write(state: State, observation: Observation) -> Transact | None:
    """The next own write, or None: one is under way, nothing is due, or nothing may be written now.

    A claim is sent in the very step that decided it or not at all: in the next one its evidence may be gone.
    """
    write = None if writing_limitation(state, observation) else _next_write(state, observation)
    for part in state.parts.values():
        if part.claim == "wanted":
            part.claim = "refused"
    return write


def _next_write(state: State, observation: Observation) -> Transact | None:
    for part in state.parts.values():
        if part.claim == "wanted":
            part.claim = "sent"
            return _take(state, part, observation)
        if part.name in observation.addresses:
            continue
        if part.dropped_s and part.epoch:
            home = part.phase == Phase.HANDING_BACK
            return _hand_over(state, part, observation) if home else _release(state, part, observation)
        if part.phase in GIVEN_UP and _names_us(state, part):
            return _release(state, part, observation)
    holds = owned(state)
    period_s = state.site.timing.renew_s if holds else IDLE_BEAT_S
    if not holds and state.parts and all(part.phase == Phase.DETACHED for part in state.parts.values()):
        return None  # removed: not even a sign of life
    settle = state.again or state.unresolved or any(not state.parts[name].epoch for name in holds)
    if not settle and observation.now_s < state.written_s + period_s:
        return None
    return _write(state, "renew", observation, holds=holds)


def _take(state: State, part: Part, observation: Observation) -> Transact:
    """Claim `part`: only if owner and its beat are exactly as they were seen to stop.

    Where there never was an owner, or it released the part, nobody holds addresses and the owner's value is enough.
    """
    keys, owner = state.site.keys, state.owners.get(part.name)
    compare: tuple[tuple[str, bytes | None], ...] = ((keys.owner(part.name), state.view[keys.owner(part.name)].value),)
    epoch = 1
    if owner is not None:
        epoch = owner.epoch + 1
        if owner.state == "held":
            compare += ((keys.beat(owner.node), state.view[keys.beat(owner.node)].value),)
    mine = Owner(node=state.site.node, epoch=epoch)
    return _write(
        state, "take", observation, holds={**owned(state), part.name: epoch}, part=part, owner=mine, compare=compare
    )


def _hand_over(state: State, part: Part, observation: Observation) -> Transact:
    """Give `part` to its home. From now on it is not confirmed ours, whatever becomes of this."""
    holds = owned(state)
    home = Owner(node=part.home, epoch=holds.pop(part.name) + 1)
    key = state.site.keys.owner(part.name)
    transact = _write(
        state, "hand-over", observation, holds=holds, part=part, owner=home, compare=((key, state.view[key].value),)
    )
    part.epoch = 0
    return transact


def _names_us(state: State, part: Part) -> bool:
    owner = state.owners.get(part.name)
    return owner is not None and owner.node == state.site.node and owner.state == "held"


def _release(state: State, part: Part, observation: Observation) -> Transact:
    """Give `part` up: its addresses are gone, anybody may take it without waiting, first of all its target."""
    owner, key = state.owners[part.name], state.site.keys.owner(part.name)
    assert owner is not None
    free = Owner(node=state.site.node, epoch=owner.epoch + 1, state="released", to=part.target)
    holds = {name: epoch for name, epoch in owned(state).items() if name != part.name}
    transact = _write(
        state, "release", observation, holds=holds, part=part, owner=free, compare=((key, state.view[key].value),)
    )
    part.epoch = 0
    return transact


def _write(
    state: State,
    purpose: Purpose,
    observation: Observation,
    *,
    holds: dict[str, int],
    part: Part | None = None,
    owner: Owner | None = None,
    compare: tuple[tuple[str, bytes | None], ...] = (),
) -> Transact:
    keys, node = state.site.keys, state.site.node
    state.seq += 1
    soon = early(state, observation, holds)
    beat = encode(Beat(boot=state.boot, seq=state.seq, takers=takers(state, holds), holds=tuple(holds), early=soon))
    renewed = tuple(name for name in holds if part is None or name != part.name)
    compare += ((keys.beat(node), state.view[keys.beat(node)].value),)
    compare += tuple((keys.owner(name), state.view[keys.owner(name)].value) for name in renewed)
    puts: tuple[tuple[str, bytes], ...] = ((keys.beat(node), beat),)
    value = None
    if part is not None and owner is not None:
        value = encode(owner)
        puts += ((keys.owner(part.name), value),)
    sent = Sent(
        id=state.next_id,
        purpose=purpose,
        part=part.name if part else "",
        owner=value,
        beat=beat,
        holds=holds,
        asked_s=observation.now_s,
    )
    state.writing, state.written_s, state.again = sent, observation.now_s, False
    state.next_id += 1
    settling = [keys.owner(earlier.part) for earlier in state.unresolved if earlier.part]
    reads = tuple(dict.fromkeys([*(key for key, _ in compare), *settling]))
    return Transact(id=sent.id, purpose=purpose, txn=Txn(compare=compare, puts=puts, reads=reads))
