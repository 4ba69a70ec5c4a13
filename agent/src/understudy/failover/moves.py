"""Planned moves: a carrier asks another server to record its part, and gives it up when that has frames. Pure.

One mechanism for a shutdown, maintenance, a move by hand, FAILED and `failover-delete`. The carrier chooses the
target, names it in its heartbeats, drops the addresses when the target writes frames of every camera, and releases the
part in the register for it. A part goes home by `HANDING_BACK` instead, for its home records anyway.
"""

from __future__ import annotations

from understudy.failover import decide, order
from understudy.failover.facts import Facts
from understudy.failover.memory import Part
from understudy.failover.model import Phase

#: how long the next carrier has to show first frames (rows 231 and 631) before the move is forced or broken off
FRAMES_S = 10.0
#: and when this server is FAILED: its recording may be worth nothing
FAULT_S = 2.0

MAY_MOVE = frozenset({Phase.SERVING, Phase.TAKEN_OVER, Phase.HANDING_OVER})


def aim(facts: Facts) -> None:
    """Choose for every part that is to leave whom it goes to; nobody while none can take it."""
    for part in facts.state.parts.values():
        if part.phase not in MAY_MOVE or part.dropped_s:
            continue
        part.target = _target(facts, part) if reason(facts, part) else None


def reason(facts: Facts, part: Part) -> str | None:
    """Why the part should be carried by another standby; None when it should not."""
    orders = facts.observation.orders
    if orders.withdrawn:
        return orders.withdrawn
    wanted = orders.moves.get(part.name)
    if wanted is None or wanted in (part.home, facts.state.site.node):
        return None
    return f"an operator moves it to {wanted}"


def _target(facts: Facts, part: Part) -> str | None:
    free = dict(order.able(facts, part.name))
    free.pop(facts.state.site.node, None)
    for other in facts.state.parts.values():
        if other is not part and other.target in free:
            free[other.target] -= 1
    if part.target is not None and _accepts(facts, part, part.target):
        return part.target
    able = [name for name, room in free.items() if room > 0]
    wanted = facts.observation.orders.moves.get(part.name)
    if not facts.observation.orders.withdrawn and wanted is not None:
        return wanted if wanted in able else None
    return next(iter(able), None)


def _accepts(facts: Facts, part: Part, target: str) -> bool:
    peer = facts.heard(target)
    return peer is not None and part.name in peer.heartbeat.takes


def hindrance(facts: Facts, part: Part) -> str:
    """Why a part that is wanted elsewhere is still here."""
    if part.target is None:
        return "no standby can take it now"
    wait_s = part.retry_s - facts.now_s
    return f"the last try was broken off, the next comes in {wait_s:.0f} s" if wait_s > 0 else "about to begin"


# -- guards -------------------------------------------------------------------------------------------


def fails(facts: Facts, part: Part) -> str | None:
    """A fault was declared (S57-S62)."""
    return facts.observation.orders.failed or None


def fails_again(facts: Facts, part: Part) -> str | None:
    """A fault was declared after the last one was cleared."""
    orders = facts.observation.orders
    return orders.failed if orders.failed and not orders.cleared else None


def removed(facts: Facts, part: Part) -> str | None:
    """`failover-delete` (S56)."""
    return "by failover-delete" if facts.observation.orders.detached else None


def shuts_down(facts: Facts, part: Part) -> str | None:
    """The machine shuts down, and a standby can take the part (fault 4)."""
    return f"{part.target} is asked to record" if facts.observation.orders.leaving and part.target else None


def shuts_down_alone(facts: Facts, part: Part) -> str | None:
    """The machine shuts down, and nobody can take the part."""
    if not facts.observation.orders.leaving or part.target:
        return None
    return f"no standby can take {part.name}: UNPROTECTED"


def drains(facts: Facts, part: Part) -> str | None:
    """Maintenance, and a standby can take the part (F03); without one it stays."""
    if not facts.observation.orders.maintenance or part.target is None or facts.now_s < part.retry_s:
        return None
    return f"{part.target} is asked to record"


def moved(facts: Facts, part: Part) -> str | None:
    """An operator chose another carrier, and it is fit."""
    why = reason(facts, part)
    if why is None or part.target is None or facts.now_s < part.retry_s:
        return None
    return f"{why}, which is asked to record"


def given(facts: Facts, part: Part) -> str | None:
    """The register does not name this server any more."""
    owner = facts.state.owners.get(part.name)
    if owner is None or (owner.node == facts.state.site.node and owner.state == "held"):
        return None
    whom = owner.node if owner.state == "held" else owner.to or "whoever can take it"
    return f"{part.name} is given to {whom} under epoch {owner.epoch}"


def next_ready(facts: Facts, part: Part) -> str | None:
    """First frames at the target: from now on both record. What must leave leaves at the limit all the same."""
    if part.dropped_s or not part.epoch:
        return None
    target = facts.heard(part.target) if part.target else None
    if target is not None and _accepts(facts, part, target.heartbeat.node) and part.name in target.heartbeat.ready:
        return f"{part.target} writes frames of every camera it can reach"
    if not facts.observation.orders.must_go:
        return None
    if part.target is None:
        return "no standby can record it"
    limit_s = FAULT_S if facts.observation.orders.failed else FRAMES_S
    late = facts.now_s - part.since_s >= limit_s
    return f"{part.target} shows no first frames after {limit_s:.0f} s" if late else None


def broken_off(facts: Facts, part: Part) -> str | None:
    """A move that need not be: the target is gone or too slow, or nobody wants it any more."""
    if not part.epoch or facts.observation.orders.must_go:
        return None
    if part.dropped_s:
        late = facts.now_s - part.dropped_s >= decide.HAND_OVER_LIMIT_S
        return "the register did not confirm the release in time" if late else None
    if reason(facts, part) is None:
        return "nobody wants it to leave any more"
    if part.target is None:
        return "no standby can take it now"
    late = facts.now_s - part.since_s >= FRAMES_S
    return f"{part.target} shows no first frames after {FRAMES_S:.0f} s" if late else None


def maintained(facts: Facts, part: Part) -> str | None:
    """Maintenance is on; only for parts this server does not carry."""
    words = facts.observation.orders.maintenance
    return f"in maintenance {words}" if words else None


def maintenance_over(facts: Facts, part: Part) -> str | None:
    """Maintenance was switched off, or its time is over."""
    return None if facts.observation.orders.maintenance else "its time is over, or an operator ended it"


def cleared(facts: Facts, part: Part) -> str | None:
    """The fault was cleared: the machine must be restarted before it works again (S64)."""
    return f"{facts.observation.orders.failed}: restart this machine" if facts.observation.orders.cleared else None


def asked(facts: Facts, part: Part) -> str | None:
    """The part's carrier asks this standby to record, and there is room for it."""
    if not facts.asked(part) or not order.room(facts):
        return None
    return f"{facts.carrier(part)} asks this standby to take {part.name}"


def takeable(facts: Facts, part: Part) -> str | None:
    """The part was released, and it is this server's turn to take it: nobody holds its addresses."""
    owner = facts.released(part)
    if owner is None or decide.claim_limitation(facts, part) is not None:
        return None
    return f"{owner.node} released {part.name} under epoch {owner.epoch}"


def released(facts: Facts, part: Part) -> str | None:
    """The part was released and this standby is to record it."""
    owner = facts.released(part)
    if owner is None or part.name not in facts.rescue:
        return None
    return f"{owner.node} released {part.name}, this standby is in line for it"
