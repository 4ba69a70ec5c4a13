"""A server in miniature: clock, kernel addresses with lifetimes, recorder, and an agent that runs the real step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from understudy.arbitration.register import TxnResult
from understudy.failover.memory import Part, State
from understudy.failover.model import (
    Addresses,
    Assign,
    Heartbeat,
    Memory,
    Observation,
    PartProgress,
    Peer,
    Persist,
    Probe,
    ProbeResult,
    SetBeacon,
    Site,
    Transact,
)
from understudy.failover.orders import Orders, Standing, at_start, orders_of
from understudy.failover.step import initial, step, wake_s
from understudy.simulation.health import Health
from understudy.simulation.recording import UNSYNCED_NONE_S, Recorder

if TYPE_CHECKING:
    from understudy.simulation.world import World

HEARTBEAT_S = 0.2
PROBE_TAKES_S = 0.42
#: from an event to the step it wakes
NEWS_S = 0.002
FOREVER = 1e12


@dataclass(frozen=True, slots=True)
class Spoken:
    """A heartbeat and the networks it comes over."""

    heartbeat: Heartbeat
    networks: tuple[str, ...]


class Machine:
    """One physical server. `rate` is how fast its clock runs; true time is the world's."""

    def __init__(self, world: World, site: Site, rate: float, offset: float) -> None:
        self.world, self.site, self.name = world, site, site.node
        self.rate, self.offset = rate, offset
        self.up = False
        self.frozen = False
        self.agent_runs = False
        self.boots = 0
        #: stop the agent for so long right after its next write that could be the first of a hold; 0: no trap
        self.trap_s = 0.0
        #: invalidates events meant for an agent process that is gone
        self.process = 0
        self.memory = Memory()
        self.recorder = Recorder()
        self.recorder_mute = False
        #: why this standby must not take over now
        self.unfit = ""
        #: part -> true time at which the kernel removes the addresses
        self.kernel: dict[str, float] = {}
        self.peers: dict[str, Peer] = {}
        #: orders on disk; the shutdown and the moves somebody wants now
        self.standing = Standing()
        self.leaving = False
        self.wants: dict[str, str] = {}
        self.health = Health(site.takeover_limit)
        self._restart_agent_state()

    def _restart_agent_state(self) -> None:
        self.state: State | None = None
        self.results: list[TxnResult] = []
        self.probes: dict[str, ProbeResult] = {}
        self.held_back: list[tuple[str, object]] = []
        self.peers = {}
        self._beacon_s = -1.0
        self._wake: float = FOREVER

    def local(self) -> float:
        """This machine's CLOCK_BOOTTIME."""
        return self.offset + self.world.now * self.rate

    # -- life and death

    def power_on(self) -> None:
        """Boot: recorder and agent start."""
        self.up, self.boots = True, self.boots + 1
        self.standing = at_start(self.standing, f"boot{self.boots}")
        if self.standing.fault is None:
            self.health.well("failed", self.world.now)
        self.recorder.boot(self.world.now)
        self.start_agent()

    def power_off(self) -> None:
        """Silent death: addresses, ring and unsynced frames are gone."""
        self.stop_agent()
        self.up = False
        self.kernel.clear()
        self.recorder.crash(self.world.now)

    def shut_down(self) -> None:
        """Orderly death, after the agent was told and had its time: what was recorded is synced."""
        self.stop_agent()
        self.up, self.leaving = False, False
        self.kernel.clear()
        self.recorder.crash(self.world.now, UNSYNCED_NONE_S)

    def order(self, standing: Standing) -> None:
        """An operator or an event rule gives standing orders; the agent acts on them at its next step."""
        self.standing = standing
        waits = standing.detached or (standing.maintenance is not None and self.site.is_standby)
        for cause, given in (("failed", standing.fault is not None), ("withdrawn", waits)):
            if given:
                self.health.ill(cause, self.world.now)
            else:
                self.health.well(cause, self.world.now)

    def start_agent(self) -> None:
        """Start the agent's process, in the same boot or a new one."""
        if not self.up or self.agent_runs:
            return
        self._restart_agent_state()
        self.agent_runs, self.process = True, self.process + 1
        self.state = initial(self.site, f"boot{self.boots}", self.memory, self.local())
        self.health.well("power", self.world.now)
        self.run()

    def stop_agent(self) -> None:
        """Kill it: kernel addresses and recorder stay."""
        self.health.ill("power", self.world.now)
        self.health.well("frozen", self.world.now)
        self.agent_runs, self.frozen, self.process = False, False, self.process + 1

    def freeze(self) -> None:
        """SIGSTOP."""
        if self.agent_runs:
            self.frozen = True
            self.health.ill("frozen", self.world.now)

    def thaw(self) -> None:
        """SIGCONT: what arrived meanwhile is read now."""
        if not self.frozen:
            return
        self.frozen = False
        self.health.well("frozen", self.world.now)
        for name, thing in self.held_back:
            self.receive(name, thing)
        self.held_back.clear()
        self.run()

    # -- what arrives

    def receive(self, name: str, thing: object) -> None:
        """An answer, heartbeat or probe result reaches the process (or waits in its socket while it is stopped)."""
        if not self.agent_runs:
            return
        if self.frozen:
            self.held_back.append((name, thing))
        elif isinstance(thing, Spoken):
            self._hear(name, thing)
        elif isinstance(thing, ProbeResult):
            self.probes = {**self.probes, name: thing}
            self._wake_soon()
        elif isinstance(thing, TxnResult):
            self.results.append(self.world.mutation.answer(thing, self.local()))
            self.run()

    def _hear(self, name: str, spoken: Spoken) -> None:
        last, now_s = self.peers.get(name), self.local()
        heard_s = dict.fromkeys(spoken.networks, now_s)
        if last is not None and len(heard_s) < len(last.heard_s):
            heard_s = last.heard_s | heard_s
        self.peers[name] = Peer(heartbeat=spoken.heartbeat, heard_s=heard_s)
        if last is not None and _news(last.heartbeat) != _news(spoken.heartbeat):
            self._wake_soon()

    # -- the agent's loop

    def run(self) -> None:
        """One pass: gather, step, act."""
        if self.state is None or not self.agent_runs or self.frozen:
            return
        observation = self._observe()
        state, actions, fired = step(self.state, observation)
        self.state = self.world.mutation.state(state)
        for row in fired:
            self.world.fired(self, row)
            self.health.occupied(row.part, row.after, self.world.now)
        trapped = False
        for action in actions:
            if isinstance(action, Addresses):
                self._set_addresses(action)
            elif isinstance(action, Transact):
                self.world.transact(self, action)
                trapped = trapped or action.purpose != "read"
            elif isinstance(action, SetBeacon):
                self._send(action)
            elif isinstance(action, Assign):
                self.recorder.assign(action.parts, self.world.now)
            elif isinstance(action, Probe):
                self.world.probe(self, action.part, self.local(), PROBE_TAKES_S)
            elif isinstance(action, Persist):
                self.memory = action.memory
        self._sleep()
        if trapped and self.trap_s and not self.state.deadline_s:
            self.freeze()
            self.world.at(self.world.now + self.trap_s, self.thaw)
            self.trap_s = 0.0

    def _wake_soon(self) -> None:
        self.world.at(self.world.now + NEWS_S, self._woken, self.process)

    def _woken(self, process: int) -> None:
        if process == self.process:
            self.run()

    def _sleep(self) -> None:
        assert self.state is not None
        local = self.local()
        wait_s = (wake_s(self.state, local) - local) / self.rate
        if wait_s > 0.05:
            wait_s *= self.world.random.uniform(1.0, 1.6)
        self._wake = self.world.now + wait_s + 0.001
        self.world.at(self._wake, self._tick, self.process, self._wake)

    def _tick(self, process: int, wake: float) -> None:
        if process == self.process and wake == self._wake:
            self.run()

    def _observe(self) -> Observation:
        now = self.world.now
        results, self.results = tuple(self.results), []
        progress = None
        if not self.recorder_mute:
            ready = self.recorder.ready
            progress = {
                name: PartProgress(mode=mode, ready=ready(name, now)) for name, mode in self.recorder.assignment.items()
            }
        observation = Observation(
            now_s=self.local(),
            results=results,
            peers=dict(self.peers),
            recorder=progress,
            addresses=frozenset(name for name, expiry in self.kernel.items() if expiry > now),
            probes=self.probes,
            orders=self.orders(),
            window_open=self.world.window_open,
            unfit=(self.unfit,) if self.unfit and self.site.is_standby else (),
        )
        return self.world.mutation.observation(observation)

    def orders(self) -> Orders:
        """What people want of it now."""
        return orders_of(self.standing, leaving=self.leaving, moves=self._moves())

    def _moves(self) -> dict[str, str]:
        """What operators want moved; after healing one sends home what waits for it."""
        if not self.world.healed:
            return self.wants
        homes, manual = {part.name: part.home for part in self.site.parts}, self.site.handback.mode == "manual"
        return homes if manual else {name: homes[name] for name in self.memory.stays}

    def _set_addresses(self, action: Addresses) -> None:
        now, local = self.world.now, self.local()
        for name in list(self.kernel):
            if name not in action.hold and name not in action.leave:
                del self.kernel[name]
                # The kernel's own message about it wakes the loop.
                self._wake_soon()
        for name, deadline in action.hold.items():
            lifetime = int(deadline - local)
            if lifetime >= 1:
                error = self.world.random.uniform(0.01, 0.38)
                self.kernel[name] = self.world.mutation.expiry(now + lifetime / self.rate + error)
                self.world.check_addresses(self, name)

    def _send(self, action: SetBeacon) -> None:
        local = self.local()
        if action.urgent or local - self._beacon_s >= HEARTBEAT_S - 0.05:
            self._beacon_s = local
            self.world.broadcast(self, action.heartbeat)

    def state_of(self, part: str) -> Part:
        """This server's state for a part."""
        assert self.state is not None
        return self.state.parts[part]


def _news(heartbeat: Heartbeat) -> tuple[object, ...]:
    return heartbeat.parts, heartbeat.handing, heartbeat.takes, heartbeat.carries, heartbeat.ready
