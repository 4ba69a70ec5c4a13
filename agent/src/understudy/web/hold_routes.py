"""Legal holds: made, listed, released; and told between servers."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TypeVar

import msgspec
from aiohttp import web

from understudy.footage.disks import FootageError
from understudy.footage.document import hold_document
from understudy.footage.held_space import Place, held_bytes, limitation
from understudy.footage.hold_exchange import HoldExchange, Known
from understudy.footage.holds import Hold, HoldError
from understudy.footage.instants import parse
from understudy.footage.model import Segment
from understudy.footage.peers import PeerError
from understudy.web.auth import CALLER
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services
from understudy.web.status import NodeAnswer

log = logging.getLogger(__name__)
routes = web.RouteTableDef()

T = TypeVar("T")

MAX_REASON = 500
#: clocks of the site differ by less
_CLOCK_US = 60_000_000


class HoldBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What `POST /api/v1/holds` takes; times as text."""

    camera: str
    from_: str
    to: str
    reason: str
    until: str | None = None
    #: for whom the caller asks
    by: str = ""


class ReleaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: str = ""


@routes.get("/api/v1/holds")
async def list_holds(request: web.Request) -> web.Response:
    """Holds that are in force; with `all=1` also those that have ended."""
    now_us = time.time_ns() // 1000
    holds = _book(request.app[SERVICES])
    shown = [hold for hold in holds if request.query.get("all") == "1" or hold.is_active(now_us)]
    return web.json_response({"holds": [hold_document(hold) for hold in shown]})


@routes.get("/api/v1/holds/known")
async def known_holds(request: web.Request) -> web.Response:
    """All this server knows, for other servers."""
    body = msgspec.json.encode(Known(_book(request.app[SERVICES])))
    return web.Response(body=body, content_type="application/json")


@routes.post("/api/v1/holds/known")
async def learn_holds(request: web.Request) -> web.Response:
    """Another server tells what it knows."""
    await _store(request.app[SERVICES], _decode(await request.read(), Known).holds)
    return web.Response(status=HTTPStatus.NO_CONTENT)


@routes.post("/api/v1/holds")
async def make_hold(request: web.Request) -> web.Response:
    """Hold a span of a camera's footage; told to every server that answers before this is answered."""
    services = request.app[SERVICES]
    body = _decode(await request.read(), HoldBody)
    hold = _hold(services, body, body.by or request[CALLER], time.time_ns() // 1000)
    await _check_space(services, hold)
    await _store(services, [hold])
    log.warning("legal hold %s on %s/%d by %s: %s", hold.id, hold.logical, hold.camera, hold.by, hold.reason)
    return await _told(services, hold, HTTPStatus.CREATED)


@routes.post("/api/v1/holds/{id}/release")
async def release_hold(request: web.Request) -> web.Response:
    """End a hold; who did is kept."""
    services = request.app[SERVICES]
    body = _decode(await request.read() or b"{}", ReleaseBody)
    known = {hold.id: hold for hold in _book(services)}.get(request.match_info["id"])
    if known is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no legal hold {request.match_info['id']!r}")
    if known.released_us is not None:
        raise Problem(HTTPStatus.CONFLICT, f"legal hold {known.id} was released by {known.released_by}")
    by, now_us = body.by or request[CALLER], time.time_ns() // 1000
    released = msgspec.structs.replace(known, released_us=now_us, released_by=by)
    await _store(services, [released])
    log.warning("legal hold %s on %s/%d released by %s", known.id, known.logical, known.camera, by)
    return await _told(services, released, HTTPStatus.OK)


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error


def _hold(services: Services, body: HoldBody, by: str, now_us: int) -> Hold:
    """The hold asked for; Problem says what is wrong with it."""
    logical, _, number = body.camera.partition("/")
    cameras = {f"{part.name}/{camera.number}" for part in services.plan.logical for camera in part.cameras}
    reason = body.reason.strip()
    try:
        from_us, to_us = parse(body.from_), parse(body.to)
        until_us = None if body.until is None else parse(body.until)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    wrong = {
        f"this site has no camera {body.camera!r}": body.camera not in cameras,
        "the end of a hold's span must be later than its start": to_us <= from_us,
        "a hold covers what is recorded: the end of its span must not lie in the future": to_us > now_us + _CLOCK_US,
        "a hold that ends by itself must end in the future": until_us is not None and until_us <= now_us,
        f"a hold needs a reason, of at most {MAX_REASON} characters": not 0 < len(reason) <= MAX_REASON,
    }
    for sentence, is_wrong in wrong.items():
        if is_wrong:
            raise Problem(HTTPStatus.BAD_REQUEST, sentence)
    return Hold(
        id=secrets.token_hex(4),
        logical=logical,
        camera=int(number),
        from_us=from_us,
        to_us=to_us,
        reason=reason,
        by=by,
        made_us=now_us,
        until_us=until_us,
    )


async def _check_space(services: Services, hold: Hold) -> None:
    """Problem when there is nothing to hold, or when a letter would be held beyond its share."""
    wanted, silent = await _segments(services, [hold])
    if not wanted and not silent:
        raise Problem(HTTPStatus.CONFLICT, f"there is no footage of {hold.logical}/{hold.camera} in this span")
    held, _ = await _segments(services, [known for known in _book(services) if known.is_active(hold.made_us)])
    homes = {part.name: part.home for part in services.plan.logical}
    before, after = held_bytes(held, homes), held_bytes([*held, *wanted], homes)
    sentence = limitation(before, after, await _sizes(services, after))
    if sentence is not None:
        raise Problem(HTTPStatus.CONFLICT, sentence)


async def _segments(services: Services, holds: Iterable[Hold]) -> tuple[list[Segment], dict[str, str]]:
    """Segments under `holds` on every server that answers, and who was silent."""
    found: list[Segment] = []
    silent: dict[str, str] = {}
    for hold in holds:
        footage = services.footage()
        rows = await footage.rows(hold.logical, hold.camera, hold.from_us, hold.to_us)
        found += [row for row in rows if hold.covers(row)]
        silent |= footage.silent
    return found, silent


async def _sizes(services: Services, places: Iterable[Place]) -> dict[Place, int]:
    """The size of each letter that can be had now."""
    found: dict[Place, int] = {}
    asked: dict[str, dict[str, int]] = {}
    for server, letter in places:
        if server == services.plan.node:
            try:
                space = await asyncio.to_thread(os.statvfs, services.disks.root(letter))
            except (OSError, FootageError):
                continue
            found[server, letter] = space.f_blocks * space.f_frsize
            continue
        if server not in asked:
            asked[server] = await _peer_sizes(services, server)
        found[server, letter] = asked[server].get(letter, 0)
    return found


async def _peer_sizes(services: Services, server: str) -> dict[str, int]:
    try:
        progress = (await services.peers.get(server, "/api/v1/node", NodeAnswer)).progress
        return {letter: disk["total_bytes"] for letter, disk in (progress or {"disks": {}})["disks"].items()}
    except (PeerError, KeyError, TypeError):
        return {}


def _book(services: Services) -> tuple[Hold, ...]:
    try:
        return services.holds.all()
    except HoldError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


async def _store(services: Services, holds: Iterable[Hold]) -> None:
    try:
        await asyncio.to_thread(services.holds.add, list(holds))
    except (OSError, HoldError) as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the legal hold cannot be saved: {error}") from error


async def _told(services: Services, hold: Hold, status: HTTPStatus) -> web.Response:
    silent = await HoldExchange(services.holds, services.peers).tell()
    return web.json_response({**hold_document(hold), "silent": silent}, status=status)
