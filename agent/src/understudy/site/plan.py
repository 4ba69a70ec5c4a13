"""The plan: the one document the controller hands to a server (`/etc/understudy/plan.json`).

The inventory plugin computes it once; nothing here computes it again. Every struct is frozen and rejects unknown
keys, so a plan of another version or with a typing error is refused as a whole with the path of the wrong value.
Durations are seconds, sizes bytes, addresses text in CIDR form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from understudy.site.event_rules import Notify, Rule

PLAN_VERSION = 1
PLAN_PATH = Path("/etc/understudy/plan.json")


class PlanError(Exception):
    """The plan cannot be used; the text names the file, the path of the value and what is wrong with it."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Timing(_Struct, frozen=True, kw_only=True):
    """Failover times in seconds; the defaults are the measured budget of docs/concepts/failover.md."""

    heartbeat_s: float = 0.2
    suspect_s: float = 1.0
    renew_s: float = 0.5
    request_s: float = 0.4
    own_s: float = 3.0
    take_s: float = 3.6
    rank_stagger_s: float = 0.5
    #: `takeover: early`: a carrier drops its addresses so long after the sending of its last confirmed renewal unless
    #: every server that may be early has promised, and such a server may claim so long after its first sight of it
    early_own_s: float = 1.25
    early_take_s: float = 1.7


class Handback(_Struct, frozen=True, kw_only=True):
    """S09: when a logical server goes home."""

    mode: Literal["automatic", "window", "manual"] = "automatic"
    after_s: float = 30.0
    #: mode `window`: when parts may go home, "HH:MM-HH:MM" every day in the site's time zone; may span midnight
    window: str | None = None


class Nic(_Struct, frozen=True, kw_only=True):
    name: str
    role: Literal["cameras", "clients", "management"]
    #: physical addresses with prefix, e.g. "198.18.31.11/24", "fd00:31::11/64"
    addresses: tuple[str, ...]


class Disk(_Struct, frozen=True, kw_only=True):
    """A disk letter: a named volume that tracks record to. `path` must be a mount point, never a bare directory."""

    letter: str
    path: str
    #: retention deletes the oldest segments of this letter below this many free bytes
    free_floor_bytes: int = 64 * 1024 * 1024


class Licence(_Struct, frozen=True, kw_only=True):
    edition: str = "enterprise"
    channels: int = 0
    expires: str | None = None


class Server(_Struct, frozen=True, kw_only=True):
    """A physical server."""

    name: str
    kind: Literal["server", "standby", "witness"]
    #: order among the standbys, 0 first; None for other kinds
    rank: int | None = None
    takeover_limit: int = 1
    #: standby: the group it belongs to, and where it stands; "": none, anywhere
    group: str = ""
    location: str = ""
    licence: Licence = Licence()
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    etcd_voter: bool = False
    #: the address other servers use for HTTPS between servers, without prefix
    peer_address: str = ""


class LogicalAddress(_Struct, frozen=True, kw_only=True):
    nic: str
    #: with prefix; /32 or /128 where the physical address shares the subnet
    address: str


class Source(_Struct, frozen=True, kw_only=True):
    """Where a camera's pictures come from; credentials are separate from the URL so that no log can show them."""

    type: Literal["rtsp", "analogue", "backup"]
    url: str = ""
    username: str = ""
    password: str = ""


class Track(_Struct, frozen=True, kw_only=True):
    name: str
    disk: str
    days: float
    mode: Literal["continuous", "event", "off"] = "continuous"
    #: mode `event`: what is recorded before and behind an event
    pre_s: float = 5.0
    post_s: float = 10.0


class Camera(_Struct, frozen=True, kw_only=True):
    number: int
    name: str
    source: Source
    failover: Literal["full", "live-only", "none"] = "full"
    preroll_s: float = 15.0
    tracks: tuple[Track, ...] = ()


class Logical(_Struct, frozen=True, kw_only=True):
    """A logical server: the identity viewers use. `home` is the physical server that normally carries it."""

    name: str
    home: str
    #: lower is taken over first when there are more failures than standbys
    priority: int = 100
    #: groups whose standbys may take it, first choice first; empty: every standby, all alike
    groups: tuple[str, ...] = ()
    #: where a standby must stand to take it; empty: anywhere
    locations: tuple[str, ...] = ()
    addresses: tuple[LogicalAddress, ...] = ()
    cameras: tuple[Camera, ...] = ()


class MirrorSlot(_Struct, frozen=True, kw_only=True):
    """A backup capture device of a standby (S28-S30, S46-S48): slot n carries the union of tracks of every camera n."""

    number: int
    name: str
    tracks: tuple[Track, ...]


class Plan(_Struct, frozen=True, kw_only=True):
    version: int
    site: str
    #: the server this copy of the plan is for
    node: str
    timezone: str = "UTC"
    heartbeat_port: int = 4620
    arbitration_lost: Literal["drop", "keep"] = "drop"
    takeover: Literal["certain", "early"] = "certain"
    timing: Timing = Timing()
    handback: Handback = Handback()
    servers: tuple[Server, ...]
    logical: tuple[Logical, ...]
    #: standby name -> its backup capture devices
    mirror: dict[str, tuple[MirrorSlot, ...]] = {}
    #: time servers of the site, which the clock is measured against; empty: the carrier of the first logical server
    ntp_servers: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    notify: Notify = Notify()

    def server(self, name: str) -> Server:
        """The physical server `name`; KeyError when the plan has none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)

    def part(self, name: str) -> Logical:
        """The logical server `name`; KeyError when the plan has none."""
        for logical in self.logical:
            if logical.name == name:
                return logical
        raise KeyError(name)

    @property
    def me(self) -> Server:
        """The physical server this plan was made for."""
        return self.server(self.node)

    @property
    def standbys(self) -> tuple[Server, ...]:
        """The standbys in configured order."""
        found = [server for server in self.servers if server.kind == "standby"]
        return tuple(sorted(found, key=lambda s: (s.rank if s.rank is not None else 0, s.name)))


def decode(data: bytes, where: str) -> Plan:
    """Read a plan from JSON `data`; PlanError names `where` and the offending value."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except msgspec.DecodeError as error:
        raise PlanError(f"{where}: {error}") from error
    if plan.version != PLAN_VERSION:
        raise PlanError(f"{where}: version: {plan.version}, this release reads version {PLAN_VERSION}")
    if plan.node not in {server.name for server in plan.servers}:
        raise PlanError(f"{where}: node: {plan.node!r} is not one of the servers")
    return plan


def load(path: Path = PLAN_PATH) -> Plan:
    """Read the plan of this server; PlanError when it is missing, unreadable or wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from error
    return decode(data, str(path))
