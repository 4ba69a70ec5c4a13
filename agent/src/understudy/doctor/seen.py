"""What the doctor looks at: answers of the processes, and readings of the machine. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understudy.site.plan import Plan

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Unit:
    """A unit as systemd tells it: `active`, `inactive`, `failed` …; `enabled`, `disabled` …, "" when it has no file."""

    active: str
    enabled: str


@dataclass(frozen=True)
class Certificate:
    """Days until it ends; None when it is not valid, and `error` says why."""

    days: float | None
    error: str = ""


@dataclass(frozen=True)
class Space:
    """Of a file system, bytes."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Seen:
    """One look at this server. What could not be looked at is None or absent; the check that needs it says nothing,
    because another one tells why (the process behind it does not answer)."""

    plan: Plan
    #: unit -> its state, in the order of the report; None: systemd cannot be asked
    units: Mapping[str, Unit] | None = None
    #: process -> "" when it answers, else why not
    sockets: Mapping[str, str] = field(default_factory=dict)
    status: Document | None = None
    orders: Document | None = None
    progress: Document | None = None
    alarms: Sequence[Document] | None = None
    #: release this command belongs to, and the one the services run
    release: str = ""
    running: str | None = None
    #: file below /etc/understudy/pki -> its certificate
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    #: days until the certificate ends that is shown over HTTPS; None: nothing valid is
    served_days: float | None = None
    licence_days: float | None = None
    clock_offset_s: float | None = None
    #: NIC -> what is wrong with it, "" when it has a link
    links: Mapping[str, str] = field(default_factory=dict)
    memory_percent: float | None = None
    temperature_c: float | None = None
    #: the disk with the system and the product's state
    system_disk: Space | None = None
