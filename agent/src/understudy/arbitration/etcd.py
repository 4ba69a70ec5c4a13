"""The register on etcd, over its JSON gateway. Never uses leases: see docs/concepts (a stalled disk breaks them).

One attempt per transaction, with a short limit; after any error the next one goes to the next endpoint.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from understudy.arbitration.gateway import AnswerError, Document, Lineage, request_of, result_of, watch_request
from understudy.arbitration.register import Txn, TxnResult
from understudy.clock import boottime_s
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

CLIENT_PORT = 2379
#: bytes of one answer: 128 operations (etcd's own limit) of 4 kB
MAX_ANSWER_BYTES = 1024 * 1024
#: a watch that broke is set up again after this long; it is a hint only
WATCH_RETRY_S = 1.0
#: an established connection whose data are not acknowledged for this long is dead (silent power loss of the member)
DEAD_PEER_MS = 2000
#: without it a watch hangs silently while there is no leader; with it etcd cancels it after 1.9 s (measured on 3.4.23)
_NEEDS_LEADER = {"Grpc-Metadata-hasleader": "true"}


class EtcdError(Exception):
    """One attempt failed; the text says how, for people."""


def endpoints_of(plan: Plan) -> list[str]:
    """Client URLs of the site's voters, this server's own first: it is the one that answers quickest."""
    voters = voters_of(plan)
    return [voters[name] for name in sorted(voters, key=lambda name: name != plan.node)]


def voters_of(plan: Plan) -> dict[str, str]:
    """Server -> client URL of its member, of all the site's voters."""
    voters = [server for server in plan.servers if server.etcd_voter]
    return {server.name: f"https://{_host(server.peer_address)}:{CLIENT_PORT}" for server in voters}


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, _name, _address = info
    connection = socket.socket(family, kind, protocol)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
    return connection


class Etcd:
    """Client of one etcd cluster; `start` and `close` inside the event loop."""

    def __init__(self, endpoints: Sequence[str], tls: ssl.SSLContext | None, request_s: float) -> None:
        self._endpoints = list(endpoints)
        self._tls = tls
        self._request_s = request_s
        self._current = 0
        self._lineage = Lineage()
        self._session: aiohttp.ClientSession | None = None
        #: attempts failed since the last answer
        self._failures = 0

    async def start(self) -> None:
        """Open the session; nothing is sent yet."""
        connector = aiohttp.TCPConnector(
            ssl=self._tls if self._tls is not None else True, limit=8, use_dns_cache=False, socket_factory=_socket
        )
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def execute(self, number: int, txn: Txn) -> TxnResult:
        """Try `txn` once, on one endpoint, for at most `request_s`; never raises for what etcd or the network does.

        A `lost` one may have been executed, or may yet be.
        """
        endpoint = self._endpoints[self._current] if self._endpoints else ""
        # Before the first byte leaves: an owner's deadline counts from here, and a clock read later would be too kind.
        sent_at_s = boottime_s()
        try:
            answer = await self._post(endpoint, request_of(txn))
            self._lineage.check(answer)
            held, values = result_of(txn, answer)
        except (EtcdError, AnswerError) as error:
            self._failed(endpoint, str(error))
            return TxnResult(number, "lost", sent_at_s, boottime_s(), error=f"{endpoint}: {error}")
        if self._failures:
            log.info("etcd: %s answers", endpoint)
            self._failures = 0
        return TxnResult(number, "ok" if held else "refused", sent_at_s, boottime_s(), values)

    async def watch(self, prefix: str, changed: Callable[[], None]) -> None:
        """Call `changed` when a key below `prefix` changes, for ever; also after every gap, which may hide a change."""
        while True:
            endpoint = self._endpoints[self._current] if self._endpoints else ""
            try:
                await self._follow(endpoint, prefix, changed)
            except EtcdError as error:
                log.debug("watch on %s: %s", endpoint, error)
                self._rotate(endpoint)
            await asyncio.sleep(WATCH_RETRY_S)

    async def _post(self, endpoint: str, body: Document) -> Document:
        assert self._session is not None
        if not endpoint:
            raise EtcdError("the plan names no server with etcd_voter")
        try:
            async with (
                asyncio.timeout(self._request_s),
                self._session.post(f"{endpoint}/v3/kv/txn", json=body, allow_redirects=False) as response,
            ):
                answer = json.loads(await _body(response))
        except TimeoutError as error:
            raise EtcdError(f"no answer within {self._request_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EtcdError(str(error) or type(error).__name__) from error
        if response.status != 200 or not isinstance(answer, dict):
            raise EtcdError(f"status {response.status}: {_complaint(answer)}")
        return answer

    async def _follow(self, endpoint: str, prefix: str, changed: Callable[[], None]) -> None:
        assert self._session is not None
        if not endpoint:
            raise EtcdError("the plan names no server with etcd_voter")
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._request_s)
        try:
            async with self._session.post(
                f"{endpoint}/v3/watch", json=watch_request(prefix), headers=_NEEDS_LEADER, timeout=limits
            ) as response:
                while line := await response.content.readline():
                    self._followed(json.loads(line), changed)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise EtcdError(str(error) or type(error).__name__) from error

    def _followed(self, message: Any, changed: Callable[[], None]) -> None:
        result = message.get("result") if isinstance(message, dict) else None
        if not isinstance(result, dict) or result.get("canceled"):
            raise EtcdError(f"the watch was ended: {_complaint(message)}")
        if result.get("created") or result.get("events"):
            changed()

    def _failed(self, endpoint: str, reason: str) -> None:
        """Note a failed attempt and turn to the next endpoint; the journal hears of the first and of a whole round."""
        self._failures += 1
        if self._failures == 1:
            log.warning("etcd: %s: %s", endpoint, reason)
        elif self._failures == max(2, len(self._endpoints)):
            log.error("etcd: no endpoint answers; the last, %s: %s", endpoint, reason)
        self._rotate(endpoint)

    def _rotate(self, endpoint: str) -> None:
        # Only if nobody else has turned away from it meanwhile: a read and a write fail together.
        if self._endpoints and self._endpoints[self._current] == endpoint:
            self._current = (self._current + 1) % len(self._endpoints)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            raise EtcdError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(data)


def _complaint(answer: Any) -> str:
    """What the gateway says is wrong: 3.4 and 3.6 spell it differently."""
    if isinstance(answer, dict):
        error = answer.get("error") or answer.get("message") or answer.get("result")
        if isinstance(error, dict):
            error = error.get("message") or error.get("cancel_reason") or error
        if error:
            return str(error)[:200]
    return "no reason given"
