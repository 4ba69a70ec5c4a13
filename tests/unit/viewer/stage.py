"""A small site on loopback for the page: real recorders, real web parts, real cameras; only the agents are played.

`python stage.py DIRECTORY CLIPS` runs it until Ctrl-C, for a look with one's own browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import aiohttp
import msgspec
import yarl
from aiohttp import web
from aiohttp.test_utils import TestServer
from understudy import control
from understudy.footage.catalogue import Catalogue
from understudy.footage.copy import Copier
from understudy.footage.disks import Disks
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.peers import Peers
from understudy.footage.redirect import Redirect
from understudy.site.plan import Camera, Disk, Logical, LogicalAddress, Nic, Plan, Server, Source, Track
from understudy.web.app import make_app
from understudy.web.services import Services
from understudy.web.users import Users

HERE = Path(__file__).parent
AGENT = HERE.parents[2] / "agent" / "src"
RECORDER = HERE.parent / "healing" / "recorder_process.py"
USER, PASSWORD = "admin", "a password of the stage"
CAMERA_LOGIN = ("viewer", "p@ss:w/rd#1?")
CAMERAS = {
    "north": ((1, "Gate", "north1"), (2, "Hall", "north2"), (3, "Yard", "north3"), (4, "Ramp", "north4")),
    "south": ((1, "Till", "south1"), (2, "Store", "south2")),
}
PREROLL_S = 6.0
#: so long after the start rec1 has footage that no pre-roll holds (a ring keeps a group of pictures more)
OLD_S = PREROLL_S + 6.0
HOMES = {"north": "rec1", "south": "rec2"}
ADDRESSES = {"north": "127.0.0.1", "south": "198.18.31.102"}

T = TypeVar("T")
Document = dict[str, Any]


def plan(root: Path, node: str, port: int) -> Plan:
    nics = (Nic(name="lo", role="cameras", addresses=("127.0.0.1/8",)),)

    def server(name: str, **rest: Any) -> Server:
        disk = Disk(letter="C", path=str(root / name / "C"), free_floor_bytes=0)
        return Server(name=name, nics=nics, disks=(disk,), **rest)

    def camera(number: int, name: str, path: str) -> Camera:
        source = Source(type="rtsp", url=f"rtsp://127.0.0.1:{port}/{path}", username=CAMERA_LOGIN[0])
        source = msgspec.structs.replace(source, password=CAMERA_LOGIN[1])
        track = Track(name="continuous", disk="C", days=7)
        return Camera(number=number, name=name, source=source, tracks=(track,), preroll_s=PREROLL_S)

    return Plan(
        version=1,
        site="lab",
        node=node,
        servers=(
            server("rec1", kind="server"),
            server("rec2", kind="server"),
            server("stby1", kind="standby", rank=0),
        ),
        logical=tuple(
            Logical(
                name=name,
                home=HOMES[name],
                addresses=(LogicalAddress(nic="lo", address=f"{ADDRESSES[name]}/32"),),
                cameras=tuple(camera(*told) for told in cameras),
            )
            for name, cameras in CAMERAS.items()
        ),
    )


class Machine:
    """One server of the stage."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.plan = plan(stage.root, name, stage.camera_port)
        self.root = stage.root / name
        (self.root / "C").mkdir(parents=True)
        (self.root / "state").mkdir()
        (self.root / "plan.json").write_bytes(msgspec.json.encode(self.plan))
        self.maintenance: Document | None = None
        self.decisions = self.root / "decisions.jsonl"
        self._process: subprocess.Popen[bytes] | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self.up = False

    async def start(self) -> None:
        self._process = self._record()
        handlers = {"status": self._status, "maintenance": self._maintain, "handback": self._order, "move": self._order}
        self._agent = await control.serve(self.root / "agent.sock", handlers)  # type: ignore[arg-type]
        self.catalogue = Catalogue(self.root / "state" / "catalogue.db")
        disks = Disks(self.plan.me, mounted=lambda path: path.is_dir())
        self.peers = Peers(self.plan, None, url=lambda server: self.stage.between[server.name, self.plan.node])
        await self.peers.__aenter__()
        self.services = Services(
            self.plan,
            self.catalogue,
            disks,
            self.peers,
            self.root / "agent.sock",
            self.root / "control.sock",
            users=Users(self.stage.root / "users.json"),
            site_key=self.stage.root / "site.key",
            decision_log=self.decisions,
        )
        self.server = TestServer(make_app(self.services))
        await self.server.start_server()
        redirect = Redirect(self.plan, self.catalogue, self.peers)
        holds = HoldExchange(self.services.holds, self.peers)
        copier = Copier(self.plan, self.catalogue, disks, self.peers, redirect, self._carried, holds)
        self._tasks = [asyncio.create_task(work) for work in (redirect.run(), copier.run())]
        self.up = True

    def _record(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(AGENT)}
        return subprocess.Popen([sys.executable, str(RECORDER), str(self.root)], env=environment)

    def kill(self) -> None:
        """End the recorder, however far the start came."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def crash(self) -> None:
        """Power is gone."""
        self.up = False
        self.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.peers.__aexit__(None, None, None)
        await self.server.close()
        self._agent.close()
        self.catalogue.close()

    async def assign(self, parts: dict[str, str]) -> None:
        told = {name: {"mode": mode} for name, mode in parts.items()}
        async with asyncio.timeout(20):
            while True:
                try:
                    await control.acall(self.root / "control.sock", "assign", parts=told)
                except control.ControlError:
                    await asyncio.sleep(0.05)
                else:
                    return

    def decide(self, part: str, row: int, before: str, after: str, reason: str) -> None:
        time_text = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time_text, "row": row, "part": part, "before": before, "after": after, "reason": reason}
        with self.decisions.open("a") as file:
            file.write(json.dumps({**line, "boottime_s": 0.0, "facts": {}}) + "\n")

    async def _carried(self) -> set[str]:
        return {part for part, carrier in self.stage.carriers.items() if carrier == self.plan.node}

    async def _status(self, _: Document) -> Document:
        progress = await control.acall(self.root / "control.sock", "progress")
        return {"status": self.stage.status(self.plan.node, progress)}

    async def _maintain(self, request: Document) -> Document:
        self.maintenance = {"until": request.get("until", "")} if request["on"] else None
        return {"maintenance": request["on"], "carries": []}

    async def _order(self, request: Document) -> Document:
        raise control.ControlError(f"{self.plan.node} cannot {request['op']} {request['logical']} now: a stage only")


class Gate:
    """What nginx does, and the logical address: passes requests to `target()`, waits while that is nobody."""

    def __init__(self, target: Any, caller: str | None, port: int = 0) -> None:
        self._target = target
        self._headers = {"X-Client-Verify": "SUCCESS", "X-Client-CN": caller} if caller else {}
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self.server = TestServer(app, port=port or None)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> str:
        await self.server.start_server()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return str(self.server.make_url("")).rstrip("/")

    async def close(self) -> None:
        assert self._session is not None
        await self._session.close()
        await self.server.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        machine: Machine | None = self._target()
        if machine is None:
            await self._nobody()
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        kept = ("Cookie", "X-CSRF-Token", "Content-Type", "Range", "If-None-Match", "Sec-Fetch-Site")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        headers |= self._headers | {"X-Forwarded-For": str(request.remote)}
        url = yarl.URL(str(machine.server.make_url("")).rstrip("/") + request.raw_path, encoded=True)
        assert self._session is not None
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer:
                body = await answer.read()
                place = answer.headers.get("X-Accel-Redirect")
                dropped = ("Content-Length", "Transfer-Encoding", "Date", "Server", "X-Accel-Redirect")
                passed = [(name, value) for name, value in answer.headers.items() if name not in dropped]
                status = answer.status
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        if place is not None:
            return self._send(request, machine, unquote(place), passed)
        return web.Response(status=status, body=body, headers=passed)  # type: ignore[arg-type]

    async def _nobody(self) -> None:
        """Packets go nowhere."""
        while self._target() is None:  # noqa: ASYNC110 it is changed from several places
            await asyncio.sleep(0.05)

    def _send(self, request: web.Request, machine: Machine, place: str, headers: Any) -> web.Response:
        _, _, letter, path = place.split("/", 3)
        disk = next(disk for disk in machine.plan.me.disks if disk.letter == letter)
        data = (Path(disk.path) / path).read_bytes()
        span = request.http_range
        part = data[span] if span.start is not None else data
        return web.Response(status=206 if span.start is not None else 200, body=part, headers=headers)


class Stage:
    """The site; its own event loop runs in a thread, so that tests and a browser's driver may block."""

    def __init__(self, root: Path, clips: Path, port: int = 0) -> None:
        self.root = root
        self.clips = clips
        self.carriers: dict[str, str | None] = dict(HOMES)
        self.between: dict[tuple[str, str], str] = {}
        self.url = ""
        self._port = port
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Stage:
        self._cameras = contextlib.ExitStack()
        self.camera_port = self._start_cameras()
        self._thread.start()
        self.do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self._cameras.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the stage's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def settle(self) -> None:
        """Wait until rec1 has recorded for longer than the standby's pre-roll reaches back."""
        time.sleep(max(0.0, self._began_s + OLD_S - time.monotonic()))

    def take_over(self, after_s: float = 4.0) -> None:
        """rec1 loses power; `after_s` later stby1 carries north with what its pre-roll held."""
        self.do(self._take_over(after_s))

    def bring_home(self) -> None:
        """rec1 is back, records, and carries north again."""
        self.do(self._bring_home())

    def status(self, node: str, progress: Document) -> Document:
        """The status document as `node` sees it."""
        servers = [self._server(name) for name in self.machines]
        logical = []
        for name, cameras in CAMERAS.items():
            carrier = self.carriers[name]
            part = progress["parts"].get(name, {"cameras": []})
            state = "DOWN" if carrier is None else "SERVING" if carrier == HOMES[name] else "TAKEN_OVER"
            logical.append(
                {
                    "name": name,
                    "home": HOMES[name],
                    "carrier": carrier,
                    "state": state,
                    "addresses": [ADDRESSES[name]],
                    "standbys": [{"name": "stby1", "choice": 0, "in_line": True, "reason": f"may take {name}"}],
                    "why": {"server": carrier, "row": 201, "reason": "renewals are confirmed"},
                    "cameras": part["cameras"] if len(part["cameras"]) == len(cameras) else [],
                }
            )
        whole = self.carriers == HOMES
        reason = "" if whole else "no standby can take over now: north away from home"
        return {
            "version": 1,
            "site": "lab",
            "node": node,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "protection": {"state": "PROTECTED" if whole else "UNPROTECTED", "reason": reason},
            "servers": servers,
            "logical": logical,
        }

    def _server(self, name: str) -> Document:
        machine = self.machines[name]
        carries = [part for part, carrier in self.carriers.items() if carrier == name]
        standby = name == "stby1"
        state = ("TAKEN_OVER" if carries else "PRIMARY STANDBY") if standby else "SERVING" if carries else "RETURNING"
        if machine.maintenance:
            state = "MAINTENANCE"
        return {
            "name": name,
            "kind": "standby" if standby else "server",
            "state": state if machine.up else "UNREACHABLE",
            "rank": 0 if standby and not carries else None,
            "reason": "; ".join(f"{part}: renewals are confirmed" for part in carries),
            "reachable": machine.up,
            "age_s": 0.1 if machine.up else 8.0,
        }

    def _start_cameras(self) -> int:
        sys.path.insert(0, str(HERE.parents[1] / "lab"))
        from running import start

        names = [path for cameras in CAMERAS.values() for _, _, path in cameras]
        cameras = {name: {"path": f"/{name}", "media": f"{name}.clip"} for name in names}
        return self._cameras.enter_context(start(self.clips, cameras=cameras)).port

    async def _start(self) -> None:
        (self.root / "site.key").write_text("22" * 32)
        hashed = hashlib.scrypt(PASSWORD.encode(), salt=b"salt", n=16384, r=8, p=1, dklen=32)
        text = f"scrypt$16384$8$1${b'salt'.hex()}${hashed.hex()}"
        users = {USER: {"role": "admin", "scrypt": text}, "guard": {"role": "viewer", "scrypt": text}}
        (self.root / "users.json").write_text(json.dumps({"version": 1, "users": users}))
        self.machines = {name: Machine(self, name) for name in ("rec1", "rec2", "stby1")}
        self._gates: list[Gate] = []
        for name in self.machines:
            for caller in self.machines:
                if name != caller:
                    gate = Gate(lambda name=name: self._alive(name), caller)
                    self.between[name, caller] = await gate.start()
                    self._gates.append(gate)
        self._front = Gate(lambda: self._alive(self.carriers["north"] or ""), None, self._port)
        self.url = await self._front.start()
        for machine in self.machines.values():
            await machine.start()
        self._began_s = time.monotonic()
        await self.machines["rec1"].assign({"north": "record"})
        await self.machines["rec2"].assign({"south": "record"})
        await self.machines["stby1"].assign({"north": "preroll", "south": "preroll"})

    def _alive(self, name: str) -> Machine | None:
        machine = self.machines.get(name)
        return machine if machine is not None and machine.up else None

    async def _take_over(self, after_s: float) -> None:
        standby = self.machines["stby1"]
        self.carriers["north"] = None
        await self.machines["rec1"].crash()
        standby.decide("north", 301, "STANDBY", "SHADOWING", "its carrier is silent: rec1 not heard for 1.0 s")
        await standby.assign({"north": "record", "south": "preroll"})
        await asyncio.sleep(after_s)
        standby.decide("north", 403, "SHADOWING", "CLAIMING", "its carrier is gone: no renewal for 3.6 s")
        standby.decide("north", 501, "CLAIMING", "TAKEN_OVER", "the claim won: north is ours under epoch 2")
        self.carriers["north"] = "stby1"

    async def _bring_home(self) -> None:
        home, standby = self.machines["rec1"], self.machines["stby1"]
        await home.start()
        await home.assign({"north": "record"})
        await asyncio.sleep(2.0)
        standby.decide("north", 605, "TAKEN_OVER", "HANDING_BACK", "its home is back: rec1 healthy for 30.0 s")
        standby.decide("north", 702, "HANDING_BACK", "STANDBY", "it went home")
        home.decide("north", 803, "RETURNING", "SERVING", "its part was handed home: north is ours under epoch 3")
        self.carriers["north"] = "rec1"
        await standby.assign({"north": "preroll", "south": "preroll"})

    async def _stop(self) -> None:
        for machine in self.machines.values():
            if machine.up:
                await machine.crash()
            machine.kill()
        for gate in [*self._gates, self._front]:
            await gate.close()


def main() -> None:
    """Run the stage for people; `crash` and `home` on standard input play the story."""
    root, clips = Path(sys.argv[1]), Path(sys.argv[2])
    with Stage(root, clips, port=8480) as stage:
        print(f"{stage.url.replace('127.0.0.1', 'localhost')}  {USER} / {PASSWORD}", flush=True)
        orders = {"crash": stage.take_over, "home": stage.bring_home}
        for line in sys.stdin:
            began_s = time.monotonic()
            orders[line.strip()]()
            print(f"{line.strip()}: {time.monotonic() - began_s:.1f} s", flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent / "lab"), str(AGENT)]
    main()
