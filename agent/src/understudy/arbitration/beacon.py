"""Heartbeats over UDP between the physical addresses of all servers, on every network they share."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from understudy.arbitration.hearing import MAX_BYTES, Heard, Hearing, HeartbeatError, seal
from understudy.clock import boottime_s
from understudy.failover.model import Heartbeat, Peer
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: a heartbeat the loop has not renewed for this long is no longer sent: it would say that a hung agent is well
STALE_S = 1.0
#: a network whose address is not there yet is tried again this often
RETRY_S = 1.0
#: the journal hears of refused datagrams at most this often
REPORT_S = 60.0
#: a machine of our own name counts as there for so long after it was heard
DOUBLE_S = 3.0
#: datagrams taken per wake-up, so that a flood cannot hold the event loop
_BATCH = 64
#: network control (CS6): ahead of video in switches that look, and in our own queues
_TYPE_OF_SERVICE, _PRIORITY = 0xC0, 6

#: refused datagrams worth a line in the journal; "replayed" and "own" are what doubled and looped packets look like
_REPORTED = ("malformed", "foreign", "another version", "same name", "unknown server")


@dataclass
class Route:
    """One of our physical addresses, and whom it reaches directly."""

    nic: str
    address: str
    port: int
    targets: tuple[str, ...]
    socket: socket.socket | None = None
    trouble: str = ""
    tried_s: float = field(default=-RETRY_S)


def routes_of(plan: Plan) -> list[Route]:
    """Every physical address of this server that shares a subnet with another server's."""
    others = [server for server in plan.servers if server.name != plan.node]
    theirs = [ipaddress.ip_interface(a).ip for server in others for nic in server.nics for a in nic.addresses]
    routes = []
    for nic in plan.me.nics:
        for text in nic.addresses:
            mine = ipaddress.ip_interface(text)
            targets = tuple(str(ip) for ip in theirs if ip.version == mine.version and ip in mine.network)
            if targets:
                routes.append(Route(nic.name, str(mine.ip), plan.heartbeat_port, targets))
    return routes


class Beacon:
    """Sends what `say` was given every `period_s` seconds, and hears the others. Calls `heard` after anything new."""

    def __init__(
        self, routes: list[Route], key: bytes, hearing: Hearing, period_s: float, heard: Callable[[], None]
    ) -> None:
        self._routes = routes
        self._key = key
        self._hearing = hearing
        self._period_s = period_s
        self._heard = heard
        self._heartbeat: Heartbeat | None = None
        self._said_s = 0.0
        self._sequence = 0
        self._task: asyncio.Task[None] | None = None
        self._reported_s = 0.0
        self._reported: dict[str, int] = {}

    def start(self) -> None:
        """Open the sockets and begin; must run inside the event loop."""
        self._task = asyncio.create_task(self._run(), name="beacon")

    def close(self) -> None:
        """Fall silent."""
        if self._task is not None:
            self._task.cancel()
        for route in self._routes:
            self._shut(route)

    def say(self, heartbeat: Heartbeat, *, urgent: bool, now_s: float) -> None:
        """What to tell everybody from now on; `urgent` tells it at once as well."""
        self._heartbeat, self._said_s = heartbeat, now_s
        if urgent:
            self._send_all(now_s)

    def peers(self) -> dict[str, Peer]:
        """Everybody heard so far."""
        return self._hearing.peers()

    def double(self, now_s: float) -> str:
        """Why another machine seems to run under this server's name (fault 48); "" when none was heard lately."""
        ago_s = now_s - self._hearing.double_s
        return f"another machine of this name was heard {ago_s:.1f} s ago" if ago_s < DOUBLE_S else ""

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            now_s = boottime_s()
            for route in self._routes:
                if route.socket is None and now_s - route.tried_s >= RETRY_S:
                    self._open(route, now_s)
            self._send_all(now_s)
            self._report(now_s)
            due_s = max(due_s + self._period_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def _send_all(self, now_s: float) -> None:
        if self._heartbeat is None or now_s - self._said_s > STALE_S:
            return
        self._sequence = max(self._sequence + 1, int(now_s * 1e9))
        try:
            datagram = seal(self._key, self._sequence, self._heartbeat)
        except HeartbeatError as error:
            log.error("beacon: %s", error)
            return
        for route in self._routes:
            if route.socket is not None:
                self._send(route, route.socket, datagram)

    def _send(self, route: Route, channel: socket.socket, datagram: bytes) -> None:
        trouble = ""
        for target in route.targets:
            try:
                channel.sendto(datagram, (target, route.port))
            except OSError as error:
                trouble = f"{target}: {error.strerror}"
        self._tell(route, trouble)

    def _open(self, route: Route, now_s: float) -> None:
        route.tried_s = now_s
        family = socket.AF_INET6 if ":" in route.address else socket.AF_INET
        channel = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            channel.setblocking(False)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # What is heard on this interface came over this interface, or "network silent" would mean nothing.
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, route.nic.encode())
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY)
            if family == socket.AF_INET6:
                channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TYPE_OF_SERVICE)
            else:
                channel.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TYPE_OF_SERVICE)
            channel.bind((route.address, route.port))
        except OSError as error:
            channel.close()
            self._tell(route, f"cannot listen: {error.strerror}")
            return
        route.socket = channel
        asyncio.get_running_loop().add_reader(channel, self._readable)
        self._tell(route, "")

    def _shut(self, route: Route) -> None:
        if route.socket is not None:
            asyncio.get_running_loop().remove_reader(route.socket)
            route.socket.close()
            route.socket = None

    def _tell(self, route: Route, trouble: str) -> None:
        """Log a change for better or worse once."""
        if trouble and not route.trouble:
            log.warning("beacon: %s on %s: %s", route.address, route.nic, trouble)
        elif route.trouble and not trouble:
            log.info("beacon: %s on %s works again", route.address, route.nic)
        route.trouble = trouble

    def _readable(self) -> None:
        """Hear what has come on any network: the same datagram comes on all of them within a moment."""
        heard = [self._drain(route, route.socket) for route in self._routes if route.socket is not None]
        if any(heard):
            self._heard()

    def _drain(self, route: Route, channel: socket.socket) -> bool:
        """Take in the datagrams of one network; whether one of them is news."""
        news = False
        for _ in range(_BATCH):
            try:
                data = channel.recv(MAX_BYTES + 1)
            except BlockingIOError:
                break
            except OSError as error:
                # The interface went away under the socket: open a new one when it is back.
                self._tell(route, str(error.strerror))
                self._shut(route)
                break
            news |= self._hearing.hear(data, route.nic, boottime_s()) is Heard.NEWS
        return news

    def _report(self, now_s: float) -> None:
        """Tell the journal of refused datagrams, at most once a minute."""
        if now_s - self._reported_s < REPORT_S:
            return
        grown = {r: self._hearing.refused[r] for r in _REPORTED if self._hearing.refused[r] > self._reported.get(r, 0)}
        if grown:
            self._reported_s = now_s
            self._reported.update(grown)
            log.warning("beacon: refused datagrams so far: %s", ", ".join(f"{n} {r}" for r, n in grown.items()))
