"""Judgements: what stands in the way of a claim, of a handback. Pure.

Functions named `…_limitation` return the reason why something may not be done, or None when it may: one sentence for
the decision, the log and the status.
"""

from __future__ import annotations

from understudy.failover import order
from understudy.failover.facts import Facts
from understudy.failover.ledger import beat_of, early_takers, writing_limitation
from understudy.failover.memory import NEVER, Part, State
from understudy.failover.model import Phase
from understudy.failover.writes import EARLY_ASK_S

#: a claim is decided on answers of the register no older than this
FRESH_S = 1.0
#: the wire is asked for the addresses during the last part of the wait (2 probes, 0.2 s apart)
PROBE_S = 0.4
#: and a step or two before, so that the answers are there when the wait is over
PROBE_EARLIER_S = 0.2
#: an address that answers although its owner must have dropped it does not stop a claim longer than this times own_s
CLAIM_OVER_CONFLICT = 2.0
#: an early claim relies on silence of the wire no older than this, and asks again this often
SILENCE_S, EARLY_PROBE_S = 1.0, 0.5
#: renewals older than this make the carrier ask for promises (row 203)
ASK_S = 1.0
#: how long a home has to show first frames after it was asked (row 703)
HANDBACK_LIMIT_S = 60.0
#: and when this server must give the part away: a standby is asked next
HURRIED_HANDBACK_S = 2.0
#: how long the register may take to confirm a hand-over before it is broken off (rows 703, 705)
HAND_OVER_LIMIT_S = 2.0
MAX_HOLD_S = 3600.0
#: takeovers of a part that follow one another within this time double the wait before it goes home, each (fault 29)
FLAP_S = 3600.0


def ask_s(state: State) -> float:
    """How old renewals may become before the carrier asks for promises."""
    return EARLY_ASK_S if early_takers(state) else ASK_S


def claim_limitation(facts: Facts, part: Part) -> str | None:
    """Why the part may not be claimed from its carrier now; None when it may (rows 403 and 805)."""
    if (reason := _own_limitation(facts, part)) is not None:
        return reason
    if facts.released(part) is not None:
        return _release_limitation(facts, part)
    return _evidence_limitation(facts, part) or _wire_limitation(facts, part)


def early_limitation(facts: Facts, part: Part) -> str | None:
    """Why it may not be claimed before the carrier's deadline is over; None when it may (rows 404 and 804)."""
    if facts.state.site.takeover != "early":
        return "the site's takeover is certain"
    if (reason := _own_limitation(facts, part)) is not None:
        return reason
    carrier = facts.carrier(part)
    if facts.released(part) is not None or facts.heard(carrier) is not None:
        return f"{carrier} is heard, or has released it"
    return _evidence_limitation(facts, part, early=True) or _silence_limitation(facts, part)


def _own_limitation(facts: Facts, part: Part) -> str | None:
    """What keeps this server from claiming, whatever became of the carrier."""
    state, now_s = facts.state, facts.now_s
    owner = state.owners.get(part.name)
    if owner is None:
        return "the register names no owner to take it from"
    if facts.observation.orders.withdrawn:
        return facts.observation.orders.withdrawn
    if now_s - state.read_s >= FRESH_S:
        return "the register does not answer"
    if not facts.suspect(part):
        return f"{owner.node} shows signs of carrying it"
    if state.site.is_standby and not order.places(facts):
        return "; ".join(facts.observation.unfit) or "this standby carries as many parts as it may"
    if (reason := writing_limitation(state, facts.observation)) is not None or state.unresolved:
        return reason or "an earlier write to the register is not settled"
    return None


def _release_limitation(facts: Facts, part: Part) -> str | None:
    """Nobody holds a released part: no evidence and no promise stand in the way, only whose turn it is."""
    if facts.state.site.is_standby and part.name not in facts.rescue:
        return "another standby comes first"
    if (wait_s := claim_wait_s(facts, part)) > 0:
        return f"the turn of this server comes in {wait_s:.1f} s"
    return None


def _evidence_limitation(facts: Facts, part: Part, *, early: bool = False) -> str | None:
    state, now_s, carrier = facts.state, facts.now_s, facts.carrier(part)
    seen = state.view.get(state.site.keys.beat(carrier))
    beat = beat_of(seen.value) if seen else None
    if beat is None or state.site.node not in (beat.early if early else beat.takers):
        named = "those that may be early" if early else "its takers"
        return f"{carrier}'s beat does not name this server among {named}"
    if (wait_s := early_wait_s(facts, part) if early else claim_wait_s(facts, part)) > 0:
        return f"{carrier}'s last beat must stay still for {wait_s:.1f} s more"
    if now_s < state.promised.get(carrier, NEVER):
        return f"promised {carrier} not to take for {state.promised[carrier] - now_s:.1f} s more"
    return None


def claim_wait_s(facts: Facts, part: Part) -> float:
    """Seconds until owner and beat have stayed as they are for `take_s` and this server's stagger."""
    keys = facts.state.site.keys
    if facts.released(part) is not None:
        since_s = facts.state.view[keys.owner(part.name)].since_s
        return facts.reserved_s(part) + since_s + facts.rescue.get(part.name, 0.0) - facts.now_s
    seen = [facts.state.view.get(key) for key in (keys.owner(part.name), keys.beat(facts.carrier(part)))]
    since_s = max((s.since_s for s in seen if s), default=facts.now_s)
    return since_s + facts.state.site.timing.take_s + facts.rescue.get(part.name, 0.0) - facts.now_s


def early_wait_s(facts: Facts, part: Part) -> float:
    """The same for an early claim."""
    timing = facts.state.site.timing
    return claim_wait_s(facts, part) - timing.take_s + timing.early_take_s


def probe_due(facts: Facts, part: Part) -> bool:
    """Whether the wire should be asked now: near the end of the wait, and again and again while it answers."""
    if facts.released(part) is not None:
        return False
    waiting = part.phase == Phase.SHADOWING or (part.phase == Phase.RETURNING and facts.suspect(part))
    early = facts.state.site.takeover == "early"
    wait_s, again_s = (early_wait_s(facts, part), EARLY_PROBE_S) if early else (claim_wait_s(facts, part), 1.0)
    return waiting and wait_s <= PROBE_S + PROBE_EARLIER_S and facts.now_s - part.probed_s >= again_s


def _silence_limitation(facts: Facts, part: Part) -> str | None:
    """An early claim needs a fresh answer, "nobody", for every address: a machine that lives would answer there."""
    result = facts.observation.probes.get(part.name)
    if result is None or result.asked_s < max(part.probed_s, part.alive_s, facts.now_s - SILENCE_S):
        return "waiting for answers on the wire for its addresses"
    if not result.complete:
        return "not all of its addresses could be asked for on the wire"
    return "its addresses still answer on the wire" if result.answered else None


def _wire_limitation(facts: Facts, part: Part) -> str | None:
    if part.probed_s < part.alive_s:
        return "nobody has been asked on the wire for its addresses yet"
    result = facts.observation.probes.get(part.name)
    if result is None or result.asked_s < part.probed_s:
        waiting = facts.now_s - part.probed_s < 2 * PROBE_S
        return "waiting for answers on the wire for its addresses" if waiting else None
    over_s = CLAIM_OVER_CONFLICT * facts.state.site.timing.own_s
    if result.answered and claim_wait_s(facts, part) > -over_s:
        return "its addresses still answer on the wire"
    return None


def handback_limitation(facts: Facts, part: Part) -> str | None:
    """Why the part may not go home yet; None when it may (row 605, S09)."""
    if part.home_since_s is None:
        home = facts.heard(part.home)
        if home is None:
            return f"{part.home} is not heard"
        phase = home.heartbeat.parts.get(part.name, home.heartbeat.state)
        return f"{part.home} is {phase}" if phase != Phase.RETURNING else f"{part.home} cannot reach the register"
    orders = facts.observation.orders
    if orders.moves.get(part.name) == part.home:
        return None
    if orders.withdrawn:
        return None if facts.now_s >= part.retry_s else "a handback has just been broken off"
    if part.name in orders.moves:
        return f"an operator moves it to {orders.moves[part.name]}"
    return _calendar_limitation(facts, part) or _hold_limitation(facts, part, facts.now_s - part.home_since_s)


def _calendar_limitation(facts: Facts, part: Part) -> str | None:
    handback = facts.state.site.handback
    if part.name in facts.state.memory.stays:
        return "an operator moved it here: waiting for `understudy handback`"
    if handback.mode == "manual":
        return "handback.mode is manual: waiting for `understudy handback`"
    if handback.mode == "window" and not facts.observation.window_open:
        return f"handback.window is {handback.window}: waiting for it, or for `understudy handback`"
    return None


def _hold_limitation(facts: Facts, part: Part, healthy_s: float) -> str | None:
    after_s = facts.state.site.handback.after_s
    hold_s = max(part.hold_s, after_s)
    if healthy_s >= hold_s:
        return None
    flap = facts.state.memory.flaps.get(part.name)
    why = ""
    if hold_s > after_s:
        why = f", longer than {after_s:.0f} s because a handback failed"
        if flap is not None and flap.count > 1:
            why = f", longer than {after_s:.0f} s because it was taken over {flap.count} times within an hour"
    return f"{part.home} is back for {healthy_s:.0f} s of {hold_s:.0f} s{why}"


def home_ready(facts: Facts, part: Part) -> bool:
    """The home writes frames of every camera it can reach, and can renew."""
    home = facts.heard(part.home)
    return home is not None and part.name in home.heartbeat.ready and part.home_since_s is not None
