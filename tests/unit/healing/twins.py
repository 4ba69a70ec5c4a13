"""A carrier and its standby: two recorders in processes of their own, what their web processes do, one camera."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import audit
import msgspec
from front import Front, peers_of
from understudy import control
from understudy.footage.catalogue import Catalogue
from understudy.footage.copy import Copier
from understudy.footage.disks import Disks
from understudy.footage.healing import Healing
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.holds import HoldBook
from understudy.footage.model import Segment
from understudy.footage.peers import Peers
from understudy.footage.redirect import Redirect
from understudy.footage.timeline import Timeline
from understudy.site.plan import Camera, Disk, Logical, Nic, Plan, Server, Source, Track
from understudy.web.services import Services

HERE = Path(__file__).parent
AGENT = HERE.parents[2] / "agent" / "src"


def plan(root: Path, source: Source, node: str, preroll_s: float = 10.0) -> Plan:
    nics = (Nic(name="lo", role="cameras", addresses=("127.0.0.1/8",)),)

    def server(name: str, **rest: Any) -> Server:
        disk = Disk(letter="C", path=str(root / name / "C"), free_floor_bytes=0)
        return Server(name=name, nics=nics, disks=(disk,), **rest)

    track = Track(name="main", disk="C", days=30)
    camera = Camera(number=1, name="Gate", source=source, tracks=(track,), preroll_s=preroll_s)
    return Plan(
        version=1,
        site="lab",
        node=node,
        servers=(server("rec1", kind="server"), server("stby1", kind="standby", rank=0)),
        logical=(Logical(name="north", home="rec1", cameras=(camera,)),),
    )


class Twin:
    """One server: its directory, its recorder, its catalogue."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self.plan = plan
        self.root = root / plan.node
        (self.root / "C").mkdir(parents=True)
        (self.root / "state").mkdir()
        (self.root / "plan.json").write_bytes(msgspec.json.encode(plan))
        self.socket = self.root / "control.sock"
        self.catalogue = Catalogue(self.root / "state" / "catalogue.db")
        self.disks = Disks(plan.me, mounted=lambda path: path.is_dir())
        self.services = Services(plan, self.catalogue, self.disks, Peers(plan, None), recorder_socket=self.socket)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(AGENT)}
        command = [sys.executable, str(HERE / "recorder_process.py"), str(self.root)]
        self.process = subprocess.Popen(command, env=environment)

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(20)

    async def answer(self, op: str, **arguments: Any) -> control.Document:
        """Ask the recorder, as soon as it answers."""
        async with asyncio.timeout(10):
            while True:
                try:
                    return await control.acall(self.socket, op, **arguments)
                except control.ControlError:
                    await asyncio.sleep(0.05)

    async def progress(self) -> control.Document:
        """This recorder's entry of the camera."""
        found: control.Document = (await self.answer("progress"))["parts"]["north"]["cameras"][0]
        return found

    async def frames(self, count: int) -> None:
        """Wait until the recorder has counted so many since it started."""
        async with asyncio.timeout(20):
            while True:
                if (await self.progress())["frames"] >= count:
                    return
                await asyncio.sleep(0.05)

    def files(self, stream: str = "v") -> list[Path]:
        return sorted((self.root / "C").rglob(f"*.{stream}.mp4"))


class Wire:
    """The cable between one recorder and the camera, as a proxy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, inner_writer]
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Twins:
    """`rec1` records north, `stby1` holds its pre-roll; each has a way to the camera of its own."""

    def __init__(self, root: Path, home: Source, standby: Source) -> None:
        self.home = Twin(plan(root, home, "rec1"), root)
        self.standby = Twin(plan(root, standby, "stby1"), root)
        self.fronts = {"stby1": Front(self.standby.services, "rec1")}

    def rows(self) -> list[Segment]:
        return self.home.catalogue.segments("north", 1)

    async def timeline(self, peers: Peers) -> Timeline:
        services = Services(self.home.plan, self.home.catalogue, self.home.disks, peers)
        return await services.footage().timeline(self.rows(), "video")

    def audit(self) -> audit.Audit:
        """Every file at home together."""
        return audit.check(self.home.files())


@asynccontextmanager
async def twins(root: Path, home_source: Source, standby_source: Source) -> AsyncIterator[tuple[Twins, Peers]]:
    """Both have had the camera for some seconds; the home's web part redirects, copies and heals."""
    site = Twins(root, home_source, standby_source)
    for front in site.fronts.values():
        await front.start()
    for twin, mode in ((site.home, "record"), (site.standby, "preroll")):
        twin.start()
        await twin.answer("assign", parts={"north": {"mode": mode}})

    async def carried() -> set[str]:
        return {"north"}

    home = site.home
    async with peers_of(home.plan, site.fronts) as peers:
        redirect = Redirect(home.plan, home.catalogue, peers)
        holds = HoldExchange(HoldBook(home.catalogue.path.with_name("holds.json")), peers)
        copier = Copier(home.plan, home.catalogue, home.disks, peers, redirect, carried, holds)
        services = Services(home.plan, home.catalogue, home.disks, peers)
        healing = Healing(home.plan, home.catalogue, services.footage, peers, carried)
        tasks = [asyncio.create_task(work) for work in (redirect.run(), copier.run(), healing.run())]
        try:
            for twin in (site.home, site.standby):
                await twin.frames(100)
            yield site, peers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for twin in (site.home, site.standby):
                twin.end(signal.SIGKILL)
            for front in site.fronts.values():
                await front.close()


async def until(condition: Callable[[], bool], limit_s: float, what: str) -> float:
    """Wait until `condition` holds; how long that took, seconds."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() < began_s + limit_s, f"not within {limit_s:g} s: {what}"
        await asyncio.sleep(0.1)
    return time.monotonic() - began_s
