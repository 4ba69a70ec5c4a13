"""The API as its callers see it: who may ask, what is answered, and that nothing but a row leads to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from recordings import Node
from understudy import control
from understudy.footage.model import SegmentIndex
from understudy.footage.peers import Listing, Peers
from understudy.web.app import make_app
from understudy.web.services import Services

SERVER = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}
Story = Callable[[Any, Node], Awaitable[None]]


def play(root: Path, story: Story) -> None:
    """Run `story` with a client of rec1's API."""

    async def run() -> None:
        node = Node(root, "rec1")
        async with Peers(node.plan, None, url=lambda _: "http://127.0.0.1:9") as peers:
            services = Services(
                node.plan, node.catalogue, node.disks, peers, root / "agent.sock", root / "recorder.sock"
            )
            async with TestClient(TestServer(make_app(services))) as client:
                await story(client, node)

    asyncio.run(run())


def segment_url(id: str, what: str = "") -> str:
    return f"/api/v1/footage/segments/{quote(id, safe='')}{what}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Client-Verify": "NONE", "X-Client-CN": "rec1"}, 401),
        ({"X-Client-Verify": "FAILED:expired", "X-Client-CN": "rec1"}, 401),
        ({"X-Client-Verify": "SUCCESS"}, 403),
        ({"X-Client-Verify": "SUCCESS", "X-Client-CN": "laptop"}, 403),
        (SERVER, 200),
    ],
)
def test_only_servers_of_the_site_may_ask(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async def story(client: Any, node: Node) -> None:
        answer = await client.get("/api/v1/footage/north/segments", headers=headers)
        assert answer.status == status
        if status != 200:
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["status"] == status
        assert await (await client.get("/health")).json() == {"status": "ok", "node": "rec1"}

    play(tmp_path, story)


def test_listing_filters_and_says_when_nothing_changed(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        rows = node.record("rec1-a", 0, 9)
        node.catalogue.put([msgspec.structs.replace(rows[0], id="stby1/x", holder="stby1")])
        url = "/api/v1/footage/north/segments"
        listing = msgspec.json.decode(await (await client.get(url, headers=SERVER)).read(), type=Listing)
        assert list(listing.segments) == rows
        assert (await client.get(f"{url}?since={listing.token}", headers=SERVER)).status == 304
        middle = f"{url}?camera=1&from_us={rows[1].start_us}&to_us={rows[1].end_us}"
        part = msgspec.json.decode(await (await client.get(middle, headers=SERVER)).read(), type=Listing)
        assert list(part.segments) == [rows[1]]
        assert (await client.get(f"{url}?camera=one", headers=SERVER)).status == 400
        assert (await client.get("/api/v1/footage/east/segments", headers=SERVER)).status == 404

    play(tmp_path, story)


def test_index_and_content_of_a_segment(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        (row, *_) = node.record("rec1-a", 0, 3)
        answer = await client.get(segment_url(row.id, "/index"), headers=SERVER)
        index = msgspec.json.decode(await answer.read(), type=SegmentIndex)
        assert len(index.frames) == row.frames
        content = await client.get(segment_url(row.id, "/content"), headers=SERVER)
        assert (content.status, content.content_type) == (200, "video/mp4")
        assert content.headers["X-Accel-Redirect"] == f"/protected/C/{row.path}"

    play(tmp_path, story)


@pytest.mark.parametrize("what", ["/index", "/content"])
@pytest.mark.parametrize("id", ["../../etc/passwd", "rec1/../../../etc/passwd", "rec1/none.v.mp4", "/etc/passwd", "%"])
def test_no_text_leads_to_a_file_but_by_the_catalogue(tmp_path: Path, id: str, what: str) -> None:
    async def story(client: Any, node: Node) -> None:
        assert (await client.get(segment_url(id, what), headers=SERVER)).status == 404

    play(tmp_path, story)


def test_a_row_with_an_impossible_path_or_an_absent_letter_gives_nothing(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        (row, *_) = node.record("rec1-a", 0, 3)
        node.catalogue.put(
            [
                msgspec.structs.replace(row, id="rec1/up", path="../../secret"),
                msgspec.structs.replace(row, id="rec1/z", disk="Z"),
            ]
        )
        for id in ("rec1/up", "rec1/z"):
            answer = await client.get(segment_url(id, "/content"), headers=SERVER)
            assert answer.status == 503
            assert "X-Accel-Redirect" not in answer.headers

    play(tmp_path, story)


def test_nothing_is_freed_while_its_letter_is_not_there(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        (row, *_) = node.record("rec1-a", 0, 3, logical="south")  # rec2 is the home of south
        node.disks._mounted = lambda path: False
        answer = await client.delete(segment_url(row.id, "?sha256=00"), headers=SERVER)
        assert answer.status == 503
        assert node.catalogue.segment(row.id) is not None

    play(tmp_path, story)


def test_the_timeline_over_http(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        node.record("rec1-a", 0, 4)
        node.record("rec1-b", 7, 12)
        url = "/api/v1/timeline/north/1"
        track = await (await client.get(url, headers=SERVER)).json()
        assert [span["frames"] for span in track["spans"]] == [100, 125]
        assert [gap["length_s"] for gap in track["gaps"]] == [3.0]
        assert set(track["silent"]) == {"rec2", "stby1"}
        bad = await client.get(f"{url}?from=2026-11-23T10:00:00", headers=SERVER)
        assert bad.status == 400
        assert "no time zone" in (await bad.json())["detail"]

    play(tmp_path, story)


def status_document(node: str, carrier: str, cameras: list[dict[str, Any]]) -> dict[str, Any]:
    north = {"name": "north", "home": "rec1", "carrier": carrier, "state": "SERVING", "addresses": []}
    return {
        "version": 1,
        "site": "lab",
        "node": node,
        "protection": {"state": "PROTECTED", "reason": ""},
        "servers": [],
        "logical": [{**north, "cameras": cameras}],
    }


CAMERA = {"number": 1, "name": "Gate", "mode": "recording", "frames": 7, "last_frame_age_s": 0.1}


def test_node_and_status_answer_with_and_without_the_processes(tmp_path: Path) -> None:
    async def story(client: Any, node: Node) -> None:
        answer = await (await client.get("/api/v1/node", headers=SERVER)).json()
        assert (answer["status"], answer["progress"]) == (None, None)
        assert len(answer["errors"]) == 2
        refused = await client.get("/api/v1/status", headers=SERVER)
        assert refused.status == 503

        async def status(request: control.Document) -> control.Document:
            return {"status": status_document("rec1", "rec1", [CAMERA])}

        server = await control.serve(tmp_path / "agent.sock", {"status": status})
        answer = await (await client.get("/api/v1/node", headers=SERVER)).json()
        assert answer["status"]["logical"][0]["cameras"] == [CAMERA]
        document = await (await client.get("/api/v1/status", headers=SERVER)).json()
        assert document["logical"][0]["cameras"] == [CAMERA]
        server.close()

    play(tmp_path, story)


def test_f10_a_gap_is_handed_to_the_recorder_and_its_answer_back(tmp_path: Path) -> None:
    asked: list[control.Document] = []

    async def heal(request: control.Document) -> control.Document:
        asked.append(request)
        return {"frames": 160, "reason": ""}

    async def story(client: Any, node: Node) -> None:
        url = "/api/v1/footage/north/1/heal"
        answer = await client.post(f"{url}?from_us=1&to_us=3", headers=SERVER)
        assert answer.status == 503  # no recorder
        server = await control.serve(tmp_path / "recorder.sock", {"heal": heal})
        answer = await client.post(f"{url}?from_us=1&to_us=3", headers=SERVER)
        assert await answer.json() == {"frames": 160, "reason": ""}
        assert asked == [{"op": "heal", "logical": "north", "camera": 1, "from_us": 1, "to_us": 3}]
        for wrong in ("1/heal", "1/heal?from_us=1", "1/heal?from_us=3&to_us=3", "x/heal?from_us=1&to_us=3"):
            assert (await client.post(f"/api/v1/footage/north/{wrong}", headers=SERVER)).status == 400
        assert (await client.post("/api/v1/footage/west/1/heal?from_us=1&to_us=3", headers=SERVER)).status == 404
        assert (await client.post(f"{url}?from_us=1&to_us=3")).status == 401
        server.close()

    play(tmp_path, story)
