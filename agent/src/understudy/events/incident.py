"""An incident: what happened, and who has been told. Every server of the site ends up with the same ones. Pure.

One server raises an incident and writes what it says (`revision` counts that); what others add, that it is over,
acknowledged, sent, only grows. So copies are merged in any order and any number of times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

Kind = Literal["takeover", "handback", "failed", "unprotected", "rule"]
Phase = Literal["opened", "over"]

#: kinds that are told a second time, when they are over; a takeover is over with its handback
TOLD_TWICE: frozenset[Kind] = frozenset({"failed", "unprotected", "rule"})
#: kinds for which the recordings are measured before they are told
MEASURED: frozenset[Kind] = frozenset({"takeover", "handback"})
#: more than these are forgotten, oldest first, and those older than so long
MAX_INCIDENTS = 500
KEPT_US = 30 * 86_400_000_000


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Times are microseconds since the epoch, UTC."""

    id: str
    kind: Kind
    #: what it is called while it is open: there is no second open one of the same key
    key: str
    #: the server that raised it and tells people of it while it can
    source: str
    #: where it happened, and which logical server it concerns ("" for none)
    server: str
    logical: str = ""
    title: str
    #: what was measured, and why
    detail: str = ""
    #: what was done about it, oldest first
    did: tuple[str, ...] = ()
    #: what people should do
    advice: str = ""
    #: camera -> seconds missing, from the recordings; None: not measured
    gaps: dict[str, float] | None = None
    #: ways by which it is told
    channels: tuple[str, ...] = ()
    #: why nobody is told: maintenance
    held: str = ""
    opened_us: int
    #: it is told from then on: what is measured afterwards shall be in it
    ready_us: int = 0
    over_us: int | None = None
    over_text: str = ""
    acked_us: int | None = None
    acked_by: str = ""
    #: "mail:opened" -> when it was taken by the mail server
    sent: dict[str, int] = {}
    revision: int = 0

    @property
    def open(self) -> bool:
        """Whether it lasts."""
        return self.over_us is None


def new_id(source: str, key: str, opened_us: int) -> str:
    """A name for an incident: readable, the same for ever, fit for a Message-ID."""
    safe = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in key)
    return f"{source}.{opened_us // 1000}.{safe}"


def merge(one: Incident, other: Incident) -> Incident:
    """What two servers know of one incident, together."""
    newer, older = (one, other) if one.revision >= other.revision else (other, one)
    over = _earliest(newer.over_us, older.over_us)
    acked = _earliest(newer.acked_us, older.acked_us)
    sent = {what: min(newer.sent.get(what, us), us) for what, us in older.sent.items()}
    return replace(
        newer,
        over_us=over,
        over_text=newer.over_text if over == newer.over_us else older.over_text,
        acked_us=acked,
        acked_by=newer.acked_by if acked == newer.acked_us else older.acked_by,
        sent=dict(sorted({**newer.sent, **sent}.items())),
    )


def kept(incidents: Iterable[Incident], now_us: int) -> dict[str, Incident]:
    """The incidents worth keeping, by id, oldest first. Open ones stay before those that are over."""
    young = [i for i in incidents if i.open or i.opened_us > now_us - KEPT_US]
    newest = sorted(young, key=lambda i: (i.open, i.opened_us, i.id))[-MAX_INCIDENTS:]
    return {i.id: i for i in sorted(newest, key=lambda i: (i.opened_us, i.id))}


def _earliest(one: int | None, other: int | None) -> int | None:
    known = [us for us in (one, other) if us is not None]
    return min(known) if known else None
