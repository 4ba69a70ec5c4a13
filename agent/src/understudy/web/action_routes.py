"""What admins order from the page: the same operations as on the command line, done by the agent they concern.

The request goes on to that server with the person's own session: a server's certificate alone orders nothing.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from understudy import control
from understudy.footage.instants import parse
from understudy.footage.peers import PeerError
from understudy.web.asking import ask
from understudy.web.auth import COOKIE, CSRF_HEADER, PERSON, for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services
from understudy.web.session_routes import client_address

log = logging.getLogger(__name__)

routes = web.RouteTableDef()

_MAX_BODY_BYTES = 4096
_STATUS_S = 1.0

Document = dict[str, Any]
T = TypeVar("T")


class MaintenanceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST …/maintenance` takes; `until` as ISO 8601."""

    on: bool
    until: str | None = None


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST …/move` takes."""

    server: str


@routes.post("/api/v1/servers/{server}/maintenance")
@for_people("admin")
async def maintenance(request: web.Request) -> web.Response:
    """Drain a server and keep it out of failover, or take it back in."""
    raw = await _body(request)
    body = _decode(raw, MaintenanceBody)
    arguments: Document = {"on": body.on}
    if body.until is not None:
        try:
            until_s = parse(body.until) / 1e6
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, f"until: {error}") from error
        until = datetime.fromtimestamp(until_s, UTC).isoformat().replace("+00:00", "Z")
        arguments |= {"until_wall_s": until_s, "until": until}
    return await _order(request, _server(request), raw, "maintenance", arguments)


@routes.post("/api/v1/servers/{server}/clear")
@for_people("admin")
async def clear(request: web.Request) -> web.Response:
    """Clear the fault of a FAILED server; it works again after a restart of the machine."""
    return await _order(request, _server(request), await _body(request), "clear", {})


@routes.post("/api/v1/logical/{logical}/handback")
@for_people("admin")
async def handback(request: web.Request) -> web.Response:
    """Bring a logical server home now."""
    logical = _logical(request)
    carrier = await _carrier(request, logical)
    return await _order(request, carrier, await _body(request), "handback", {"logical": logical})


@routes.post("/api/v1/logical/{logical}/move")
@for_people("admin")
async def move(request: web.Request) -> web.Response:
    """Have another server carry a logical server."""
    logical, raw = _logical(request), await _body(request)
    body = _decode(raw, MoveBody)
    carrier = await _carrier(request, logical)
    return await _order(request, carrier, raw, "move", {"logical": logical, "server": body.server})


async def _order(request: web.Request, server: str, raw: bytes, op: str, arguments: Document) -> web.Response:
    """Have the agent of `server` do it, through that server's web part when it is not this one's."""
    services = request.app[SERVICES]
    if server != services.plan.node:
        return await _pass_on(request, server, raw)
    person = request[PERSON]
    told = " ".join(f"{key}={value}" for key, value in arguments.items())
    try:
        answer = await ask(services.agent_socket, op, refused=HTTPStatus.CONFLICT, **arguments)
    except Problem as problem:
        log.warning("audit: %s from %s: %s %s: %s", person.name, client_address(request), op, told, problem)
        raise
    log.warning("audit: %s from %s: %s %s: done", person.name, client_address(request), op, told)
    return web.json_response({key: value for key, value in answer.items() if key != "ok"})


async def _pass_on(request: web.Request, server: str, raw: bytes) -> web.Response:
    services = request.app[SERVICES]
    if "passed" in request.query:
        raise Problem(HTTPStatus.CONFLICT, f"this is {services.plan.node}, not {server}; try again in a moment")
    headers = {
        "Cookie": f"{COOKIE}={request.cookies[COOKIE]}",
        CSRF_HEADER: request.headers[CSRF_HEADER],
        "Content-Type": "application/json",
    }
    try:
        path = f"{request.raw_path.partition('?')[0]}?passed"
        async with services.peers.request(server, "POST", path, headers=headers, body=raw) as response:
            return web.Response(body=await response.content.read(1 << 20), content_type="application/json")
    except PeerError as error:
        status = error.status if 400 <= error.status < 500 else HTTPStatus.SERVICE_UNAVAILABLE
        raise Problem(HTTPStatus(status), str(error)) from error


def _server(request: web.Request) -> str:
    name = request.match_info["server"]
    if name not in request.app[SERVICES].server_names:
        raise Problem(HTTPStatus.NOT_FOUND, f"this site has no server {name!r}")
    return name


def _logical(request: web.Request) -> str:
    name = request.match_info["logical"]
    if name not in {part.name for part in request.app[SERVICES].plan.logical}:
        raise Problem(HTTPStatus.NOT_FOUND, f"this site has no logical server {name!r}")
    return name


async def _carrier(request: web.Request, logical: str) -> str:
    services: Services = request.app[SERVICES]
    try:
        status = (await control.acall(services.agent_socket, "status", timeout_s=_STATUS_S))["status"]
    except control.ControlError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    carrier = next((part["carrier"] for part in status["logical"] if part["name"] == logical), None)
    if carrier not in services.server_names:
        raise Problem(HTTPStatus.CONFLICT, f"no server carries {logical} now")
    return str(carrier)


async def _body(request: web.Request) -> bytes:
    body = await request.content.read(_MAX_BODY_BYTES + 1)
    if len(body) > _MAX_BODY_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is no order")
    return body


def _decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
