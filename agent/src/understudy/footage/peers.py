"""Asking other servers of the site, over HTTPS with this server's certificate. Kept-alive connections, bounded answers.

A peer that is silent, refuses or answers nonsense raises PeerError with a sentence; nothing here retries.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from understudy import paths
from understudy.footage.model import Segment, SegmentIndex
from understudy.site.plan import Plan, Server

#: a small answer within the site's own network
REQUEST_TIMEOUT_S = 2.0
#: a recorder writes what its pre-roll holds of a gap within some 0.1 s; many may be asked for at once
HEAL_TIMEOUT_S = 6.0
#: a segment of a minute is read from a busy disk for its hash
DIGEST_TIMEOUT_S = 60.0
#: without a byte for so long a transfer is given up
STALL_TIMEOUT_S = 10.0
#: rows of a day of 64 cameras are about 60 MB
MAX_ANSWER_BYTES = 256 * 1024 * 1024
BLOCK_BYTES = 256 * 1024

T = TypeVar("T")


class PeerError(Exception):
    """Another server did not give what was asked; `status` is its HTTP status, 0 when it did not answer at all."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/footage/{logical}/segments`."""

    token: str
    segments: tuple[Segment, ...]


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /api/v1/footage/{logical}/{camera}/heal`."""

    #: video frames in the segments written for it
    frames: int
    #: why there are none, a sentence
    reason: str = ""


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/footage/segments/{id}/sha256`."""

    sha256: str


def node_tls() -> ssl.SSLContext:
    """The site's CA only, this server's certificate; OSError or ssl.SSLError when the files are missing or wrong."""
    context = ssl.create_default_context(cafile=str(paths.CA_CERTIFICATE))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(paths.NODE_CERTIFICATE, paths.NODE_KEY)
    return context


def https_url(server: Server) -> str:
    """Base URL of the web part of `server`."""
    address = server.peer_address
    return f"https://[{address}]" if ":" in address else f"https://{address}"


class Peers:
    """The other servers. Use as an async context manager."""

    def __init__(self, plan: Plan, tls: ssl.SSLContext | None, url: Callable[[Server], str] = https_url) -> None:
        self.servers = {server.name: server for server in plan.servers if server.name != plan.node}
        self._tls = tls
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=8), timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def request(
        self,
        name: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to the server `name`; PeerError unless it answers 2xx or 304."""
        assert self._session is not None, "used outside its context"
        server = self.servers[name]
        with _told(name):
            response = await self._session.request(
                method,
                self._url(server) + path,
                headers=headers,
                data=body,
                ssl=self._tls if self._tls is not None else True,
                server_hostname=server.name if self._tls is not None else None,
                allow_redirects=False,
                timeout=timeout or aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
            )
        async with response:
            if response.status >= 300 and response.status != 304:
                raise PeerError(f"{name}: {await _detail(response)}", response.status)
            yield response

    async def get(self, name: str, path: str, kind: type[T], *, timeout_s: float = REQUEST_TIMEOUT_S) -> T:
        """A JSON answer of the given type."""
        async with self.request(name, "GET", path, timeout=aiohttp.ClientTimeout(total=timeout_s)) as response:
            return _decode(name, await _body(name, response), kind)

    async def post(self, name: str, path: str, body: bytes) -> None:
        """Send a JSON document."""
        headers = {"Content-Type": "application/json"}
        async with self.request(name, "POST", path, headers=headers, body=body):
            pass

    async def segments(self, name: str, logical: str, *, since: str = "", query: str = "") -> Listing | None:
        """Rows of `logical` whose bytes the server `name` holds; None when nothing changed since the token `since`."""
        path = f"/api/v1/footage/{quote(logical, safe='')}/segments?since={quote(since, safe='')}{query}"
        timeout = aiohttp.ClientTimeout(total=30, sock_read=REQUEST_TIMEOUT_S, sock_connect=REQUEST_TIMEOUT_S)
        async with self.request(name, "GET", path, timeout=timeout) as response:
            if response.status == 304:
                return None
            return _decode(name, await _body(name, response), Listing)

    async def index(self, name: str, id: str) -> SegmentIndex:
        """The frame index of a segment."""
        return await self.get(name, f"{_segment(id)}/index", SegmentIndex, timeout_s=10)

    async def sha256(self, name: str, id: str) -> str:
        """The SHA-256 of a closed segment's bytes, which the peer reads for it."""
        return (await self.get(name, f"{_segment(id)}/sha256", Digest, timeout_s=DIGEST_TIMEOUT_S)).sha256

    async def heal(self, name: str, logical: str, camera: int, from_us: int, to_us: int) -> Healed:
        """Have the server `name` write what its pre-roll holds of a gap; asking again writes nothing again."""
        path = f"/api/v1/footage/{quote(logical, safe='')}/{camera}/heal?from_us={from_us}&to_us={to_us}"
        timeout = aiohttp.ClientTimeout(total=HEAL_TIMEOUT_S, sock_connect=REQUEST_TIMEOUT_S)
        async with self.request(name, "POST", path, timeout=timeout) as response:
            return _decode(name, await _body(name, response), Healed)

    async def free(self, name: str, id: str, sha256: str) -> None:
        """Let the peer delete its copy, which it does only if its own bytes have this hash."""
        timeout = aiohttp.ClientTimeout(total=60)
        async with self.request(name, "DELETE", f"{_segment(id)}?sha256={sha256}", timeout=timeout):
            pass

    @asynccontextmanager
    async def content(
        self, name: str, id: str, first: int, stop: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a segment from `first` to before `stop` (or its end), in blocks as they come."""
        if stop is not None and stop <= first:
            raise ValueError("an empty range")
        headers = {"Range": f"bytes={first}-{'' if stop is None else stop - 1}"}
        timeout = aiohttp.ClientTimeout(sock_connect=REQUEST_TIMEOUT_S, sock_read=STALL_TIMEOUT_S)
        async with self.request(name, "GET", f"{_segment(id)}/content", headers=headers, timeout=timeout) as response:
            if response.status != 206 and first > 0:
                raise PeerError(f"{name} does not give parts of files", response.status)
            yield _blocks(name, response)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what can go wrong on the way to the server `name` into PeerError."""
    try:
        yield
    except TimeoutError as error:
        raise PeerError(f"{name} does not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise PeerError(f"{name} does not answer: {error}") from error


async def _blocks(name: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    blocks = aiter(response.content.iter_chunked(BLOCK_BYTES))
    while True:
        with _told(name):
            block = await anext(blocks, b"")
        if not block:
            return
        yield block  # what the caller does with it may fail too, and is not the server's fault


def _segment(id: str) -> str:
    return f"/api/v1/footage/segments/{quote(id, safe='')}"


async def _body(name: str, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for block in _blocks(name, response):
        body += block
        if len(body) > MAX_ANSWER_BYTES:
            raise PeerError(f"{name} answers more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


async def _detail(response: aiohttp.ClientResponse) -> str:
    """The sentence of a problem document, or the status where there is none."""
    try:
        body = await asyncio.wait_for(response.content.read(4096), REQUEST_TIMEOUT_S)
        return str(msgspec.json.decode(body)["detail"])
    except (TimeoutError, aiohttp.ClientError, msgspec.DecodeError, TypeError, KeyError):
        return f"HTTP {response.status} {response.reason}"


def _decode(name: str, body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise PeerError(f"{name} answers what is not understood: {error}") from error
