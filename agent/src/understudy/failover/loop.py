"""`understudy agent`: the process around the loop. Start order: plan, self-test, sockets, first step, ready.

SIGTERM ends it and leaves the addresses as they are: the next agent reads them back, and if none comes the kernel
removes them at the deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import logging.handlers
import os
import queue
import signal
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_interface
from pathlib import Path
from typing import IO

from understudy import control, journal, paths, systemd
from understudy.arbitration.beacon import Beacon, routes_of
from understudy.arbitration.etcd import Etcd, endpoints_of, voters_of
from understudy.arbitration.hearing import Hearing
from understudy.arbitration.voters import Voters
from understudy.clock import boottime_s
from understudy.failover.agent import Agent, Edges
from understudy.failover.commands import Commands
from understudy.failover.hold import Keeper
from understudy.failover.journal import Journal, load_memory
from understudy.failover.orderbook import OrderBook
from understudy.failover.recorder_link import RecorderLink
from understudy.failover.site_view import site_of
from understudy.failover.step import initial
from understudy.network.addresses import self_test
from understudy.network.announce import Announcer
from understudy.network.table import WatchedAddresses
from understudy.network.watch import Watch
from understudy.site import plan as site_plan
from understudy.site.plan import Plan, PlanError

log = logging.getLogger(__name__)

#: mlockall(2): what is mapped now and later, but only pages that are really used
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
KEY_BYTES = 32
CLOSE_S = 0.5


class StartError(Exception):
    """The agent cannot start; the text is one line for people."""


def main() -> int:
    """Run the agent until SIGTERM; 1 when it cannot start, with the reason as one line in the journal."""
    journal.setup()
    listener = _log_from_a_thread()
    try:
        asyncio.run(_run())
    except (PlanError, StartError) as error:
        log.critical("%s", error)
        return 1
    finally:
        listener.stop()
    return 0


def _log_from_a_thread() -> logging.handlers.QueueListener:
    """Journald may hang with the disk it writes to: let a thread wait for it."""
    root = logging.getLogger()
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(lines, *root.handlers)
    root.handlers[:] = [logging.handlers.QueueHandler(lines)]
    listener.start()
    return listener


def hold_alone(lock: Path) -> IO[str]:
    """Open `lock` and hold it until the file is closed, or this process has ended in whatever way; StartError when
    another agent of this machine does (fault 48)."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)  # as for the socket: it is there under systemd
        file = lock.open("a+")
    except OSError as error:
        raise StartError(f"{lock}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise StartError(f"refusing to serve: another agent runs on this machine, process {holder}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


async def _run() -> None:
    with hold_alone(paths.AGENT_SOCKET.with_suffix(".lock")):
        await _serve(site_plan.load())


async def _serve(plan: Plan) -> None:
    _lock_memory()
    stop, wake = asyncio.Event(), asyncio.Event()

    def ask_to_stop() -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask_to_stop)
    async with _started(plan, wake) as agent:
        server = await control.serve(paths.AGENT_SOCKET, Commands(agent).handlers())
        try:
            await agent.run(stop)
        finally:
            server.close()
    systemd.notify("STOPPING=1")
    log.info("stopped; addresses are left to the next agent or to the end of their lifetime")


@contextlib.asynccontextmanager
async def _started(plan: Plan, wake: asyncio.Event) -> AsyncIterator[Agent]:
    """Everything the agent works with, started; closed in the end."""
    key, tls, boot = _heartbeat_key(), _tls(), boot_id()
    async with contextlib.AsyncExitStack() as stack:
        watch = Watch(wake.set)
        watch.start()
        stack.callback(watch.close)
        kernel = stack.enter_context(WatchedAddresses(watch))
        if (reason := self_test(kernel, _versions(plan))) is not None:
            raise StartError(f"refusing to serve: {reason}")
        announcer = Announcer(address.nic for part in plan.logical for address in part.addresses)
        stack.callback(announcer.close)
        decisions = Journal(paths.AGENT_STATE)
        memory, orders = load_memory(paths.AGENT_STATE), OrderBook(paths.AGENT_STATE, boot)
        decisions.start()
        stack.callback(decisions.close, CLOSE_S)
        site = site_of(plan)
        recorder = RecorderLink(paths.RECORDER_SOCKET, wake.set)
        if site.mine:  # a witness has no recorder
            recorder.start()
        stack.callback(recorder.close)
        others = frozenset(server.name for server in plan.servers) - {plan.node}
        hearing = Hearing(key, plan.node, boot, others)
        beacon = Beacon(routes_of(plan), key, hearing, plan.timing.heartbeat_s, wake.set)
        beacon.start()
        stack.callback(beacon.close)
        etcd = Etcd(endpoints_of(plan), tls, plan.timing.request_s)
        await etcd.start()
        stack.push_async_callback(etcd.close)
        voters = Voters(voters_of(plan), tls)
        voters.start()
        stack.callback(voters.close)
        edges = Edges(
            plan, Keeper(plan, kernel, announcer), announcer, beacon, etcd, voters, recorder, decisions, orders, wake
        )
        agent = Agent(edges, initial(site, boot, memory, boottime_s()))
        following = asyncio.create_task(etcd.watch(site.keys.owner(""), agent.register_changed), name="register watch")
        stack.callback(following.cancel)
        yield agent


def _versions(plan: Plan) -> set[int]:
    """IP versions of the logical addresses."""
    return {ip_interface(a.address).version for part in plan.logical for a in part.addresses}


def _lock_memory() -> None:
    """Keep this process out of swap: a page that must be read from a hanging disk is a missed renewal."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        log.warning("memory is not locked: %s", os.strerror(ctypes.get_errno()))


def boot_id() -> str:
    """Names this start of the machine: the kernel's, and the start of its process 1 where several share a kernel."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # Field 22 of stat(5), counted after the name, which may hold spaces.
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}-{started}"


def _heartbeat_key() -> bytes:
    try:
        key = bytes.fromhex(paths.HEARTBEAT_KEY.read_text().strip())
    except OSError as error:
        raise StartError(f"{paths.HEARTBEAT_KEY}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{paths.HEARTBEAT_KEY}: not hexadecimal") from error
    if len(key) != KEY_BYTES:
        raise StartError(f"{paths.HEARTBEAT_KEY}: {len(key)} bytes, wanted {KEY_BYTES}")
    return key


def _tls() -> ssl.SSLContext:
    """Mutual TLS within the site: its own CA and this server's certificate, nothing else is trusted."""
    try:
        context = ssl.create_default_context(cafile=paths.CA_CERTIFICATE)
        context.load_cert_chain(paths.NODE_CERTIFICATE, paths.NODE_KEY)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"certificates in {paths.PKI}: {error}") from error
    return context
