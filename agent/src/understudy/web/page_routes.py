"""The page for people: HTML, scripts and styles, the same for everybody and without anything of the site in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web

from understudy.web.auth import for_all
from understudy.web.problems import Problem

routes = web.RouteTableDef()

_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "json": "application/json",
}

#: nothing from anywhere else, nothing inline; blob: is how a browser names a video that a script feeds
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class _Asset:
    body: bytes
    content_type: str
    tag: str


def _read(folder: Traversable, prefix: str = "") -> dict[str, _Asset]:
    """Every file below `folder`: a name that is not in it leads nowhere."""
    found: dict[str, _Asset] = {}
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            found |= _read(entry, f"{name}/")
        elif (kind := _TYPES.get(name.rpartition(".")[2])) is not None:
            body = entry.read_bytes()
            found[name] = _Asset(body, kind, hashlib.sha256(body).hexdigest()[:32])
    return found


ASSETS = _read(resources.files("understudy.web").joinpath("static"))


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says to the browser; for `on_response_prepare`."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")


@routes.get("/")
@for_all
async def page(request: web.Request) -> web.Response:
    """The page; what it shows it asks for after the login."""
    return _answer(request, ASSETS["index.html"])


@routes.get("/ui/{name:.+}")
@for_all
async def asset(request: web.Request) -> web.Response:
    """Scripts, styles and images of the page."""
    found = ASSETS.get(request.match_info["name"])
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no such file")
    return _answer(request, found)


def _answer(request: web.Request, asset: _Asset) -> web.Response:
    headers = {"ETag": f'"{asset.tag}"', "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match", "").strip('W/"') == asset.tag:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers)
