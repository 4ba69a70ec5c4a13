"""The part of the plan about event rules (S57) and who is told of incidents (S18). Durations are seconds."""

from __future__ import annotations

from typing import Literal

import msgspec


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


Cause = Literal[
    "disk-fault",
    "disk-read-only",
    "disk-full",
    "disk-hung",
    "disk-pulled",
    "not-recording",
    "camera-loss",
    "nic",
    "crash-loop",
    "clock",
    "temperature",
    "memory",
    "script",
    "unprotected",
    "quorum",
    "standby-busy",
    "standby-unfit",
    "certificate",
    "licence",
    "version",
    "preroll",
]
Action = Literal["failover", "mail", "webhook", "syslog", "arm"]


class Rule(_Struct, frozen=True, kw_only=True):
    """S57: an event rule. While its cause is measured as bad for `for_s`, its actions are done."""

    name: str
    cause: Cause
    #: physical servers, or logical servers, where it counts while they are carried there; empty: every server
    where: tuple[str, ...] = ()
    #: disk causes: the letter, cause `nic`: the interface; "": any that is used
    disk: str = ""
    nic: str = ""
    #: the measured value from which the cause is bad, in the cause's own unit (`events/causes.py`); None: its default
    limit: float | None = None
    #: cause `script`: an absolute path and its arguments; never given to a shell
    command: str = ""
    every_s: float = 60.0
    for_s: float = 10.0
    #: well for so long before it counts as over
    clear_s: float = 30.0
    #: may begin only then, "HH:MM-HH:MM" every day in the site's time zone; may span midnight
    window: str | None = None
    #: without mail, webhook and syslog everybody `notify` names is told
    actions: tuple[Action, ...] = ()
    #: action `arm`: cameras, "north/4", whose event tracks record for `arm_s`
    arm: tuple[str, ...] = ()
    arm_s: float = 30.0


class Mail(_Struct, frozen=True, kw_only=True):
    """S18: where mail goes out. `security` is TLS from the first byte, STARTTLS, or none."""

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    sender: str
    to: tuple[str, ...]
    username: str = ""
    password: str = ""
    #: PEM file on the servers with the authority of the mail server; "": those of the system
    ca_file: str = ""


class Webhook(_Struct, frozen=True, kw_only=True):
    url: str
    #: key of the HMAC that signs each request
    secret: str


class Syslog(_Struct, frozen=True, kw_only=True):
    host: str
    port: int = 514


class Notify(_Struct, frozen=True, kw_only=True):
    """Who is told of incidents; None: that way is not used."""

    mail: Mail | None = None
    webhook: Webhook | None = None
    syslog: Syslog | None = None
    #: more than so many notifications within an hour are put together into one
    per_hour: int = 30
