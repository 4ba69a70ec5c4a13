"""One server on a bench: the real step, an in-memory register, and hands to set everything else."""

from __future__ import annotations

import pytest
from understudy.arbitration.memory import MemoryRegister
from understudy.arbitration.register import Keys, TxnResult
from understudy.failover.memory import State
from understudy.failover.model import (
    Action,
    Addresses,
    Fired,
    Heartbeat,
    Memory,
    Observation,
    PartInfo,
    PartProgress,
    Peer,
    Phase,
    ProbeResult,
    Site,
    Transact,
)
from understudy.failover.orders import Orders
from understudy.failover.step import initial, step

PARTS = (PartInfo(name="north", home="rec1", priority=1), PartInfo(name="south", home="rec2", priority=2))


class Bench:
    """Steps one server; `answers` says what becomes of its transactions: ok, lost (not executed), hidden (executed)."""

    keys = Keys("lab")

    def __init__(
        self, node: str, *, standbys: tuple[str, ...] = ("stby1",), memory: Memory | None = None, **site: object
    ) -> None:
        self.site = Site(name="lab", node=node, parts=PARTS, standbys=standbys, **site)  # type: ignore[arg-type]
        self.register = MemoryRegister()
        self.now = 1000.0
        self.state: State = initial(self.site, "boot1", memory or Memory(), self.now)
        self.answers = "ok"
        self.latency_s = 0.01
        self.peers: dict[str, Peer] = {}
        self.recorder: dict[str, PartProgress] | None = {}
        self.addresses: frozenset[str] = frozenset()
        self.orders, self.double = Orders(), ""
        self.probes: dict[str, ProbeResult] = {}
        self.results: list[TxnResult] = []
        self.fired: list[Fired] = []
        self.actions: list[Action] = []
        self.sent: list[Transact] = []

    def step(self, seconds: float = 0.1) -> list[Action]:
        """Let `seconds` pass and step once."""
        self.now += seconds
        results, self.results = tuple(self.results), []
        observation = Observation(
            now_s=self.now,
            results=results,
            peers=self.peers,
            recorder=self.recorder,
            addresses=self.addresses,
            probes=self.probes,
            orders=self.orders,
            double=self.double,
        )
        self.state, self.actions, fired = step(self.state, observation)
        self.fired += fired
        for action in self.actions:
            if isinstance(action, Transact):
                self.sent.append(action)
                self.execute(action)
        return self.actions

    def execute(self, action: Transact) -> None:
        """Give the register the transaction and keep the answer for the next step."""
        ok, values = self.register.execute(action.txn) if self.answers != "lost" else (False, {})
        outcome = "lost" if self.answers != "ok" else "ok" if ok else "refused"
        self.results.append(
            TxnResult(
                id=action.id,
                outcome=outcome,
                sent_at_s=self.now,
                answered_at_s=self.now + self.latency_s,
                values=values if outcome != "lost" else {},
            )
        )

    def run(self, seconds: float) -> None:
        """Step every 0.1 s."""
        for _ in range(round(seconds * 10)):
            self.step()

    def hear(self, name: str, *, boot: str = "b", state: Phase = Phase.SERVING, **fields: object) -> None:
        """A heartbeat arrives now."""
        heartbeat = Heartbeat(node=name, boot=boot, state=state, **fields)  # type: ignore[arg-type]
        self.peers = {**self.peers, name: Peer(heartbeat=heartbeat, heard_s={"lan": self.now})}

    def phase(self, part: str = "north") -> Phase:
        """State for a part."""
        return self.state.parts[part].phase

    @property
    def held(self) -> dict[str, float]:
        """Addresses wanted by the last step, with deadlines."""
        return next(action.hold for action in self.actions if isinstance(action, Addresses))

    @property
    def left(self) -> frozenset[str]:
        """Addresses not to be touched."""
        return next(action.leave for action in self.actions if isinstance(action, Addresses))

    @property
    def rows(self) -> list[int]:
        """Rows that fired, in order."""
        return [row.row for row in self.fired]


@pytest.fixture
def bench() -> type[Bench]:
    """`bench("rec1")` is a server of a site with north (home rec1), south (home rec2) and stby1."""
    return Bench
