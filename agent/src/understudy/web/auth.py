"""Who may ask: servers of the site, by the client certificate that nginx has verified.

Only nginx can reach the socket (its mode and group), and it sets these headers on every request: they can be believed.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from understudy.web.problems import Problem
from understudy.web.services import SERVICES

_BY_TOKEN = "understudy_by_token"

OPEN_PATHS = frozenset({"/health"})
#: the server that asks
CALLER = web.RequestKey("caller", str)


def by_token(handler: Handler) -> Handler:
    """Mark a handler that checks the secret in its URL itself, for callers without a certificate."""
    setattr(handler, _BY_TOKEN, True)
    return handler


@web.middleware
async def servers_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through servers of the plan; everybody may ask for the health."""
    if request.path in OPEN_PATHS or getattr(request.match_info.handler, _BY_TOKEN, False):
        return await handler(request)
    if request.headers.get("X-Client-Verify") != "SUCCESS":
        raise Problem(HTTPStatus.UNAUTHORIZED, "a client certificate of this site is needed")
    name = request.headers.get("X-Client-CN", "")
    if name not in request.app[SERVICES].server_names:
        raise Problem(HTTPStatus.FORBIDDEN, f"{name!r} is not a server of this site")
    request[CALLER] = name
    return await handler(request)
