"""The simulated site: true time, an event heap, the network, the register, and what must never happen.

Everything random comes from one seeded generator, so a seed is a whole history.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from understudy.arbitration.memory import MemoryRegister
from understudy.arbitration.register import Txn, TxnResult
from understudy.failover.ledger import GIVEN_UP
from understudy.failover.model import Fired, Heartbeat, ProbeResult, Transact
from understudy.simulation.machine import Machine, Spoken
from understudy.simulation.mutations import Mutation

REQUEST_S = 0.4
#: heartbeats go over both; logical addresses are on the second
NETWORKS = ("cameras", "clients")
CLIENTS = NETWORKS[1]
#: a part begins to go home
HANDBACK_ROW = 605
#: handback.mode `window`: open for so long in every so long, until everything is healed
OPEN_S, WINDOW_S = 4.0, 12.0
#: `takeover: early`: claims by silence, and how long two machines may have an address in the one case it gives up
EARLY_ROWS = frozenset({404, 804})
CONCEDED_S = 3.0 + 0.4 - 1.25


class Violation(Exception):
    """An invariant does not hold; the text says which, when and between whom."""


class World:
    """All machines of one schedule and what is between them."""

    def __init__(self, seed: int, mutation: Mutation) -> None:
        self.random = Random(seed)
        self.mutation = mutation
        self.now = 0.0
        self.machines: dict[str, Machine] = {}
        self.register = MemoryRegister()
        self.history: list[tuple[float, str, Fired]] = []
        self.rows: Counter[int] = Counter()
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        # The network's faults; counters, for faults overlap.
        #: (from, to, network)
        self.cut: Counter[tuple[str, str, str]] = Counter()
        #: machines whose answers to ARP never leave (filtered by a switch); everything else of theirs does
        self.mute_arp: Counter[str] = Counter()
        self.register_cut: Counter[str] = Counter()
        self.register_down = 0
        self.register_slow = 0
        self.register_lossy = 0
        self.loss = 0
        self.jitter = 0
        self.stale: dict[str, dict[str, bytes]] = {}
        self.lose_claims = 0
        #: moments at which an address was on two machines in the one way that `takeover: early` gives up
        self.conceded: list[str] = []
        #: (taker, carrier, part) -> until when the carrier's kernel keeps the addresses of a conceded overlap
        self._conceded_until: dict[tuple[str, str, str], float] = {}
        #: the phase of faults is over
        self.healed = False
        #: row -> what happens when it fires next: faults that strike at the worst moment
        self.at_row: dict[int, Callable[[Machine, Fired], None]] = {}

    # -- time

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        """Do something at a true time."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, what, arguments))

    def drop_heals(self) -> None:
        """Forget faults that are still to begin or end."""
        self._heap = [event for event in self._heap if event[2].__module__ != "understudy.simulation.faults"]
        heapq.heapify(self._heap)

    def run_until(self, end: float) -> None:
        """Let time pass."""
        while self._heap and self._heap[0][0] <= end:
            when, _, what, arguments = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            what(*arguments)
        self.now = end

    @property
    def window_open(self) -> bool:
        """Whether the daily window of handback.mode `window` is open; days are short here."""
        return self.healed or self.now % WINDOW_S < OPEN_S

    # -- the register

    def transact(self, machine: Machine, transact: Transact) -> None:
        """Carry a transaction to the register and the answer back, unless something is in the way."""
        why = machine.orders().must_go or (machine.unfit if machine.site.is_standby else "")
        if transact.purpose == "take" and why:
            raise Violation(f"at {self.now:.3f} s {machine.name} claims a part although {why}")
        sent_s, process = machine.local(), machine.process
        txn = self.mutation.txn(transact)
        random = self.random
        if self.register_cut[machine.name] or self.register_down:
            refused = random.random() < 0.3
            delay = 0.01 if refused else REQUEST_S
            self.at(self.now + delay, self._answer, machine, process, transact.id, sent_s, None)
            if not refused and self.register_down and random.random() < 0.5:
                # It waits in a queue and may be executed long after everybody has given it up.
                self.at(self.now + random.uniform(0.5, 8.0), self._late, machine, txn)
            return
        if self.lose_claims and transact.purpose == "take":
            self.at(self.now + REQUEST_S, self._answer, machine, process, transact.id, sent_s, None)
            if random.random() < 0.7:
                self.at(self.now + random.uniform(0.001, 2.0), self._late, machine, txn)
            return
        there, back = (random.uniform(0.001, 0.02) for _ in range(2))
        if self.register_slow and random.random() < 0.7:
            there, back = random.choice([(there, random.uniform(0.1, 1.0)), (random.uniform(0.1, 3.0), back)])
        self.at(self.now + there, self._execute, machine, process, transact.id, sent_s, txn, there, back)

    def _late(self, machine: Machine, txn: Txn) -> None:
        if not self.register_down and not self.register_cut[machine.name]:
            self.register.execute(txn)

    def _execute(
        self, machine: Machine, process: int, id_: int, sent_s: float, txn: Txn, there: float, back: float
    ) -> None:
        stale = self.stale.get(machine.name)
        if stale is not None and not txn.puts:
            answer: Any = (True, {key: stale.get(key) for key in txn.reads})
        elif self.register_down:
            answer = None
        else:
            answer = self.register.execute(txn)
        lost = self.register_lossy and self.random.random() < 0.5
        cut = self.register_cut[machine.name] and self.random.random() < 0.5
        if lost or cut or there + back > REQUEST_S:
            answer, back = None, max(0.0, REQUEST_S - there)
        self.at(self.now + back, self._answer, machine, process, id_, sent_s, answer)

    def _answer(self, machine: Machine, process: int, id_: int, sent_s: float, answer: Any) -> None:
        if process != machine.process:
            return
        ok, values = answer if answer is not None else (False, {})
        outcome: Any = "lost" if answer is None else "ok" if ok else "refused"
        result = TxnResult(
            id=id_, outcome=outcome, sent_at_s=sent_s, answered_at_s=machine.local(), values=values, error=""
        )
        machine.receive("register", result)

    # -- between the machines

    def connected(self, source: str, target: str) -> tuple[str, ...]:
        """The networks on which packets go from one machine to the other."""
        if not (self.machines[source].up and self.machines[target].up):
            return ()
        return tuple(network for network in NETWORKS if not self.cut[source, target, network]) if self.cut else NETWORKS

    def broadcast(self, source: Machine, heartbeat: Heartbeat) -> None:
        """Send a heartbeat to everybody."""
        for name, target in self.machines.items():
            if target is source or not (networks := self.connected(source.name, name)):
                continue
            if self.loss and self.random.random() < 0.3:
                continue
            if self.jitter:
                self.at(self.now + self.random.uniform(0.0, 0.8), self._deliver, target, source.name, heartbeat)
            else:
                target.receive(source.name, Spoken(heartbeat, networks))

    def _deliver(self, target: Machine, source: str, heartbeat: Heartbeat) -> None:
        if networks := self.connected(source, target.name):
            target.receive(source, Spoken(heartbeat, networks))

    def probe(self, machine: Machine, part: str, asked_s: float, takes: float) -> None:
        """Ask the client network who has the part's addresses: the kernel answers, whether its agent runs or not."""
        answered = any(
            other.kernel.get(part, 0.0) > self.now
            and not self.mute_arp[name]
            and CLIENTS in self.connected(machine.name, name)
            and CLIENTS in self.connected(name, machine.name)
            for name, other in self.machines.items()
            if other is not machine
        )
        result = self.mutation.probe(ProbeResult(asked_s=asked_s, answered=answered))
        self.at(self.now + takes, self._probed, machine, machine.process, part, result)

    def _probed(self, machine: Machine, process: int, part: str, result: ProbeResult) -> None:
        if process == machine.process:
            machine.receive(part, result)

    # -- what must never happen

    def fired(self, machine: Machine, row: Fired) -> None:
        """A row of the table fired."""
        self.rows[row.row] += 1
        self.history.append((self.now, machine.name, row))
        if row.row == HANDBACK_ROW:
            self._check_handback(machine, row.part)
        strike = self.at_row.pop(row.row, None)
        if strike is not None:
            self.at(self.now, strike, machine, row)

    def _check_handback(self, machine: Machine, part: str) -> None:
        """`handback.mode`: a part goes home by itself only when it may; by an order, or out of a server that must give
        it away, always."""
        mode, orders = machine.site.handback.mode, machine.orders()
        free = mode == "automatic" or (mode == "window" and self.window_open)
        if not (free or orders.withdrawn or part in orders.moves):
            raise Violation(f"at {self.now:.3f} s {machine.name} sends {part} home although handback.mode is {mode}")

    def check_addresses(self, machine: Machine, part: str) -> None:
        """An address on at most one machine at any instant, never on one that gave up.

        Checked whenever one is added or refreshed.
        """
        if (phase := machine.state_of(part).phase) in GIVEN_UP:
            raise Violation(f"at {self.now:.3f} s {machine.name} adds the addresses of {part} while {phase}")
        for other in self.machines.values():
            if other is not machine and (left := other.kernel.get(part, 0.0) - self.now) > 0:
                told = (
                    f"at {self.now:.3f} s the addresses of {part} are on {machine.name} and on {other.name} "
                    f"(for another {min(left, 999.0):.2f} s)"
                )
                if not self._conceded(machine, other, part, left):
                    raise Violation(told)
                self.conceded.append(told)

    def _conceded(self, machine: Machine, other: Machine, part: str, left: float) -> bool:
        """`takeover: early` gives up one case: the agent over there does not run and its kernel cannot be asked."""
        early = machine.site.takeover == "early" and any(
            row.part == part
            and row.row in EARLY_ROWS
            and name == machine.name
            and self.now - at < REQUEST_S + CONCEDED_S
            for at, name, row in self.history[-200:]
        )
        dead = other.frozen or not other.agent_runs or not (other.state and other.state.deadline_s)
        unseen = self.mute_arp[other.name] or not (
            CLIENTS in self.connected(machine.name, other.name) and CLIENTS in self.connected(other.name, machine.name)
        )
        # A wire that can be asked again does not make another overlap of the one that began unseen.
        overlap = (machine.name, other.name, part)
        begun = self.now + left <= self._conceded_until.get(overlap, 0.0) + 1e-3
        conceded = bool(early and dead and (unseen or begun) and left <= CONCEDED_S)
        if conceded:
            self._conceded_until[overlap] = self.now + left
        return conceded
