"""Asking the other processes of this server on behalf of a request."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from understudy import control
from understudy.web.problems import Problem


async def ask(
    socket: Path, op: str, /, *, refused: HTTPStatus = HTTPStatus.BAD_REQUEST, **arguments: Any
) -> control.Document:
    """What the process at `socket` answers; Problem otherwise. What it refuses is the caller's mistake (`refused`);
    that it does not answer is not."""
    try:
        return await control.acall(socket, op, **arguments)
    except control.ControlError as error:
        silent = str(error).startswith(str(socket))
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE if silent else refused, str(error)) from error
