"""Deliberate mistakes: each removes one safety mechanism, and the simulation must notice. They prove that it can."""

from __future__ import annotations

import msgspec

from understudy.arbitration.register import Txn, TxnResult
from understudy.failover.memory import State
from understudy.failover.model import Observation, ProbeResult, Transact
from understudy.simulation.fault import Takeover
from understudy.simulation.machine import FOREVER


class Mutation:
    """None: everything as it is."""

    name = "none"
    #: the takeover it is a mistake in
    takeover: Takeover = "certain"

    def answer(self, result: TxnResult, local_s: float) -> TxnResult:
        """What the agent hears of an answer that arrives at `local_s`."""
        return result

    def observation(self, observation: Observation) -> Observation:
        """What the agent sees."""
        return observation

    def state(self, state: State) -> State:
        """What the agent remembers after a step."""
        return state

    def expiry(self, expiry: float) -> float:
        """When the kernel removes an address."""
        return expiry

    def txn(self, transact: Transact) -> Txn:
        """What is sent to the register."""
        return transact.txn

    def probe(self, result: ProbeResult) -> ProbeResult:
        """What the agent learns from the wire."""
        return result


class NoKernelLifetime(Mutation):
    """Addresses stay until somebody deletes them."""

    name = "no-kernel-lifetime"

    def expiry(self, expiry: float) -> float:
        return FOREVER


class DeadlineFromAnswer(Mutation):
    """The deadline counts from the answer instead of the sending."""

    name = "deadline-from-answer"

    def answer(self, result: TxnResult, local_s: float) -> TxnResult:
        return msgspec.structs.replace(result, sent_at_s=local_s)


class SkipPromise(Mutation):
    """A standby promises and does not keep it."""

    name = "skip-promise"

    def state(self, state: State) -> State:
        state.promised = {}
        return state


class DropComparison(Mutation):
    """A claim does not compare owner and beat."""

    name = "drop-comparison"

    def txn(self, transact: Transact) -> Txn:
        if transact.purpose != "take":
            return transact.txn
        return Txn(puts=transact.txn.puts, reads=transact.txn.reads)


class IgnoreFitness(Mutation):
    """A standby takes over although it has drifted or has no licence."""

    name = "ignore-fitness"

    def observation(self, observation: Observation) -> Observation:
        return msgspec.structs.replace(observation, unfit=())


class IgnoreHandbackMode(Mutation):
    """Parts go home by themselves, whatever the site file says."""

    name = "ignore-handback-mode"

    def state(self, state: State) -> State:
        handback = msgspec.structs.replace(state.site.handback, mode="automatic")
        state.site = msgspec.structs.replace(state.site, handback=handback)
        return state


class IgnoreHeardEpochs(Mutation):
    """A server believes a register although another one has seen a higher epoch."""

    name = "ignore-heard-epochs"

    def observation(self, observation: Observation) -> Observation:
        replace = msgspec.structs.replace
        peers = {n: replace(p, heartbeat=replace(p.heartbeat, epochs={})) for n, p in observation.peers.items()}
        return replace(observation, peers=peers)


class IgnoreWire(Mutation):
    """An early claim does not care who answers for the addresses."""

    name = "ignore-wire"
    takeover: Takeover = "early"

    def probe(self, result: ProbeResult) -> ProbeResult:
        return msgspec.structs.replace(result, answered=False)


class IgnoreEarlyDeadline(Mutation):
    """A carrier lets others be early and keeps its addresses until the deadline."""

    name = "ignore-early-deadline"
    takeover: Takeover = "early"

    def state(self, state: State) -> State:
        state.early_s = FOREVER
        return state


MUTATIONS: dict[str, type[Mutation]] = {
    kind.name: kind
    for kind in (
        Mutation,
        NoKernelLifetime,
        DeadlineFromAnswer,
        SkipPromise,
        DropComparison,
        IgnoreFitness,
        IgnoreHandbackMode,
        IgnoreHeardEpochs,
        IgnoreWire,
        IgnoreEarlyDeadline,
    )
}
