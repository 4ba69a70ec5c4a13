"""What follows from one observation: who should carry a part, whether it lives, whether its home is fit. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from understudy.arbitration.register import Owner
from understudy.failover.ledger import beat_of
from understudy.failover.memory import NEVER, Part, State
from understudy.failover.model import Observation, Peer, Phase

#: a false alarm is over when the carrier has been heard this long without a pause (row 401)
CALM_S = 5.0
#: a carrier that shows no ready recorder for longer is not waited for any more: its cameras may simply be broken
FALTER_LIMIT_S = 60.0
#: the register counts as reachable this long after an answer
REGISTER_OK_S = 1.5
#: a released part is kept for the server it was released for; then anybody may take it
RESERVED_S = 2.0


@dataclass(slots=True)
class Facts:
    """One step's state (being worked on) and observation, with what follows from them computed once."""

    state: State
    observation: Observation
    now_s: float = field(init=False)
    #: parts this standby should rescue now -> its stagger in seconds
    rescue: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.now_s = self.observation.now_s

    def carrier(self, part: Part) -> str:
        """Who should carry the part: its owner in the register, or its home as long as nothing was ever read."""
        owner = self.state.owners.get(part.name)
        return part.home if owner is None else owner.node

    def others(self, part: Part) -> bool:
        """The register gives the part to another server."""
        owner = self.state.owners.get(part.name)
        return owner is not None and owner.node != self.state.site.node and owner.state == "held"

    def released(self, part: Part) -> Owner | None:
        """The register's owner of the part if it was released: nobody holds its addresses."""
        owner = self.state.owners.get(part.name)
        return owner if owner is not None and owner.state == "released" else None

    def reserved_s(self, part: Part) -> float:
        """For how many more seconds a released part is kept for another server; 0: it is not."""
        owner, seen = self.released(part), self.state.view.get(self.state.site.keys.owner(part.name))
        if owner is None or seen is None or owner.to in (None, self.state.site.node):
            return 0.0
        return max(0.0, seen.since_s + RESERVED_S - self.now_s)

    def asked(self, part: Part) -> bool:
        """The part's carrier asks this server to record it, or has released it for this server."""
        owner = self.released(part)
        if owner is not None:
            return owner.to == self.state.site.node
        peer = self.heard(self.carrier(part))
        return peer is not None and peer.heartbeat.handing.get(part.name) == self.state.site.node

    def suspect(self, part: Part) -> bool:
        """No sign for `suspect_s` that its carrier carries it, or nobody does any more."""
        if self.released(part) is not None:
            return self.reserved_s(part) == 0.0
        return self.now_s - part.alive_s >= self.state.site.timing.suspect_s

    def faltered(self, part: Part) -> bool:
        """Its carrier lives, but may miss its last frames: the machine or its recorder has just restarted (F10)."""
        return self.now_s - part.faltered_s < CALM_S

    def heard(self, server: str) -> Peer | None:
        """The peer, if anything of it was heard within `suspect_s` on any network."""
        peer = self.observation.peers.get(server)
        if peer is None or self.now_s - peer.last_s >= self.state.site.timing.suspect_s:
            return None
        return peer

    def carried_by(self, part: Part) -> str | None:
        """Another server that is heard carrying the part, whatever the register says."""
        names = (name for name in self.observation.peers if name != self.state.site.node)
        return next((n for n in names if (p := self.heard(n)) and part.name in p.heartbeat.carries), None)

    @property
    def register_ok(self) -> bool:
        """The register has answered lately."""
        return self.now_s - self.state.answered_s < REGISTER_OK_S


def watch(facts: Facts) -> None:
    """Bring the signs of life of every part, and the fitness of homes, up to date."""
    state, suspect_s = facts.state, facts.state.site.timing.suspect_s
    for part in state.parts.values():
        alive_s = _alive_s(facts, part)
        if alive_s - part.alive_s >= suspect_s:
            part.alive_since_s = alive_s
        part.alive_s = max(part.alive_s, alive_s)
        part.asked = part.phase == Phase.SHADOWING and facts.asked(part)
        part.asked_s = facts.now_s if part.asked else part.asked_s
        if part.phase in (Phase.STANDBY, Phase.SHADOWING) and facts.released(part) is None:
            _watch_asking(facts, part)
        if part.phase in (Phase.TAKEN_OVER, Phase.HANDING_BACK, Phase.HANDING_OVER):
            _watch_home(facts, part)
        elif part.phase in (Phase.STANDBY, Phase.SHADOWING):
            _watch_recording(facts, part)
    boots = {name: peer.heartbeat.boot for name, peer in facts.observation.peers.items()}
    if boots != state.boots:
        state.boots = {**state.boots, **boots}


def _watch_asking(facts: Facts, part: Part) -> None:
    """Remember whether it is an operator who moves the part here; the carrier forgets it when the part has left."""
    peer = facts.heard(facts.carrier(part))
    if peer is not None and (facts.asked(part) or part.name in peer.heartbeat.carries):
        part.moved = facts.asked(part) and part.name in peer.heartbeat.moved


def _watch_recording(facts: Facts, part: Part) -> None:
    """A carrier that rebooted before its silence was noticed, or whose recorder stopped, lost frames we hold."""
    carrier = facts.carrier(part)
    peer = facts.observation.peers.get(carrier)
    if peer is None:
        return
    heartbeat, now_s = peer.heartbeat, facts.now_s
    if facts.state.boots.get(carrier, heartbeat.boot) != heartbeat.boot:
        part.faltered_s, part.was_ready = now_s, False
    if part.name in heartbeat.ready:
        part.was_ready, part.unready_s = True, now_s
    elif part.was_ready and part.name in heartbeat.carries:
        part.was_ready = now_s - part.unready_s < FALTER_LIMIT_S
        part.faltered_s = now_s


def _alive_s(facts: Facts, part: Part) -> float:
    state, carrier = facts.state, facts.carrier(part)
    peer = facts.observation.peers.get(carrier)
    alive_s = peer.last_s if peer is not None and part.name in peer.heartbeat.carries else NEVER
    keys = state.site.keys
    owner = state.view.get(keys.owner(part.name))
    if owner is not None and owner.value is not None:
        alive_s = max(alive_s, owner.since_s)
    seen = state.view.get(keys.beat(carrier))
    if seen is not None and seen.since_s > alive_s:
        beat = beat_of(seen.value)
        if beat is not None and part.name in beat.holds:
            alive_s = seen.since_s
    return alive_s


def _watch_home(facts: Facts, part: Part) -> None:
    home = facts.heard(part.home)
    fit = (
        home is not None
        and home.heartbeat.parts.get(part.name) == Phase.RETURNING
        and home.heartbeat.register_ok
        and not home.heartbeat.withdrawn
    )
    if not fit:
        part.home_since_s = None
    elif part.home_since_s is None:
        part.home_since_s = facts.now_s
