"""Footage between servers: what this one holds, frame indexes, the bytes, freeing them; and the timeline."""

from __future__ import annotations

import asyncio
import hashlib
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import msgspec
from aiohttp import web

from understudy import control
from understudy.durable import sync_directory
from understudy.footage.copy import file_sha256
from understudy.footage.disks import FootageError
from understudy.footage.document import first_track, timeline_document, tracks_of
from understudy.footage.holds import HoldError
from understudy.footage.instants import parse
from understudy.footage.model import Segment
from understudy.footage.peers import Digest, Healed, Listing
from understudy.recorder.fmp4.scan import scan
from understudy.web.auth import CALLER, for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services

routes = web.RouteTableDef()

_CONTENT_TYPES = {"video": "video/mp4", "audio": "audio/mp4"}


@routes.get("/api/v1/footage/{logical}/segments")
async def list_segments(request: web.Request) -> web.Response:
    """Rows of a logical server whose bytes are here, oldest first; 304 when nothing changed since the token `since`."""
    services = request.app[SERVICES]
    logical = _logical(services, request)
    camera, from_us, to_us = (_number(request, name) for name in ("camera", "from_us", "to_us"))
    rows = await asyncio.to_thread(
        services.catalogue.segments, logical, camera, from_us=from_us, to_us=to_us, holder=services.plan.node
    )
    # Of these rows alone: what else is recorded here must not make a peer read them again.
    token = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:32]
    if request.query.get("since") == token:
        return web.Response(status=HTTPStatus.NOT_MODIFIED)
    return _json(Listing(token=token, segments=tuple(rows)))


@routes.get("/api/v1/footage/segments/{id:.+}/index")
async def segment_index(request: web.Request) -> web.Response:
    """The frame index of a segment, also of one that is being written."""
    _, path = _held(request)
    try:
        return _json(await asyncio.to_thread(scan, path))
    except (OSError, ValueError) as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"the segment cannot be read: {error}") from error


@routes.get("/api/v1/footage/segments/{id:.+}/content")
async def segment_content(request: web.Request) -> web.Response:
    """The bytes: nginx sends them, ranges and all."""
    segment, _ = _held(request)
    headers = {"X-Accel-Redirect": f"/protected/{quote(segment.disk)}/{quote(segment.path)}"}
    return web.Response(headers=headers, content_type=_CONTENT_TYPES[segment.stream])


@routes.get("/api/v1/footage/segments/{id:.+}/sha256")
async def segment_sha256(request: web.Request) -> web.Response:
    """The hash of the bytes that are here, for a home to which they are to go."""
    segment, path = _held(request)
    _require_closed(segment)
    try:
        return _json(Digest(sha256=await asyncio.to_thread(file_sha256, path)))
    except OSError as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"the segment cannot be read: {error}") from error


@routes.delete("/api/v1/footage/segments/{id:.+}")
async def free_segment(request: web.Request) -> web.Response:
    """Delete this server's copy for the home that has proven to have the same bytes. File first, row last: a crash in
    between leaves a row without a file, which the same request finishes."""
    services = request.app[SERVICES]
    segment, path = _held(request)
    home = next((logical.home for logical in services.plan.logical if logical.name == segment.logical), None)
    if request[CALLER] != home or home == services.plan.node:
        raise Problem(HTTPStatus.FORBIDDEN, f"footage of {segment.logical} is freed by its home, {home}, only")
    _require_closed(segment)
    await asyncio.to_thread(_free, path, request.query.get("sha256", ""))
    await asyncio.to_thread(services.catalogue.remove, [segment.id])
    return web.json_response({"freed": segment.id})


def _free(path: Path, sha256: str) -> None:
    try:
        mine = file_sha256(path)
    except FileNotFoundError:
        return  # the letter is mounted and the file is not on it
    except OSError as error:
        raise Problem(HTTPStatus.CONFLICT, f"the copy here cannot be read: {error}") from error
    if mine != sha256:
        raise Problem(HTTPStatus.CONFLICT, "the copy here has another hash; it is kept")
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


@routes.get("/api/v1/timeline/{logical}/{camera}")
@for_people("viewer")
async def timeline(request: web.Request) -> web.Response:
    """Spans and gaps of a camera's track (its first unless `track` names one) over every server that answers."""
    services = request.app[SERVICES]
    logical = _logical(services, request)
    try:
        camera = int(request.match_info["camera"])
        from_us, to_us = (parse(request.query[name]) if name in request.query else None for name in ("from", "to"))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    footage = services.viewing()
    tracks = tracks_of(await footage.rows(logical, camera, from_us, to_us))
    track = request.query.get("track") or first_track(services.plan, logical, camera, tracks)
    found = await footage.timeline(tracks.get(track, []), "video", from_us, to_us)
    services.viewed(footage)
    try:
        holds = services.holds.active(time.time_ns() // 1000)
    except HoldError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return web.json_response(timeline_document(logical, camera, track, found, footage.silent, holds))


@routes.post("/api/v1/footage/{logical}/{camera}/heal")
async def heal(request: web.Request) -> web.Response:
    """Have this server's recorder write what its pre-roll holds of a gap of the carrier, which is who asks."""
    services = request.app[SERVICES]
    logical = _logical(services, request)
    from_us, to_us = _number(request, "from_us"), _number(request, "to_us")
    camera = request.match_info["camera"]
    if not camera.isdecimal() or from_us is None or to_us is None or from_us >= to_us:
        raise Problem(HTTPStatus.BAD_REQUEST, "the number of a camera, from_us, and a later to_us are needed")
    wanted: control.Document = {"logical": logical, "camera": int(camera), "from_us": from_us, "to_us": to_us}
    try:
        answer = await control.acall(services.recorder_socket, "heal", **wanted)
    except control.ControlError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return _json(Healed(frames=answer["frames"], reason=answer["reason"]))


def _json(answer: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _logical(services: Services, request: web.Request) -> str:
    name = request.match_info["logical"]
    if name not in {logical.name for logical in services.plan.logical}:
        raise Problem(HTTPStatus.NOT_FOUND, f"this site has no logical server {name!r}")
    return name


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{name}: {text!r} is not a number") from None


def _held(request: web.Request) -> tuple[Segment, Path]:
    """The segment asked for and its file, if its bytes are here. Nothing but a row of the catalogue leads to a file."""
    services = request.app[SERVICES]
    segment = services.catalogue.segment(request.match_info["id"])
    if segment is None or segment.holder != services.plan.node:
        raise Problem(HTTPStatus.NOT_FOUND, "this server does not hold such a segment")
    try:
        return segment, services.disks.path(segment)
    except FootageError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def _require_closed(segment: Segment) -> None:
    if segment.state != "closed":
        raise Problem(HTTPStatus.CONFLICT, "the segment is still being written")
