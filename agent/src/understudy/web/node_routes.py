"""What this server and the site are doing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import msgspec
from aiohttp import web

from understudy.web.auth import for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES
from understudy.web.status import NoStatus, node_answer, site_status

routes = web.RouteTableDef()


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """That this process answers; needs no certificate."""
    return web.json_response({"status": "ok", "node": request.app[SERVICES].plan.node})


@routes.get("/api/v1/node")
async def node(request: web.Request) -> web.Response:
    """Agent's status and recorder's progress of this server."""
    services = request.app[SERVICES]
    answer = await node_answer(services.agent_socket, services.recorder_socket)
    answer = msgspec.structs.replace(answer, copies=await asyncio.to_thread(services.copies))
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


@routes.get("/api/v1/status")
@for_people("viewer")
async def status(request: web.Request) -> web.Response:
    """The site's status document."""
    services = request.app[SERVICES]
    try:
        document, _ = await site_status(services.plan, services.peers, services.agent_socket)
    except NoStatus as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return web.json_response(document)
