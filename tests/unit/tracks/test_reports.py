"""How long footage is kept: the report per track, and the clock that must not delete all of it at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from front import peers_of
from letters import feed, store, wait_until, writer
from media import video
from recordings import Node
from test_catalogue import ROW
from understudy import cli
from understudy.cli import keeping
from understudy.footage.model import Segment
from understudy.footage.retention_report import DAY_US, Hole, report
from understudy.recorder import clock_guard, keeper
from understudy.recorder.clock_guard import AHEAD_S, AWAY_S, Anchor, ClockGuard, Now, doubt
from understudy.site.plan import Track
from understudy.web.app import make_app
from understudy.web.services import Services

MINUTE_US = 60_000_000
NOW_US = 20_000 * DAY_US
MAIN = Track(name="main", disk="C", days=30)


def minutes(first: int, stop: int, **changes: Any) -> list[Segment]:
    """A segment per minute, counted from NOW back: `minutes(3, 0)` are the last three."""
    rows = []
    for ago in range(first, stop, -1):
        start_us = NOW_US - ago * MINUTE_US
        row = {"id": f"rec1/{ago}{changes.get('holder', '')}", "start_us": start_us, "end_us": start_us + MINUTE_US}
        rows.append(msgspec.structs.replace(ROW, **{**row, "frames": 1500, "bytes": 10, "stream": "video", **changes}))
    return rows


def test_f14_a_track_that_records_all_the_time() -> None:
    found = report("north/1", "Gate", MAIN, minutes(3000, 0), NOW_US)
    assert (found.expected_days, found.actual_days) == (30, round(3000 / 1440, 3))
    assert (found.recorded_percent, found.holes, found.remark) == (100.0, (), "")
    assert found.bytes == 30_000


def test_f14_holes_count_unless_another_server_has_the_footage() -> None:
    rows = minutes(1000, 600) + minutes(500, 0)
    alone = report("north/1", "Gate", MAIN, rows, NOW_US)
    assert alone.recorded_percent == 90.0
    assert alone.holes == (Hole(NOW_US - 600 * MINUTE_US, NOW_US - 500 * MINUTE_US),)
    both = report("north/1", "Gate", MAIN, rows + minutes(601, 499, holder="stby1"), NOW_US)
    assert (both.recorded_percent, both.holders) == (100.0, ("rec1", "stby1"))


def test_f14_only_the_last_seven_days_count() -> None:
    week = 7 * 1440
    rows = minutes(week + 2000, week + 1000) + minutes(week, 0)
    assert report("north/1", "Gate", MAIN, rows, NOW_US).recorded_percent == 100.0


@pytest.mark.parametrize(
    ("track", "rows", "remark"),
    [
        (MAIN, [], "no footage at all"),
        (MAIN, minutes(100, 50), "nothing recorded since "),
        (Track(name="main", disk="C", days=0.01), minutes(100, 0), "keeps more than its days: a legal hold, "),
        (Track(name="main", disk="C", days=30, mode="event"), [], "no event so far"),
        (Track(name="main", disk="C", days=30, mode="off"), [], ""),
    ],
)
def test_f14_what_is_wrong_is_a_sentence(track: Track, rows: list[Segment], remark: str) -> None:
    found = report("north/1", "Gate", track, rows, NOW_US)
    assert found.remark.startswith(remark)
    assert bool(found.remark) == bool(remark)
    assert "without what only stby1 holds" in report("north/1", "Gate", track, rows, NOW_US, ["stby1"]).remark


def test_f14_between_events_is_no_hole() -> None:
    track = Track(name="alarm", disk="C", days=3, mode="event")
    rows = minutes(100, 98, session="s~event1") + minutes(50, 49, session="s~event2")
    found = report("north/1", "Gate", track, rows, NOW_US)
    assert (found.events, found.holes, found.recorded_percent, found.remark) == (2, (), None, "")


def test_f14_the_report_by_api_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Any] = []

    async def run() -> None:
        node = Node(tmp_path, "rec1")
        node.record("s1", 0, 6)
        async with peers_of(node.plan, {}) as peers:
            services = Services(node.plan, node.catalogue, node.disks, peers, tmp_path / "a", tmp_path / "r")
            async with TestClient(TestServer(make_app(services))) as client:
                server = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}
                answers.append(await (await client.get("/api/v1/retention?camera=north/1", headers=server)).json())
                assert (await client.get("/api/v1/retention?camera=north/7", headers=server)).status == 404

    asyncio.run(run())
    [track] = answers[0]["tracks"]
    assert (track["camera"], track["track"], track["oldest"]) == ("north/1", "main", "2026-11-23T10:00:00.000Z")
    assert "nothing recorded since 2026-11-23T10:00:05.960Z; without what only rec2, stby1 holds" in track["remark"]
    answers[0]["clocks"] = {"rec2": "the clock says 2050"}
    monkeypatch.setattr(keeping, "ask_web", lambda *_: answers[0])
    assert cli.main(["retention", "north/1"]) == 0
    out = capsys.readouterr()
    assert "north/1  main   continuous  3650 " in out.out
    assert out.err == "understudy: rec2: the clock says 2050\n"
    assert cli.main(["retention", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answers[0]


YEAR_S = 365 * 86_400.0


@pytest.mark.parametrize(
    ("anchor", "now", "believed"),
    [
        (None, Now("a", 10, YEAR_S), True),
        (Anchor("a", 10, 1000), Now("a", 110, 1100), True),
        (Anchor("a", 10, 1000), Now("a", 110, 1100 + AHEAD_S), True),
        (Anchor("a", 10, 1000), Now("a", 110, 1101 + AHEAD_S), False),
        (Anchor("a", 10, 1000), Now("a", 10 + YEAR_S, 1000 + YEAR_S), True),
        (Anchor("a", 10, 1000), Now("a", 110, 500), True),
        (Anchor("a", 10, 1000), Now("b", 5, 1005 + AWAY_S), True),
        (Anchor("a", 10, 1000), Now("b", 5, 1006 + AWAY_S), False),
    ],
)
def test_a_clock_is_believed_as_far_as_time_can_have_passed(anchor: Anchor | None, now: Now, believed: bool) -> None:
    assert (doubt(anchor, now) == 0) is believed


class Clocks:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s, self.boot_s = 1e9, 100.0
        monkeypatch.setattr(clock_guard.time, "time", lambda: self.wall_s)
        monkeypatch.setattr(clock_guard, "boottime_s", lambda: self.boot_s)

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds


def test_a_jump_is_told_once_and_is_over_when_the_clock_comes_back_or_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = Clocks(monkeypatch)
    guard = ClockGuard(tmp_path / "clock.json")
    assert guard.believed()
    clocks.wall_s += 3 * YEAR_S
    for _ in range(3):
        clocks.go(60)
        assert not guard.believed()
    assert caplog.text.count("1095.0 days more than can be") == 1
    assert not ClockGuard(tmp_path / "clock.json").believed(), "a restart of the recorder does not make it right"
    clocks.wall_s -= 3 * YEAR_S
    assert guard.believed()
    assert guard.problem is None
    clocks.wall_s += 3 * YEAR_S
    assert not guard.believed()
    guard.confirm()
    assert guard.believed()
    assert ClockGuard(tmp_path / "clock.json").believed()


def test_a_clock_that_was_behind_for_a_while_is_believed_when_it_is_right_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    guard = ClockGuard(tmp_path / "clock.json")
    assert guard.believed()
    clocks.wall_s -= YEAR_S
    clocks.go(600)
    assert guard.believed()
    clocks.wall_s += YEAR_S
    clocks.go(600)
    assert guard.believed()


def test_a_clock_that_jumps_by_years_deletes_no_footage_until_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real keepers and files: the same footage goes as soon as somebody says that the time is right."""
    monkeypatch.setattr(keeper, "AGE_EVERY_S", 0.05)
    disks = store(tmp_path, sync_s=0.02)
    disks.clock.believed()
    clocks = Clocks(monkeypatch)
    clocks.wall_s = clock_guard_now = 4e9  # far ahead of what was believed when the store was made
    monkeypatch.setattr(keeper.time, "time_ns", lambda: int(clock_guard_now * 1e9))
    disks.start()
    try:
        form, units = video()
        track = writer(disks)
        track.start((form,), "s1")
        feed(track, ("video", units))
        track.close()
        wait_until(lambda: bool(disks.catalogue.held("rec1", state="closed")), "a closed segment")
        wait_until(lambda: disks.clock.problem is not None, "the clock is doubted")
        looks = [0]
        by_space = keeper.Retention.by_space

        def count(self: Any, now_us: int) -> int:
            looks[0] += 1
            return by_space(self, now_us)

        monkeypatch.setattr(keeper.Retention, "by_space", count)
        wait_until(lambda: looks[0] > 10, "the keeper looks")
        assert disks.catalogue.held("rec1")
        disks.clock.confirm()
        wait_until(lambda: not disks.catalogue.held("rec1"), "it is too old by the confirmed clock")
    finally:
        disks.close()
