"""The carrier's side: which gaps it asks for, whom, how often; with real segment files and servers of few words."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import media
import msgspec
import pytest
from recordings import Node
from understudy.footage import healing
from understudy.footage.healing import Healing
from understudy.footage.model import Segment
from understudy.footage.peers import Healed, PeerError, Peers
from understudy.site.plan import Camera, Plan, Server, Source
from understudy.web.services import Services

Answer = Callable[[str], Healed]


class Mute(Peers):
    """Answers what it is told to; remembers who was asked for what."""

    def __init__(self, plan: Plan, answer: Answer) -> None:
        super().__init__(plan, None)
        self.asked: list[tuple[str, int, int]] = []
        self._answer = answer

    async def heal(self, name: str, logical: str, camera: int, from_us: int, to_us: int) -> Healed:
        assert (logical, camera) == ("north", 1)
        self.asked.append((name, from_us, to_us))
        return self._answer(name)


def nothing(name: str) -> Healed:
    return Healed(frames=0, reason="the pre-roll holds nothing of it")


def silent(name: str) -> Healed:
    raise PeerError(f"{name} does not answer")


def written(name: str) -> Healed:
    return Healed(frames=100)


class Site:
    """A carrier, with a second standby in the plan."""

    def __init__(self, root: Path, answer: Answer = nothing, name: str = "rec1", **camera: object) -> None:
        self.node = Node(root, name)
        plan = self.node.plan
        second = Server(name="stby2", kind="standby", rank=1)
        (north, south) = plan.logical
        north = msgspec.structs.replace(north, cameras=(msgspec.structs.replace(north.cameras[0], **camera),))
        plan = msgspec.structs.replace(plan, servers=(*plan.servers, second), logical=(north, south))
        self.peers = Mute(plan, answer)
        services = Services(plan, self.node.catalogue, self.node.disks, self.peers)
        self.carried = {"north"}

        async def carried() -> set[str]:
            return self.carried

        self.healing = Healing(plan, self.node.catalogue, services.footage, self.peers, carried)

    def round(self, count: int = 1) -> list[str]:
        """Look and ask `count` times; who was asked, in order."""

        async def rounds() -> None:
            for _ in range(count):
                await self.healing.round()

        self.peers.asked.clear()
        asyncio.run(rounds())
        return [name for name, _, _ in self.peers.asked]


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fifteen seconds after the picture began; no pauses between questions."""
    monkeypatch.setattr(healing.time, "time_ns", lambda: (media.EPOCH_US + 15_000_000) * 1000)
    for name in ("_RETRY_S", "_SHOW_S"):
        monkeypatch.setattr(healing, name, 0.0)


def hiccup(node: Node) -> list[Segment]:
    """Three seconds missing between two sessions."""
    return node.record("rec1-a", 0, 5) + node.record("rec1-b", 8, 12)


def test_f10_exactly_the_gap_is_asked_for_once_per_server_standbys_by_rank(tmp_path: Path) -> None:
    site = Site(tmp_path)
    hiccup(site.node)
    assert site.round(6) == ["stby1", "stby2"]
    ((_, from_us, to_us), _) = site.peers.asked
    assert [round((at - media.EPOCH_US) / 1e6, 2) for at in (from_us, to_us)] == [4.96, 8.0]


def test_f10_a_hole_within_one_session_is_one_too(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.node.record("rec1-a", 0, 5)
    site.node.record("rec1-a", 6, 12)
    assert site.round() == ["stby1"]


def test_nothing_is_asked_while_all_is_there_nor_by_who_does_not_carry_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.node.record("rec1-a", 0, 12)
    assert site.round(3) == []
    site.node.record("rec1-b", 14, 15)
    site.carried.clear()
    assert site.round(3) == []


@pytest.mark.parametrize("camera", [{"failover": "none"}, {"failover": "live-only"}, {"preroll_s": 0.0}])
def test_nothing_is_asked_of_a_camera_that_no_standby_holds(tmp_path: Path, camera: dict[str, object]) -> None:
    site = Site(tmp_path, **camera)
    hiccup(site.node)
    assert site.round() == []


def test_nothing_is_asked_for_analogue_cameras(tmp_path: Path) -> None:
    site = Site(tmp_path, source=Source(type="analogue"))
    hiccup(site.node)
    assert site.round() == []


def test_a_gap_older_than_any_ring_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing.time, "time_ns", lambda: (media.EPOCH_US + 60_000_000) * 1000)
    site = Site(tmp_path)
    hiccup(site.node)
    assert site.round() == []


def test_a_silent_server_is_asked_three_times_and_others_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path, lambda name: silent(name) if name == "stby1" else nothing(name))
    hiccup(site.node)
    assert site.round(8) == ["stby1", "stby1", "stby1", "stby2"]
    assert "stays missing: stby1 does not answer; stby2: the pre-roll holds nothing of it" in caplog.text
    monkeypatch.setattr(healing, "_RETRY_S", 60.0)
    again = Site(tmp_path / "again", lambda name: silent(name) if name == "stby1" else nothing(name))
    hiccup(again.node)
    assert again.round(4) == ["stby1", "stby2"]


def test_who_has_written_it_gets_time_to_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "_SHOW_S", 60.0)
    site = Site(tmp_path, written)
    rows = hiccup(site.node)
    assert site.round(5) == ["stby1"]
    other = Node(tmp_path, "stby1")
    shown = [msgspec.structs.replace(row, holder="rec1") for row in other.record("stby1-h", 4, 9)]
    for row in shown:  # they come home
        target = site.node.path(row)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(other.path(row).read_bytes())
    site.node.catalogue.put(shown)
    assert site.round() == []
    assert not site.healing._watches[0].gaps
    assert len(rows) == 4


def test_a_camera_without_end_of_gaps_is_not_asked_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "_BUDGET_S", 0.5)
    site = Site(tmp_path)
    site.healing._watches[0].asked_s.extend([time.monotonic()] * healing._BUDGET)
    hiccup(site.node)
    assert site.round() == []
    deadline_s = time.monotonic() + 5
    while not site.round():
        assert time.monotonic() < deadline_s


def test_a_standby_that_carries_asks_the_others_and_the_home(tmp_path: Path) -> None:
    site = Site(tmp_path, name="stby1")
    site.node.record("stby1-a", 0, 5)
    site.node.record("stby1-b", 8, 12)
    assert site.round(4) == ["stby2", "rec1"]


def test_a_growing_segment_is_looked_into_again_only_when_it_lost_a_frame() -> None:
    watch = healing._Watch("north", Camera(number=1, name="Gate", source=Source(type="rtsp")), ("stby1",))
    row = Segment(
        id="rec1/a", logical="north", camera=1, track="main", stream="video", recorder="rec1", session="a", disk="C",
        path="a", start_us=0, end_us=0, frames=1, bytes=1, state="open", holder="rec1",
    )  # fmt: skip
    jitter = random.Random(1)
    shapes = []
    for frames in (1, *range(50, 1450, 50)):
        end_us = (frames - 1) * 40_000 + jitter.randint(-5_000, 5_000)
        shapes.append(healing._shape(watch, [msgspec.structs.replace(row, frames=frames, end_us=end_us)]))
    assert len(set(shapes)) == 1
    lost = msgspec.structs.replace(row, frames=1450, end_us=1450 * 40_000 - 3_000)
    assert healing._shape(watch, [lost]) != shapes[-1]
    assert healing._shape(watch, []) == ()
    assert not watch.paces
