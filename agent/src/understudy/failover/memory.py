"""What failover remembers between two steps: this server's state for every part, and its side of the register
protocol.

Pure data, as `model`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from understudy.arbitration.register import Owner
from understudy.failover.model import Frozen, Heartbeat, Memory, Phase, Purpose, Site

#: a time before every other
NEVER = -1e9


class Seen(Frozen, frozen=True, kw_only=True):
    """A register value and when this machine first saw it (time of the answer, never of the question)."""

    value: bytes | None
    since_s: float


class Sent(Frozen, frozen=True, kw_only=True):
    """An own transaction that was given out and whose effect is not known yet."""

    id: int
    purpose: Purpose
    #: the part it takes or hands over; "" for renewals and reads
    part: str = ""
    #: value of the part's owner key if it succeeds
    owner: bytes | None = None
    #: value of our beat if it succeeds; None for reads
    beat: bytes | None = None
    #: parts, with their epochs, that are confirmed ours if it succeeds
    holds: dict[str, int] = msgspec.field(default_factory=dict)
    #: step time at which it was given out; the real sending is later
    asked_s: float


class Part(msgspec.Struct, kw_only=True):
    """This server's state for one part. Belongs to one State; `step` works on copies."""

    name: str
    home: str
    phase: Phase = Phase.STARTING
    since_s: float = 0.0
    #: why it is in this phase: the sentence of the row that fired last, and that row
    reason: str = "the agent has just started"
    row: int = 101
    #: epoch under which an answer of the register confirmed the part as ours, good until the deadline; 0: not ours
    epoch: int = 0
    #: last sign that its carrier carries it: a heartbeat that says so, or its beat moving
    alive_s: float = 0.0
    #: since when these signs have come without a pause of `suspect_s`
    alive_since_s: float = 0.0
    #: the carrier's recorder has been seen ready / since when it was not / when frames may last have been lost there
    was_ready: bool = False
    unready_s: float = NEVER
    faltered_s: float = NEVER
    #: epoch of the owner that was suspected when shadowing began
    against: int = 0
    #: how the claim is going
    claim: Literal["none", "wanted", "sent", "refused", "lost"] = "none"
    #: carrier: since when the home has been heard, RETURNING and fit to take it back; None: it is not
    home_since_s: float | None = None
    #: carrier: duration the home must be fit before the next handback; doubles with every one that fails
    hold_s: float = 0.0
    #: carrier: whom the part is to go to by a planned move; None: nobody can take it, or it is to stay
    target: str | None = None
    #: carrier: no planned move that need not be before this time
    retry_s: float = NEVER
    #: standby: its carrier asks this server to take it, or released it for this server
    asked: bool = False
    #: standby: it asks because an operator moves the part here
    moved: bool = False
    #: when its carrier last asked
    asked_s: float = NEVER
    #: the claim under way is for a released part
    planned: bool = False
    #: carrier: addresses dropped for the hand-over at this time; 0: not
    dropped_s: float = 0.0
    #: a standby goes on recording until then after the part went elsewhere
    linger_s: float = 0.0
    #: when somebody was last asked on the wire for its addresses
    probed_s: float = NEVER


class State(msgspec.Struct, kw_only=True):
    """All that one server's failover remembers between steps. `step` copies it and never changes its argument."""

    site: Site
    boot: str
    memory: Memory
    started_s: float
    #: the parts this server may carry, in order of rescue
    parts: dict[str, Part]
    #: the agent restarted within one boot: logical addresses found are ours until the register says otherwise
    resumed: bool = False
    #: register key -> newest value seen
    view: dict[str, Seen] = {}
    #: decoded owners (None: there is no key); a part that is missing was never read
    owners: dict[str, Owner | None] = {}
    #: when the question of the newest answered read was asked
    read_s: float = NEVER
    #: when the register last answered anything
    answered_s: float = NEVER
    #: a value that cannot be believed (unreadable, or an epoch that went back), for people
    trouble: str = ""
    seq: int = 0
    next_id: int = 1
    writing: Sent | None = None
    reading: Sent | None = None
    #: own writes without an answer, which may yet be executed; empty after the next confirmed write
    unresolved: tuple[Sent, ...] = ()
    #: a write of this process was confirmed: nothing an earlier process sent can be executed any more
    fenced: bool = False
    #: another machine writes under this server's name: nothing is written any more until the agent is restarted
    ousted: str = ""
    #: the last write was refused and what we believed is put right: write again at once
    again: bool = False
    #: logical addresses may be held while now < deadline_s; 0: nothing is confirmed
    deadline_s: float = 0.0
    #: until when every server that may be early has promised not to claim
    early_s: float = NEVER
    #: the next moment at which a claim may become possible; 0: none is in sight
    claim_s: float = 0.0
    #: sending time of the newest confirmed write
    renewed_s: float = NEVER
    written_s: float = NEVER
    asked_read_s: float = NEVER
    #: carrier -> no claim of its parts before this time
    promised: dict[str, float] = {}
    grants: dict[str, tuple[str, float]] = {}
    #: server -> its boot, as last heard
    boots: dict[str, str] = {}
    #: parts whose addresses this server holds
    holding: frozenset[str] = frozenset()
    #: this server's place among the eligible standbys (0: PRIMARY STANDBY); None: not eligible or not a standby
    place: int | None = None
    beacon: Heartbeat | None = None
