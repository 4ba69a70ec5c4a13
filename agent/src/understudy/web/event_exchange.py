"""Events travel: every server that may record a camera hears of its events, so that a takeover in the middle goes on.

Level-triggered: what the recorder here knows is told to each of those servers until it has said that it knows it too,
again after every change. Windows only grow together (`recorder/events.py`), so the order and repeats do not matter. A
crash leaves nothing: the recorder has the windows, and they are told anew.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from understudy import control
from understudy.footage.healing import holders
from understudy.footage.peers import PeerError, Peers
from understudy.recorder.events import Window
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

POLL_S = 0.5
#: a server that does not answer is told again after so many rounds
_RETRY_ROUNDS = 4


class EventExchange:
    """Tells the servers that protect a camera what this server's recorder knows of its events."""

    def __init__(self, plan: Plan, peers: Peers, recorder: Path) -> None:
        self._peers = peers
        self._recorder = recorder
        self._parts = {
            name: {part.name for part in plan.logical if name in holders(plan, part)} for name in peers.servers
        }
        #: what each server has said it knows
        self._known: dict[str, list[Window]] = {}
        self._wait: dict[str, int] = {}

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(POLL_S)

    async def round(self) -> None:
        """Look once, tell whom it concerns."""
        try:
            answer = await control.acall(self._recorder, "events")
            windows = msgspec.convert(answer["events"], list[Window])
        except (control.ControlError, msgspec.ValidationError):
            return  # a recorder that restarts; it knows its events from disk
        await asyncio.gather(*(self._tell(name, windows) for name in self._parts))

    async def _tell(self, name: str, windows: list[Window]) -> None:
        wanted = [window for window in windows if window.logical in self._parts[name]]
        if wanted == self._known.get(name, []):
            return
        self._wait[name] = self._wait.get(name, 0) - 1
        if self._wait[name] > 0:
            return
        try:
            await self._peers.post(name, "/api/v1/events", msgspec.json.encode(wanted))
        except PeerError as error:
            log.warning("events: %s", error)
            self._wait[name] = _RETRY_ROUNDS
        else:
            self._known[name] = wanted
