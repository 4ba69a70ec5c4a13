"""What the routes work with, given in once at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from understudy import paths
from understudy.footage.access import Footage
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks
from understudy.footage.holds import FILE, HoldBook
from understudy.footage.peers import Peers
from understudy.site.plan import Plan


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
    holds: HoldBook = field(init=False)
    server_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", HoldBook(self.catalogue.path.with_name(FILE)))
        object.__setattr__(self, "server_names", frozenset(server.name for server in self.plan.servers))

    def footage(self) -> Footage:
        """A reader for one request: it notes who was silent."""
        return Footage(self.plan, self.catalogue, self.disks, self.peers)


SERVICES = web.AppKey("services", Services)
