"""How much is missing around an incident, per camera: from the recordings themselves, by this server's web part."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from understudy.footage.instants import parse, show
from understudy.site.plan import Logical

log = logging.getLogger(__name__)

#: around a takeover, and around a handback: what was silent before it was noticed, and what came late
AROUND_US = 60_000_000
ANSWER_S = 15.0

#: from, to: microseconds since the epoch
Span = tuple[int, int]


def around(*moments_us: int) -> list[Span]:
    """The spans to look at, oldest first; those that touch are one, so that no gap is counted twice."""
    found: list[Span] = []
    for moment in sorted(moments_us):
        begin, end = moment - AROUND_US, moment + AROUND_US
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


async def measure(web: Path, node: str, part: Logical, spans: Iterable[Span]) -> dict[str, float] | None:
    """Seconds missing of each camera of the part that fails over; None when the web part cannot tell of all of them."""
    headers = {"X-Client-Verify": "SUCCESS", "X-Client-CN": node}  # the group reaches the socket as nginx does
    connector, timeout = aiohttp.UnixConnector(str(web)), aiohttp.ClientTimeout(total=ANSWER_S)
    found: dict[str, float] = {}
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            for camera in part.cameras:
                if camera.failover != "full" or camera.source.type != "rtsp":
                    continue
                missing = [await _missing(session, part.name, camera.number, span) for span in spans]
                found[f"{part.name}/{camera.number}"] = round(sum(missing), 3)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        log.warning("the gaps of %s cannot be measured: %s", part.name, error or "no answer in time")
        return None
    return found


async def _missing(session: aiohttp.ClientSession, logical: str, camera: int, span: Span) -> float:
    begin, end = span
    query = f"from={quote(show(begin))}&to={quote(show(end))}"
    async with session.get(f"http://web/api/v1/timeline/{quote(logical)}/{camera}?{query}") as response:
        document: dict[str, Any] = await response.json(content_type=None)
        if response.status != 200:
            raise ValueError(document.get("detail", f"HTTP {response.status}"))
    inside = [gap for gap in document["gaps"] if parse(gap["to"]) > begin and parse(gap["from"]) < end]
    return float(sum(gap["length_s"] for gap in inside))
