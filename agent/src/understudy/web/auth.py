"""Who may ask: servers of the site, by the client certificate that nginx has verified; people, by their session.

Only nginx can reach the socket (its mode and group), and it sets the headers about the client on every request: they
can be believed. A route is for servers only unless it says otherwise here.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from understudy import paths
from understudy.web.problems import Problem
from understudy.web.services import SERVICES, Services
from understudy.web.sessions import Session, Sessions
from understudy.web.users import Role, UsersError

_BY_TOKEN = "understudy_by_token"
_FOR_ALL = "understudy_for_all"
_FOR_PEOPLE = "understudy_for_people"

#: `__Host-`: from this address only, over TLS only, for the whole of it
COOKIE = "__Host-understudy"
CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({"GET", "HEAD"})

OPEN_PATHS = frozenset({"/health"})
#: the server that asks
CALLER = web.RequestKey("caller", str)
#: the person who asks
PERSON = web.RequestKey("person", Session)

H = TypeVar("H", bound=Handler)


def by_token(handler: Handler) -> Handler:
    """Mark a handler that checks the secret in its URL itself, for callers without a certificate."""
    setattr(handler, _BY_TOKEN, True)
    return handler


def for_all(handler: H) -> H:
    """Mark a handler that shows nothing of the site: the page, and logging in."""
    setattr(handler, _FOR_ALL, True)
    return handler


def for_people(role: Role) -> Callable[[H], H]:
    """Mark a handler that people of at least this role may use. What viewers may, servers may too; what needs an admin
    is done for a person only, whichever server passes the request on."""

    def mark(handler: H) -> H:
        setattr(handler, _FOR_PEOPLE, role)
        return handler

    return mark


@web.middleware
async def who_may_ask(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through whom the route is for."""
    asked = request.match_info.handler
    if request.path in OPEN_PATHS or getattr(asked, _BY_TOKEN, False) or getattr(asked, _FOR_ALL, False):
        return await handler(request)
    role: Role | None = getattr(asked, _FOR_PEOPLE, None)
    if role is not None:
        person = session_of(request)
        if person is not None:
            _require(request, person, role)
            request[PERSON] = person
            return await handler(request)
        if role == "admin" or request.headers.get("X-Client-Verify") != "SUCCESS":
            raise Problem(HTTPStatus.UNAUTHORIZED, "log in first")
    if request.headers.get("X-Client-Verify") != "SUCCESS":
        raise Problem(HTTPStatus.UNAUTHORIZED, "a client certificate of this site is needed")
    name = request.headers.get("X-Client-CN", "")
    if name not in request.app[SERVICES].server_names:
        raise Problem(HTTPStatus.FORBIDDEN, f"{name!r} is not a server of this site")
    request[CALLER] = name
    return await handler(request)


def session_of(request: web.Request) -> Session | None:
    """Who is logged in with this request's cookie; None for nobody."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    services = request.app[SERVICES]
    try:
        session = sessions(services).check(token, services.users.all(), time.time())
    except UsersError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return None if session is None or session.claims.id in services.logged_out else session


def sessions(services: Services) -> Sessions:
    """The site's sessions; Problem when this server does not have the site's key."""
    try:
        key = bytes.fromhex(services.site_key.read_text().strip())
    except (OSError, ValueError) as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{paths.HEARTBEAT_KEY} cannot be read: {error}") from error
    return Sessions(key)


def _require(request: web.Request, person: Session, role: Role) -> None:
    if role == "admin" and person.role != "admin":
        raise Problem(HTTPStatus.FORBIDDEN, f"{person.name} is a {person.role}; this needs an admin")
    if request.method not in _SAFE_METHODS:
        require_own_page(request, person)


def require_own_page(request: web.Request, person: Session) -> None:
    """Problem unless a request that changes something comes from our own page (CSRF)."""
    sent = request.headers.get(CSRF_HEADER, "")
    foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if foreign or not hmac.compare_digest(sent.encode(), person.csrf.encode()):
        raise Problem(HTTPStatus.FORBIDDEN, f"the header {CSRF_HEADER} of this session is missing or wrong")
