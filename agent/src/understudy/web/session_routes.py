"""Logging in and out."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from http import HTTPStatus

import msgspec
from aiohttp import web

from understudy.web.auth import COOKIE, for_all, require_own_page, session_of, sessions
from understudy.web.problems import Problem, problem_response
from understudy.web.services import SERVICES, Services
from understudy.web.sessions import LIFETIME_S, Session, worn
from understudy.web.users import User, UsersError

log = logging.getLogger(__name__)

routes = web.RouteTableDef()

_MAX_BODY_BYTES = 4096
#: logins hashed at a time: each takes a core and 16 MiB
_HASHING = 2
#: those that may wait for it
_WAITING = 16


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /api/v1/session` takes."""

    name: str
    password: str


class Hasher:
    """Bounds what logins cost this server."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_HASHING)
        self._waiting = 0

    async def log_in(self, services: Services, name: str, password: str) -> User | None:
        """`Users.log_in` in a thread; Problem when too many are at it."""
        if self._waiting >= _WAITING:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many logins at once; try again")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(services.users.log_in, name, password)
        finally:
            self._waiting -= 1


HASHER = web.AppKey("hasher", Hasher)


@routes.post("/api/v1/session")
@for_all
async def log_in(request: web.Request) -> web.Response:
    """Log in: the answer sets the cookie."""
    services, address = request.app[SERVICES], client_address(request)
    if request.content_type != "application/json":  # no form of another site can send that
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send name and password as application/json")
    body = await request.content.read(_MAX_BODY_BYTES)
    try:
        login = msgspec.json.decode(body, type=LoginBody)
    except msgspec.DecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    wait_s = services.throttle.wait_s(address, login.name, time.monotonic())
    if wait_s > 0:
        answer = problem_response(HTTPStatus.TOO_MANY_REQUESTS, f"too many tries; wait {math.ceil(wait_s)} s")
        answer.headers["Retry-After"] = str(math.ceil(wait_s))
        return answer
    # Counted before it is known: tries that run at the same time must not slip through together.
    services.throttle.failed(address, login.name, time.monotonic())
    try:
        user = await request.app[HASHER].log_in(services, login.name, login.password)
    except UsersError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    if user is None:
        log.warning("audit: login of %.40r from %s refused", login.name, address)
        raise Problem(HTTPStatus.UNAUTHORIZED, "name or password is wrong")
    services.throttle.succeeded(address, login.name)
    log.info("audit: %s logged in from %s", login.name, address)
    return _with_cookie(services, sessions(services).issue(login.name, user, time.time()))


@routes.get("/api/v1/session")
@for_all
async def who(request: web.Request) -> web.Response:
    """Who is logged in; renews the cookie when it is due."""
    session, services = session_of(request), request.app[SERVICES]
    if session is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "log in first")
    now_s = time.time()
    if not worn(session, now_s):
        return web.json_response(_document(services, session))
    user = services.users.all()[session.name]
    token = sessions(services).issue(session.name, user, now_s, login_s=session.claims.login_s)
    return _with_cookie(services, token)


@routes.delete("/api/v1/session")
@for_all
async def log_out(request: web.Request) -> web.Response:
    """Log out: this server does not take the session any more, and the browser forgets it."""
    session, services = session_of(request), request.app[SERVICES]
    if session is not None:
        require_own_page(request, session)
        services.logged_out.add(session.claims.id, session.claims.until_s, time.time())
        log.info("audit: %s logged out", session.name)
    answer = web.Response(status=HTTPStatus.NO_CONTENT)
    answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


def client_address(request: web.Request) -> str:
    """The address of who asks, as nginx saw it."""
    return request.headers.get("X-Forwarded-For", "") or "this server"


def _with_cookie(services: Services, token: str) -> web.Response:
    session = sessions(services).check(token, services.users.all(), time.time())
    if session is None:  # the user was taken out of the file meanwhile
        raise Problem(HTTPStatus.UNAUTHORIZED, "name or password is wrong")
    answer = web.json_response(_document(services, session))
    answer.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Strict", max_age=int(LIFETIME_S))
    return answer


def _document(services: Services, session: Session) -> dict[str, object]:
    return {"name": session.name, "role": session.role, "csrf": session.csrf, "site": services.plan.site}
