"""`understudy events`: the process. One look a second; what it shows goes into the book, from there to people.

It may be killed and started at any time: what is open and who has been told is in the book, on disk and on the other
servers; a rule that was about to fire begins to count anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import time
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from understudy import control, journal, paths, systemd
from understudy.clock import boottime_s
from understudy.events import gaps
from understudy.events.actions import Actions
from understudy.events.book import FILE, Book, UnknownIncidentError
from understudy.events.channels import deliver
from understudy.events.exchange import Exchange, Known
from understudy.events.facts import reachable
from understudy.events.history import FILE as HISTORY
from understudy.events.history import History
from understudy.events.incident import MEASURED, Incident
from understudy.events.scripts import Scripts
from understudy.events.sender import Deliver, Sender
from understudy.events.sight import Sight
from understudy.events.watch import Look, Watch, channels
from understudy.footage.peers import Peers, node_tls
from understudy.release import release
from understudy.site.plan import Plan, PlanError, load

log = logging.getLogger(__name__)

LOOK_S = 1.0
#: a server that was heard so recently tells of its own incidents itself
AWAY_S = 10.0
MEASURE_S = 3.0
#: told to systemd this many times per watchdog interval
_WATCHDOG_SHARE = 3


@dataclass(frozen=True)
class Places:
    """Files and sockets; tests use their own."""

    state: Path = paths.EVENTS_STATE
    socket: Path = paths.EVENTS_SOCKET
    agent: Path = paths.AGENT_SOCKET
    recorder: Path = paths.RECORDER_SOCKET
    web: Path = paths.WEB_SOCKET


class Service:
    """Everything of the process, made once; `run` works until cancelled."""

    def __init__(self, plan: Plan, peers: Peers, places: Places, deliver: Deliver = deliver) -> None:
        self._plan = plan
        self._places = places
        self.book = Book(places.state / FILE)
        self.exchange = Exchange(plan, self.book, peers, release())
        self._watch = Watch(plan, self.book)
        self._actions = Actions(plan, self.book, places.agent, places.recorder)
        self._history = History(places.state / HISTORY)
        self._scripts = Scripts(self._watch.rules)
        self._sight = Sight(plan, peers, self._scripts, self._releases, agent=places.agent, recorder=places.recorder)
        names = (server.name for server in plan.servers if server.kind != "witness")
        self._heard_s = dict.fromkeys(names, boottime_s())
        #: standing trouble with the disk, told once
        self._trouble = ""
        self._writing: asyncio.Task[None] | None = None
        self._senders = [
            Sender(name, plan, self.book, self.there, self.exchange.ask_all, self.exchange.tell_all, deliver)
            for name in channels(plan.notify)
        ]

    async def run(self) -> None:
        """Serve, look and tell until cancelled."""
        server = await control.serve(self._places.socket, self.handlers())
        try:
            async with asyncio.TaskGroup() as tasks:
                works = [self._looking(), self._measuring(), self.exchange.run(), self._scripts.run(), _watchdog()]
                works += [self._sight.watch_clock(), self._sight.watch_certificate()]
                for work in (*works, *(sender.run() for sender in self._senders)):
                    tasks.create_task(work)
                systemd.notify("READY=1")
        finally:
            server.close()

    def there(self) -> Set[str]:
        """Servers that are heard, or were a moment ago."""
        now_s = boottime_s()
        return {name for name, heard_s in self._heard_s.items() if now_s - heard_s < AWAY_S}

    def _releases(self) -> dict[str, str]:
        """Releases of the servers that are there: one that is away may come back with another."""
        here = {*self.there(), self._plan.node}
        return {name: text for name, text in self.exchange.releases.items() if name in here}

    async def _looking(self) -> None:
        await self.exchange.ask_all()  # a home that was away learns that it was taken over before it looks
        while True:
            began_s = boottime_s()
            await self.round(await self._sight.look())
            await asyncio.sleep(max(0.1, LOOK_S - (boottime_s() - began_s)))

    async def round(self, look: Look) -> None:
        """Act on one look."""
        # While the agent here is silent nobody counts as away: their servers tell of their incidents themselves.
        heard = set(self._heard_s) if look.status is None else reachable(look.status)
        self._heard_s |= dict.fromkeys(heard, look.now_s)
        acts = self._watch.look(look)
        if self._writing is None or self._writing.done():
            if self._writing is not None:
                self._writing.result()
            self._writing = asyncio.create_task(self._write(look))
        await self._actions.do(acts, look)

    async def _write(self, look: Look) -> None:
        """Keep what was seen. The disk may hang: that is no reason to stop looking."""
        try:
            await self.book.save()
            await asyncio.to_thread(self._history.note, look.facts, look.wall_s)
        except OSError as error:
            if str(error) != self._trouble:
                log.error("%s: %s", self._places.state, error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    async def _measuring(self) -> None:
        while True:
            for incident in self.book.all():
                if self._is_to_be_measured(incident):
                    await self._measure(incident)
            await asyncio.sleep(MEASURE_S)

    def _is_to_be_measured(self, incident: Incident) -> bool:
        known = any(part.name == incident.logical for part in self._plan.logical)
        mine = known and incident.source == self._plan.node and incident.kind in MEASURED and incident.gaps is None
        age_us = time.time_ns() // 1000 - incident.ready_us
        return mine and 0 <= age_us < gaps.AROUND_US

    async def _measure(self, incident: Incident) -> None:
        began = [
            i.opened_us
            for i in self.book.all()
            if i.kind == "takeover" and i.logical == incident.logical and i.over_us == incident.opened_us
        ]
        spans = gaps.around(*began, incident.opened_us)
        found = await gaps.measure(self._places.web, self._plan.node, self._plan.part(incident.logical), spans)
        if found is not None:
            self.book.change(incident.id, gaps=found)

    # -- control socket (docs/reference/interfaces.md) -------------------------------------------------

    def handlers(self) -> dict[str, control.Handler]:
        """Operation -> handler."""
        return {
            "rules": self._rules,
            "alarms": self._alarms,
            "ack": self._ack,
            "known": self._known,
            "know": self._know,
        }

    async def _rules(self, _request: control.Document) -> control.Document:
        views = [self._watch.views[rule.name] for rule in self._watch.rules if rule.name in self._watch.views]
        return {
            "rules": [
                {
                    "name": view.rule.name,
                    "cause": view.rule.cause,
                    "state": view.state,
                    "measured": view.text,
                    "for_s": view.rule.for_s,
                    "clear_s": view.rule.clear_s,
                    "actions": list(view.rule.actions or channels(self._plan.notify)),
                    "built_in": view.rule not in self._plan.rules,
                }
                for view in views
            ]
        }

    async def _alarms(self, _request: control.Document) -> control.Document:
        return {"alarms": [alarm(incident) for incident in self.book.all()]}

    async def _ack(self, request: control.Document) -> control.Document:
        try:
            incident = self.book.acknowledge(
                str(request.get("id")), str(request.get("by") or self._plan.node), time.time_ns() // 1000
            )
            await self.book.save()
        except UnknownIncidentError as error:
            raise control.ControlError(str(error)) from error
        except OSError as error:
            raise control.ControlError(f"{self._places.state}: {error.strerror}") from error
        return {"alarm": alarm(incident)}

    async def _known(self, _request: control.Document) -> control.Document:
        return {"known": msgspec.to_builtins(self.exchange.known())}

    async def _know(self, request: control.Document) -> control.Document:
        try:
            self.exchange.learn(msgspec.convert(request.get("known"), Known))
            await self.book.save()
        except msgspec.ValidationError as error:
            raise control.ControlError(f"incidents: {error}") from error
        except OSError as error:
            raise control.ControlError(f"{self._places.state}: {error.strerror}") from error
        return {}


def alarm(incident: Incident) -> dict[str, Any]:
    """An incident as the alarm list tells it."""
    state = "over" if incident.over_us is not None else "open"
    document: dict[str, Any] = msgspec.to_builtins(incident)
    return {**document, "state": state, "acknowledged": incident.acked_us is not None}


async def _watchdog() -> None:
    interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    while True:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval_s / _WATCHDOG_SHARE or 60.0)


async def _run() -> None:
    plan = load()
    async with Peers(plan, node_tls()) as peers:
        service = asyncio.create_task(Service(plan, peers, Places()).run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, service.cancel)
        try:
            await service
        except asyncio.CancelledError:
            systemd.notify("STOPPING=1")


def main() -> int:
    """`understudy events`: 0 after a signal, 1 when it cannot start (the journal says why)."""
    journal.setup()
    try:
        asyncio.run(_run())
    except (PlanError, ssl.SSLError, OSError) as error:
        log.error("cannot watch: %s", error)
        return 1
    return 0
