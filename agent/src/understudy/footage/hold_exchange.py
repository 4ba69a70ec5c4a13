"""Legal holds travel: every server of the site knows all of them, wherever they were made or released.

Whoever makes one tells the others at once (`tell`); who was silent then asks for itself (`run`) as soon as it is there.
Holds are in a file on every server, so a crash leaves nothing to be done but to ask again.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from understudy.footage.holds import Hold, HoldBook, HoldError
from understudy.footage.peers import PeerError, Peers

log = logging.getLogger(__name__)

POLL_S = 5.0
PATH = "/api/v1/holds/known"


class Known(msgspec.Struct, frozen=True):
    """What a server knows: the body of both directions."""

    holds: tuple[Hold, ...]


class HoldExchange:
    """Makes this server's holds those of the site."""

    def __init__(self, holds: HoldBook, peers: Peers) -> None:
        self.book = holds
        self._peers = peers

    async def run(self) -> None:
        """Ask until cancelled, at once to begin with."""
        while True:
            await asyncio.gather(*(self._ask(name) for name in self._peers.servers))
            await asyncio.sleep(POLL_S)

    async def _ask(self, name: str) -> None:
        try:
            await self.learn(name)
        except PeerError:
            return  # its absence is told elsewhere
        except (OSError, HoldError) as error:
            log.error("legal holds of %s: %s", name, error)

    async def learn(self, name: str) -> None:
        """Know all that the server `name` knows; PeerError, OSError, HoldError when that cannot be had."""
        known = await self._peers.get(name, PATH, Known)
        await asyncio.to_thread(self.book.add, known.holds)

    async def tell(self) -> dict[str, str]:
        """Tell every other server all that is known here; those that have not taken it, with the reason."""
        body = msgspec.json.encode(Known(self.book.all()))
        silent: dict[str, str] = {}

        async def post(name: str) -> None:
            try:
                await self._peers.post(name, PATH, body)
            except PeerError as error:
                silent[name] = str(error)

        await asyncio.gather(*(post(name) for name in self._peers.servers))
        return silent
