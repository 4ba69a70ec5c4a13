"""The kernel as dead man's switch, in a network namespace of our own."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import pytest
from netns.machine import Machine
from understudy.network import netlink
from understudy.network.addresses import AddressError, Addresses, self_test
from understudy.network.table import READ_S, WatchedAddresses
from understudy.network.watch import Watch

V4, V6 = "198.18.31.101/32", "fd00:31::101/128"
Pair = tuple[Machine, Machine]

HOLD = """
import sys, time
from understudy.network.addresses import Addresses
with Addresses() as addresses:
    while True:
        addresses.replace("lan0", "198.18.31.101/32", 2)
        addresses.replace("lan0", "fd00:31::101/128", 2)
        print("held", flush=True)
        time.sleep(0.2)
"""


def lifetimes(addresses: Addresses) -> dict[str, int | None]:
    return {held.address: held.valid_s for held in addresses.held() if held.nic == "lan0"}


def test_s40_an_address_is_added_refreshed_and_deleted(machines: Pair) -> None:
    def story() -> None:
        with Addresses() as addresses:
            for address in (V4, V6):
                addresses.replace("lan0", address, 3)
                assert lifetimes(addresses)[address] in (2, 3)
                addresses.replace("lan0", address, 30)
                assert lifetimes(addresses)[address] in (29, 30)
                addresses.delete("lan0", address)
                assert address not in lifetimes(addresses)
                addresses.delete("lan0", address)
            assert lifetimes(addresses)["198.18.31.11/24"] is None

    machines[0].run(story)


def test_ipv6_serves_at_once_and_is_nobodys_source(machines: Pair) -> None:
    def story() -> None:
        with Addresses() as addresses:
            addresses.replace("lan0", V6, 30)

    machines[0].run(story)
    shown = machines[0].ip("-6", "address", "show", "dev", "lan0", "to", V6)
    assert "nodad" in shown
    assert "tentative" not in shown
    assert "src fd00:31::11 " in machines[0].ip("route", "get", "fd00:31::12")


def test_killed_the_kernel_takes_the_addresses_away(machines: Pair) -> None:
    process = machines[0].popen(sys.executable, "-c", HOLD)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    killed_s = time.monotonic()
    process.wait(5)
    process.stdout.close()

    def story() -> float:
        with Addresses() as addresses:
            while {V4, V6} & set(lifetimes(addresses)):
                assert time.monotonic() - killed_s < 5, "the addresses outlived their holder"
                time.sleep(0.01)
        return time.monotonic() - killed_s

    # 2 s, at most 0.4 s of the kernel's own rounding, and this observer on a busy machine
    assert machines[0].run(story) <= 3.0


def test_errors_name_address_interface_and_reason(machines: Pair) -> None:
    def story() -> None:
        with Addresses() as addresses:
            with pytest.raises(AddressError, match=r"198\.18\.31\.101/32 on nosuch0: No such device"):
                addresses.replace("nosuch0", V4, 3)
            with pytest.raises(AddressError, match="lifetime of 0 s"):
                addresses.replace("lan0", V4, 0)
            addresses.delete("nosuch0", V4)

    machines[0].run(story)


def test_self_test_passes_on_a_real_kernel_and_leaves_nothing(machines: Pair) -> None:
    def story() -> None:
        with Addresses() as addresses:
            before = addresses.held()
            assert self_test(addresses, (4, 6)) is None
            assert addresses.held() == before

    machines[0].run(story)


def test_self_test_refuses_a_kernel_that_keeps_addresses_for_ever(machines: Pair) -> None:
    class Forgetful(Addresses):
        def replace(self, nic: str, address: str, valid_s: int) -> None:
            super().replace(nic, address, netlink.INFINITE)

    def story() -> str | None:
        with Forgetful() as addresses:
            return self_test(addresses, (4, 6))

    assert "for ever" in str(machines[0].run(story))


def test_the_watch_tells_of_lost_addresses_and_links(machines: Pair) -> None:
    async def story() -> None:
        changed = asyncio.Event()
        watch = Watch(changed.set)
        watch.start()
        with Addresses() as addresses:
            addresses.replace("lan0", V4, 30)
            addresses.replace("lan0", V4, 20)
            await asyncio.sleep(0.05)
            assert not changed.is_set(), "own refreshes must not wake the loop"
            addresses.delete("lan0", V4)
            await asyncio.wait_for(changed.wait(), 1)
            changed.clear()
            machines[1].ip("link", "set", "lan0", "down")
            await asyncio.wait_for(changed.wait(), 1)
            assert not addresses.links()["lan0"].running
        watch.close()

    machines[0].arun(story)


class Counting(WatchedAddresses):
    """Counts how often the kernel is asked for its table, and has a clock of its own."""

    def __init__(self, watch: Watch) -> None:
        self.now_s, self.readings = 100.0, 0
        super().__init__(watch, lambda: self.now_s)

    def links(self) -> dict[str, netlink.Link]:
        self.readings += 1
        return super().links()

    @property
    def addresses(self) -> set[str]:
        return {held.address for held in self.held() if held.nic == "lan0"}


def test_the_table_is_read_when_something_changed_and_is_never_old(machines: Pair) -> None:
    async def story() -> None:
        watch = Watch(lambda: None)
        watch.start()
        with Counting(watch) as addresses:
            ends_s = time.monotonic() + 5
            while not any(address.startswith("fe80:") for address in addresses.addresses):
                assert time.monotonic() < ends_s, "the kernel gave the link no address of its own"
                addresses.now_s += 1
                await asyncio.sleep(0.01)
            before = addresses.addresses
            addresses.replace("lan0", V4, 30)
            addresses.replace("lan0", V6, 30)
            assert addresses.addresses == before | {V4, V6}
            known = addresses.readings
            for _ in range(10):
                addresses.replace("lan0", V4, 20)
                addresses.replace("lan0", V6, 20)
                assert addresses.addresses == before | {V4, V6}
            assert addresses.readings == known, "refreshes of what is there change nothing"
            machines[0].ip("address", "del", V4, "dev", "lan0")
            assert addresses.addresses == before | {V6}, "an operator's change is seen at once (fault 47)"
            machines[0].ip("address", "add", V4, "dev", "lan0")
            assert addresses.addresses == before | {V4, V6}
            addresses.delete("lan0", V4)
            assert addresses.addresses == before | {V6}
            addresses.replace("lan0", V6, 1)
            ends_s = time.monotonic() + 4
            while V6 in addresses.addresses:
                assert time.monotonic() < ends_s, "the end of a lifetime was not seen"
                await asyncio.sleep(0.01)
            machines[1].ip("link", "set", "lan0", "down")
            while addresses.table()[0]["lan0"].running:
                assert time.monotonic() < ends_s + 4, "the loss of the link was not seen"
                await asyncio.sleep(0.01)
            known = addresses.readings
            addresses.now_s += READ_S
            addresses.table()
            assert addresses.readings == known + 1, "it is read now and then whatever is told"
        watch.close()

    machines[0].arun(story)


def test_a_watch_that_lost_something_has_the_table_read(machines: Pair) -> None:
    async def story() -> None:
        watch = Watch(lambda: None)
        watch.start()
        with Addresses() as kernel:
            for _ in range(400):
                kernel.replace("lan0", V4, 30)
        assert watch.take() is None
        told = [watch.take() for _ in range(20)]
        assert told[-1] == [], "and not for ever"
        watch.close()

    machines[0].arun(story)
