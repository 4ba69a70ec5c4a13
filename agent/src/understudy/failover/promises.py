"""Promises: how a carrier outlives the register (fault 18). Pure.

A carrier whose renewals are not confirmed asks every server that could take from it to promise not to, for `take_s`
from the asking. When all have promised, its deadline moves as if the register had answered at the time of asking. One
missing promise is enough to let the deadline stand: that server may be together with the register on the other side
of a cut.
"""

from __future__ import annotations

from understudy.failover.decide import ask_s
from understudy.failover.facts import Facts
from understudy.failover.ledger import early_takers, owned, possible_takers
from understudy.failover.model import Peer


def ask(facts: Facts) -> float | None:
    """The token to ask promises with, our own time of asking; None when renewals come or nothing is held.

    A carrier that hears nobody does not ask: no promise can reach it, and each would only hold up its taker (fault 26).
    """
    state = facts.state
    if not state.deadline_s or facts.now_s - state.renewed_s <= ask_s(state):
        return None
    return facts.now_s if any(facts.heard(name) for name in facts.observation.peers) else None


def extend(facts: Facts) -> None:
    """Move the deadline if every possible taker has promised; it never moves again once it has passed."""
    state = facts.state
    if not state.deadline_s or facts.now_s - state.renewed_s <= ask_s(state):
        return
    timing = state.site.timing
    if (asked_s := _all_promised_at(facts, early_takers(state))) is not None:
        state.early_s = max(state.early_s, asked_s + timing.early_own_s)
    if (asked_s := _all_promised_at(facts, possible_takers(state))) is not None:
        state.deadline_s = max(state.deadline_s, asked_s + timing.own_s)


def _all_promised_at(facts: Facts, takers: set[str]) -> float | None:
    """The oldest of their promises, by our time of asking; None when one is missing."""
    tokens = [_promised_at(facts, name) for name in takers]
    known = [token for token in tokens if token is not None]
    return min(known, default=facts.now_s) if len(known) == len(tokens) else None


def _promised_at(facts: Facts, taker: str) -> float | None:
    if facts.state.site.arbitration_lost == "keep" and _counts_as_dead(facts, taker):
        return facts.now_s
    peer = facts.observation.peers.get(taker)
    grant = peer.heartbeat.grants.get(facts.state.site.node) if peer else None
    if grant is None or grant[0] != facts.state.boot:
        return None
    return grant[1]


def _counts_as_dead(facts: Facts, taker: str) -> bool:
    """Site option `arbitration_lost: keep`, for sites on one switch: who is silent while another is heard is dead.

    Hearing somebody proves that it is not our own cable. Where a network can split, this can put addresses on two
    machines: a silent taker may be together with the register on the other side.
    """
    return facts.heard(taker) is None and any(facts.heard(name) for name in facts.observation.peers)


def grant(facts: Facts) -> bool:
    """Promise to every peer that asks anew and may be promised; True when a promise was given."""
    state = facts.state
    given = False
    for name, peer in facts.observation.peers.items():
        token = peer.heartbeat.ask
        if token is None or state.grants.get(name) == (peer.heartbeat.boot, token):
            continue
        if refusal(facts, name, peer) is None:
            state.promised = {**state.promised, name: facts.now_s + state.site.timing.take_s}
            state.grants = {**state.grants, name: (peer.heartbeat.boot, token)}
            given = True
    return given


def refusal(facts: Facts, asker: str, peer: Peer) -> str | None:
    """Why no promise can be given to `asker`; None when it can."""
    state = facts.state
    if not state.fenced:
        return "this agent has just started: a claim of the one before may still be on its way"
    if (state.writing and state.writing.purpose == "take") or any(sent.purpose == "take" for sent in state.unresolved):
        return "a claim of this server is on its way"
    taken = [name for name in peer.heartbeat.carries if name in owned(state)]
    if taken:
        return f"the register gives {', '.join(taken)} to this server, not to {asker}"
    return None
