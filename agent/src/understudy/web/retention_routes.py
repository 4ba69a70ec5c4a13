"""The retention report of the site (F14)."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from aiohttp import web

from understudy import control
from understudy.footage.document import tracks_of
from understudy.footage.peers import PeerError
from understudy.footage.retention_report import TrackReport, report, retention_document
from understudy.site.plan import Camera
from understudy.web.auth import for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services
from understudy.web.status import ANSWER_S, NodeAnswer

routes = web.RouteTableDef()


@routes.get("/api/v1/retention")
@for_people("viewer")
async def retention(request: web.Request) -> web.Response:
    """Every track of every camera, or of `camera`; and recorders that do not delete by age, with the reason."""
    services = request.app[SERVICES]
    wanted = request.query.get("camera")
    cameras = [
        (logical.name, camera)
        for logical in services.plan.logical
        for camera in logical.cameras
        if wanted in (None, f"{logical.name}/{camera.number}")
    ]
    if wanted is not None and not cameras:
        raise Problem(HTTPStatus.NOT_FOUND, f"this site has no camera {wanted!r}")
    now_us = time.time_ns() // 1000
    found: list[TrackReport] = []
    for logical, camera in cameras:  # one after the other: rows of many days are many
        found += await _camera(services, logical, camera, now_us)
    return web.json_response(
        {"tracks": [retention_document(track) for track in found], "clocks": await _clocks(services)}
    )


async def _camera(services: Services, logical: str, camera: Camera, now_us: int) -> list[TrackReport]:
    footage = services.footage()
    tracks = tracks_of(await footage.rows(logical, camera.number))
    label, silent = f"{logical}/{camera.number}", sorted(footage.silent)
    return [
        await asyncio.to_thread(report, label, camera.name, track, tracks.get(track.name, []), now_us, silent)
        for track in camera.tracks
    ]


async def _clocks(services: Services) -> dict[str, str]:
    """Servers whose clock is not believed."""

    async def ask(name: str) -> str | None:
        try:
            if name == services.plan.node:
                answer = await control.acall(services.recorder_socket, "progress", timeout_s=ANSWER_S)
            else:
                answer = (await services.peers.get(name, "/api/v1/node", NodeAnswer)).progress or {}
        except (control.ControlError, PeerError):
            return None
        return answer.get("clock")

    names = [services.plan.node, *services.peers.servers]
    problems = await asyncio.gather(*(ask(name) for name in names))
    return {name: problem for name, problem in zip(names, problems, strict=True) if problem}
