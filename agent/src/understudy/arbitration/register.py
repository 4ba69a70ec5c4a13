"""The register protocol: keys, values and transactions as plain values; no I/O, no clock.

etcd is used as a linearizable register and nothing more (no leases). Everything that matters for safety is one `Txn`,
so `arbitration/etcd.py` executes transactions without knowing what they mean and `arbitration/memory.py` does it for
the simulation. All own writes of a server form a chain: each compares the server's own beat with the value it last
knew, so a write that was delayed and arrives late changes nothing (it cannot bring back an older taker set or finish
a claim that was given up).
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec


class RegisterError(Exception):
    """A value in the register cannot be read; the text names the key and what is wrong."""


class Owner(msgspec.Struct, frozen=True):
    """Value of `owner/LOGICAL`: who may hold the addresses.

    `epoch` grows by one with every change and never goes back.
    """

    node: str
    epoch: int
    state: Literal["held", "released"] = "held"
    #: released: the server it was released for, if one was chosen
    to: str | None = None


class Beat(msgspec.Struct, frozen=True):
    """Value of `beat/SERVER`: one write renews all parts the server holds. (boot, seq) never repeats."""

    boot: str
    seq: int
    #: the only servers that may take from this one; all of them must promise before it outlives the register
    takers: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    #: those of the takers for whose sake the carrier keeps the short deadline: only they may be early
    early: tuple[str, ...] = ()


class Keys(msgspec.Struct, frozen=True):
    """The names of the keys of one site."""

    site: str

    def owner(self, part: str) -> str:
        """Who carries the logical server `part`."""
        return f"/understudy/{self.site}/owner/{part}"

    def beat(self, server: str) -> str:
        """The renewals of the physical server `server`."""
        return f"/understudy/{self.site}/beat/{server}"


def encode(value: Owner | Beat) -> bytes:
    """The bytes of a value; the same value always gives the same bytes, for transactions compare bytes."""
    return msgspec.json.encode(value)


def decode_owner(key: str, data: bytes) -> Owner:
    """Read an owner value; RegisterError when it is none."""
    try:
        return msgspec.json.decode(data, type=Owner)
    except msgspec.DecodeError as error:
        raise RegisterError(f"{key}: {error}") from error


def decode_beat(key: str, data: bytes) -> Beat:
    """Read a beat value; RegisterError when it is none."""
    try:
        return msgspec.json.decode(data, type=Beat)
    except msgspec.DecodeError as error:
        raise RegisterError(f"{key}: {error}") from error


class Txn(msgspec.Struct, frozen=True):
    """One atomic step: if every comparison holds, do the puts; in both cases answer the reads (after the puts).

    On etcd: compare VALUE == bytes, or CREATE_REVISION == 0 for None (the key must not exist); success branch
    puts then ranges, failure branch the same ranges. No comparison and no put is a plain read, which may be
    serializable (stale): decisions on stale reads are safe because every write compares.
    """

    compare: tuple[tuple[str, bytes | None], ...] = ()
    puts: tuple[tuple[str, bytes], ...] = ()
    reads: tuple[str, ...] = ()


class TxnResult(msgspec.Struct, frozen=True):
    """What became of the transaction `id`; times are CLOCK_BOOTTIME seconds of the asking machine.

    `sent_at_s` is read BEFORE the first byte leaves: deadlines count from it, so a clock read after the answer would
    keep addresses too long. One attempt per transaction: an error or `request_s` without an answer is `lost` (it may
    still have been, or still be, executed), the next attempt is a new transaction on the next endpoint. A read value
    of None means the key does not exist; `values` is empty when lost.
    """

    id: int
    outcome: Literal["ok", "refused", "lost"]
    sent_at_s: float
    answered_at_s: float
    values: dict[str, bytes | None] = {}
    #: why it was lost, for people
    error: str = ""


class Register(Protocol):
    """Anything that executes transactions one at a time: etcd behind its client, `memory.MemoryRegister`."""

    def execute(self, txn: Txn) -> tuple[bool, dict[str, bytes | None]]:
        """Whether the comparisons held (and the puts were done), and the values read."""
        ...
