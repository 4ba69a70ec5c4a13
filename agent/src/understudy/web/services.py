"""What the routes work with, given in once at the start."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from understudy import paths
from understudy.footage.access import Footage
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks
from understudy.footage.holds import FILE, HoldBook
from understudy.footage.live import Live
from understudy.footage.peers import Peers
from understudy.site.plan import Plan
from understudy.web.throttle import Throttle
from understudy.web.users import Users

#: who looks at footage does not wait again for a server that was silent so short a time ago
SILENT_S = 5.0
#: sessions that ended before their time, remembered until then; more than any site has logins in half a day
MAX_LOGGED_OUT = 4096


class LoggedOut:
    """Sessions whose people have logged out at this server."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._until_s

    def add(self, id: str, until_s: float, now_s: float) -> None:
        """Remember the session `id` until it would have ended; wall time, seconds."""
        self._until_s = {known: end_s for known, end_s in self._until_s.items() if end_s > now_s}
        if len(self._until_s) < MAX_LOGGED_OUT:
            self._until_s[id] = until_s


@dataclass(frozen=True)
class Services:
    """The collaborators of the web process."""

    plan: Plan
    catalogue: Catalogue
    disks: Disks
    peers: Peers
    agent_socket: Path = paths.AGENT_SOCKET
    recorder_socket: Path = paths.RECORDER_SOCKET
    events_socket: Path = paths.EVENTS_SOCKET
    users: Users = field(default_factory=lambda: Users(paths.USERS))
    site_key: Path = paths.HEARTBEAT_KEY
    decision_log: Path = paths.AGENT_STATE / "decisions.jsonl"
    throttle: Throttle = field(default_factory=Throttle)
    logged_out: LoggedOut = field(default_factory=LoggedOut)
    holds: HoldBook = field(init=False)
    live: Live = field(init=False)
    server_names: frozenset[str] = field(init=False)
    #: servers that were silent -> until when they are not asked again by who only looks (monotonic), and why
    silent: dict[str, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", HoldBook(self.catalogue.path.with_name(FILE)))
        object.__setattr__(self, "live", Live(self.catalogue, self.disks, self.plan.node))
        object.__setattr__(self, "server_names", frozenset(server.name for server in self.plan.servers))

    def copies(self) -> dict[str, dict[str, int]]:
        """Per logical server at home here: segments and bytes that other servers hold of it. Blocks."""
        found: dict[str, dict[str, int]] = {}
        for part in self.plan.logical:
            if part.home == self.plan.node:
                counts = [self.catalogue.volume(name, part.name) for name in self.peers.servers]
                found[part.name] = {"segments": sum(c[0] for c in counts), "bytes": sum(c[1] for c in counts)}
        return found

    def footage(self) -> Footage:
        """A reader for one request: it notes who was silent."""
        return Footage(self.plan, self.catalogue, self.disks, self.peers)

    def viewing(self) -> Footage:
        """A reader for somebody who looks: it does not wait for servers that were silent just now."""
        now_s = time.monotonic()
        skip = {name: reason for name, (until_s, reason) in self.silent.items() if now_s < until_s}
        return Footage(self.plan, self.catalogue, self.disks, self.peers, skip)

    def viewed(self, footage: Footage) -> None:
        """Remember who was silent for `footage`. Who was not even asked is asked again when its time is over."""
        until_s = time.monotonic() + SILENT_S
        for name, reason in footage.silent.items():
            if self.silent.get(name, (0.0, ""))[0] < time.monotonic():
                self.silent[name] = until_s, reason


SERVICES = web.AppKey("services", Services)
