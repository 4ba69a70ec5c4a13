"""The site's status document (docs/reference/interfaces.md), from what every reachable server says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from understudy import control
from understudy.footage.peers import PeerError, Peers
from understudy.site.plan import Plan

#: who does not answer within it is shown as such rather than waited for
ANSWER_S = 1.0

Document = dict[str, Any]


class NodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/node`; a part is None when its process does not answer, and `errors` says why."""

    status: Document | None = None
    progress: Document | None = None
    errors: tuple[str, ...] = ()
    #: per logical server at home here: what other servers hold of its footage and is still to come home
    copies: dict[str, Document] = {}


class NoStatus(Exception):
    """Neither the agent here nor any other server can tell the site's status; the text says what was tried."""


async def node_answer(agent: Path, recorder: Path) -> NodeAnswer:
    """What this server's processes say now."""
    errors: list[str] = []

    async def ask(path: Path, op: str) -> Document | None:
        try:
            return await control.acall(path, op, timeout_s=ANSWER_S)
        except control.ControlError as error:
            errors.append(str(error))
            return None

    status, progress = await asyncio.gather(ask(agent, "status"), ask(recorder, "progress"))
    return NodeAnswer(status=status["status"] if status else None, progress=progress, errors=tuple(errors))


async def site_status(plan: Plan, peers: Peers, agent: Path) -> tuple[Document, str]:
    """The status document, and a warning ("" if there is none). NoStatus when nobody can tell."""
    local, *others = await asyncio.gather(_local(agent), *(_ask(peers, name) for name in peers.servers))
    answers = {name: answer for name, answer in zip(peers.servers, others, strict=True) if isinstance(answer, dict)}
    warning = ""
    if isinstance(local, dict):
        document = local
        answers[plan.node] = local
    elif answers:
        teller = min(answers)
        document = answers[teller]
        warning = f"the agent here does not answer ({local}); this is what {teller} sees"
    else:
        raise NoStatus(f"the agent here does not answer ({local}), nor does any other server of the site")
    return {**document, "logical": [_with_cameras(plan, part, answers) for part in document["logical"]]}, warning


async def overview(plan: Plan, peers: Peers, local: NodeAnswer) -> Document:
    """What the page shows of the site; NoStatus when neither the agent here nor any other server can tell."""
    others = await asyncio.gather(*(_node(peers, name) for name in peers.servers))
    nodes = {name: node for name, node in zip(peers.servers, others, strict=True) if node is not None}
    nodes[plan.node] = local
    told = {name: node.status for name, node in nodes.items() if node.status is not None}
    if not told:
        raise NoStatus(f"no server of the site can tell its status ({'; '.join(local.errors)})")
    document = told.get(plan.node) or told[min(told)]
    status = {**document, "logical": [_with_cameras(plan, part, told) for part in document["logical"]]}
    return {
        "status": status,
        "disks": {name: (node.progress or {}).get("disks", {}) for name, node in nodes.items()},
        "clocks": {name: problem for name, node in nodes.items() if (problem := (node.progress or {}).get("clock"))},
        "copies": {logical: waiting for node in nodes.values() for logical, waiting in node.copies.items()},
        "silent": sorted(set(peers.servers) - set(nodes)),
        "errors": list(local.errors),
    }


async def _node(peers: Peers, name: str) -> NodeAnswer | None:
    try:
        return await peers.get(name, "/api/v1/node", NodeAnswer, timeout_s=ANSWER_S)
    except PeerError:
        return None


async def _local(agent: Path) -> Document | str:
    try:
        document: Document = (await control.acall(agent, "status", timeout_s=ANSWER_S))["status"]
    except control.ControlError as error:
        return str(error)
    return document


async def _ask(peers: Peers, name: str) -> Document | None:
    try:
        return (await peers.get(name, "/api/v1/node", NodeAnswer, timeout_s=ANSWER_S)).status
    except PeerError:
        return None


def _with_cameras(plan: Plan, part: Document, answers: dict[str, Document]) -> Document:
    """The logical server with its cameras as its carrier tells them, else as whoever records or pre-rolls them."""
    name, carrier = part["name"], part["carrier"]
    told = {teller: _cameras(document, name) for teller, document in sorted(answers.items())}
    for teller in [carrier, *(teller for teller in told if _records(told[teller])), *told]:
        if told.get(teller):
            return {**part, "cameras": told[teller]}
    return {**part, "cameras": _silent_cameras(plan, name, carrier)}


def _cameras(document: Document, logical: str) -> list[Document]:
    return next((part["cameras"] for part in document["logical"] if part["name"] == logical), [])


def _records(cameras: Iterable[Document]) -> bool:
    return any(camera["mode"] == "recording" for camera in cameras)


def _silent_cameras(plan: Plan, name: str, carrier: str | None) -> list[Document]:
    reason = f"{carrier} does not answer" if carrier else "no server carries it"
    return [
        {
            "number": camera.number,
            "name": camera.name,
            "mode": "off",
            "frames": 0,
            "last_frame_age_s": None,
            "engine": None,
            "engine_reason": None,
            "error": reason,
        }
        for logical in plan.logical
        if logical.name == name
        for camera in logical.cameras
    ]
