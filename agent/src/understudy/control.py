"""Local control sockets: one JSON object per line in, one per line out, over a unix socket.

A request is `{"op": NAME, ...}`; the answer is `{"ok": true, ...}` or `{"ok": false, "error": SENTENCE}`.
May import nothing of the product but errors of its own; every process and the CLI use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

#: a status document of 100 servers with 64 cameras each is about 1 MB
MAX_LINE_BYTES = 8 * 1024 * 1024
DEFAULT_TIMEOUT_S = 5.0

Document = dict[str, Any]
Handler = Callable[[Document], Awaitable[Document]]


class ControlError(Exception):
    """The other side refused, is not there, or did not answer in time; the text is meant for people."""


def _answer(line: bytes) -> Document:
    answer: Document = json.loads(line)
    if not answer.get("ok"):
        raise ControlError(str(answer.get("error", "refused without a reason")))
    return answer


def call(path: Path, op: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, **arguments: Any) -> Document:
    """Ask the process behind the socket `path` to do `op` and return its answer; ControlError when it does not."""
    request = json.dumps({"op": op, **arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(request)
            with connection.makefile("rb") as reader:
                line = reader.readline(MAX_LINE_BYTES)
    except TimeoutError as error:
        raise ControlError(f"{path}: no answer to {op!r} within {timeout_s:g} s") from error
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror or error}") from error
    if not line:
        raise ControlError(f"{path}: closed the connection without an answer to {op!r}")
    return _answer(line)


async def acall(path: Path, op: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, **arguments: Any) -> Document:
    """`call` for asyncio code."""
    request = json.dumps({"op": op, **arguments}).encode() + b"\n"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=MAX_LINE_BYTES)
            try:
                writer.write(request)
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError as error:
        raise ControlError(f"{path}: no answer to {op!r} within {timeout_s:g} s") from error
    except (OSError, ValueError) as error:
        raise ControlError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not line:
        raise ControlError(f"{path}: closed the connection without an answer to {op!r}")
    return _answer(line)


async def _serve_connection(
    handlers: dict[str, Handler], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    # ValueError: a line longer than MAX_LINE_BYTES; whoever sends that is cut off.
    with contextlib.suppress(ConnectionError, ValueError):
        while line := await reader.readline():
            writer.write(json.dumps(await _dispatch(handlers, line)).encode() + b"\n")
            await writer.drain()
    writer.close()


async def _dispatch(handlers: dict[str, Handler], line: bytes) -> Document:
    try:
        request = json.loads(line)
        handler = handlers[request["op"]]
    except (ValueError, TypeError, KeyError):
        return {"ok": False, "error": f"not a request; known operations: {', '.join(sorted(handlers))}"}
    try:
        return {"ok": True, **await handler(request)}
    except ControlError as error:
        return {"ok": False, "error": str(error)}
    except Exception:
        log.exception("control request %r failed", request.get("op"))
        return {"ok": False, "error": f"internal error in {request['op']!r}; see the journal"}


async def serve(path: Path, handlers: dict[str, Handler]) -> asyncio.Server:
    """Answer on the socket `path` (mode 0660); handlers get the request and return the answer's fields.

    The socket gets its name when it already listens, so that whoever sees it is answered: between bind(2) and
    listen(2) a connection is refused. A predecessor's socket is replaced in the same step.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unnamed = path.with_name(f".{path.name}")
    unnamed.unlink(missing_ok=True)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve_connection(handlers, reader, writer)

    server = await asyncio.start_unix_server(connected, path=str(unnamed), limit=MAX_LINE_BYTES)
    unnamed.chmod(0o660)
    unnamed.rename(path)
    return server
