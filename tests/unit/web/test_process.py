"""The process: its socket, its word to systemd, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from recordings import Node
from understudy.footage.peers import Peers
from understudy.web import app
from understudy.web.services import Services


@pytest.mark.parametrize("name", ["rec1", "stby1"])
def test_it_serves_its_socket_tells_systemd_and_ends_on_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    node = Node(tmp_path, name)
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    path = tmp_path / "run" / "http.sock"

    async def story() -> None:
        async with Peers(node.plan, None, url=lambda _: "http://127.0.0.1:9") as peers:
            services = Services(node.plan, node.catalogue, node.disks, peers, tmp_path / "a", tmp_path / "r")
            serving = asyncio.create_task(app.serve(services, path))
            said = await asyncio.to_thread(told.recv, 100)
            assert said == b"READY=1"
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
                answer = await client.get("http://localhost/health")
                assert await answer.json() == {"status": "ok", "node": name}
            assert await asyncio.to_thread(told.recv, 100) == b"WATCHDOG=1"
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(serving, 5)

    asyncio.run(story())
    told.close()


def test_without_a_plan_it_says_so_and_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_plan() -> None:
        raise app.PlanError("/etc/understudy/plan.json: No such file or directory")

    monkeypatch.setattr(app, "load", no_plan)
    monkeypatch.setattr(app.journal, "setup", lambda: None)
    assert app.main() == 1
    assert "cannot serve: /etc/understudy/plan.json" in caplog.text


def test_what_the_agent_says_decides_what_is_copied(tmp_path: Path) -> None:
    node = Node(tmp_path, "rec1")

    async def story() -> None:
        async with Peers(node.plan, None) as peers:
            services = Services(node.plan, node.catalogue, node.disks, peers, tmp_path / "agent.sock", tmp_path / "r")
            assert await app.carried_here(services) == set()

            async def status(request: app.control.Document) -> app.control.Document:
                parts = [{"name": "north", "carrier": "rec1"}, {"name": "south", "carrier": "rec2"}]
                return {"status": {"logical": parts}}

            server = await app.control.serve(tmp_path / "agent.sock", {"status": status})
            assert await app.carried_here(services) == {"north"}
            server.close()

    asyncio.run(story())
