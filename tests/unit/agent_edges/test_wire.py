"""Announcements and probes on a real (virtual) network."""

from __future__ import annotations

import asyncio
import logging

import pytest
from netns.machine import Machine
from understudy.clock import boottime_s
from understudy.network.addresses import Addresses
from understudy.network.announce import Announcer, place_of

Pair = tuple[Machine, Machine]
V4, V6 = "198.18.31.101/32", "fd00:31::101/128"
PLACES = [place_of("lan0", V4), place_of("lan0", V6)]
STALE = "02:00:00:00:00:99"


def neighbours(machine: Machine) -> dict[str, str]:
    """Address -> hardware address as the machine believes it."""
    rows = [line.split() for line in machine.ip("neighbour", "show", "dev", "lan0").splitlines()]
    return {row[0]: row[row.index("lladdr") + 1] for row in rows if "lladdr" in row}


def test_s12_neighbours_learn_the_move_at_once(machines: Pair) -> None:
    here, there = machines
    for cidr in (V4, V6):
        there.ip("neighbour", "replace", cidr.split("/")[0], "lladdr", STALE, "nud", "stale", "dev", "lan0")
    mac = here.run(lambda: Addresses().links()["lan0"].mac.hex(":"))

    async def story() -> None:
        announcer = Announcer(["lan0"])
        announcer.start(PLACES, boottime_s())
        # a receiver whose link has just come up takes IPv6 multicast a second later: the repetition reaches it
        for _ in range(30):
            await asyncio.sleep(0.1)
            if set(neighbours(there).values()) == {mac}:
                break
        announcer.close()

    here.arun(story)
    assert neighbours(there) == {"198.18.31.101": mac, "fd00:31::101": mac}


@pytest.mark.parametrize("cidr", [V4, V6])
def test_a_probe_finds_the_holder_and_nobody_else(machines: Pair, cidr: str) -> None:
    here, there = machines

    async def story() -> bool | None:
        announcer = Announcer(["lan0"])
        try:
            return await announcer.probe([place_of("lan0", cidr)])
        finally:
            announcer.close()

    assert here.arun(story) is False
    there.run(lambda: Addresses().replace("lan0", cidr, 60))
    assert here.arun(story) is True


def test_f44_a_conflict_is_told_once_on_both_sides(machines: Pair, caplog: pytest.LogCaptureFixture) -> None:
    here, there = machines

    async def foreign() -> None:
        announcer = Announcer(["lan0"])
        announcer.start(PLACES[:1], boottime_s())
        await asyncio.sleep(0.3)
        announcer.close()

    async def story() -> None:
        announcer = Announcer(["lan0"])
        announcer.start(PLACES, boottime_s())
        await asyncio.to_thread(there.arun, foreign)
        announcer.close()

    with caplog.at_level(logging.ERROR):
        here.arun(story)
    told = [record.getMessage().split(" by ")[0] for record in caplog.records]
    assert told == ["lan0: 198.18.31.101 is claimed"] * 2


def test_a_missing_interface_is_told_once_and_probing_goes_on(machines: Pair, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> bool | None:
        announcer = Announcer(["nosuch0"])
        try:
            return await announcer.probe([place_of("nosuch0", V4), place_of("nosuch0", V6)])
        finally:
            announcer.close()

    assert machines[0].arun(story) is None
    assert len([r for r in caplog.records if "nosuch0" in r.getMessage()]) == 1
