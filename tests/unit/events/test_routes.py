"""Servers exchange incidents through their web parts; nobody else may."""

from __future__ import annotations

import asyncio
from pathlib import Path

import depot
import msgspec
from aiohttp.test_utils import TestClient, TestServer
from test_incidents import incident
from understudy import control
from understudy.events.exchange import PATH, Exchange, Known
from understudy.events.service import Places, Service
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks
from understudy.footage.peers import Peers
from understudy.web.app import make_app
from understudy.web.services import Services

REC2 = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}


def test_incidents_are_told_and_asked_over_https_by_servers_of_the_site_only(tmp_path: Path) -> None:
    async def story() -> None:
        plan = depot.plan()
        events = Service(plan, Peers(plan, None), Places(state=tmp_path, socket=tmp_path / "events.sock"))
        services = Services(
            plan,
            Catalogue(tmp_path / "c.db"),
            Disks(plan.me),
            Peers(plan, None),
            events_socket=tmp_path / "events.sock",
        )
        known = Known(node="rec2", release="cafe", incidents=(incident(source="rec2"),))
        body = msgspec.json.encode(known)
        async with TestClient(TestServer(make_app(services))) as client:
            silent = await client.get(PATH, headers=REC2)
            assert silent.status == 503
            server = await control.serve(tmp_path / "events.sock", events.handlers())
            assert (await client.post(PATH, data=body)).status == 401
            assert (await client.post(PATH, data=b"[", headers=REC2)).status == 400
            wrong = await client.post(PATH, data=b'{"node": 1}', headers=REC2)
            assert wrong.status == 400
            assert "incidents: " in (await wrong.json())["detail"]
            assert (await client.post(PATH, data=body, headers=REC2)).status == 204
            answer = await client.get(PATH, headers=REC2)
            told = msgspec.json.decode(await answer.read(), type=Known)
            assert (told.node, told.incidents) == ("rec1", known.incidents)
            alarms = (await (await client.get("/api/v1/alarms", headers=REC2)).json())["alarms"]
            assert [alarm["state"] for alarm in alarms] == ["open"]
            assert events.exchange.releases["rec2"] == "cafe"
            server.close()

    asyncio.run(story())


def test_a_stranger_tells_no_release() -> None:
    plan = depot.plan()
    service_book = Service(plan, Peers(plan, None), Places(state=Path("/nonexistent"))).book
    exchange = Exchange(plan, service_book, Peers(plan, None), "here")
    exchange.learn(Known(node="rec9", release="x"))
    assert exchange.releases == {"rec1": "here"}
