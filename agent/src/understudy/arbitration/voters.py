"""Which members of the register answer: an outage of one is no trouble yet, and must be known before the next (F08)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Collection, Mapping

import aiohttp

log = logging.getLogger(__name__)

#: how often the members are asked, and how long one may take; nothing is decided by this, people are told
PERIOD_S, ANSWER_S = 5.0, 1.5
#: connections are kept from one question to the next: handshakes of TLS are what asking costs
KEPT_S = 2 * PERIOD_S


def quorum_trouble(voters: Collection[str], silent: Collection[str]) -> str:
    """What is wrong with the register's majority, as a sentence; "" while another loss can be borne."""
    if not silent:
        return ""
    names, needed = ", ".join(sorted(silent)), len(voters) // 2 + 1
    if len(voters) - len(silent) < needed:
        return f"quorum lost: the register's members on {names} do not answer, no address can move"
    if len(voters) - len(silent) == needed:
        return f"quorum at risk: the register's member on {names} does not answer, the next loss stops all moves"
    return ""


class Voters:
    """Asks every member for its health; `start` and `close` inside the event loop."""

    def __init__(self, endpoints: Mapping[str, str], tls: ssl.SSLContext | None, period_s: float = PERIOD_S) -> None:
        self._endpoints = dict(endpoints)
        self._tls = tls
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None
        #: servers whose member did not answer when last asked
        self.silent: frozenset[str] = frozenset()

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run(), name="voters")

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()

    @property
    def trouble(self) -> str:
        """See `quorum_trouble`."""
        return quorum_trouble(self._endpoints, self.silent)

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, keepalive_timeout=KEPT_S)
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(connector=connector, timeout=limit, trust_env=False) as session:
            while True:
                well = await asyncio.gather(*(self._answers(session, url) for url in self._endpoints.values()))
                self._note(frozenset(name for name, so in zip(self._endpoints, well, strict=True) if not so))
                await asyncio.sleep(self._period_s)

    async def _answers(self, session: aiohttp.ClientSession, url: str) -> bool:
        try:
            async with session.get(f"{url}/health", allow_redirects=False) as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    def _note(self, silent: frozenset[str]) -> None:
        before, self.silent = self.trouble, silent
        if self.trouble != before:
            log.log(logging.ERROR if self.trouble else logging.INFO, "%s", self.trouble or "quorum is safe again")
