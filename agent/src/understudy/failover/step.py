"""One step: observation in; new state, actions and fired rows out. Pure: same input, same output, input untouched.

Called every 100 ms and on every wake-up (answer, heartbeat with news, address change, command). Level-triggered:
nothing depends on seeing a particular moment, only on what is so now. Order: give up what the deadline took, take in
answers, look at the others, fire rows, derive what is wanted, choose the next transactions.
"""

from __future__ import annotations

import copy

import msgspec

from understudy.failover import decide, ledger, moves, order, promises, states, wanted, writes
from understudy.failover.facts import Facts, watch
from understudy.failover.memory import Part, State
from understudy.failover.model import (
    Action,
    Addresses,
    Announce,
    Fired,
    Memory,
    Observation,
    Persist,
    Phase,
    Probe,
    Site,
)
from understudy.failover.row import Who

#: the longest time between two steps; the loop wakes earlier for `wake_s`
TICK_S = 0.1
#: phases in which logical addresses may be held
HOLDING = frozenset({Phase.SERVING, Phase.TAKEN_OVER, Phase.HANDING_BACK, Phase.HANDING_OVER})


def initial(site: Site, boot: str, memory: Memory, now_s: float) -> State:
    """The state at the start of the agent. `memory` is what the last agent persisted (row 101)."""
    parts = {
        info.name: Part(name=info.name, home=info.home, since_s=now_s, alive_s=now_s, alive_since_s=now_s)
        for info in site.mine
    }
    return State(
        site=site,
        boot=boot,
        memory=msgspec.structs.replace(memory, boot=boot, flaps=memory.flaps if memory.boot == boot else {}),
        started_s=now_s,
        parts=parts,
        resumed=memory.boot == boot,
        # Higher than any number an earlier process of this boot can have used.
        seq=int(now_s * 1000),
    )


def step(before: State, observation: Observation) -> tuple[State, list[Action], list[Fired]]:
    """Decide. See the module's first lines."""
    state: State = copy.copy(before)
    state.parts = {name: copy.copy(part) for name, part in before.parts.items()}
    ledger.lapse(state, observation.now_s)
    ledger.consume(state, observation)
    facts = Facts(state, observation)
    _hear(facts)
    watch(facts)
    if state.site.is_standby:
        facts.rescue = order.rescue(facts)
    moves.aim(facts)
    promises.extend(facts)
    promises.grant(facts)
    fired = [*_fire(facts), *_line_up(facts)]
    shadowed = [part for part in state.parts.values() if part.phase == Phase.SHADOWING]
    waits = [decide.claim_wait_s, *([decide.early_wait_s] if state.site.takeover == "early" else [])]
    waits_s = [wait(facts, part) for part in shadowed for wait in waits]
    state.claim_s = min((facts.now_s + wait_s for wait_s in waits_s if wait_s > 0), default=0.0)
    actions: list[Action] = [*_addresses(facts), *_probes(facts)]
    perhaps = (wanted.assign(facts), wanted.read(facts), writes.next_write(state, observation))
    actions += [action for action in perhaps if action is not None]
    actions.append(wanted.beacon(facts))
    if state.memory is not before.memory or before.beacon is None:
        actions.append(Persist(memory=state.memory))
    return state, actions, fired


def wake_s(state: State, now_s: float) -> float:
    """When the next step is due at the latest: a tick from now, in time for the deadline, or for a claim."""
    due_s = now_s + TICK_S
    if state.deadline_s:
        due_s = min(due_s, max(now_s, ledger.hold_until_s(state) - ledger.DROP_MARGIN_S))
    return min(due_s, state.claim_s) if state.claim_s > now_s else due_s


def _hear(facts: Facts) -> None:
    """Beats and epochs in heartbeats are evidence as good as the register's.

    The carrier sends beats only after they are confirmed, and every server tells only epochs that were confirmed to it.
    """
    state = facts.state
    for name, peer in facts.observation.peers.items():
        ledger.heed(state, peer.heartbeat.epochs)
        value = peer.heartbeat.beat
        if not value or facts.heard(name) is None:
            continue
        key = state.site.keys.beat(name)
        seen = state.view.get(key)
        if seen is None or seen.value != value:
            ledger.learn(state, key, value, facts.now_s)


def _fire(facts: Facts) -> list[Fired]:
    fired = []
    who: Who = "standby" if facts.state.site.is_standby else "home"
    for part in facts.state.parts.values():
        found = states.find(facts, part, who)
        if found is None:
            continue
        row, reason = found
        fired.append(
            Fired(row=row.id, part=part.name, before=row.before, after=row.after, reason=reason, at_s=facts.now_s)
        )
        if row.after != row.before:
            part.since_s = facts.now_s
        part.phase, part.row, part.reason = row.after, row.id, reason
        if row.task is not None:
            row.task(facts, part)
    return fired


def _line_up(facts: Facts) -> list[Fired]:
    """Find the own place among the standbys; say once when it becomes, and once when it stops being, the first."""
    state = facts.state
    if not state.site.is_standby:
        return []
    was, state.place = state.place, order.place(facts)
    if (was == 0) == (state.place == 0):
        return []
    phase = wanted.server_phase(state)
    if state.place == 0:
        row, reason = states.PRIMARY_ROW, "first in line: PRIMARY STANDBY"
    else:
        row, reason = states.NOT_PRIMARY_ROW, "not first in line any more"
    return [Fired(row=row, part="", before=phase, after=phase, reason=reason, at_s=facts.now_s)]


def _addresses(facts: Facts) -> list[Action]:
    state = facts.state
    hold = {
        part.name: state.deadline_s
        for part in state.parts.values()
        if part.epoch and not part.dropped_s and part.phase in HOLDING
    }
    starting = [part.name for part in state.parts.values() if part.phase == Phase.STARTING]
    leave = frozenset(starting) if state.resumed else frozenset()
    fresh = [Announce(part=name) for name in hold if name not in state.holding]
    if state.holding != hold.keys():
        state.holding = frozenset(hold)
    return [Addresses(hold=hold, leave=leave), *fresh]


def _probes(facts: Facts) -> list[Action]:
    wanted = []
    for part in facts.state.parts.values():
        if decide.probe_due(facts, part):
            part.probed_s = facts.now_s
            wanted.append(Probe(part=part.name))
    return list(wanted)
