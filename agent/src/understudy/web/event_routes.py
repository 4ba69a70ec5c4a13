"""Events of cameras: armed by who may use the API, by a webhook, and told between servers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from understudy import paths
from understudy.footage.instants import show
from understudy.web.asking import ask
from understudy.web.auth import by_token
from understudy.web.problems import Problem
from understudy.web.services import SERVICES

routes = web.RouteTableDef()


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST …/events` takes."""

    for_s: float
    text: str = ""


def webhook_token(key: bytes, logical: str, camera: int) -> str:
    """The secret of a camera's webhook: the same on every server of the site, of use for nothing else."""
    return hmac.new(key, f"understudy event {logical}/{camera}".encode(), hashlib.sha256).hexdigest()[:32]


@routes.get("/api/v1/events")
async def list_events(request: web.Request) -> web.Response:
    """The events this server's recorder knows: those of the last minutes and those that go on."""
    answer = await ask(request.app[SERVICES].recorder_socket, "events")
    return web.json_response({"events": [_document(event) for event in answer["events"]]})


@routes.post("/api/v1/events")
async def know_events(request: web.Request) -> web.Response:
    """Another server tells what it knows."""
    try:
        windows = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    await ask(request.app[SERVICES].recorder_socket, "events", add=windows)
    return web.Response(status=HTTPStatus.NO_CONTENT)


@routes.post("/api/v1/cameras/{logical}/{camera}/events")
async def begin_event(request: web.Request) -> web.Response:
    """An event of a camera begins now, for so long."""
    try:
        body = msgspec.json.decode(await request.read(), type=EventBody)
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    return await _begin(request, body.for_s, body.text)


@by_token
async def webhook(request: web.Request) -> web.Response:
    """The same for a device that can do no more than call a URL, which holds the secret of this camera."""
    try:
        key = bytes.fromhex((await asyncio.to_thread(paths.HEARTBEAT_KEY.read_text)).strip())
    except (OSError, ValueError) as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the site's key cannot be read: {error}") from error
    wanted = webhook_token(key, request.match_info["logical"], _camera(request))
    if not hmac.compare_digest(wanted, request.match_info["token"]):
        raise Problem(HTTPStatus.FORBIDDEN, "this is no webhook of this camera")
    text = request.query.get("for_s", "30")
    try:
        for_s = float(text)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, f"for_s: {text!r} is not a number") from None
    return await _begin(request, for_s, request.query.get("text", "webhook"))


for _method in (routes.get, routes.post):
    _method("/api/v1/hooks/{logical}/{camera}/{token:[0-9a-f]{32}}")(webhook)


async def _begin(request: web.Request, for_s: float, text: str) -> web.Response:
    logical, camera = request.match_info["logical"], _camera(request)
    answer = await ask(
        request.app[SERVICES].recorder_socket, "event", logical=logical, camera=camera, for_s=for_s, text=text
    )
    return web.json_response(_document(answer["event"]), status=HTTPStatus.CREATED)


def _camera(request: web.Request) -> int:
    text = request.match_info["camera"]
    if not (text.isascii() and text.isdecimal()):
        raise Problem(HTTPStatus.NOT_FOUND, f"{text!r} is not the number of a camera")
    return int(text)


def _document(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "camera": f"{event['logical']}/{event['camera']}",
        "from": show(event["from_us"]),
        "until": show(event["until_us"]),
        "text": event["text"],
    }
