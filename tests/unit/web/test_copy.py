"""Redirect, then copy, between two web applications: every byte home in the end, nothing deleted early (S10-S11)."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from front import Front, peers_of
from recordings import Node, sha256
from understudy.footage import copy
from understudy.footage.copy import Copier
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.holds import HoldBook
from understudy.footage.model import Segment
from understudy.footage.peers import PeerError, Peers
from understudy.footage.redirect import Redirect
from understudy.web.services import Services

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "RETRY_S", 0.0)


@dataclass
class Pair:
    """rec1, the home of north, and stby1, which recorded for it."""

    home: Node
    standby: Node
    front: Front
    peers: Peers
    redirect: Redirect
    copier: Copier
    carried: set[str]

    async def poll(self) -> None:
        await self.redirect.poll("stby1", "north")

    async def settle(self, rounds: int = 60) -> None:
        """Poll and copy until nothing is left to do."""
        for _ in range(rounds):
            try:
                await self.poll()
            except PeerError:
                continue
            if not await self.copier.round():
                return
            assert_nothing_lost(self)
        raise AssertionError("it does not come to an end")

    def restart_home(self) -> None:
        """The web process of the home crashed: only files and rows are left."""
        self.redirect = Redirect(self.home.plan, self.home.catalogue, self.peers)
        self.copier = self._copier()

    def _copier(self) -> Copier:
        async def carried() -> set[str]:
            return self.carried

        home = self.home
        holds = HoldExchange(HoldBook(home.catalogue.path.with_name("holds.json")), self.peers)
        return Copier(home.plan, home.catalogue, home.disks, self.peers, self.redirect, carried, holds)


def assert_nothing_lost(pair: Pair) -> None:
    """At every moment each segment has its bytes on a server whose row says so."""
    for id, digest in TRUTH.items():
        whole = [
            node.name
            for node in (pair.home, pair.standby)
            if (row := node.catalogue.segment(id)) and row.holder == node.name and sha256(node.path(row)) == digest
        ]
        assert whole, f"{id} is nowhere"


TRUTH: dict[str, str] = {}


@asynccontextmanager
async def pair(root: Path, *, caller: str = "rec1") -> AsyncIterator[Pair]:
    home, standby = Node(root, "rec1"), Node(root, "stby1")
    nobody = Peers(standby.plan, None)
    front = Front(Services(standby.plan, standby.catalogue, standby.disks, nobody), caller)
    await front.start()
    async with peers_of(home.plan, {"stby1": front}) as peers:
        redirect = Redirect(home.plan, home.catalogue, peers)
        found = Pair(home, standby, front, peers, redirect, None, {"north"})  # type: ignore[arg-type]
        found.copier = found._copier()
        try:
            yield found
        finally:
            await front.close()


def recorded(standby: Node, stop_s: float = 9) -> list[Segment]:
    """What stby1 recorded of north, with the hashes its recorder wrote down."""
    rows = standby.record("stby1-a", 0, stop_s) + standby.record("stby1-b", 0, stop_s, stream="audio")
    rows = [msgspec.structs.replace(row, sha256=sha256(standby.path(row))) for row in rows]
    standby.catalogue.put(rows)
    TRUTH.clear()
    TRUTH.update({row.id: row.sha256 for row in rows})
    return rows


def test_s10_the_outage_shows_at_home_at_once_and_an_unchanged_peer_costs_little(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby)
            site.standby.catalogue.put([msgspec.structs.replace(rows[-1], state="open", sha256="")])
            await site.poll()
            shown = site.home.catalogue.segments("north")
            assert {row.id for row in shown} == set(TRUTH)
            assert {row.holder for row in shown} == {"stby1"}
            token = site.home.catalogue.token()
            site.standby.record("south-a", 0, 3, logical="south")  # nothing of north changes
            await site.poll()
            assert await site.peers.segments("stby1", "north", since=site.redirect._tokens["stby1", "north"]) is None
            assert site.home.catalogue.token() == token

    asyncio.run(story())


def test_s11_the_bytes_come_home_and_are_freed_after_verification(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby)
            site.carried.clear()
            await site.settle()
            assert {row.holder for row in site.home.catalogue.segments("north")} == {"stby1"}  # not carried: not copied
            site.carried.add("north")
            await site.settle()
            for row in rows:
                here = site.home.catalogue.segment(row.id)
                assert here is not None
                assert (here.holder, here.sha256) == ("rec1", TRUTH[row.id])
                assert sha256(site.home.path(row)) == TRUTH[row.id]
                assert not site.standby.path(row).exists()
            assert site.standby.catalogue.segments("north") == []
            assert not list((tmp_path / "rec1").rglob("*.part"))

    asyncio.run(story())


def test_an_open_segment_stays_until_it_is_closed(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            site.standby.catalogue.put([msgspec.structs.replace(rows[0], state="open", sha256="")])
            await site.settle()
            held = {row.id: row.holder for row in site.home.catalogue.segments("north")}
            assert held[rows[0].id] == "stby1"
            site.standby.catalogue.put([rows[0]])
            await site.settle()
            assert {row.holder for row in site.home.catalogue.segments("north")} == {"rec1"}

    asyncio.run(story())


@pytest.mark.parametrize("seed", range(8))
def test_faults_at_random_lose_nothing_and_end_in_equal_bytes(tmp_path: Path, seed: int) -> None:
    """Connections cut at any byte, flipped bits, errors, the home's process killed: again and again."""
    random_ = random.Random(seed)

    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby)
            for _ in range(20):
                match random_.choice(["cut", "flip", "refuse", "restart"]):
                    case "cut":
                        site.front.faults.cut_after.append(random_.randrange(1, rows[0].bytes))
                    case "flip":
                        site.front.faults.flip_at.append(random_.randrange(rows[0].bytes))
                    case "refuse":
                        site.front.faults.refuse.append(502)
                    case "restart":
                        site.restart_home()
                try:
                    await site.poll()
                    await site.copier.round()
                except PeerError:
                    pass
                assert_nothing_lost(site)
            await site.settle()
            for row in rows:
                assert sha256(site.home.path(row)) == TRUTH[row.id]
            assert site.standby.catalogue.segments("north") == []

    asyncio.run(story())


def test_a_cut_copy_goes_on_where_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            row = min(recorded(site.standby, 3), key=lambda row: row.id)
            site.front.faults.cut_after.append(row.bytes - 100)
            await site.poll()
            await site.copier.round()
            part = site.home.path(row).with_name(site.home.path(row).name + ".part")
            had = part.stat().st_size
            assert 0 < had < row.bytes
            site.front.faults.cut_after.append(10)  # would not do if it began again
            await site.copier.round()
            assert part.stat().st_size == had + 10

    asyncio.run(story())


@pytest.mark.parametrize("moment", ["after the name", "after the row", "answer to DELETE lost"])
def test_a_crash_between_the_steps_is_made_good(tmp_path: Path, moment: str) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            for row in rows:
                if moment != "answer to DELETE lost":
                    target = site.home.path(row)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(site.standby.path(row).read_bytes())
                if moment == "after the row":
                    site.home.catalogue.put([msgspec.structs.replace(row, holder="rec1")])
            if moment == "answer to DELETE lost":
                await site.poll()
                before = dict(site.redirect.held)
                await site.settle()
                site.redirect.held = before  # an answer that was on its way meanwhile
                await site.copier.round()
            fetched = len([line for line in site.front.requests if "/content" in line])
            await site.settle()
            for row in rows:
                here = site.home.catalogue.segment(row.id)
                assert here is not None
                assert here.holder == "rec1"
                assert sha256(site.home.path(row)) == TRUTH[row.id]
                assert not site.standby.path(row).exists()
            assert len([line for line in site.front.requests if "/content" in line]) == fetched

    asyncio.run(story())


def test_a_standby_that_crashes_while_freeing_finishes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            with monkeypatch.context() as crash:
                crash.setattr(site.standby.catalogue, "remove", lambda ids: 1 / 0)
                await site.poll()
                await site.copier.round()
                await site.copier.round()
            assert {row.id for row in site.standby.catalogue.segments("north")} == set(TRUTH)
            await site.settle()
            assert site.standby.catalogue.segments("north") == []
            assert {row.holder for row in site.home.catalogue.segments("north")} == {"rec1"}
            assert len(rows) == 2

    asyncio.run(story())


def test_s19_what_was_at_home_where_it_was_recorded_follows_its_logical_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            (row, *rest) = recorded(site.standby, 3)
            site.standby.catalogue.put([msgspec.structs.replace(row, sha256="")])
            site.standby.catalogue.remove([other.id for other in rest])
            TRUTH.clear()
            TRUTH[row.id] = row.sha256
            await site.settle()
            here = site.home.catalogue.segment(row.id)
            assert here is not None
            assert (here.holder, here.sha256) == ("rec1", row.sha256)
            assert sha256(site.home.path(row)) == row.sha256
            assert not site.standby.path(row).exists()

    asyncio.run(story())


def test_a_damaged_copy_at_home_frees_nothing_and_is_fetched_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            (row, *_) = recorded(site.standby, 3)
            target = site.home.path(row)
            target.parent.mkdir(parents=True)
            target.write_bytes(bytes(row.bytes))
            # What a recovery makes of a file it finds: a row with that file's own hash.
            site.home.catalogue.put([msgspec.structs.replace(row, holder="rec1", sha256=sha256(target))])
            await site.settle()
            assert sha256(target) == row.sha256
            with pytest.raises(PeerError):
                await site.peers.free("stby1", row.id, row.sha256)

    asyncio.run(story())


def test_a_copy_damaged_on_the_standby_is_kept_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            (row, *_) = recorded(site.standby, 3)
            file = site.standby.path(row)
            file.write_bytes(file.read_bytes()[:-1] + b"x")
            await site.poll()
            for _ in range(4):
                await site.copier.round()
            assert file.exists()
            with pytest.raises(PeerError, match="another hash") as caught:
                await site.peers.free("stby1", row.id, row.sha256)
            assert caught.value.status == 409
            assert site.home.catalogue.segment(row.id).holder == "stby1"  # type: ignore[union-attr]

    asyncio.run(story())


def test_what_retention_would_delete_at_once_is_not_copied(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            old = [msgspec.structs.replace(row, end_us=row.end_us - 3651 * 86_400_000_000) for row in rows]
            site.standby.catalogue.put(old)
            await site.poll()
            assert not await site.copier.round()

    asyncio.run(story())


def test_rows_the_standby_no_longer_has_go_but_only_if_it_answers(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            await site.poll()
            site.standby.catalogue.remove([rows[0].id])
            site.front.faults.refuse.append(502)
            with pytest.raises(PeerError):
                await site.poll()
            assert len(site.home.catalogue.segments("north")) == 2
            await site.poll()
            assert [row.id for row in site.home.catalogue.segments("north")] == [rows[1].id]

    asyncio.run(story())


def test_a_full_letter_stops_the_copy_and_only_that(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            rows = recorded(site.standby, 3)
            site.home.disks.room_bytes = lambda letter: 100  # type: ignore[method-assign]
            await site.poll()
            for _ in range(3):
                await site.copier.round()
            assert {row.holder for row in site.home.catalogue.segments("north")} == {"stby1"}
            del site.home.disks.room_bytes
            await site.settle()
            assert {row.holder for row in site.home.catalogue.segments("north")} == {"rec1"}
            assert len(rows) == 2

    asyncio.run(story())


def test_nobody_but_the_home_may_free(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path, caller="rec2") as site:
            (row, *_) = recorded(site.standby, 3)
            with pytest.raises(PeerError, match="by its home, rec1, only"):
                await site.peers.free("stby1", row.id, row.sha256)
            assert site.standby.path(row).exists()

    asyncio.run(story())


def test_a_peer_cannot_make_us_write_elsewhere(tmp_path: Path) -> None:
    async def story() -> None:
        async with pair(tmp_path) as site:
            (row, *_) = recorded(site.standby, 3)
            bad = msgspec.structs.replace(row, id="stby1/../../evil", path="../../evil")
            site.standby.catalogue.put([bad])
            await site.poll()
            for _ in range(5):
                await site.copier.round()
            assert not (tmp_path / "evil").exists()
            assert not (tmp_path.parent / "evil").exists()

    asyncio.run(story())


def test_a_disk_error_here_is_not_blamed_on_the_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(write: object, *arguments: object) -> object:
        if getattr(write, "__name__", "") == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return await to_thread(write, *arguments)

    to_thread: Any = asyncio.to_thread

    async def story() -> None:
        async with pair(tmp_path) as site:
            recorded(site.standby, 3)
            await site.poll()
            monkeypatch.setattr(asyncio, "to_thread", full)
            await site.copier.round()

    asyncio.run(story())
    assert "No space left on device" in caplog.text
    assert "does not answer" not in caplog.text


def test_s10_s11_by_itself_within_a_second_also_after_the_standby_was_away(tmp_path: Path) -> None:
    """The loops as they run in the process: nobody calls them by hand."""

    async def until(site: Pair, holder: str, states: set[str]) -> float:
        began = asyncio.get_running_loop().time()
        while True:
            rows = site.home.catalogue.segments("north")
            if rows and {row.holder for row in rows} == {holder} and {row.state for row in rows} == states:
                return asyncio.get_running_loop().time() - began
            await asyncio.sleep(0.01)

    async def story() -> None:
        async with pair(tmp_path) as site:
            site.front.faults.refuse += [502, 502]
            loops = [asyncio.create_task(site.redirect.run()), asyncio.create_task(site.copier.run())]
            rows = recorded(site.standby, 3)
            site.standby.catalogue.put([msgspec.structs.replace(row, state="open", sha256="") for row in rows])
            async with asyncio.timeout(10):
                await until(site, "stby1", {"open"})
                site.standby.catalogue.put(rows)
                assert await until(site, "rec1", {"closed"}) < 2.0
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            for row in rows:
                assert sha256(site.home.path(row)) == TRUTH[row.id]

    asyncio.run(story())
