"""Asking the web part of this server over its socket, as this server."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from understudy import paths
from understudy.cli import CommandError
from understudy.site.plan import load

#: it may ask other servers first
ANSWER_S = 30.0


def ask_web(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer of this server's API; CommandError with its sentence when it refuses or is not there."""
    return asyncio.run(_ask(method, path, body))


async def _ask(method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    headers = {"X-Client-Verify": "SUCCESS", "X-Client-CN": load().node}  # root reaches the socket as nginx does
    connector = aiohttp.UnixConnector(str(paths.WEB_SOCKET))
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, f"http://web{path}", json=body, headers=headers) as response,
        ):
            answer: dict[str, Any] = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CommandError(f"the web part here does not answer: {error}") from error
    if response.status >= 300:
        raise CommandError(str(answer.get("detail", f"HTTP {response.status}")))
    return answer
