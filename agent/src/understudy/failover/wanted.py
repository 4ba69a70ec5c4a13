"""What follows from the state for recorder, register and heartbeats: the levels every step puts out. Pure."""

from __future__ import annotations

from understudy.failover import order, promises, writes
from understudy.failover.facts import Facts
from understudy.failover.memory import Part, State
from understudy.failover.model import Action, Assign, Heartbeat, Mode, PartProgress, Phase, SetBeacon

#: how often the register is read: something is wrong / waiting for the own part / all is well
READ_ALERT_S, READ_RETURNING_S, READ_CALM_S = 0.2, 0.5, 1.0
#: a carrier that misses so many heartbeats is looked up in the register: its last beat may never have been sent to us
QUIET_HEARTBEATS = 1.25
#: and while the own part is being handed home: with every step
READ_HAND_OVER_S = 0.05

#: the most telling phase first: it is the state of the server as a whole
TELLING = (
    Phase.DETACHED,
    Phase.FAILED,
    Phase.CLEARED,
    Phase.ISOLATED,
    Phase.CLAIMING,
    Phase.HANDING_OVER,
    Phase.HANDING_BACK,
    Phase.TAKEN_OVER,
    Phase.SHADOWING,
    Phase.STARTING,
    Phase.MAINTENANCE,
    Phase.RETURNING,
    Phase.SERVING,
    Phase.STANDBY,
)


def server_phase(state: State) -> Phase:
    """The state of the server as a whole: that of its most telling part; a witness is STANDBY for nothing."""
    phases = {part.phase for part in state.parts.values()}
    return next((phase for phase in TELLING if phase in phases), Phase.STANDBY)


def assign(facts: Facts) -> Assign | None:
    """What the recorder shall do; None while that depends on what it does and it does not answer."""
    recorder, parts = facts.observation.recorder, facts.state.parts.values()
    if recorder is None and facts.state.site.is_standby and any(part.phase == Phase.STARTING for part in parts):
        return None
    return Assign(parts={part.name: _mode(facts, part, (recorder or {}).get(part.name)) for part in parts})


def _mode(facts: Facts, part: Part, progress: PartProgress | None) -> Mode:
    away = part.home != facts.state.site.node
    if part.phase in (Phase.FAILED, Phase.CLEARED) or (part.phase == Phase.DETACHED and away):
        return "off"
    if not away or facts.now_s < part.linger_s:
        return "record"
    if part.phase == Phase.STARTING:
        return "record" if progress is not None and progress.mode == "record" else "preroll"
    return "preroll" if part.phase in (Phase.STANDBY, Phase.MAINTENANCE) else "record"


def read(facts: Facts) -> Action | None:
    """Read often when something is wrong, rarely when all is well; heartbeats carry the beats of healthy carriers."""
    state = facts.state
    quiet = [part for part in state.parts.values() if facts.others(part) and _quiet(facts, part)]
    phases = {part.phase for part in state.parts.values()}
    if _coming_home(facts):
        period_s = READ_HAND_OVER_S
    elif quiet or phases & {Phase.SHADOWING, Phase.CLAIMING, Phase.STARTING, Phase.ISOLATED}:
        period_s = READ_ALERT_S
    else:
        period_s = READ_RETURNING_S if Phase.RETURNING in phases else READ_CALM_S
    return writes.next_read(state, facts.observation, period_s, [facts.carrier(part) for part in quiet])


def _quiet(facts: Facts, part: Part) -> bool:
    peer = facts.observation.peers.get(facts.carrier(part))
    carries = peer is not None and part.name in peer.heartbeat.carries
    return (
        not carries
        or peer is None
        or facts.now_s - peer.last_s >= QUIET_HEARTBEATS * facts.state.site.timing.heartbeat_s
    )


def _coming_home(facts: Facts) -> bool:
    """The carrier of one of our own parts is handing it back, or says it no longer carries it."""
    for part in facts.state.parts.values():
        peer = facts.heard(facts.carrier(part)) if part.phase == Phase.RETURNING else None
        if peer is not None and peer.heartbeat.parts.get(part.name) != Phase.TAKEN_OVER:
            return True
    return False


def beacon(facts: Facts) -> SetBeacon:
    state, recorder = facts.state, facts.observation.recorder or {}
    own = state.view.get(state.site.keys.beat(state.site.node))
    heartbeat = Heartbeat(
        node=state.site.node,
        boot=state.boot,
        state=server_phase(state),
        parts={part.name: part.phase for part in state.parts.values()},
        carries=tuple(state.holding),
        rows={name: state.parts[name].row for name in state.holding},
        withdrawn=facts.observation.orders.withdrawn,
        handing=_handing(state),
        moved=tuple(name for name in _handing(state) if name in facts.observation.orders.moves),
        takes=tuple(order.pledged(facts)),
        ready=tuple(name for name, p in recorder.items() if p.mode == "record" and p.ready),
        room=order.room(facts),
        settled=order.settled(facts),
        epochs=state.memory.epochs,
        register_ok=facts.register_ok,
        beat=(own.value or b"") if own and state.fenced else b"",
        ask=promises.ask(facts),
        grants=state.grants,
    )
    last, state.beacon = state.beacon, heartbeat
    return SetBeacon(heartbeat=heartbeat, urgent=last is None or _news(last, heartbeat))


def _handing(state: State) -> dict[str, str]:
    parts = state.parts.values()
    return {part.name: part.target for part in parts if part.phase == Phase.HANDING_OVER and part.target}


def _news(last: Heartbeat, now: Heartbeat) -> bool:
    """Whether the others should hear of it before the next heartbeat is due."""
    return (
        last.parts != now.parts
        or last.carries != now.carries
        or last.ready != now.ready
        or last.handing != now.handing
        or last.takes != now.takes
        or last.withdrawn != now.withdrawn
        or last.beat != now.beat
        or last.grants is not now.grants
        or (last.ask is None) != (now.ask is None)
    )
