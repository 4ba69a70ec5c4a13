"""Heartbeats between two machines over IPv4 and IPv6."""

from __future__ import annotations

import asyncio

from netns.machine import Machine
from understudy.arbitration.beacon import STALE_S, Beacon, routes_of
from understudy.arbitration.hearing import Hearing
from understudy.clock import boottime_s
from understudy.failover.model import Heartbeat, Phase
from understudy.site.plan import Nic, Plan, Server

KEY = bytes(32)
SERVERS = tuple(
    Server(
        name=name,
        kind="server",
        nics=(
            Nic(name="lan0", role="clients", addresses=(f"198.18.31.{number}/24", f"fd00:31::{number}/64")),
            Nic(name="mgmt0", role="management", addresses=(f"10.{number}.0.1/24",)),
        ),
    )
    for number, name in ((11, "rec1"), (12, "rec2"))
)


def plan(node: str) -> Plan:
    return Plan(version=1, site="lab", node=node, servers=SERVERS, logical=())


def beacon(node: str, other: str) -> Beacon:
    hearing = Hearing(KEY, node, f"boot of {node}", frozenset({other}))
    return Beacon(routes_of(plan(node)), KEY, hearing, 0.05, lambda: None)


def test_only_shared_networks_are_used() -> None:
    found = [(route.nic, route.address, route.targets) for route in routes_of(plan("rec1"))]
    assert found == [("lan0", "198.18.31.11", ("198.18.31.12",)), ("lan0", "fd00:31::11", ("fd00:31::12",))]


def test_s04_servers_hear_each_other_and_a_hung_loop_falls_silent(machines: tuple[Machine, Machine]) -> None:
    async def speak() -> None:
        speaker = beacon("rec2", "rec1")
        speaker.start()
        said = Heartbeat(node="rec2", boot="boot of rec2", state=Phase.SERVING)
        speaker.say(said, urgent=False, now_s=boottime_s())
        await asyncio.sleep(STALE_S + 0.7)
        speaker.close()

    async def listen() -> float:
        ear = beacon("rec1", "rec2")
        ear.start()
        started_s = boottime_s()
        await asyncio.to_thread(machines[1].arun, speak)
        ear.close()
        peer = ear.peers()["rec2"]
        assert peer.heartbeat.state == Phase.SERVING
        return peer.last_s - started_s

    assert STALE_S - 0.2 < machines[0].arun(listen) < STALE_S + 0.5


def test_a_lost_address_is_told_once_and_taken_up_again(machines: tuple[Machine, Machine]) -> None:
    async def story() -> None:
        machines[0].ip("address", "del", "198.18.31.11/24", "dev", "lan0")
        late = beacon("rec1", "rec2")
        late.start()
        await asyncio.sleep(0.2)
        assert "cannot listen" in late._routes[0].trouble
        machines[0].ip("address", "add", "198.18.31.11/24", "dev", "lan0")
        await asyncio.sleep(1.2)
        assert late._routes[0].trouble == ""
        late.close()

    machines[0].arun(story)
