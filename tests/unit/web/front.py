"""What nginx does for the web process, in small: certificate headers, ranges of files; and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import yarl
from aiohttp import web
from aiohttp.test_utils import TestServer
from understudy.footage.peers import Peers
from understudy.site.plan import Plan
from understudy.web.app import make_app
from understudy.web.services import Services


@dataclass
class Faults:
    """What goes wrong on the way; each is used up by one use."""

    #: cut the connection after so many bytes of a file
    cut_after: list[int] = field(default_factory=list)
    #: flip a bit of the byte at this offset of a file
    flip_at: list[int] = field(default_factory=list)
    #: answer with an error
    refuse: list[int] = field(default_factory=list)


class Front:
    """One server of the site as its peers see it. `caller` is the name in the certificate of who asks."""

    def __init__(self, services: Services, caller: str | None) -> None:
        self.faults = Faults()
        self.requests: list[str] = []
        self._services = services
        self._caller = caller
        self._inner = TestServer(make_app(services))
        outer = web.Application()
        outer.router.add_route("*", "/{path:.*}", self._pass)
        self.server = TestServer(outer)

    async def start(self) -> None:
        await self._inner.start_server()
        await self.server.start_server()

    async def close(self) -> None:
        await self.server.close()
        await self._inner.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {unquote(request.path_qs)}")
        if self.faults.refuse:
            return web.Response(status=self.faults.refuse.pop(0))
        headers = {"Range": request.headers["Range"]} if "Range" in request.headers else {}
        if self._caller is not None:
            headers |= {"X-Client-Verify": "SUCCESS", "X-Client-CN": self._caller}
        url = str(self._inner.make_url("")).rstrip("/") + request.raw_path
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, yarl.URL(url, encoded=True), headers=headers) as answer,
        ):
            body = await answer.read()
            place = answer.headers.get("X-Accel-Redirect")
            if place is None:
                return web.Response(status=answer.status, body=body, content_type=answer.content_type)
        return await self._send(request, unquote(place))

    async def _send(self, request: web.Request, place: str) -> web.StreamResponse:
        _, protected, letter, path = place.split("/", 3)
        assert protected == "protected"
        disk = next(disk for disk in self._services.plan.me.disks if disk.letter == letter)
        data = bytearray((Path(disk.path) / path).read_bytes())
        if self.faults.flip_at:
            data[self.faults.flip_at.pop(0) % len(data)] ^= 0x10
        first, stop = 0, len(data)
        if (span := request.http_range).start is not None:
            first, stop = span.start, min(span.stop or len(data), len(data))
        response = web.StreamResponse(status=206, headers={"Content-Length": str(stop - first)})
        await response.prepare(request)
        body = bytes(data[first:stop])
        if self.faults.cut_after:
            await response.write(body[: self.faults.cut_after.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body)
        return response


def peers_of(plan: Plan, fronts: dict[str, Front]) -> Peers:
    """A client that finds the other servers at their fronts; a server without one does not answer."""
    return Peers(plan, None, url=lambda server: fronts[server.name].url if server.name in fronts else DEAD)


#: nobody listens on the discard port
DEAD = "http://127.0.0.1:9"
