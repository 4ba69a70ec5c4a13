"""The web process: the API behind nginx, and footage on its way home. `understudy web`.

Crash-only: it keeps nothing that files and catalogue do not say, so systemd may kill and start it at any time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
from pathlib import Path

from aiohttp import web

from understudy import control, journal, paths, systemd
from understudy.footage.catalogue import Catalogue, CatalogueError
from understudy.footage.copy import Copier
from understudy.footage.disks import Disks
from understudy.footage.healing import Healing
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.peers import Peers, node_tls
from understudy.footage.redirect import Redirect
from understudy.site.plan import PlanError, load
from understudy.web import (
    action_routes,
    alarm_routes,
    event_routes,
    footage_routes,
    hold_routes,
    media_routes,
    metrics_routes,
    node_routes,
    openapi,
    page_routes,
    retention_routes,
    session_routes,
    site_routes,
)
from understudy.web.auth import who_may_ask
from understudy.web.event_exchange import EventExchange
from understudy.web.problems import problems
from understudy.web.services import SERVICES, Services

log = logging.getLogger(__name__)

#: told to systemd this many times per watchdog interval
WATCHDOG_SHARE = 3
SHUTDOWN_S = 2.0

RESOURCES = (
    page_routes,
    session_routes,
    site_routes,
    metrics_routes,
    action_routes,
    media_routes,
    node_routes,
    footage_routes,
    event_routes,
    alarm_routes,
    hold_routes,
    retention_routes,
    openapi,
)


def make_app(services: Services) -> web.Application:
    """The application: routes, and the rule who may ask."""
    app = web.Application(middlewares=[problems, who_may_ask])
    app[SERVICES] = services
    app[session_routes.HASHER] = session_routes.Hasher()
    app[site_routes.OVERVIEW] = site_routes.Overview()
    app.on_response_prepare.append(page_routes.harden)
    for resource in RESOURCES:
        app.add_routes(resource.routes)
    return app


async def carried_here(services: Services) -> set[str]:
    """Logical servers this server carries; none while the agent does not answer."""
    try:
        status = (await control.acall(services.agent_socket, "status", timeout_s=1.0))["status"]
    except control.ControlError:
        return set()
    return {part["name"] for part in status["logical"] if part["carrier"] == services.plan.node}


async def serve(services: Services, socket: Path) -> None:
    """Answer on `socket`, bring footage home and heal gaps until SIGTERM or SIGINT."""
    runner = web.AppRunner(make_app(services), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    await web.UnixSite(runner, str(socket)).start()
    socket.chmod(0o660)  # nginx is in the group
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    redirect = Redirect(services.plan, services.catalogue, services.peers)

    async def carried() -> set[str]:
        return await carried_here(services)

    holds = HoldExchange(services.holds, services.peers)
    copier = Copier(services.plan, services.catalogue, services.disks, services.peers, redirect, carried, holds)
    healing = Healing(services.plan, services.catalogue, services.footage, services.peers, carried)
    events = EventExchange(services.plan, services.peers, services.recorder_socket)
    works = (redirect.run(), copier.run(), healing.run(), events.run(), holds.run(), _watchdog(), stop.wait())
    tasks = [asyncio.create_task(work) for work in works]
    systemd.notify("READY=1")
    log.info("serving on %s", socket)
    try:
        # Any of them ending but by the signal is a fault: end the process and let systemd start it afresh.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        systemd.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()


async def _watchdog() -> None:
    interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    while True:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval_s / WATCHDOG_SHARE or 60.0)


async def _run() -> None:
    plan = load()
    catalogue = Catalogue(paths.CATALOGUE)
    async with Peers(plan, node_tls()) as peers:
        await serve(Services(plan, catalogue, Disks(plan.me), peers), paths.WEB_SOCKET)


def main() -> int:
    """`understudy web`: 0 after a signal, 1 when it cannot start (the journal says why)."""
    journal.setup()
    try:
        asyncio.run(_run())
    except (PlanError, CatalogueError, ssl.SSLError, OSError) as error:
        log.error("cannot serve: %s", error)
        return 1
    return 0
