"""Playlists and the bytes they name: every frame once, whoever holds it, and nothing for who is not logged in."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import media
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from front import DEAD, Front
from recordings import FPS, Node, plan
from test_sessions import log_in, server
from understudy import control
from understudy.footage.instants import show
from understudy.footage.live import WINDOW_S, NotLive, Window
from understudy.footage.model import Segment
from understudy.footage.peers import Peers
from understudy.recorder.fmp4.scan import scan
from understudy.web.app import make_app
from understudy.web.services import Services

SERVER = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}
TAKEOVER = [("rec1", "rec1-a", 0.0, 5.0), ("stby1", "stby1-a", 2.0, 9.0), ("rec1", "rec1-b", 8.0, 12.0)]
Story = Callable[[Any, "Site"], Awaitable[None]]


class Site:
    """rec1 and stby1 with what they recorded; `client` asks rec1 through what nginx does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.urls = {"stby1": DEAD, "rec2": DEAD}
        self.services = {name: server(root, name, self._peers(root, name)) for name in ("rec1", "stby1")}
        self.nodes = {name: self._node(services) for name, services in self.services.items()}

    def _peers(self, root: Path, name: str) -> Peers:
        return Peers(plan(root, name), None, url=lambda other: self.urls.get(other.name, DEAD))

    @staticmethod
    def _node(services: Services) -> Node:
        node = Node.__new__(Node)
        node.root, node.name, node.plan = (
            Path(services.plan.me.disks[0].path).parents[1],
            services.plan.node,
            services.plan,
        )
        node.disks, node.catalogue = services.disks, services.catalogue
        return node


def play(root: Path, story: Story, *, standby: bool = True) -> None:
    async def run() -> None:
        site = Site(root)
        for services in site.services.values():
            object.__setattr__(services.disks, "_mounted", lambda path: path.is_dir())
        behind = Front(site.services["stby1"], "rec1")
        await behind.start()
        if standby:
            site.urls["stby1"] = behind.url
        front = Front(site.services["rec1"], "rec2")
        await front.start()
        async with site.services["rec1"].peers, site.services["stby1"].peers, TestClient(front.server) as client:
            try:
                await story(client, site)
            finally:
                await front.close()
                await behind.close()

    asyncio.run(run())


def vod_url(from_s: float, to_s: float, camera: str = "north/1") -> str:
    begin, end = (quote(show(media.EPOCH_US + round(at * 1e6))) for at in (from_s, to_s))
    return f"/hls/{camera}/vod.m3u8?from={begin}&to={end}"


class Entry(msgspec.Struct):
    """An entry of a playlist as a player reads it."""

    url: str
    range: tuple[int, int] | None
    length_s: float
    at: float
    init: tuple[str, int]
    broken: bool


def entries(text: str) -> list[Entry]:
    found: list[Entry] = []
    init, broken, length_s, span, at = ("", 0), False, 0.0, None, 0.0
    for line in text.splitlines():
        if line.startswith("#EXT-X-MAP"):
            told = re.fullmatch(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', line)
            assert told
            init = told[1], int(told[2])
        elif line == "#EXT-X-DISCONTINUITY":
            broken = True
        elif line.startswith("#EXTINF:"):
            length_s = float(line[8:-1])
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            at = datetime.fromisoformat(line.partition(":")[2]).timestamp()
        elif line.startswith("#EXT-X-BYTERANGE:"):
            size, _, offset = line[17:].partition("@")
            span = int(offset), int(size)
        elif line and not line.startswith("#"):
            found.append(Entry(line, span, length_s, at, init, broken))
            broken, span = False, None
    return found


def crcs(begin_s: float, end_s: float) -> list[int]:
    """What the camera showed."""
    return [unit.crc for unit in media.video(12)[1] if begin_s <= (unit.wall_us - media.EPOCH_US) / 1e6 < end_s]


async def film(client: Any, found: list[Entry], path: Path) -> list[int]:
    """The CRC of every frame that a player gets, read from the bytes the entries name."""
    told: list[int] = []
    for entry in found:
        first = await client.get(entry.init[0], headers={"Range": f"bytes=0-{entry.init[1] - 1}"})
        init = (await first.read())[: entry.init[1]]
        headers = {}
        if entry.range is not None:
            headers["Range"] = f"bytes={entry.range[0]}-{sum(entry.range) - 1}"
        answer = await client.get(entry.url, headers=headers)
        assert answer.status in (200, 206), await answer.text()
        body = await answer.read()
        assert len(init) == entry.init[1]
        path.write_bytes(init + body)
        told += [frame.crc for frame in scan(path).frames]
    return told


def test_s12_playback_over_a_takeover_gives_every_frame_once(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        for name, session, begin, end in TAKEOVER:
            site.nodes[name].record(session, begin, end)
        text = await (await client.get(vod_url(0, 12))).text()
        found = entries(text)
        assert text.startswith("#EXTM3U\n")
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
        assert text.endswith("#EXT-X-ENDLIST\n")
        assert sum(entry.broken for entry in found) == 2
        assert await film(client, found, tmp_path / "film.mp4") == crcs(0, 12)
        assert sum(entry.length_s for entry in found) == pytest.approx(12, abs=0.1)
        for entry, after in pairwise(found):
            assert after.at == pytest.approx(entry.at + entry.length_s, abs=0.06)

    play(tmp_path, story)


def test_s12_where_a_playlist_leaves_a_file_in_the_middle_of_a_part_its_frames_are_cut_out(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        site.nodes["rec1"].record("rec1-a", 0, 6)
        site.nodes["rec1"].catalogue.put(site.nodes["stby1"].record("stby1-a", 6, 12))
        for end_s in (4.3, 9.7):  # here, and on the other server
            found = entries(await (await client.get(vod_url(0, end_s))).text())
            assert found[-1].url.startswith("/hls/cuts/")
            assert await film(client, found, tmp_path / "film.mp4") == crcs(0, end_s)
            cut = scan(tmp_path / "film.mp4")
            assert cut.whole_size == (tmp_path / "film.mp4").stat().st_size
            original = scan(site.nodes["rec1" if end_s < 6 else "stby1"].path(_row(site, found[-1])))
            first = int(found[-1].url.partition("first=")[2].partition("&")[0])
            same = original.frames[first : first + len(cut.frames)]
            assert [(f.dts, f.cts, f.wall_us, f.key) for f in cut.frames] == [
                (f.dts, f.cts, f.wall_us, f.key) for f in same
            ]

    play(tmp_path, story)


def _row(site: Site, entry: Entry) -> Segment:
    id = entry.url.removeprefix("/hls/cuts/").partition("?")[0]
    row = site.nodes[id.partition("/")[0]].catalogue.segment(id)
    assert row is not None
    return row


def test_s11_redirected_footage_plays_through_the_logical_address(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        rows = site.nodes["stby1"].record("stby1-a", 0, 9)
        site.nodes["rec1"].catalogue.put(rows)  # what redirect does
        found = entries(await (await client.get(vod_url(0, 9))).text())
        assert {entry.url.split("/")[3] for entry in found} == {"stby1"}
        assert len(await film(client, found, tmp_path / "film.mp4")) == 9 * FPS

    play(tmp_path, story)


def test_what_came_home_after_the_playlist_was_made_still_plays(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        (row, *_) = site.nodes["stby1"].record("stby1-a", 0, 3)
        site.nodes["rec1"].catalogue.put([row])
        found = entries(await (await client.get(vod_url(0, 3))).text())
        home, away = (Path(site.services[name].plan.me.disks[0].path) / row.path for name in ("rec1", "stby1"))
        home.parent.mkdir(parents=True)
        away.rename(home)
        site.nodes["rec1"].catalogue.put([msgspec.structs.replace(row, holder="rec1")])
        site.nodes["stby1"].catalogue.remove([row.id])
        assert len(await film(client, found, tmp_path / "film.mp4")) == 3 * FPS

    play(tmp_path, story)


def test_a_playlist_begins_at_a_key_frame_before_the_time_that_was_asked_for(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        site.nodes["rec1"].record("rec1-a", 0, 12)
        found = entries(await (await client.get(vod_url(5.5, 8))).text())
        begin_s = found[0].at - media.EPOCH_US / 1e6
        assert begin_s <= 5.5
        assert begin_s > 0.5
        assert await film(client, found[:1], tmp_path / "film.mp4")
        assert scan(tmp_path / "film.mp4").frames[0].key

    play(tmp_path, story)


def test_a_gap_is_a_discontinuity_and_the_times_tell_how_long_it_is(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        site.nodes["rec1"].record("rec1-a", 0, 4)
        site.nodes["rec1"].record("rec1-b", 8, 12)
        found = entries(await (await client.get(vod_url(0, 12))).text())
        (after,) = [entry for entry in found if entry.broken]
        before = found[found.index(after) - 1]
        assert after.at - before.at - before.length_s == pytest.approx(4, abs=0.6)

    play(tmp_path, story)


def test_footage_of_a_silent_server_is_left_out_and_the_rest_plays(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        site.nodes["rec1"].record("rec1-a", 0, 5)
        site.nodes["rec1"].catalogue.put(site.nodes["stby1"].record("stby1-a", 5, 9))
        found = entries(await (await client.get(vod_url(0, 9))).text())
        assert {entry.url.split("/")[3] for entry in found} == {"rec1"}
        row = site.nodes["stby1"].catalogue.segments("north")[0]
        gone = await client.get(f"/hls/segments/{quote(row.id)}?at=stby1")
        assert gone.status == 503
        assert "stby1 does not answer" in (await gone.json())["detail"]

    play(tmp_path, story, standby=False)


def test_who_looks_waits_for_a_silent_server_once_and_asks_it_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(client: Any, site: Site) -> None:
        services = site.services["rec1"]
        site.nodes["rec1"].record("rec1-a", 0, 5)
        site.nodes["stby1"].record("stby1-a", 5, 9)
        behind, site.urls["stby1"] = site.urls["stby1"], DEAD
        asked: list[str] = []
        ask = Peers.segments

        async def counted(self: Peers, name: str, logical: str, **query: Any) -> Any:
            asked.append(name)
            return await ask(self, name, logical, **query)

        monkeypatch.setattr(Peers, "segments", counted)
        for _ in range(3):
            told = await (await client.get("/api/v1/timeline/north/1")).json()
            assert "stby1 does not answer" in told["silent"]["stby1"]
            assert {span["recorder"] for span in told["spans"]} == {"rec1"}
        assert asked.count("stby1") == 1
        site.urls["stby1"] = behind
        services.silent["stby1"] = 0.0, ""
        told = await (await client.get("/api/v1/timeline/north/1")).json()
        assert "stby1" not in told["silent"]
        assert {span["recorder"] for span in told["spans"]} == {"rec1", "stby1"}

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hls/east/1/live.m3u8", 404),
        ("/hls/north/2/live.m3u8", 404),
        ("/hls/north/1e3/vod.m3u8", 404),
        ("/hls/north/1/vod.m3u8", 400),
        ("/hls/north/1/vod.m3u8?from=yesterday&to=today", 400),
        (vod_url(9, 5), 400),
        (vod_url(0, 3 * 3600), 400),
        (vod_url(100, 110), 404),
        ("/hls/segments/../../../etc/passwd", 404),
        ("/hls/segments/..%2F..%2Fetc%2Fpasswd", 503),
        ("/hls/segments/rec1/north/none.v.mp4?at=rec1", 503),
        ("/hls/segments/rec1/north/none.v.mp4?at=../stby1", 503),
        ("/hls/cuts/rec1/none?first=0&stop=1", 503),
        ("/hls/cuts/rec1/none?first=a", 400),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(tmp_path: Path, path: str, status: int) -> None:
    async def story(client: Any, site: Site) -> None:
        site.nodes["rec1"].record("rec1-a", 0, 3)
        answer = await client.get(path)
        assert answer.status == status
        assert answer.content_type == "application/problem+json"

    play(tmp_path, story, standby=False)


def test_a_cut_gives_no_more_frames_than_there_are(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        (row, *_) = site.nodes["rec1"].record("rec1-a", 0, 3)
        for first, stop in ((-1, 2), (5, 5), (0, 10_000), (10_000, 10_001)):
            assert (await client.get(f"/hls/cuts/{quote(row.id)}?first={first}&stop={stop}")).status == 404

    play(tmp_path, story)


def test_nobody_sees_a_picture_without_a_login(tmp_path: Path) -> None:
    async def run() -> None:
        services = server(tmp_path, "rec1")
        async with TestClient(TestServer(make_app(services))) as client:
            (row, *_) = Site._node(services).record("rec1-a", 0, 3)
            paths = (
                "/hls/north/1/live.m3u8",
                vod_url(0, 3),
                f"/hls/segments/{row.id}",
                f"/hls/cuts/{row.id}?first=0&stop=1",
            )
            for path in paths:
                answer = await client.get(path)
                assert answer.status == 401
                assert "X-Accel-Redirect" not in answer.headers
            headers, _ = await log_in(client)
            object.__setattr__(services.disks, "_mounted", lambda path: path.is_dir())
            media_answer = await client.get(f"/hls/segments/{row.id}", headers=headers)
            assert media_answer.headers["X-Accel-Redirect"] == f"/protected/C/{row.path}"

    asyncio.run(run())


# -- live ------------------------------------------------------------------------------------------


class Camera:
    """A recorder that writes parts into a file while a window looks."""

    def __init__(self, root: Path) -> None:
        self.node = Node(root, "rec1")
        self.window = Window(self.node.catalogue, self.node.disks, "rec1", "north", 1)
        now_us = time.time_ns() // 1000
        self.shift_us = now_us - media.EPOCH_US - 12_000_000

    def record(self, session: str, begin_s: float, end_s: float, state: str = "open") -> list[Segment]:
        """As if its last frame (12 s) were now."""
        return self.node.record(session, begin_s, end_s, clock_us=self.shift_us, segment_s=60, state=state)

    def refresh(self, at_s: float) -> list[Entry]:
        return entries(self.window.refresh(["main"], media.EPOCH_US + self.shift_us + round(at_s * 1e6)))


def test_s14_the_live_window_ends_with_the_newest_part_and_reads_only_what_is_new(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    (row,) = camera.record("rec1-a", 0, 12)
    path = camera.node.path(row)
    whole = path.read_bytes()
    index = scan(path)
    middle = index.parts[5][0]
    path.write_bytes(whole[: middle + 100])  # the last part is being written
    first = camera.refresh(6.0)
    assert first[-1].range is not None
    assert sum(first[-1].range) == middle
    path.write_bytes(whole)
    second = camera.refresh(12.0)
    assert second[-1].range is not None
    assert sum(second[-1].range) == len(whole)
    assert 12 - (second[-1].at - (media.EPOCH_US + camera.shift_us) / 1e6) <= 1.1
    assert [entry.url for entry in second[: len(first)]] == [entry.url for entry in first]


def test_the_numbers_of_a_live_playlist_go_on_and_the_window_stays_short(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.record("rec1-a", 0, 12)

    def numbers(text: str) -> tuple[int, int]:
        found = re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)
        assert found
        return int(found[1]), len(entries(text))

    base_us = media.EPOCH_US + camera.shift_us
    before = numbers(camera.window.refresh(["main"], base_us + 12_000_000))
    later = numbers(camera.window.refresh(["main"], base_us + round((WINDOW_S + 5) * 1e6)))
    assert later[0] - before[0] == before[1] - later[1] > 0


def test_a_new_session_is_a_discontinuity_and_a_file_that_the_catalogue_does_not_know_yet_is_offered(
    tmp_path: Path,
) -> None:
    camera = Camera(tmp_path)
    camera.record("rec1-a", 0, 6)
    assert not any(entry.broken for entry in camera.refresh(6.0))
    (row,) = camera.record("rec1-b", 7, 12)
    camera.node.catalogue.remove([row.id])
    found = camera.refresh(12.0)
    assert [entry.broken for entry in found].count(True) == 1
    assert camera.window.places[row.id] == ("C", row.path)


def test_a_camera_that_is_not_recorded_here_has_no_live_picture(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    with pytest.raises(NotLive, match="rec1 is not recording north/1 now"):
        camera.refresh(12.0)
    (row,) = camera.record("rec1-a", 0, 12)
    camera.refresh(12.0)
    with pytest.raises(NotLive):
        camera.refresh(60.0)
    camera.node.path(row).unlink()
    with pytest.raises(NotLive, match="cannot be read"):
        camera.refresh(12.0)


def test_the_live_playlist_of_another_logical_server_comes_from_its_carrier(tmp_path: Path) -> None:
    async def story(client: Any, site: Site) -> None:
        shift_us = time.time_ns() // 1000 - media.EPOCH_US - 12_000_000
        site.nodes["stby1"].record("stby1-a", 0, 12, clock_us=shift_us, segment_s=60, state="open")

        async def status(_: control.Document) -> control.Document:
            return {"status": {"logical": [{"name": "north", "carrier": "stby1"}]}}

        agent = await control.serve(tmp_path / "agent.sock", {"status": status})
        answer = await client.get("/hls/north/1/live.m3u8")
        assert answer.status == 200, await answer.text()
        found = entries(await answer.text())
        assert {entry.url.split("/")[3] for entry in found} == {"stby1"}
        assert len(await film(client, found, tmp_path / "film.mp4")) > 10 * FPS
        agent.close()

    play(tmp_path, story)


def test_times_in_a_playlist_are_utc(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.record("rec1-a", 0, 12)
    newest = camera.refresh(12.0)[-1]
    assert abs(datetime.fromtimestamp(newest.at, UTC) - datetime.now(UTC)).total_seconds() < 60
