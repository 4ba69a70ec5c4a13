"""Event tracks: which frames an event has, from before it to behind it, on the home and on a standby alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from recordings import Node
from rig import FakeWriter
from understudy import control
from understudy.footage.document import first_track
from understudy.footage.gaps import between_events
from understudy.footage.model import Segment, event_of
from understudy.footage.peers import PeerError, Peers
from understudy.footage.timeline import build
from understudy.recorder import event_control
from understudy.recorder.event_track import EventTrack
from understudy.recorder.events import EventError, Events, Window, arm, merged, stretch_at
from understudy.recorder.units import AccessUnit, Format
from understudy.site.plan import Camera, Logical, Plan, Server, Source, Track
from understudy.web import event_routes
from understudy.web.app import make_app
from understudy.web.event_exchange import EventExchange
from understudy.web.services import Services

S = 1_000_000
FORMATS = (Format("video", "h264", 90_000, ()), Format("audio", "aac", 48_000, ()))
#: key frames are every 2 s, frames every 0.5 s
GOP_US, STEP_US = 2 * S, S // 2


def window(from_s: float, until_s: float, text: str = "") -> Window:
    return Window("north", 1, round(from_s * S), round(until_s * S), text)


class Camera1:
    """An event track of 3 s before and 4 s behind, in front of a writer that remembers."""

    def __init__(self) -> None:
        self.windows: tuple[Window, ...] = ()
        self.written = FakeWriter()
        self.sessions: list[str] = []
        self.ends: list[int] = []
        start, self.written.start = self.written.start, self._start  # type: ignore[method-assign]
        self._inner_start = start
        self.written.close = lambda: self.ends.append(len(self.written.video))  # type: ignore[method-assign]
        self.track = EventTrack(self.written, lambda: self.windows, pre_s=3, post_s=4)
        self.track.start(FORMATS, "one")

    def _start(self, formats: tuple[Format, ...], session: str) -> None:
        self.sessions.append(session)
        self._inner_start(formats, session)

    def event(self, from_s: float, until_s: float) -> None:
        self.windows = merged([*self.windows, window(from_s, until_s)])

    def play(self, from_s: float, to_s: float) -> None:
        for wall_us in range(round(from_s * S), round(to_s * S), STEP_US):
            unit = AccessUnit(wall_us, wall_us, wall_us % GOP_US == 0, b"x" * 1000, 0)
            self.track.write("video", unit)
            self.track.write("audio", AccessUnit(wall_us, wall_us, True, b"a", 0))
            self.track.tick(wall_us)

    @property
    def seconds(self) -> list[float]:
        return [unit.wall_us / S for unit in self.written.video]


def steps(first: float, stop: float) -> list[float]:
    return [n * STEP_US / S for n in range(round(first * 2), round(stop * 2))]


def test_f04_nothing_is_written_without_an_event() -> None:
    camera = Camera1()
    camera.play(0, 60)
    assert camera.seconds == []
    assert camera.track.frames_written == 120, "the camera is fed all the same"
    assert camera.track.first_frame_wall_us == 0


def test_an_event_is_recorded_from_a_key_frame_before_it_to_one_behind_it() -> None:
    camera = Camera1()
    camera.play(0, 21)
    camera.event(21, 25)
    camera.play(21, 60)
    # 21 - 3 is a key frame, and so is the first one after 25 + 4.
    assert camera.seconds == steps(18, 30)
    assert camera.sessions == [f"one~event{21 * S}"]
    assert len(camera.written.audio) == len(camera.written.video)
    assert camera.track.frames_written == 120


def test_an_event_that_overlaps_extends_and_one_that_follows_closely_leaves_no_hole() -> None:
    camera = Camera1()
    camera.play(0, 21)
    camera.event(21, 25)
    camera.play(21, 24)
    camera.event(24, 33)
    camera.play(24, 37.5)
    camera.event(37.5, 38)  # 33 + 4 is over, but its 3 s before reach into what is still recorded
    camera.play(37.5, 60)
    assert camera.seconds == steps(18, 42)
    assert len(camera.sessions) == 1
    late = Camera1()
    late.play(0, 21)
    late.event(21, 22)
    late.play(21, 29)
    late.event(29, 30)  # the first one ended at the key frame at 26
    late.play(29, 60)
    assert late.seconds == steps(18, 34)
    assert {event_of(session) for session in late.sessions} == {str(21 * S)}, "one stretch without a hole"


def test_two_events_far_apart_are_two_recordings() -> None:
    camera = Camera1()
    for at in (21, 51):
        camera.play(at - 21, at)
        camera.event(at, at + 1)
        camera.play(at, at + 9)
    camera.play(60, 70)
    assert camera.seconds == steps(18, 26) + steps(48, 56)
    assert camera.sessions == [f"one~event{21 * S}", f"one~event{51 * S}"]


def test_s07_a_standby_that_takes_over_in_the_middle_writes_the_rest_from_its_preroll() -> None:
    """It hears of the event at once, takes over 6 s later and gives the track its ring at one go."""
    home, standby = Camera1(), Camera1()
    home.play(0, 21)
    home.event(21, 31)
    home.play(21, 26)  # dies
    standby.windows = home.windows
    standby.play(19.5, 60)
    assert sorted(set(home.seconds) | set(standby.seconds)) == steps(18, 36)
    assert event_of(home.sessions[0]) == event_of(standby.sessions[0])


def test_an_event_goes_on_over_a_new_connection_to_the_camera() -> None:
    camera = Camera1()
    camera.play(0, 19)
    camera.track.start(FORMATS, "two")
    camera.play(20, 21)
    camera.event(21, 31)
    camera.play(21, 26)
    camera.track.start(FORMATS, "three")
    camera.play(26, 60)
    assert camera.seconds == steps(18, 19) + steps(20, 36)
    assert [name.partition("~")[0] for name in camera.sessions] == ["one", "two", "three"]


def test_an_event_that_is_heard_of_when_it_is_over_is_written_from_what_is_held() -> None:
    camera = Camera1()
    camera.play(0, 21)
    camera.windows = (window(18.5, 18.6),)
    camera.track = EventTrack(camera.written, lambda: camera.windows, pre_s=0.1, post_s=0.1)
    camera.track.start(FORMATS, "one")
    camera.windows = ()
    camera.play(18, 19.5)
    camera.windows = (window(18.5, 18.6),)
    camera.play(19.5, 40)
    assert camera.seconds == steps(18, 20)
    assert len(camera.ends) == 1


def test_an_event_ends_although_the_camera_sends_nothing_more() -> None:
    camera = Camera1()
    camera.play(0, 21)
    camera.event(21, 25)
    camera.play(21, 26)
    assert not camera.ends
    camera.track.tick(60 * S)
    assert camera.ends == [len(camera.seconds)]


def test_what_is_held_is_bounded_without_key_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.recorder.event_track.MAX_BYTES", 5000)
    camera = Camera1()
    for number in range(100):
        wall_us = number * STEP_US
        camera.track.write("video", AccessUnit(wall_us, wall_us, number == 0, b"x" * 1000, 0))
    camera.event(50, 51)
    camera.play(50, 60)
    assert camera.seconds[0] == 50
    assert all(later - before == 0.5 for before, later in zip(camera.seconds, camera.seconds[1:], strict=False))


def test_windows_are_the_same_in_whatever_order_they_are_heard_of() -> None:
    windows = [window(10, 20, "door"), window(15, 30, "yard"), window(30, 31), window(40, 50)]
    results = {merged(order) for order in permutations(windows)}
    assert results == {(window(10, 31, "door"), window(40, 50))}


def test_pre_and_post_time_join_stretches() -> None:
    windows = merged([window(100, 110), window(115, 120), window(200, 201)])

    def at(wall_s: float) -> Any:
        return stretch_at(windows, 3 * S, 4 * S, round(wall_s * S))

    assert at(96.9) is None
    assert at(97) == at(112) == at(123.9) == (100 * S, 97 * S, 124 * S)
    assert at(124) is None
    assert at(197).event == 200 * S


def plan(node: str = "rec1") -> Plan:
    tracks = (Track(name="event", disk="C", days=1, mode="event"),)
    source = Source(type="rtsp", url="rtsp://cam/")
    cameras = (
        Camera(number=1, name="Gate", source=source, tracks=tracks),
        Camera(number=2, name="Yard", source=source, tracks=(Track(name="main", disk="C", days=1),)),
    )
    names = ("rec1", "rec2", "stby1")
    servers = tuple(Server(name=name, kind="standby" if name == "stby1" else "server", rank=0) for name in names)
    return Plan(
        version=1,
        site="lab",
        node=node,
        servers=servers,
        logical=(Logical(name="north", home="rec1", cameras=cameras),),
    )


@pytest.mark.parametrize(
    ("logical", "camera", "for_s", "sentence"),
    [
        ("west", 1, 10, "this site has no camera west/1"),
        ("north", 9, 10, "this site has no camera north/9"),
        ("north", 2, 10, "north/2 has no track of mode event"),
        ("north", 1, 0, "an event lasts more than 0 and at most 3600 s, not 0"),
        ("north", 1, 3601, "an event lasts more than 0 and at most 3600 s, not 3601"),
        ("north", 1, float("nan"), "an event lasts more than 0 and at most 3600 s, not nan"),
    ],
)
def test_wrong_events_are_refused(logical: str, camera: int, for_s: float, sentence: str) -> None:
    with pytest.raises(EventError, match=sentence):
        arm(plan(), logical, camera, for_s, "", 0)


def test_events_survive_a_restart_and_are_forgotten_when_they_are_long_over(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    events = Events(path)
    events.add([window(10, 20), window(1000, 1010, "door")], 30 * S)
    assert [w.from_us for w in Events(path).of("north", 1)] == [10 * S, 1000 * S]
    events.add([], 700 * S)
    assert [w.from_us for w in Events(path).all()] == [1000 * S]
    path.write_bytes(b"[{")
    assert Events(path).all() == []


def segment(name: str, session: str, start_s: float, seconds: float) -> Segment:
    start_us = round(start_s * S)
    return Segment(
        id=f"rec1/{name}",
        logical="north",
        camera=1,
        track="event",
        stream="video",
        recorder="rec1",
        session=session,
        disk="C",
        path=name,
        start_us=start_us,
        end_us=start_us + round((seconds - 0.04) * S),
        frames=round(seconds * 25),
        bytes=1,
        state="closed",
        holder="rec1",
    )


def test_f14_between_events_is_no_gap_and_within_one_it_is() -> None:
    rows = [segment("a", "s~event1", 0, 20), segment("b", "s~event1.1", 30, 20), segment("c", "s~event2", 100, 20)]
    timeline = build(rows, {})
    assert [(gap.from_us, gap.to_us) for gap in timeline.gaps] == [(rows[0].end_us, rows[1].start_us)]
    assert [(span.from_us, span.frames) for span in timeline.spans()] == [(0, 500), (30 * S, 500), (100 * S, 500)]
    assert between_events(rows[1], rows[2])


def test_the_first_track_is_that_of_the_site_file_not_of_the_alphabet() -> None:
    both = (Track(name="main", disk="C", days=1), Track(name="alarm", disk="C", days=1, mode="event"))
    part = plan().logical[0]
    camera = msgspec.structs.replace(part.cameras[0], tracks=both)
    known = msgspec.structs.replace(plan(), logical=(msgspec.structs.replace(part, cameras=(camera,)),))
    assert first_track(known, "north", 1, {"alarm": [], "main": []}) == "main"
    assert first_track(known, "north", 1, {"alarm": [], "old": []}) == "alarm"
    assert first_track(known, "north", 1, {"old": []}) == "old"
    assert first_track(known, "north", 1, {}) == "main"
    assert first_track(known, "north", 2, {}) == ""


class Recorder:
    """A recorder's control socket and nothing behind it."""

    def __init__(self, root: Path, name: str) -> None:
        self.events = Events(root / f"{name}.json")
        self.socket = root / f"{name}.sock"
        self._plan = plan(name)

    async def serve(self) -> asyncio.Server:
        return await control.serve(self.socket, event_control.handlers(lambda: self._plan, self.events))


def test_s07_the_exchange_tells_every_server_that_protects_the_camera_until_it_knows(tmp_path: Path) -> None:
    told: list[tuple[str, bytes]] = []
    down = {"stby1"}

    async def post(name: str, path: str, body: bytes) -> None:
        if name in down:
            raise PeerError(f"{name} does not answer")
        told.append((name, body))

    async def run() -> None:
        home = Recorder(tmp_path, "rec1")
        server = await home.serve()
        peers: Any = SimpleNamespace(servers={"rec2": None, "stby1": None}, post=post)
        exchange = EventExchange(plan(), peers, home.socket)
        await exchange.round()
        assert told == []
        home.events.add([window(10, 2_000_000_000)], 10 * S)
        for _ in range(3):
            await exchange.round()
        assert told == []
        down.clear()
        for _ in range(8):
            await exchange.round()
        assert [name for name, _ in told] == ["stby1"], "once, and rec2 has nothing to do with north"
        server.close()

    asyncio.run(run())


SERVER = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}


def api(tmp_path: Path, story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `story` with a client of rec1's API and its recorder."""
    key = tmp_path / "heartbeat.key"
    key.write_text("ab" * 32 + "\n")
    monkeypatch.setattr(event_routes.paths, "HEARTBEAT_KEY", key)

    async def run() -> None:
        node, recorder = Node(tmp_path, "rec1"), Recorder(tmp_path, "rec1")
        server = await recorder.serve()
        async with Peers(node.plan, None, url=lambda _: "http://127.0.0.1:9") as peers:
            services = Services(node.plan, node.catalogue, node.disks, peers, tmp_path / "a.sock", recorder.socket)
            async with TestClient(TestServer(make_app(services))) as client:
                await story(client, recorder.events)
        server.close()

    asyncio.run(run())


def test_the_api_arms_tells_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Any, events: Events) -> None:
        url = "/api/v1/cameras/north/1/events"
        assert (await client.post(url, json={"for_s": 30})).status == 401
        answer = await client.post(url, json={"for_s": 30, "text": "door"}, headers=SERVER)
        assert answer.status == 201
        told = await answer.json()
        assert (told["camera"], told["text"]) == ("north/1", "door")
        assert events.of("north", 1)[0].until_us - events.of("north", 1)[0].from_us == 30 * S
        assert (await (await client.get("/api/v1/events", headers=SERVER)).json())["events"] == [told]
        wrong: Sequence[tuple[str, Any, str]] = (
            (url, {"for": 30}, "for"),
            ("/api/v1/cameras/north/2/events", {"for_s": 30}, "north/2 has no track of mode event"),
            ("/api/v1/events", [{"logical": 1}], "logical"),
        )
        for path, body, sentence in wrong:
            answer = await client.post(path, json=body, headers=SERVER)
            assert answer.status == 400
            assert sentence in (await answer.json())["detail"]

    api(tmp_path, story, monkeypatch)


def test_a_webhook_needs_no_certificate_but_the_secret_of_its_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(client: Any, events: Events) -> None:
        token = event_routes.webhook_token(bytes.fromhex("ab" * 32), "north", 1)
        other = event_routes.webhook_token(bytes.fromhex("ab" * 32), "north", 2)
        assert (await client.get(f"/api/v1/hooks/north/1/{other}?for_s=5")).status == 403
        assert (await client.get("/api/v1/hooks/north/1/short?for_s=5")).status in (401, 404)
        assert not events.all()
        assert (await client.get(f"/api/v1/hooks/north/1/{token}?for_s=soon")).status == 400
        assert (await client.post(f"/api/v1/hooks/north/1/{token}?for_s=5&text=bell")).status == 201
        assert [(w.text, w.until_us - w.from_us) for w in events.all()] == [("bell", 5 * S)]

    api(tmp_path, story, monkeypatch)
