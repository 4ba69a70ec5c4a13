"""A register that was lost or restored from a backup (faults 22 and 53): what it must say to be believed again. Pure.

No server believes a register that knows less than it does itself. Whether a better copy can be brought back only people
know, so only they have it written anew: every part that is wrong goes to whoever is heard carrying it, under an epoch
above all that were ever seen; what nobody carries is released, for its home first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from understudy.arbitration.register import Keys, Owner, RegisterError, Txn, decode_owner, encode
from understudy.failover.facts import Facts
from understudy.failover.ledger import beat_of

#: epochs are raised by so much more where a server could not be asked: it may know of moves that nobody else saw
UNHEARD_STEP = 1000
#: keys asked for or written in one transaction; etcd's own limit is 128
MAX_KEYS = 100

Values = Mapping[str, bytes | None]


@dataclass(frozen=True)
class Recreation:
    """What is written, and why: part -> owner, part -> what is wrong with it, and the transactions that do it."""

    owners: dict[str, Owner]
    faults: dict[str, str]
    txns: tuple[Txn, ...]


def reads(parts: Collection[str], servers: Collection[str], keys: Keys) -> tuple[Txn, ...]:
    """The transactions that ask for all owners and beats of the site."""
    wanted = [*(keys.owner(part) for part in parts), *(keys.beat(server) for server in servers)]
    return tuple(Txn(reads=tuple(wanted[at : at + MAX_KEYS])) for at in range(0, len(wanted), MAX_KEYS))


def limitation(facts: Facts, servers: Collection[str], without: Collection[str]) -> str | None:
    """Why the register must not be written anew now; None when it may.

    `servers`: all of the site; `without`: those that an operator knows to be switched off.
    """
    if strangers := [name for name in without if name not in servers]:
        return f"--without {strangers[0]}: no server of this site; allowed: {', '.join(servers)}"
    heard = [name for name in servers if name == facts.state.site.node or facts.heard(name) is not None]
    if there := [name for name in without if name in heard]:
        return f"--without {there[0]}: it is heard; only a server that is switched off is left out"
    if missing := [name for name in servers if name not in heard and name not in without]:
        return (
            f"{', '.join(missing)} is not heard and may know more than the servers that are; bring it back, or leave "
            f"it out with --without {' --without '.join(missing)} when it is switched off"
        )
    for part in facts.state.site.parts:
        if len(found := _carriers(facts, part.name)) > 1:
            return f"{part.name} is carried by {' and '.join(found)}"
    return None


def recreation(facts: Facts, values: Values, without: Collection[str]) -> Recreation:
    """What has to be written, given the register's `values`; empty when there is nothing to do."""
    keys, faults, owners = facts.state.site.keys, {}, {}
    for part in facts.state.site.parts:
        value = values[keys.owner(part.name)]
        owner, reason = _judge(facts, part.name, value, values, without)
        if reason is not None:
            faults[part.name] = reason
            epoch = max(_known(facts, part.name), owner.epoch if owner else 0) + 1
            owners[part.name] = _owner(facts, part.name, part.home, epoch + (UNHEARD_STEP if without else 0))
    names = list(owners)
    txns = []
    for at in range(0, len(names), MAX_KEYS):
        chunk = [keys.owner(name) for name in names[at : at + MAX_KEYS]]
        puts = tuple((keys.owner(name), encode(owners[name])) for name in names[at : at + MAX_KEYS])
        txns.append(Txn(compare=tuple((key, values[key]) for key in chunk), puts=puts))
    return Recreation(owners, faults, tuple(txns))


def _judge(
    facts: Facts, part: str, value: bytes | None, values: Values, without: Collection[str]
) -> tuple[Owner | None, str | None]:
    """The owner as the register has it, and what is wrong with it; None: nothing is."""
    known, carriers = _known(facts, part), _carriers(facts, part)
    if value is None:
        if known:
            return None, f"the register has no owner, epoch {known} was seen: it was lost"
        return None, f"the register has no owner, {carriers[0]} carries it: it was lost" if carriers else None
    try:
        owner = decode_owner(facts.state.site.keys.owner(part), value)
    except RegisterError as error:
        return None, f"its owner cannot be read: {error}"
    if owner.epoch < known:
        return owner, f"the register's epoch is {owner.epoch}, {known} was seen: it was restored from a backup"
    renewed = beat_of(values.get(facts.state.site.keys.beat(owner.node))) is not None
    if owner.state == "held" and owner.node in without and not renewed:
        return owner, f"its owner {owner.node} is left out and has not renewed it since the register was written anew"
    return owner, None


def _known(facts: Facts, part: str) -> int:
    """The highest epoch of the part that any server has ever told us of; 0: none."""
    told = [peer.heartbeat.epochs.get(part, 0) for peer in facts.observation.peers.values()]
    return max([facts.state.memory.epochs.get(part, 0), *told])


def _carriers(facts: Facts, part: str) -> list[str]:
    """Who is heard holding the part's addresses, this server included."""
    mine = [facts.state.site.node] if part in facts.state.holding else []
    others = [n for n in facts.observation.peers if (p := facts.heard(n)) and part in p.heartbeat.carries]
    return [*mine, *sorted(others)]


def _owner(facts: Facts, part: str, home: str, epoch: int) -> Owner:
    carriers = _carriers(facts, part)
    if carriers:
        return Owner(node=carriers[0], epoch=epoch)
    peer = facts.heard(home)
    fit = not peer.heartbeat.withdrawn if peer is not None else home == facts.state.site.node
    return Owner(node=home, epoch=epoch, state="released", to=home if fit else None)
