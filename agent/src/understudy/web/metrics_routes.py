"""`GET /metrics`: this server for Prometheus. It asks the processes here, and no other server."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from understudy import control
from understudy.release import release
from understudy.web.auth import for_people
from understudy.web.exposition import CONTENT_TYPE
from understudy.web.metrics import Told, render
from understudy.web.services import SERVICES, Services
from understudy.web.status import ANSWER_S, node_answer

routes = web.RouteTableDef()


@routes.get("/metrics")
@for_people("viewer")
async def metrics(request: web.Request) -> web.Response:
    """The metrics of docs/reference/metrics.md."""
    services = request.app[SERVICES]
    node, alarms, copies = await asyncio.gather(
        node_answer(services.agent_socket, services.recorder_socket),
        _alarms(services),
        asyncio.to_thread(services.copies),
    )
    told = Told(release(), node.status, node.progress, alarms, copies)
    return web.Response(body=render(services.plan, told).encode(), headers={"Content-Type": CONTENT_TYPE})


async def _alarms(services: Services) -> list[dict[str, Any]] | None:
    try:
        answer = await control.acall(services.events_socket, "alarms", timeout_s=ANSWER_S)
    except control.ControlError:
        return None
    alarms: list[dict[str, Any]] = answer["alarms"]
    return alarms
