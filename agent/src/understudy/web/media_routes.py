"""Live picture and recordings as HLS: playlists, and the bytes they name, from here or from whoever holds them.

A viewer talks to the logical server only: what lies on another server comes through this one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from understudy import control
from understudy.footage import playlist
from understudy.footage.access import Footage
from understudy.footage.disks import FootageError
from understudy.footage.document import first_track, tracks_of
from understudy.footage.instants import parse
from understudy.footage.live import NotLive
from understudy.footage.model import Segment, SegmentIndex
from understudy.footage.peers import PeerError
from understudy.site.plan import Camera
from understudy.web import cuts
from understudy.web.auth import for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services

routes = web.RouteTableDef()

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
#: a playlist of recordings spans at most so much; the page asks for the next one when it gets there
MAX_SPAN_US = 2 * 3600 * 1_000_000
#: looked at in front of it for a key frame to begin with
_LEAD_US = 12_000_000
#: frame indexes read at a time for one playlist
_PARALLEL = 4
_STATUS_S = 1.0


@routes.get("/hls/{logical}/{camera}/live.m3u8")
@for_people("viewer")
async def live(request: web.Request) -> web.Response:
    """The live playlist: the last 12 s of the camera, ending less than 1.3 s ago, from whoever carries it."""
    services = request.app[SERVICES]
    logical, camera = camera_of(services, request)
    window = services.live.window(logical, camera.number)
    tracks = [track.name for track in camera.tracks]
    try:
        text = await asyncio.to_thread(window.refresh, tracks, time.time_ns() // 1000)
    except NotLive as error:
        carrier = "" if "local" in request.query else await _carrier(services, logical)
        if carrier in ("", services.plan.node):
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        text = await _live_of(services, carrier, logical, camera.number)
    return _playlist(text)


async def _live_of(services: Services, carrier: str, logical: str, camera: int) -> str:
    """The live playlist as the carrier tells it; its segments name their holder."""
    path = f"/hls/{quote(logical, safe='')}/{camera}/live.m3u8?local"
    try:
        async with services.peers.request(carrier, "GET", path) as response:
            return (await response.content.read(1 << 20)).decode()
    except (PeerError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, str(error)) from error


async def _carrier(services: Services, logical: str) -> str:
    """Who carries it, "" when nobody does or the agent does not answer."""
    try:
        status = (await control.acall(services.agent_socket, "status", timeout_s=_STATUS_S))["status"]
    except control.ControlError:
        return ""
    found = next((part["carrier"] for part in status["logical"] if part["name"] == logical), None)
    return found if found in services.server_names else ""


@routes.get("/hls/{logical}/{camera}/vod.m3u8")
@for_people("viewer")
async def vod(request: web.Request) -> web.Response:
    """Recordings from `from` to `to` (at most 2 h) over every holder, beginning at a key frame at or before `from`."""
    services = request.app[SERVICES]
    logical, camera = camera_of(services, request)
    try:
        from_us, to_us = parse(request.query.get("from", "")), parse(request.query.get("to", ""))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"from, to: {error}") from error
    if not from_us < to_us <= from_us + MAX_SPAN_US:
        raise Problem(HTTPStatus.BAD_REQUEST, "to: must be later than from, by 2 h at most")
    footage = services.viewing()
    tracks = tracks_of(await footage.rows(logical, camera.number, from_us - _LEAD_US, to_us))
    track = request.query.get("track") or first_track(services.plan, logical, camera.number, tracks)
    found = await footage.timeline(tracks.get(track, []), "video", from_us - _LEAD_US, to_us)
    services.viewed(footage)
    indexes = await _indexes(footage, {piece.segment.id: piece.segment for piece in found.pieces})
    chunks = await asyncio.to_thread(playlist.chunks, found, indexes)
    if not chunks:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no footage of {logical}/{camera.number} in this span")
    return _playlist(playlist.vod(playlist.from_key(chunks, from_us)))


async def _indexes(footage: Footage, segments: dict[str, Segment]) -> dict[str, SegmentIndex]:
    """Frame indexes of `segments`; those that cannot be had now are left out."""
    limit = asyncio.Semaphore(_PARALLEL)

    async def one(segment: Segment) -> SegmentIndex | None:
        async with limit:
            try:
                return await footage.index(segment)
            except (FootageError, PeerError):
                return None

    found = await asyncio.gather(*(one(segment) for segment in segments.values()))
    return {id: index for id, index in zip(segments, found, strict=True) if index is not None}


@routes.get("/hls/segments/{id:.+}")
@for_people("viewer")
async def segment(request: web.Request) -> web.StreamResponse:
    """Bytes of a segment, ranges and all; `at` names the server that held it when the playlist was made."""
    services, id = request.app[SERVICES], request.match_info["id"]
    place = _place(services, id)
    if place is not None:
        headers = {"X-Accel-Redirect": f"/protected/{quote(place[0])}/{quote(place[1])}"}
        return web.Response(headers=headers | _CACHED, content_type="video/mp4")
    return await _passed_on(request, services, id)


_CACHED = {"Cache-Control": "private, max-age=600"}


def _place(services: Services, id: str) -> tuple[str, str] | None:
    """Disk letter and path of a segment that lies here. Nothing but a row of the catalogue or a file that a live
    playlist offers leads to one."""
    row = services.catalogue.segment(id)
    if row is None:
        found = services.live.path(id)
        return None if found is None else found[:2]
    if row.holder != services.plan.node:
        return None
    try:
        services.disks.path(row)
    except FootageError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return row.disk, row.path


def _holders(services: Services, request: web.Request, id: str) -> list[str]:
    """Other servers that may hold the segment, the likeliest first."""
    row = services.catalogue.segment(id)
    named = [row.holder] if row is not None else []
    named += [request.query.get("at", ""), id.partition("/")[0]]
    return [name for name in dict.fromkeys(named) if name in services.peers.servers]


async def _passed_on(request: web.Request, services: Services, id: str) -> web.StreamResponse:
    try:
        asked = request.http_range
    except ValueError:
        raise Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Range: bytes=FIRST-LAST is understood") from None
    if asked.start is not None and asked.start < 0:
        raise Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Range: bytes=FIRST-LAST is understood")
    said = f"no server that answers holds {id}"
    for holder in _holders(services, request, id):
        try:
            async with services.peers.content(holder, id, asked.start or 0, asked.stop) as blocks:
                first = await anext(blocks, b"")  # before it nothing has been told to the viewer
                return await _stream(request, asked, first, blocks)
        except PeerError as error:
            said = str(error)
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, said)


async def _stream(request: web.Request, asked: slice, first: bytes, blocks: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=_CACHED | {"Content-Type": "video/mp4"})
    if asked.start is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        last = "" if asked.stop is None else str(asked.stop - 1)
        if last:
            response.headers["Content-Range"] = f"bytes {asked.start}-{last}/*"
            response.content_length = asked.stop - asked.start
    await response.prepare(request)
    await response.write(first)
    try:
        async for block in blocks:
            await response.write(block)
    except PeerError:
        # What was announced cannot be kept: the viewer sees the connection end, and asks again.
        if request.transport is not None:
            request.transport.abort()
    return response


@routes.get("/hls/cuts/{id:.+}")
@for_people("viewer")
async def cut(request: web.Request) -> web.Response:
    """Frames `first` to before `stop` of a segment as a fragment: where a playlist enters or leaves a file."""
    services, id = request.app[SERVICES], request.match_info["id"]
    try:
        first, stop = int(request.query.get("first", "")), int(request.query.get("stop", ""))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "first, stop: numbers of frames are needed") from None
    footage, said = services.footage(), f"no server that answers holds {id}"
    for row in await _rows(services, request, id):
        try:
            index = await footage.index(row)
            if not cuts.possible(index.frames, first, stop):
                raise Problem(HTTPStatus.NOT_FOUND, "the segment has no such frames")
            data = await footage.read(row, *cuts.byte_range(index, first, stop))
        except (FootageError, PeerError) as error:
            said = str(error)
            continue
        body = cuts.fragment(index, first, stop, data)
        return web.Response(body=body, content_type="video/mp4", headers=_CACHED)
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, said)


async def _rows(services: Services, request: web.Request, id: str) -> list[Segment]:
    """The segment as its possible holders have it."""
    row = await asyncio.to_thread(services.catalogue.segment, id)
    if row is not None:
        return [row]
    # A segment of another logical server: its holder's word is enough, and its bytes are all that is read of it.
    return [_elsewhere(id, holder) for holder in _holders(services, request, id)]


def _elsewhere(id: str, holder: str) -> Segment:
    return Segment(
        id=id,
        logical="",
        camera=0,
        track="",
        stream="video",
        recorder=id.partition("/")[0],
        session="",
        disk="",
        path="",
        start_us=0,
        end_us=0,
        frames=0,
        bytes=0,
        state="closed",
        holder=holder,
    )


def camera_of(services: Services, request: web.Request) -> tuple[str, Camera]:
    """The camera of the plan that the path names."""
    name, number = request.match_info["logical"], request.match_info["camera"]
    for part in services.plan.logical:
        for camera in part.cameras:
            if (part.name, str(camera.number)) == (name, number):
                return name, camera
    raise Problem(HTTPStatus.NOT_FOUND, f"this site has no camera {name}/{number}")


def _playlist(text: str) -> web.Response:
    return web.Response(text=text, content_type=PLAYLIST_TYPE, headers={"Cache-Control": "no-store"})
