"""Order among the standbys: who is eligible, who is first in line, who rescues what (S05). Pure."""

from __future__ import annotations

from understudy.failover.facts import Facts
from understudy.failover.memory import Part
from understudy.failover.model import Phase, Site

#: a standby that has booted this long ago holds full pre-roll (the plan's default of preroll_s)
SETTLED_S = 15.0
FULL = 3
#: phases that use up a place for a part
CARRYING = frozenset({Phase.TAKEN_OVER, Phase.HANDING_BACK, Phase.HANDING_OVER, Phase.CLAIMING, Phase.ISOLATED})

#: phases in which a part is carried, at home or away, or may be
CARRIED = CARRYING | {Phase.SERVING}


def places(facts: Facts) -> int:
    """How many more parts this standby could carry now; 0 when it is unfit, withdrawn, starting, or no standby."""
    state, observation = facts.state, facts.observation
    phases = [part.phase for part in state.parts.values()]
    if not state.site.is_standby or observation.unfit or observation.orders.withdrawn or Phase.STARTING in phases:
        return 0
    return max(0, state.site.takeover_limit - sum(phase in CARRYING for phase in phases))


def room(facts: Facts) -> int:
    """Places that are not kept for parts whose carriers ask this standby to take them."""
    return max(0, places(facts) - sum(part.asked for part in facts.state.parts.values()))


def settled(facts: Facts) -> int:
    """How full this standby's pre-roll can be, in thirds: by the time since its start, full after a mere restart.

    In thirds, so that heartbeats have something new to say only three times.
    """
    up_s = facts.now_s - facts.state.started_s
    return FULL if facts.state.resumed else min(FULL, int(FULL * up_s / SETTLED_S))


def line(facts: Facts) -> list[tuple[str, int]]:
    """The eligible standbys with their room, first in line first.

    Those the register answers come before the others, then the fullest pre-roll, then the configured order.
    """
    found = []
    for rank, name in enumerate(facts.state.site.standbys):
        if name == facts.state.site.node:
            free, late, empty = room(facts), not facts.register_ok, FULL - settled(facts)
        elif (peer := facts.heard(name)) is not None:
            free, late, empty = peer.heartbeat.room, not peer.heartbeat.register_ok, FULL - peer.heartbeat.settled
        else:
            continue
        if free > 0:
            found.append((late, empty, rank, name, free))
    return [(name, free) for _, _, _, name, free in sorted(found)]


def place(facts: Facts) -> int | None:
    """This server's place in the line; None while it is not eligible or has not had time to hear the others."""
    if facts.now_s < facts.state.started_s + 1.5 * facts.state.site.timing.suspect_s:
        return None
    names = [name for name, _ in line(facts)]
    return names.index(facts.state.site.node) if facts.state.site.node in names else None


def rescue(facts: Facts) -> dict[str, float]:
    """Parts this standby should shadow now, with the stagger before it may claim them (S05, faults 36 to 38).

    Suspected parts by priority are paired with free places of the line; a standby acts on its pairs at once, on the
    others only after the standbys before it have had their turn.
    """
    kept = pledged(facts)
    return {**dict.fromkeys(kept, 0.0), **_in_turn(facts, places(facts) - len(kept))}


def pledged(facts: Facts) -> list[str]:
    """Parts whose carriers ask this standby to take them, or released them for it, as many as it has places for."""
    return [name for name, part in facts.state.parts.items() if _kept(facts, part)][: places(facts)]


def _kept(facts: Facts, part: Part) -> bool:
    """Asked for, or released for this very server: no other comes first."""
    owner = facts.released(part)
    return part.asked or (owner is not None and owner.to == facts.state.site.node and part.phase not in CARRYING)


def _in_turn(facts: Facts, free: int) -> dict[str, float]:
    state = facts.state
    idle = [part for part in state.parts.values() if part.phase not in CARRYING and not _kept(facts, part)]
    suspected = [part for part in idle if facts.suspect(part)]
    suspected += [part for part in idle if facts.faltered(part) and part not in suspected]
    if free <= 0 or not suspected:
        return {}
    suspected = [part for part in suspected if not _claimed_elsewhere(facts, part)]
    standbys = line(facts)
    if state.site.node not in dict(standbys):
        return {}
    slots = [name for level in range(max(r for _, r in standbys)) for name, r in standbys if r > level]
    taken: set[int] = set()
    wanted = []
    for index, part in enumerate(suspected):
        turns = _turns(state.site, part.name, slots, taken)
        stagger_s = turns * state.site.timing.rank_stagger_s
        if turns == 0 or facts.now_s - part.alive_s >= state.site.timing.take_s:
            wanted.append((stagger_s, index, part.name))
    return {name: stagger_s for stagger_s, _, name in sorted(wanted)[:free]}


def _turns(site: Site, part: str, slots: list[str], taken: set[int]) -> int:
    """How many places of other standbys come before ours for the part; its first free place is noted as `taken`.

    First choice before second (F05), then in line; places that parts before it are paired with come last.
    """
    able = [(choice, slot) for slot, name in enumerate(slots) if (choice := site.choice(part, name)) is not None]
    ranked = [slot for _, _, slot in sorted((slot in taken, choice, slot) for choice, slot in able)]
    taken.update(ranked[:1])
    return next(turn for turn, slot in enumerate(ranked) if slots[slot] == site.node)


def able(facts: Facts, part: str) -> list[tuple[str, int]]:
    """Those of the line that may take the part, with their room, best choice first (F05)."""
    site = facts.state.site
    found = [(choice, entry) for entry in line(facts) if (choice := site.choice(part, entry[0])) is not None]
    return [entry for _, entry in sorted(found, key=lambda one: one[0])]


def _claimed_elsewhere(facts: Facts, part: Part) -> bool:
    peers = (facts.heard(name) for name in facts.state.site.standbys if name != facts.state.site.node)
    return any(peer is not None and peer.heartbeat.parts.get(part.name) in CARRYING for peer in peers)
