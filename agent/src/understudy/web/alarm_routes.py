"""Alarms: this process passes on what the events service here knows of incidents, and what other servers tell it."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import web

from understudy.web.asking import ask
from understudy.web.auth import for_people
from understudy.web.problems import Problem
from understudy.web.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/api/v1/alarms")
@for_people("viewer")
async def alarms(request: web.Request) -> web.Response:
    """Every incident that is known here, oldest first."""
    return web.json_response({"alarms": (await ask(request.app[SERVICES].events_socket, "alarms"))["alarms"]})


@routes.get("/api/v1/alarms/known")
async def known(request: web.Request) -> web.Response:
    """The same in the form in which servers exchange it."""
    return web.json_response((await ask(request.app[SERVICES].events_socket, "known"))["known"])


@routes.post("/api/v1/alarms/known")
async def know(request: web.Request) -> web.Response:
    """Another server tells what it knows."""
    try:
        told = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    await ask(request.app[SERVICES].events_socket, "know", known=told)
    return web.Response(status=HTTPStatus.NO_CONTENT)
