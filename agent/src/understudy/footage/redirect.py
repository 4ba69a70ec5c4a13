"""Redirect: footage that other servers recorded for a logical server of this home shows in its catalogue at once.

Level-triggered: every `POLL_S` each peer says whose bytes it holds (one small answer while nothing changes there) and
the catalogue is made to say the same. Only rows move here; the bytes follow in `copy.py`. A crash leaves rows that are
made right by the next round.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from understudy.footage.catalogue import Catalogue
from understudy.footage.model import Segment
from understudy.footage.peers import PeerError, Peers
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: handed-back footage has to show within 1 s
POLL_S = 0.5

Rows = dict[str, Segment]


class Change(NamedTuple):
    """What makes the catalogue agree with a peer."""

    put: list[Segment]
    remove: list[str]


def compare(peer: str, theirs: Mapping[str, Segment], ours: Mapping[str, Segment]) -> Change:
    """The change that makes `ours` show what `peer` holds. `ours`: rows that name `peer` as holder or are in `theirs`.

    A row of which another server (this one above all) holds the bytes is never touched. A row of the peer that it no
    longer lists is dropped: the peer has answered, so its bytes are gone there, by retention or because they came home.
    """
    put = []
    for id, row in theirs.items():
        known = ours.get(id)
        if known is None or (known.holder == peer and known != row):
            put.append(row)
    remove = [id for id, row in ours.items() if row.holder == peer and id not in theirs]
    return Change(put, remove)


class Redirect:
    """Follows every other server for every logical server whose home is here."""

    def __init__(self, plan: Plan, catalogue: Catalogue, peers: Peers) -> None:
        self._node = plan.node
        self._catalogue = catalogue
        self._peers = peers
        self._logical = [logical.name for logical in plan.logical if logical.home == plan.node]
        self._followed = [name for name, server in peers.servers.items() if server.kind != "witness"]
        self._tokens: dict[tuple[str, str], str] = {}
        #: what each answering peer holds, by (peer, logical server); a silent peer is not in it
        self.held: dict[tuple[str, str], Rows] = {}
        #: who changes rows of peers does it under this lock: a holder written over by an older view would lose footage
        self.lock = asyncio.Lock()

    async def run(self) -> None:
        """Follow until cancelled; a server that is nobody's home just waits."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            for peer in self._followed:
                for logical in self._logical:
                    group.create_task(self._follow(peer, logical))

    async def _follow(self, peer: str, logical: str) -> None:
        answered = True
        while True:
            try:
                await self.poll(peer, logical)
                if not answered:
                    log.info("%s answers again: its footage of %s shows here", peer, logical)
                answered = True
            except PeerError as error:
                self.held.pop((peer, logical), None)
                self._tokens.pop((peer, logical), None)
                if answered:
                    log.warning("footage of %s: %s", logical, error)
                answered = False
            except sqlite3.Error as error:
                log.error("footage of %s from %s: catalogue: %s; trying again", logical, peer, error)
            await asyncio.sleep(POLL_S)

    async def poll(self, peer: str, logical: str) -> None:
        """One round: ask `peer` and make the catalogue agree. PeerError when it does not answer."""
        listing = await self._peers.segments(peer, logical, since=self._tokens.get((peer, logical), ""))
        if listing is not None:
            usable = (row for row in listing.segments if row.logical == logical and row.holder == peer)
            self.held[peer, logical] = {row.id: row for row in usable}
            self._tokens[peer, logical] = listing.token
        async with self.lock:
            await asyncio.to_thread(self._apply, peer, self.held[peer, logical], logical)

    def _apply(self, peer: str, theirs: Rows, logical: str) -> None:
        ours = {row.id: row for row in self._catalogue.segments(logical, holder=peer)}
        for id in theirs.keys() - ours.keys():
            row = self._catalogue.segment(id)
            if row is not None:
                ours[id] = row
        change = compare(peer, theirs, ours)
        self._catalogue.put(change.put)
        self._catalogue.remove(change.remove)
