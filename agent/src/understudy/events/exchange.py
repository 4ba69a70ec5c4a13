"""Incidents travel: every server that records or stands by knows all of them, and who has been told.

Level-triggered, as the events of cameras: what has changed here is told to each server until it has taken it; a server
that starts asks everybody once, and again right before it tells people of something. A crash leaves nothing to repair.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from understudy.events.book import Book
from understudy.events.incident import Incident
from understudy.footage.peers import PeerError, Peers
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

PATH = "/api/v1/alarms/known"
POLL_S = 0.5
#: a server that does not answer is told again after so many rounds
_RETRY_ROUNDS = 10


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a server knows: the body of both directions."""

    node: str
    #: the release it runs
    release: str = ""
    incidents: tuple[Incident, ...] = ()


class Exchange:
    """Makes this server's incidents those of the site."""

    def __init__(self, plan: Plan, book: Book, peers: Peers, release: str) -> None:
        self._plan = plan
        self._book = book
        self._peers = peers
        self._release = release
        self._names = [s.name for s in plan.servers if s.kind != "witness" and s.name != plan.node]
        #: what each server has taken; None: nothing yet, not even which release runs here
        self._told: dict[str, dict[str, Incident] | None] = dict.fromkeys(self._names)
        self._wait: dict[str, int] = {}
        self._asked: set[str] = set()
        #: server -> the release it has told
        self.releases = {plan.node: release}

    async def run(self) -> None:
        """Ask and tell until cancelled."""
        while True:
            await asyncio.gather(*(self._round(name) for name in self._names))
            await asyncio.sleep(POLL_S)

    def known(self) -> Known:
        """What is known here."""
        return Known(node=self._plan.node, release=self._release, incidents=tuple(self._book.all()))

    def learn(self, known: Known) -> None:
        """Know what another server knows."""
        if known.node in self._names:
            self.releases[known.node] = known.release
        self._book.learn(known.incidents, time.time_ns() // 1000)

    async def ask_all(self) -> None:
        """Ask every other server now; who does not answer is left out."""
        await asyncio.gather(*(self._ask(name) for name in self._names))

    async def tell_all(self) -> None:
        """Tell every other server what is new here, now; who does not answer is told later."""
        await asyncio.gather(*(self._tell(name) for name in self._names))

    async def _round(self, name: str) -> None:
        self._wait[name] = self._wait.get(name, 0) - 1
        if self._wait[name] > 0:
            return
        if (name not in self._asked and not await self._ask(name)) or not await self._tell(name):
            self._wait[name] = _RETRY_ROUNDS

    async def _ask(self, name: str) -> bool:
        try:
            self.learn(await self._peers.get(name, PATH, Known))
        except PeerError as error:
            log.debug("incidents: %s", error)
            return False
        self._asked.add(name)
        return True

    async def _tell(self, name: str) -> bool:
        """Whether the server knows everything that is known here."""
        now, before = {incident.id: incident for incident in self._book.all()}, self._told[name]
        news = tuple(incident for id, incident in now.items() if (before or {}).get(id) != incident)
        if not news and before is not None:
            return True
        known = Known(node=self._plan.node, release=self._release, incidents=news)
        try:
            await self._peers.post(name, PATH, msgspec.json.encode(known))
        except PeerError as error:
            log.debug("incidents: %s", error)
            return False
        self._told[name] = now
        return True
