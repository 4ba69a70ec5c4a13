"""The status document of docs/reference/interfaces.md as this server sees the site. Pure.

What this server knows of others is what they said in their heartbeats; whom it does not hear it calls UNREACHABLE.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from understudy.failover import order, states
from understudy.failover.facts import Facts
from understudy.failover.memory import NEVER
from understudy.failover.model import Peer, Phase
from understudy.failover.wanted import server_phase
from understudy.site.plan import Logical, Plan, Server

Document = dict[str, Any]

_CAMERA_FIELDS = ("number", "name", "mode", "frames", "last_frame_age_s", "engine", "engine_reason", "error")
_KINDS = ("server", "standby", "witness")
UNREACHABLE = "UNREACHABLE"
_ORDINALS = ("first", "second", "third")


def document(plan: Plan, facts: Facts, progress: Mapping[str, Any], wall_s: float, quorum: str = "") -> Document:
    """The whole document; `progress` is the recorder's newest answer (empty when there is none).

    `quorum`: what is wrong with the register's majority, "" when nothing is.
    """
    ranks = {name: rank for rank, (name, _room) in enumerate(order.line(facts))}
    logical = [_logical(plan, part, facts, progress) for part in sorted(plan.logical, key=lambda part: part.name)]
    return {
        "version": 1,
        "site": plan.site,
        "node": plan.node,
        "time": datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "protection": _protection(plan, facts, ranks, logical, quorum),
        "servers": [_server(server, facts, ranks) for server in sorted(plan.servers, key=_order)],
        "logical": logical,
        "register": _register(facts, quorum),
    }


def _register(facts: Facts, quorum: str) -> Document:
    """How long ago the register answered this server, None for never, and what is wrong with it."""
    answered_s = facts.state.answered_s
    return {
        "age_s": None if answered_s == NEVER else round(facts.now_s - answered_s, 2),
        "trouble": "; ".join(text for text in (quorum, facts.state.trouble) if text),
    }


def _order(server: Server) -> tuple[int, int, str]:
    return _KINDS.index(server.kind), server.rank if server.rank is not None else 0, server.name


def _server(server: Server, facts: Facts, ranks: dict[str, int]) -> Document:
    peer = facts.observation.peers.get(server.name)
    if server.name == facts.state.site.node:
        age_s, state = 0.0, str(server_phase(facts.state))
        reason = "; ".join([*(f"{part.name}: {part.reason}" for part in facts.state.parts.values()), *_troubles(facts)])
    elif peer is None:
        age_s, state, reason = None, UNREACHABLE, "never heard since this agent started"
    else:
        age_s, (state, reason) = facts.now_s - peer.last_s, _heard(facts, server.name, peer)
    rank = ranks.get(server.name)
    return {
        "name": server.name,
        "kind": server.kind,
        "state": "PRIMARY STANDBY" if rank == 0 and state == Phase.STANDBY else state,
        "rank": rank,
        "reason": reason,
        "reachable": state != UNREACHABLE,
        "age_s": None if age_s is None else round(age_s, 2),
    }


def _troubles(facts: Facts) -> list[str]:
    troubles = [facts.observation.orders.withdrawn, *facts.observation.unfit, facts.state.trouble]
    troubles += [facts.state.ousted or facts.observation.double]
    return [trouble for trouble in troubles if trouble]


def _heard(facts: Facts, name: str, peer: Peer) -> tuple[str, str]:
    said = peer.heartbeat
    if facts.heard(name) is None:
        return UNREACHABLE, f"silent on every network for {facts.now_s - peer.last_s:.1f} s; was {said.state}"
    reasons = [f"{part}: {phase}" for part, phase in said.parts.items()]
    if said.withdrawn:
        reasons.insert(0, said.withdrawn)
    if not said.register_ok:
        reasons.append("the register does not answer it")
    return str(said.state), "; ".join(reasons)


def _logical(plan: Plan, part: Logical, facts: Facts, progress: Mapping[str, Any]) -> Document:
    carrier, phase = _carrier(part.name, facts)
    if carrier is None:
        state = "DOWN"
    elif phase in (Phase.HANDING_BACK, Phase.HANDING_OVER):
        state = str(phase)
    else:
        state = "SERVING" if carrier == part.home else "TAKEN_OVER"
    owner = facts.state.owners.get(part.name)
    return {
        "name": part.name,
        "home": part.home,
        "carrier": carrier,
        "state": state,
        "epoch": None if owner is None else owner.epoch,
        "addresses": [str(ipaddress.ip_interface(a.address).ip) for a in part.addresses],
        "standbys": _standbys(plan, part, facts),
        "why": _why(part.name, carrier, facts),
        "cameras": _cameras(progress.get("parts", {}).get(part.name)),
    }


def choice(plan: Plan, part: str, standby: str) -> str:
    """Which choice a standby is for a part, or why it may not take it, as a sentence (F05)."""
    logical, server = plan.part(part), plan.server(standby)
    if logical.locations and server.location not in logical.locations:
        where = f"at {server.location}" if server.location else "at no named location"
        return f"{standby} is {where}, {part} is only for {', '.join(logical.locations)}"
    if not logical.groups:
        return f"{standby} may take {part}, as any standby"
    if server.group not in logical.groups:
        group = f"of group {server.group}" if server.group else "of no group"
        return f"{standby} is {group}, {part} is only for {', '.join(logical.groups)}"
    place = logical.groups.index(server.group)
    ordinal = _ORDINALS[place] if place < len(_ORDINALS) else f"{place + 1}th"
    return f"{standby} is {ordinal} choice for {part}: group {server.group}"


def _standbys(plan: Plan, part: Logical, facts: Facts) -> list[Document]:
    """Every standby's choice for the part, those in line first, best choice first."""
    able = [name for name, _room in order.able(facts, part.name)]
    rest = [server.name for server in plan.standbys if server.name not in able]
    return [
        {
            "name": name,
            "choice": facts.state.site.choice(part.name, name),
            "in_line": name in able,
            "reason": choice(plan, part.name, name),
        }
        for name in (*able, *rest)
    ]


def _why(name: str, carrier: str | None, facts: Facts) -> Document | None:
    """The row that fired last for the part where it is carried: our own with its facts, another's by its sentence."""
    own, site = facts.state.parts.get(name), facts.state.site
    if carrier is not None and carrier != site.node:
        peer = facts.heard(carrier)
        row = peer.heartbeat.rows.get(name) if peer is not None else None
        return None if row is None else {"server": carrier, "row": row, "reason": states.SENTENCES.get(row, "")}
    return None if own is None else {"server": site.node, "row": own.row, "reason": own.reason}


def _carrier(name: str, facts: Facts) -> tuple[str | None, Phase | None]:
    """Who holds the part's addresses now, by its own word, and its state for the part."""
    if name in facts.state.holding:
        return facts.state.site.node, facts.state.parts[name].phase
    for server in facts.observation.peers:
        peer = facts.heard(server)
        if peer is not None and name in peer.heartbeat.carries:
            return server, peer.heartbeat.parts.get(name)
    return None, None


def _cameras(part: Mapping[str, Any] | None) -> list[Document]:
    if part is None or part.get("mode") == "off":
        return []
    return [{field: camera.get(field) for field in _CAMERA_FIELDS} for camera in part.get("cameras", [])]


def _withdrawn(plan: Plan, facts: Facts) -> list[str]:
    """Standbys that people or a fault keep out of the line, with the reason."""
    found = []
    for server in plan.standbys:
        peer = facts.heard(server.name)
        said = peer.heartbeat.withdrawn if peer is not None else ""
        if server.name == facts.state.site.node:
            said = facts.observation.orders.withdrawn
        if said:
            found.append(f"{server.name} is {said}" if said.startswith("in ") else f"{server.name}: {said}")
    return found


def _protection(plan: Plan, facts: Facts, ranks: dict[str, int], logical: list[Document], quorum: str) -> Document:
    """PROTECTED when the next failure of a server would be caught."""
    reasons = [f"{part['name']} is carried by nobody" for part in logical if part["carrier"] is None]
    if not plan.standbys:
        reasons.append("the site has no standby")
    elif not ranks:
        away = [part["name"] for part in logical if part["carrier"] not in (None, part["home"])]
        why = [*([f"{', '.join(away)} away from home"] if away else []), *_withdrawn(plan, facts)]
        reasons.append(f"no standby can take over now{': ' if why else ''}{'; '.join(why)}")
    else:
        lone = [part.name for part in plan.logical if not order.able(facts, part.name)]
        reasons += [f"no standby that may take {name} can take over now" for name in lone]
    if not facts.register_ok:
        reasons.append("the arbitration register does not answer: no address can move")
    if quorum:
        reasons.append(quorum)
    if facts.state.trouble:
        reasons.append(f"the arbitration register is not believed: {facts.state.trouble}")
    return {"state": "UNPROTECTED" if reasons else "PROTECTED", "reason": "; ".join(reasons)}
