"""Errors of the API: `application/problem+json` (RFC 9457), each with one sentence for people."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)


class Problem(Exception):
    """The request is answered with `status` and `detail`."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def problem_response(status: int, detail: str) -> web.Response:
    """The answer itself."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document; what nobody expected is logged and told as such, never shown."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem.status, str(problem))
    except web.HTTPException as error:
        return problem_response(error.status, error.text or error.reason)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the journal")
