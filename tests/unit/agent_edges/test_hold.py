"""What the kernel is told, for what the step wants. The kernel is a table with a clock."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pytest
from understudy.failover import model
from understudy.failover.hold import Keeper, Table
from understudy.network.addresses import AddressError, Addresses, Held
from understudy.network.announce import Announcer, Place
from understudy.network.netlink import Link
from understudy.site.plan import Logical, LogicalAddress, Plan, Server

V4, V6 = "198.18.31.101/32", "fd00:31::101/128"
PLAN = Plan(
    version=1,
    site="lab",
    node="rec1",
    servers=(Server(name="rec1", kind="server"),),
    logical=(
        Logical(
            name="north",
            home="rec1",
            addresses=(LogicalAddress(nic="cli0", address=V4), LogicalAddress(nic="cli0", address="FD00:31::0101/128")),
        ),
        Logical(name="south", home="rec2", addresses=(LogicalAddress(nic="cli0", address="198.18.31.102/32"),)),
    ),
)


class Kernel(Addresses):
    """Addresses that live until the clock of the test says otherwise."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.link = True
        self.ends_s: dict[tuple[str, str], float | None] = {}
        self.calls: list[tuple[str, str, int]] = []
        self.stopped_for_s = 0.0
        self.refuses = ""

    def clock(self) -> float:
        return self.now_s

    def table(self) -> tuple[dict[str, Link], tuple[Held, ...]]:
        self.ends_s = {key: end for key, end in self.ends_s.items() if end is None or end > self.now_s}
        held = (
            Held(nic, address, None if end is None else int(end - self.now_s))
            for (nic, address), end in self.ends_s.items()
        )
        return {"cli0": Link(2, "cli0", bytes(6), self.link)}, tuple(held)

    def replace(self, nic: str, address: str, valid_s: int) -> None:
        if self.refuses:
            raise AddressError(self.refuses)
        self.now_s += self.stopped_for_s
        self.calls.append(("replace", address, valid_s))
        self.ends_s[nic, address] = self.now_s + valid_s

    def delete(self, nic: str, address: str) -> None:
        self.calls.append(("delete", address, 0))
        self.ends_s.pop((nic, address), None)


class Silent(Announcer):
    """Notes what would be announced."""

    def __init__(self) -> None:
        super().__init__([])
        self.started: list[Place] = []
        self.kept: list[Place] = []

    def start(self, places: Iterable[Place], now_s: float) -> None:
        self.started += places

    def keep(self, places: Iterable[Place]) -> None:
        self.kept = list(places)


class Stage:
    def __init__(self) -> None:
        self.kernel, self.announcer = Kernel(), Silent()
        self.keeper = Keeper(PLAN, self.kernel, self.announcer, self.kernel.clock)

    def apply(self, hold: dict[str, float] | None = None, leave: frozenset[str] = frozenset()) -> None:
        self.keeper.apply(model.Addresses(hold=hold or {}, leave=leave), self.keeper.read())

    @property
    def addresses(self) -> set[str]:
        return {held.address for held in self.keeper.read().held}


def test_the_lifetime_is_what_is_left_in_whole_seconds() -> None:
    stage = Stage()
    stage.apply({"north": 102.99})
    assert stage.kernel.calls == [("replace", V4, 2), ("replace", V6, 2)]
    assert stage.keeper.parts_in(stage.keeper.read()) == {"north"}


def test_kernel_and_deadline_meet_although_the_kernel_counts_whole_seconds() -> None:
    """The deadline stands at 103: the lifetime is set again and again, so that it never ends later nor much sooner."""
    stage = Stage()
    while stage.kernel.now_s < 102.9:
        stage.apply({"north": 103.0})
        end_s = stage.kernel.ends_s["cli0", V4]
        assert end_s is not None
        assert end_s <= 103.0
        assert end_s >= min(103.0, stage.kernel.now_s + 1) - 1
        stage.kernel.now_s += 0.1
    assert len(stage.kernel.calls) < 2 * 15


def test_nothing_is_set_when_less_than_a_second_is_left() -> None:
    stage = Stage()
    stage.apply({"north": 100.9})
    assert stage.kernel.calls == []


def test_f06_a_process_stopped_before_the_kernel_was_told_takes_the_address_back() -> None:
    stage = Stage()
    stage.kernel.stopped_for_s = 10.0
    stage.apply({"north": 103.0})
    assert stage.addresses == set()


def test_f47_a_deleted_address_is_back_with_the_next_step() -> None:
    stage = Stage()
    stage.apply({"north": 103.0})
    del stage.kernel.ends_s["cli0", V4]
    stage.apply({"north": 103.0})
    assert stage.addresses == {V4, V6}


def test_what_is_not_wanted_is_deleted_wherever_and_however_it_is_configured() -> None:
    stage = Stage()
    stage.kernel.ends_s = {
        ("cli0", "198.18.31.102/24"): None,
        ("eth9", V4): None,
        ("cli0", "198.18.31.11/24"): None,
        ("cli0", "198.18.31.1/32"): None,
    }
    stage.apply({"north": 103.0})
    assert stage.addresses == {V4, V6, "198.18.31.11/24", "198.18.31.1/32"}
    assert ("eth9", V4) not in stage.kernel.ends_s


def test_a_static_address_gets_a_lifetime_when_it_is_held() -> None:
    stage = Stage()
    stage.kernel.ends_s = {("cli0", V4): None}
    stage.apply({"north": 103.0})
    assert stage.kernel.ends_s["cli0", V4] == 103.0


def test_f05_after_a_restart_found_addresses_are_left_until_it_is_known_whose_they_are() -> None:
    stage = Stage()
    stage.kernel.ends_s = {("cli0", V4): 101.5}
    stage.apply(leave=frozenset({"north"}))
    assert stage.kernel.calls == []
    assert {str(place[1]) for place in stage.announcer.kept} == {"198.18.31.101", "fd00:31::101"}


def test_s12_addresses_are_announced_again_when_the_link_is_back() -> None:
    stage = Stage()
    stage.apply({"north": 103.0})
    assert stage.announcer.started == []
    stage.kernel.link = False
    stage.apply({"north": 103.0})
    stage.kernel.link = True
    stage.apply({"north": 103.0})
    assert len(stage.announcer.started) == 2


def test_a_refusal_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.kernel.refuses = f"{V4} on cli0: Operation not permitted"
    for _ in range(3):
        stage.apply({"north": 103.0})
    assert [r.levelno for r in caplog.records] == [logging.ERROR, logging.ERROR]
    stage.kernel.refuses = ""
    stage.apply({"north": 103.0})
    assert stage.addresses == {V4, V6}


def test_the_table_is_what_the_kernel_says() -> None:
    stage = Stage()
    assert stage.keeper.read() == Table(*stage.kernel.table())
