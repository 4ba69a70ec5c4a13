"""One look at this server: asks recorder and agent, reads the machine, and makes facts of it. Thin I/O."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from understudy import control
from understudy.clock import boottime_s
from understudy.events import readings, sntp
from understudy.events.facts import Facts, Readings, cameras_seen, facts_of
from understudy.events.scripts import Scripts
from understudy.events.watch import Look
from understudy.footage.peers import PeerError, Peers
from understudy.site.plan import Plan

ANSWER_S = 1.0
RESTARTS_S = 300.0
#: how often what changes slowly is read
SENSORS_S, CLOCK_S, CERTIFICATE_S = 10.0, 30.0, 600.0
#: where nothing is served yet, it is soon
UNSERVED_S = 15.0


class _Node(msgspec.Struct, frozen=True):
    """Of another server's `GET /api/v1/node` what is needed here."""

    progress: dict[str, Any] | None = None


class Sight:
    """Looks; remembers what is read less often, and when the recorder was started."""

    def __init__(
        self,
        plan: Plan,
        peers: Peers,
        scripts: Scripts,
        releases: Callable[[], Mapping[str, str]],
        *,
        agent: Path,
        recorder: Path,
    ) -> None:
        self._plan = plan
        self._peers = peers
        self._scripts = scripts
        self._releases = releases
        self._agent = agent
        self._recorder = recorder
        self._clock_offset_s: float | None = None
        self._certificate_days: float | None = None
        self._temperature_c: float | None = None
        self._memory_percent: float | None = None
        self._sensors_s = float("-inf")
        self._pid: int | None = None
        self._starts: deque[float] = deque(maxlen=100)

    async def watch_clock(self) -> None:
        """Measure the clock until cancelled."""
        while True:
            self._clock_offset_s = await sntp.clock_offset_s(readings.time_servers(self._plan))
            await asyncio.sleep(CLOCK_S)

    async def watch_certificate(self) -> None:
        """Look at the certificate until cancelled."""
        while True:
            self._certificate_days = await readings.certificate_days(self._plan, time.time())
            await asyncio.sleep(CERTIFICATE_S if self._certificate_days is not None else UNSERVED_S)

    async def look(self) -> Look:
        """Everything that is known now."""
        progress, status, orders = await asyncio.gather(
            self._ask(self._recorder, "progress"), self._ask(self._agent, "status"), self._ask(self._agent, "orders")
        )
        answer = progress if isinstance(progress, dict) else None
        silent = "" if isinstance(progress, dict) else progress
        document = status["status"] if isinstance(status, dict) else None
        self._count_starts(answer)
        read = self._read()
        facts = facts_of(self._plan, read, answer, document, (), silent)
        if facts.silent:
            facts = facts_of(self._plan, read, answer, document, await self._seen(facts), silent)
        return Look(facts, document, orders if isinstance(orders, dict) else None, boottime_s(), time.time())

    async def _ask(self, path: Path, op: str) -> dict[str, Any] | str:
        try:
            return await control.acall(path, op, timeout_s=ANSWER_S)
        except control.ControlError as error:
            return str(error)

    def _count_starts(self, progress: Mapping[str, Any] | None) -> None:
        now_s = boottime_s()
        pid = None if progress is None else progress.get("pid")
        if pid is not None and pid != self._pid:
            if self._pid is not None:
                self._starts.append(now_s)
            self._pid = pid
        while self._starts and self._starts[0] < now_s - RESTARTS_S:
            self._starts.popleft()

    def _read(self) -> Readings:
        now_s, wall_s = boottime_s(), time.time()
        if now_s - self._sensors_s >= SENSORS_S:
            self._sensors_s = now_s
            self._temperature_c, self._memory_percent = readings.temperature_c(), readings.memory_percent()
        return Readings(
            nics=readings.links(nic.name for nic in self._plan.me.nics),
            temperature_c=self._temperature_c,
            memory_percent=self._memory_percent,
            clock_offset_s=self._clock_offset_s,
            scripts=dict(self._scripts.results),
            certificate_days=self._certificate_days,
            licence_days=readings.licence_days(self._plan, wall_s),
            recorder_restarts=len(self._starts),
            versions=self._releases(),
        )

    async def _seen(self, facts: Facts) -> set[str]:
        """Cameras silent here that any other server sees; asked only while there are some."""
        answers = await asyncio.gather(*(self._progress_of(name) for name in self._peers.servers))
        return {label for answer in answers for label in cameras_seen(answer)} & set(facts.silent)

    async def _progress_of(self, name: str) -> dict[str, Any] | None:
        try:
            return (await self._peers.get(name, "/api/v1/node", _Node, timeout_s=ANSWER_S)).progress
        except PeerError:
            return None
