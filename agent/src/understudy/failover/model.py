"""The words of failover: what a server sees (Observation), what it wants done (actions), what it remembers (State).

Pure data. Every `_s` is seconds of this machine's CLOCK_BOOTTIME (it counts suspend and never jumps) unless the name
says it is a duration; no value of another machine's clock is ever compared with ours. "Part" is a logical server seen
as something to be played.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from understudy.arbitration.register import Keys, Txn, TxnResult
from understudy.failover.orders import Orders
from understudy.site.plan import Handback, Timing

Mode = Literal["record", "preroll", "off"]
Purpose = Literal["read", "renew", "take", "hand-over", "release"]


class Phase(StrEnum):
    """State of a server for one part, and of the server as a whole (its most telling part)."""

    STARTING = "STARTING"
    SERVING = "SERVING"
    STANDBY = "STANDBY"
    SHADOWING = "SHADOWING"
    CLAIMING = "CLAIMING"
    TAKEN_OVER = "TAKEN_OVER"
    HANDING_BACK = "HANDING_BACK"
    HANDING_OVER = "HANDING_OVER"
    RETURNING = "RETURNING"
    ISOLATED = "ISOLATED"
    MAINTENANCE = "MAINTENANCE"
    FAILED = "FAILED"
    CLEARED = "CLEARED"
    DETACHED = "DETACHED"


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable value with named fields; encodes to JSON as it is, so the decision log replays."""


# -- the site, as far as failover cares ------------------------------------------------------------


class PartInfo(Frozen, frozen=True, kw_only=True):
    """A logical server: its home, how early it is rescued (lower priority first), and by whom."""

    name: str
    home: str
    priority: int = 100
    #: standbys that may take it -> which choice they are, 0 first; None: all, alike
    choice: dict[str, int] | None = None

    def choice_of(self, standby: str) -> int | None:
        """Which choice the standby is; None: it may not take the part."""
        return 0 if self.choice is None else self.choice.get(standby)


class Site(Frozen, frozen=True, kw_only=True):
    """The failover group as this server sees it; constant while the agent runs."""

    name: str
    node: str
    #: sorted by (priority, name): the order of rescue
    parts: tuple[PartInfo, ...]
    #: names in configured order; witnesses and homes are not among them
    standbys: tuple[str, ...]
    takeover_limit: int = 1
    timing: Timing = Timing()
    handback: Handback = Handback()
    arbitration_lost: Literal["drop", "keep"] = "drop"
    takeover: Literal["certain", "early"] = "certain"

    @property
    def is_standby(self) -> bool:
        """Whether this server plays other servers' parts."""
        return self.node in self.standbys

    @property
    def keys(self) -> Keys:
        """Names of the register's keys."""
        return Keys(self.name)

    @property
    def mine(self) -> tuple[PartInfo, ...]:
        """The parts this server may ever carry: its own at home, those it may take at a standby, none at a witness."""
        if self.is_standby:
            return tuple(p for p in self.parts if p.choice_of(self.node) is not None)
        return tuple(p for p in self.parts if p.home == self.node)

    def choice(self, part: str, standby: str) -> int | None:
        """`PartInfo.choice_of` by the part's name."""
        return next(p.choice_of(standby) for p in self.parts if p.name == part)


# -- what is seen ----------------------------------------------------------------------------------


class Heartbeat(Frozen, frozen=True, kw_only=True):
    """What every server tells every other, every `heartbeat_s`, authenticated, on every shared network.

    The beacon adds sender, sequence number and HMAC; it drops anything older than the newest it has of (node, boot).
    """

    node: str
    boot: str
    state: Phase
    #: state for each part this server may carry
    parts: dict[str, Phase] = {}
    #: parts whose logical addresses this server holds now
    carries: tuple[str, ...] = ()
    #: the row that fired last for each of them
    rows: dict[str, int] = {}
    #: parts being recorded here with first frames of every reachable camera
    ready: tuple[str, ...] = ()
    #: how many more parts this standby could take over (0 when unfit)
    room: int = 0
    #: why this server takes no part now; "": it is available
    withdrawn: str = ""
    #: parts it gives away -> the server it asks to record them now
    handing: dict[str, str] = {}
    #: those of them that an operator moves: they do not go home by themselves
    moved: tuple[str, ...] = ()
    #: parts it was asked to take, has room for, and will take when they are released
    takes: tuple[str, ...] = ()
    #: how full its pre-roll can be by the time since its start, in thirds
    settled: int = 3
    #: part -> the highest epoch this server has ever seen, for a register that has to be written anew
    epochs: dict[str, int] = {}
    #: the register answered this server within the last 1.5 s
    register_ok: bool = False
    #: the last confirmed value of its `beat/` key: fresher evidence than polling the register
    beat: bytes = b""
    #: "promise not to take from me": an opaque token of the asker, its own time of asking
    ask: float | None = None
    #: asker -> (its boot, its token): promises given
    grants: dict[str, tuple[str, float]] = {}


class Peer(Frozen, frozen=True, kw_only=True):
    """The newest heartbeat of another server, and when anything of it was last heard on each network."""

    heartbeat: Heartbeat
    heard_s: dict[str, float]

    @property
    def last_s(self) -> float:
        """When it was last heard on any network."""
        return max(self.heard_s.values(), default=0.0)


class PartProgress(Frozen, frozen=True, kw_only=True):
    """What the recorder says about one part."""

    mode: Mode
    #: every camera that can be reached has had its first frame written since the part became `record`
    ready: bool = False


class ProbeResult(Frozen, frozen=True, kw_only=True):
    """Whether anybody answered for the logical addresses of a part (two ARP probes / NS, 0.2 s apart)."""

    asked_s: float
    answered: bool
    #: every address was really asked for: without, silence proves nothing
    complete: bool = True


class Observation(Frozen, frozen=True, kw_only=True):
    """Everything one step may know. `results` are consumed: each is passed in exactly once, in order of arrival."""

    now_s: float
    results: tuple[TxnResult, ...] = ()
    #: a watch saw an `owner/` key change: read again now. Only a hint; nothing depends on watches.
    register_changed: bool = False
    peers: dict[str, Peer] = {}
    #: None while the recorder does not answer
    recorder: dict[str, PartProgress] | None = None
    #: parts of which at least one logical address is on this machine, read back from the kernel
    addresses: frozenset[str] = frozenset()
    #: the newest finished probe of each part
    probes: dict[str, ProbeResult] = {}
    orders: Orders = Orders()
    #: the daily window of handback.mode `window` is open
    window_open: bool = True
    #: why another machine seems to run under this server's name (fault 48); "" when none does
    double: str = ""
    #: sentences why this standby must not take over now (drifted, unlicensed, recorder gone, NIC without link)
    unfit: tuple[str, ...] = ()


# -- what is wanted --------------------------------------------------------------------------------


class Transact(Frozen, frozen=True, kw_only=True):
    """Execute `txn` once, never retry it, and pass in its TxnResult with this `id` (see there for `sent_at_s`).

    At most one writing and one reading transaction are under way; they may run side by side.
    """

    id: int
    purpose: Purpose
    txn: Txn


class Addresses(Frozen, frozen=True, kw_only=True):
    """Level: the logical addresses this machine shall have now. In every step's actions.

    `hold`: part -> deadline. Set all its addresses with kernel lifetime int(deadline - boottime), read at that
    moment; below 1 leave them as they are (never a longer or infinite lifetime). Afterwards read the clock again and
    delete if the deadline passed meanwhile (the process was stopped in between). `leave`: do not touch. Any other
    logical address of the plan found on this machine: delete at once. Announcements of a part in neither set stop.
    """

    hold: dict[str, float] = {}
    leave: frozenset[str] = frozenset()


class Announce(Frozen, frozen=True, kw_only=True):
    """Start the announcement schedule for a part's addresses (0 to 10 s, then every 60 s while held)."""

    part: str


class Probe(Frozen, frozen=True, kw_only=True):
    """Ask the wire whether anybody has the part's addresses; the result goes into `Observation.probes`."""

    part: str


class Assign(Frozen, frozen=True, kw_only=True):
    """Level: the recorder's whole assignment.

    In every step's actions; send it when it differs from what the recorder has.
    """

    parts: dict[str, Mode]


class SetBeacon(Frozen, frozen=True, kw_only=True):
    """Level: what heartbeats say from now on. In every step's actions; `urgent`: send one now as well.

    A beacon not renewed for 1 s must fall silent: heartbeats prove that the deciding loop runs.
    """

    heartbeat: Heartbeat
    urgent: bool = False


class Flap(Frozen, frozen=True, kw_only=True):
    """Takeovers of a part that follow one another within `decide.FLAP_S`, and when the newest was (of this boot)."""

    count: int
    at_s: float


class Memory(Frozen, frozen=True, kw_only=True):
    """What outlives the agent, in /var/lib/understudy/agent: lost after a crash it costs waiting, never safety."""

    boot: str = ""
    #: part -> highest epoch ever seen; a register with less was restored from a backup and is refused
    epochs: dict[str, int] = {}
    #: parts an operator moved here: they stay until somebody sends them home
    stays: tuple[str, ...] = ()
    #: part -> how often it was taken over here for a silent carrier
    flaps: dict[str, Flap] = {}


class Persist(Frozen, frozen=True, kw_only=True):
    """Write this Memory (atomically, off the loop: the disk may hang)."""

    memory: Memory


Action = Transact | Addresses | Announce | Probe | Assign | SetBeacon | Persist


class Fired(Frozen, frozen=True, kw_only=True):
    """A row of the table that fired: to the journal and the decision log.

    `part` is "" for rows of the whole server.
    """

    row: int
    part: str
    before: Phase
    after: Phase
    #: the row's sentence with the facts of this time
    reason: str
    at_s: float
