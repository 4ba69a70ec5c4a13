"""A mail server with TLS and login, servers of the depot that hear each other, and a web hook, all on loopback."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import depot
import mailsink
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from netns.pki import authority, identity
from understudy import control
from understudy.events.channels import deliver
from understudy.events.sender import Deliver
from understudy.events.service import Places, Service
from understudy.footage.peers import Peers
from understudy.site.event_rules import Mail, Notify, Rule
from understudy.site.plan import Plan

LOOK_S = 0.05
LOGIN = "nvr:s3cret"
#: nobody listens on the discard port
DEAD = "http://127.0.0.1:9"


def certificate(directory: Path) -> Path:
    """`ca.crt`, `node.crt` and `node.key` of `localhost` in `directory`."""
    authority(directory / "authority")
    identity(directory / "authority", "localhost", "127.0.0.1", directory)
    return directory


class MailServer:
    """mailsink as a process, which can be stopped and started again on its port."""

    def __init__(self, directory: Path, pki: Path | None) -> None:
        self.directory = directory
        self._pki = pki
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, mailsink.__file__, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--directory", str(self.directory)]
        if self._pki is not None:
            command += ["--certificate", str(self._pki / "node.crt"), "--key", str(self._pki / "node.key")]
            command += ["--login", LOGIN]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        told = re.search(r"port (\d+)", self._process.stdout.readline())
        assert told
        self.port = int(told[1])

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None

    def mails(self) -> list[Message]:
        """What was taken, oldest first."""
        return [message_from_bytes(path.read_bytes()) for path in sorted(self.directory.glob("*.eml"))]


@contextmanager
def mail_server(directory: Path, pki: Path | None = None) -> Iterator[MailServer]:
    server = MailServer(directory, pki)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def mail_to(server: MailServer, pki: Path | None = None, **changes: Any) -> Mail:
    """How the depot sends mail to `server`."""
    user, _, password = LOGIN.partition(":")
    secured = {"security": "starttls", "username": user, "password": password, "ca_file": str(pki and pki / "ca.crt")}
    known = {"host": "localhost", "port": server.port, "sender": "nvr@depot.test", "to": ("ops@depot.test",)}
    return Mail(**{"security": "none", **known, **(secured if pki else {}), **changes})  # type: ignore[arg-type]


class Machine:
    """A server of the depot: its events service, and in small what its agent, recorder and web part answer."""

    def __init__(self, root: Path, node: str, notify: Notify, *rules: Rule) -> None:
        self.plan: Plan = depot.plan(node, *rules, notify=notify)
        self.node = node
        self.places = Places(
            root / node,
            root / f"{node}.events",
            root / f"{node}.agent",
            root / f"{node}.recorder",
            root / f"{node}.web",
        )
        self.status: dict[str, Any] = depot.status(node)
        self.orders: dict[str, Any] = depot.orders()
        self.progress: dict[str, Any] = {**depot.progress(north="record" if node == "rec1" else "off"), "node": node}
        self.asked: list[dict[str, Any]] = []
        self.gap_s = 0.0
        self.peers: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._session: Peers | None = None
        self._servers: list[asyncio.Server] = []
        self.service: Service | None = None
        app = web.Application()
        app.router.add_route("*", "/api/v1/alarms/known", self._known)
        app.router.add_get("/api/v1/node", self._node)
        app.router.add_get("/api/v1/timeline/{logical}/{camera}", self._timeline)
        self.front = TestServer(app)
        self._runner = web.AppRunner(app)

    async def start_around(self) -> None:
        """Agent, recorder and web part."""
        self.places.socket.parent.mkdir(parents=True, exist_ok=True)

        def answering(answer: Callable[[], dict[str, Any]]) -> control.Handler:
            async def handle(request: control.Document) -> control.Document:
                self.asked.append(request)
                return answer()

            return handle

        agent = {"status": lambda: {"status": self.status}, "orders": lambda: self.orders, "fail": dict, "clear": dict}
        recorder = {"progress": lambda: self.progress, "event": dict}
        for path, ops in ((self.places.agent, agent), (self.places.recorder, recorder)):
            handlers = {op: answering(answer) for op, answer in ops.items()}
            self._servers.append(await control.serve(path, handlers))
        await self.front.start_server()
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.places.web)).start()

    async def start(self, deliver: Deliver = deliver) -> None:
        """Start the events service, as systemd would."""
        peers = Peers(self.plan, None, url=lambda server: self.peers.get(server.name, DEAD))
        self._session = await peers.__aenter__()
        self.service = Service(self.plan, peers, self.places, deliver)
        self._task = asyncio.create_task(self.service.run())

    async def kill(self) -> None:
        """End the events service without a word; what is in memory is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._session is not None:
            await self._session.__aexit__(None, None, None)
            self._session = None

    async def close(self) -> None:
        await self.kill()
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        await self.front.close()

    @property
    def running(self) -> Service:
        assert self.service is not None
        if self._task is not None and self._task.done():
            self._task.result()
        return self.service

    async def _known(self, request: web.Request) -> web.Response:
        """As `web/incident_routes.py` does."""
        try:
            if request.method == "POST":
                await control.acall(self.places.socket, "know", known=msgspec.json.decode(await request.read()))
                return web.Response(status=204)
            return web.json_response((await control.acall(self.places.socket, "known"))["known"])
        except control.ControlError as error:
            return web.json_response({"detail": str(error)}, status=503)

    async def _node(self, request: web.Request) -> web.Response:
        return web.json_response({"status": self.status, "progress": self.progress})

    async def _timeline(self, request: web.Request) -> web.Response:
        assert request.headers["X-Client-CN"] == self.node
        gap = {"from": request.query["from"], "to": request.query["to"], "length_s": self.gap_s}
        found = [gap] if self.gap_s and request.match_info["camera"] == "2" else []
        return web.json_response({"gaps": found})


def connect(*machines: Machine) -> None:
    """Have the machines reach each other."""
    for machine in machines:
        machine.peers = {other.node: str(other.front.make_url("")).rstrip("/") for other in machines}


async def until(is_so: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait for a condition; AssertionError when it does not come."""
    for _ in range(round(limit_s / LOOK_S)):
        if is_so():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"not within {limit_s:g} s")


class Hook:
    """A web server that takes web hooks; `answers` are used up first, then it is 204."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.taken: list[tuple[dict[str, str], bytes]] = []
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        status = self.answers.pop(0) if self.answers else 204
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=status)
