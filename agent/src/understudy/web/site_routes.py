"""The site as the page shows it: status, disks, footage on its way home, and what happened."""

from __future__ import annotations

import asyncio
import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from understudy.footage.instants import parse
from understudy.footage.peers import PeerError
from understudy.web.auth import for_people
from understudy.web.incidents import decisions, incidents
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services
from understudy.web.status import ANSWER_S, NoStatus, node_answer, overview

routes = web.RouteTableDef()

#: of the decision log, the newest bytes that are looked at: months of a quiet site
_TAIL_BYTES = 1024 * 1024
#: one look at the site serves everybody who asks within it
_SHARED_S = 0.7

Document = dict[str, Any]


class Overview:
    """The site's overview, asked for once however many people look at it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._known: tuple[float, Document] | None = None

    async def get(self, services: Services) -> Document:
        """The overview, at most `_SHARED_S` old; NoStatus when nobody can tell."""
        async with self._lock:
            now_s = asyncio.get_running_loop().time()
            if self._known is None or now_s - self._known[0] > _SHARED_S:
                local = await node_answer(services.agent_socket, services.recorder_socket)
                local = msgspec.structs.replace(local, copies=await asyncio.to_thread(services.copies))
                self._known = now_s, await overview(services.plan, services.peers, local)
            return self._known[1]


OVERVIEW = web.AppKey("overview", Overview)


class Decided(msgspec.Struct, frozen=True):
    """Answer of `GET /api/v1/decisions`."""

    decisions: tuple[Document, ...]


@routes.get("/api/v1/site")
@for_people("viewer")
async def site(request: web.Request) -> web.Response:
    """The status document, every server's disks and clock, and what is still to come home."""
    try:
        document = await request.app[OVERVIEW].get(request.app[SERVICES])
    except NoStatus as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return web.json_response(document)


@routes.get("/api/v1/decisions")
@for_people("viewer")
async def list_decisions(request: web.Request) -> web.Response:
    """The decision log of this server, oldest first, from `since` on."""
    since_us = _since(request)
    found = await asyncio.to_thread(read_decisions, request.app[SERVICES].decision_log, since_us)
    return web.json_response({"decisions": found})


@routes.get("/api/v1/incidents")
@for_people("viewer")
async def list_incidents(request: web.Request) -> web.Response:
    """Takeovers, returns and outages with the decisions of all servers that led to them, newest first."""
    services, since_us = request.app[SERVICES], _since(request)
    silent: dict[str, str] = {}

    async def ask(name: str) -> tuple[Document, ...]:
        since = f"?since={request.query['since'].replace('+', '%2B')}" if "since" in request.query else ""
        try:
            return (await services.peers.get(name, f"/api/v1/decisions{since}", Decided, timeout_s=ANSWER_S)).decisions
        except PeerError as error:
            silent[name] = str(error)
            return ()

    names = list(services.peers.servers)
    local = await asyncio.to_thread(read_decisions, services.decision_log, since_us)
    others = await asyncio.gather(*(ask(name) for name in names))
    lines = {services.plan.node: tuple(local), **dict(zip(names, others, strict=True))}
    return web.json_response({"incidents": incidents(decisions(lines)), "silent": silent})


def _since(request: web.Request) -> int:
    if "since" not in request.query:
        return 0
    try:
        return parse(request.query["since"])
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"since: {error}") from error


def read_decisions(path: Path, since_us: int) -> list[Document]:
    """The newest lines of a decision log, without the facts they were decided from; a torn line is left out."""
    found: list[Document] = []
    for each in (path.with_suffix(".jsonl.1"), path):
        for line in _tail(each):
            try:
                row = json.loads(line)
                if parse(row["time"]) >= since_us:
                    found.append({key: value for key, value in row.items() if key != "facts"})
            except (ValueError, KeyError, TypeError):
                continue
    return found


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).splitlines()
    except OSError:
        return []
