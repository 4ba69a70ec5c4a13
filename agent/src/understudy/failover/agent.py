"""The one loop: gather what is seen, call the pure `step`, do what it wants. Nothing on this path waits for anything.

Answers of the register, of the recorder and of the wire arrive by tasks; disk I/O is in a thread (`journal`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from understudy import systemd
from understudy.arbitration.beacon import Beacon
from understudy.arbitration.etcd import Etcd
from understudy.arbitration.register import TxnResult
from understudy.arbitration.voters import Voters
from understudy.clock import boottime_s
from understudy.failover import model, order, window
from understudy.failover.hold import Keeper, Table
from understudy.failover.journal import Journal
from understudy.failover.memory import State
from understudy.failover.model import Action, Fired, Observation, Phase, ProbeResult
from understudy.failover.orderbook import OrderBook
from understudy.failover.recorder_link import RecorderLink
from understudy.failover.step import step, wake_s
from understudy.failover.wanted import server_phase
from understudy.network.addresses import AddressError
from understudy.network.announce import Announcer
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: two steps are at least this far apart, so that no storm of wake-ups can take the machine
MIN_STEP_S = 0.005
#: a pause of the loop worth a line in the journal (a healthy one is late by less than 0.05 s)
LATE_S = 1.0
#: the service manager hears this often that the loop runs; a fraction of WatchdogSec
NOTIFY_S = 0.5


@dataclass
class Edges:
    """What the agent works with; made by `loop`."""

    plan: Plan
    keeper: Keeper
    announcer: Announcer
    beacon: Beacon
    etcd: Etcd
    voters: Voters
    recorder: RecorderLink
    journal: Journal
    orders: OrderBook
    #: set by any of them to have a step at once
    wake: asyncio.Event


@dataclass
class Agent:
    """State of the shell around `step`."""

    edges: Edges
    state: State
    results: list[TxnResult] = field(default_factory=list)
    probes: dict[str, ProbeResult] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    #: set by every step
    stepped: asyncio.Event = field(default_factory=asyncio.Event)
    #: the register changed since the last step
    changed: bool = False
    observation: Observation | None = None
    #: what the service manager was told last, and when
    told: str = ""
    told_s: float = 0.0
    stepped_s: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Step until `stop` is set (and `edges.wake` with it)."""
        while not stop.is_set():
            self.edges.wake.clear()
            self.step()
            delay_s = max(MIN_STEP_S, wake_s(self.state, boottime_s()) - boottime_s())
            try:
                async with asyncio.timeout(delay_s):
                    await self.edges.wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(MIN_STEP_S)

    def step(self) -> None:
        """One turn: observe, decide, act."""
        try:
            table = self.edges.keeper.read()
        except AddressError as error:
            # Nothing is known about our addresses, so nothing may be decided; the kernel's lifetimes go on running.
            log.error("%s", error)
            return
        observation = self._observe(table)
        self.state, actions, fired = step(self.state, observation)
        self.observation = observation
        for row in fired:
            self.edges.journal.decided(row, self._facts(row))
        for action in actions:
            self._act(action, table)
        self._done_moving()
        self.stepped.set()
        self._notify()

    def _done_moving(self) -> None:
        """A move is over when the part is not carried here any more."""
        moving = self.edges.orders.moves
        for name in [name for name in moving if self.state.parts[name].phase not in order.CARRIED]:
            del moving[name]

    def register_changed(self) -> None:
        """The watch saw a change."""
        self.changed = True
        self.edges.wake.set()

    # -- observing ----------------------------------------------------------------------------------

    def _observe(self, table: Table) -> Observation:
        now_s, wall_s = boottime_s(), time.time()
        if self.stepped_s and now_s - self.stepped_s > LATE_S:
            log.warning("this agent did not run for %.1f s", now_s - self.stepped_s)
        self.stepped_s = now_s
        results, self.results = tuple(self.results), []
        changed, self.changed = self.changed, False
        return Observation(
            now_s=now_s,
            results=results,
            register_changed=changed,
            peers=self.edges.beacon.peers(),
            recorder=self.edges.recorder.parts(now_s),
            addresses=self.edges.keeper.parts_in(table),
            probes=dict(self.probes),
            orders=self.edges.orders.now(wall_s),
            window_open=window.is_open(self.state.site.handback.window, self.edges.plan.timezone, wall_s),
            unfit=self._unfit(table, now_s),
            double=self.edges.beacon.double(now_s),
        )

    def _unfit(self, table: Table, now_s: float) -> tuple[str, ...]:
        """Why this standby could not play another's part now."""
        if not self.state.site.is_standby:
            return ()
        needed = {nic.name for nic in self.edges.plan.me.nics if nic.role == "cameras"}
        mine = {part.name for part in self.state.site.mine}
        needed |= {a.nic for part in self.edges.plan.logical if part.name in mine for a in part.addresses}
        reasons = [
            f"{nic} has no link" for nic in sorted(needed) if nic not in table.links or not table.links[nic].running
        ]
        recorder = self.edges.recorder.limitation(now_s)
        return (*reasons, *([recorder] if recorder else []))

    def _facts(self, row: Fired) -> dict[str, Any]:
        """What a reader of the decision log wants to know beside the row."""
        observation = self.observation
        assert observation is not None
        now_s = observation.now_s
        facts: dict[str, Any] = {
            "heard_ago_s": {name: round(now_s - peer.last_s, 2) for name, peer in observation.peers.items()},
            "renewed_ago_s": round(now_s - self.state.renewed_s, 2) if self.state.renewed_s > 0 else None,
            "deadline_in_s": round(self.state.deadline_s - now_s, 2) if self.state.deadline_s else None,
            "place": self.state.place,
            "unfit": list(observation.unfit),
        }
        part = self.state.parts.get(row.part)
        if part is not None:
            facts |= {"epoch": part.epoch, "sign_of_carrier_ago_s": round(now_s - part.alive_s, 2)}
        return facts

    # -- acting -------------------------------------------------------------------------------------

    def _act(self, action: Action, table: Table) -> None:
        match action:
            case model.Addresses():
                self.edges.keeper.apply(action, table)
            case model.Transact():
                self._task(self._transact(action))
            case model.SetBeacon(heartbeat=heartbeat, urgent=urgent):
                self.edges.beacon.say(heartbeat, urgent=urgent, now_s=boottime_s())
            case model.Assign(parts=parts):
                self.edges.recorder.assign(parts)
            case model.Announce(part=part):
                self.edges.keeper.announce(part)
            case model.Probe(part=part):
                self._task(self._probe(part))
            case model.Persist(memory=memory):
                self.edges.journal.remember(memory)

    def _task(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the agent failed", exc_info=error)

    async def _transact(self, wanted: model.Transact) -> None:
        result = await self.edges.etcd.execute(wanted.id, wanted.txn)
        # Looked up only now: every step takes the list away and puts a new one in its place.
        self.results.append(result)
        self.edges.wake.set()

    async def _probe(self, part: str) -> None:
        asked_s = boottime_s()
        answered = await self.edges.announcer.probe(self.edges.keeper.places(part))
        self.probes[part] = ProbeResult(asked_s=asked_s, answered=bool(answered), complete=answered is not None)
        self.edges.wake.set()

    def _notify(self) -> None:
        phase = server_phase(self.state)
        first = self.state.place == 0 and phase == Phase.STANDBY
        parts = ", ".join(f"{name} {part.phase}" for name, part in self.state.parts.items())
        text = f"{'PRIMARY STANDBY' if first else phase}: {parts}" if parts else str(phase)
        if text == self.told and self.stepped_s - self.told_s < NOTIFY_S:
            return
        try:
            systemd.notify("WATCHDOG=1", *(["READY=1", f"STATUS={text}"] if text != self.told else []))
        except OSError as error:
            log.warning("service manager: %s", error)
        self.told, self.told_s = text, self.stepped_s
