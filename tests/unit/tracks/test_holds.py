"""Legal holds (F14): nothing deletes what they cover, wherever its bytes are, and everybody can see who wanted it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from front import Front, peers_of
from recordings import Node, sha256
from test_catalogue import ROW
from test_retention import DAY_US, MIB, NOW_US, Letter
from understudy import cli, paths
from understudy.cli import keeping, local_web, reach
from understudy.footage.copy import Copier
from understudy.footage.held_space import held_bytes, limitation
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.holds import Hold, HoldBook, HoldError, merged
from understudy.footage.instants import show
from understudy.footage.redirect import Redirect
from understudy.recorder import retention
from understudy.web import hold_routes
from understudy.web.app import make_app
from understudy.web.services import Services

SERVER = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "rec2"}


def hold(from_us: int, to_us: int, **changes: Any) -> Hold:
    values = {"id": "h1", "logical": "north", "camera": 1, "reason": "theft", "by": "ann@rec1", "made_us": 5}
    return Hold(**{**values, "from_us": from_us, "to_us": to_us, **changes})


def aged(days: float) -> int:
    return NOW_US - int(days * DAY_US)


def test_f14_a_hold_keeps_footage_that_is_too_old_until_it_is_released(tmp_path: Path) -> None:
    letter = Letter(tmp_path, days=2)
    for name, age in (("a", 5.0), ("b", 4.0), ("c", 3.0), ("d", 1.0)):
        letter.add(name, age)
    book = HoldBook(tmp_path / "holds.json")
    book.add([hold(aged(4.1), aged(3.9))])
    assert letter.retention.by_age(NOW_US) == 2
    assert letter.names() == ["b", "d"]
    book.add([hold(aged(4.1), aged(3.9), released_us=9, released_by="bob@rec1")])
    assert letter.retention.by_age(NOW_US) == 1
    assert letter.names() == ["d"]


def test_f14_a_hold_that_ends_by_itself_keeps_footage_until_then(tmp_path: Path) -> None:
    letter = Letter(tmp_path, days=2)
    letter.add("a", 5)
    HoldBook(tmp_path / "holds.json").add([hold(aged(6), aged(4), until_us=NOW_US + 1)])
    assert letter.retention.by_age(NOW_US) == 0
    assert letter.retention.by_age(NOW_US + 1) == 1


def test_f14_below_the_floor_the_oldest_that_is_not_held_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "_PAGE", 3)  # more rows are held than are read in one go
    monkeypatch.setattr(retention.os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=35, f_frsize=MIB))
    letter = Letter(tmp_path, floor_bytes=40 * MIB)
    for number in range(10):
        letter.add(f"old{number}", 9 - number / 100, bytes=10 * MIB)
    for number in range(3):
        letter.add(f"new{number}", 1 - number / 100, bytes=10 * MIB)
    HoldBook(tmp_path / "holds.json").add([hold(aged(10), aged(8))])
    assert letter.retention.by_space(NOW_US) == 2
    assert [name for name in letter.names() if name.startswith("new")] == ["new2"]
    assert letter.retention.by_space(NOW_US) == 1
    assert letter.retention.by_space(NOW_US) == letter.retention.by_space(NOW_US) == 0
    assert len(letter.names()) == 10
    assert caplog.text.count("legal holds keep what is left") == 1


def test_f14_while_the_holds_cannot_be_read_nothing_is_deleted(tmp_path: Path) -> None:
    letter = Letter(tmp_path, days=2)
    letter.add("a", 5)
    (tmp_path / "holds.json").write_bytes(b'[{"id"')
    with pytest.raises(HoldError, match=r"holds\.json: .* no footage is deleted until it can be read"):
        letter.retention.by_age(NOW_US)
    assert letter.names() == ["a"]


def test_holds_are_the_same_in_whatever_order_they_are_heard_of() -> None:
    holds = [
        hold(1, 2),
        hold(1, 2, released_us=9, released_by="bob@rec1"),
        hold(1, 2, released_us=8, released_by="eve@rec2"),
        hold(1, 2, id="h2", made_us=4),
    ]
    assert {merged(order) for order in permutations(holds)} == {(holds[3], holds[2])}


def test_a_book_tells_news_and_is_read_again_when_another_process_has_written(tmp_path: Path) -> None:
    book, reader = HoldBook(tmp_path / "holds.json"), HoldBook(tmp_path / "holds.json")
    assert reader.all() == ()
    assert book.add([hold(1, 2)])
    assert not book.add([hold(1, 2)])
    assert reader.all() == book.all() == (hold(1, 2),)


def test_f14_a_letter_is_not_held_beyond_its_share_here_or_at_home() -> None:
    homes = {"north": "rec1"}
    here = msgspec.structs.replace(ROW, bytes=30)
    away = msgspec.structs.replace(ROW, id="stby1/x", bytes=30, holder="stby1")
    before, after = held_bytes([here], homes), held_bytes([here, here, away], homes)
    assert after == {("rec1", "C"): 60, ("stby1", "C"): 30}
    assert limitation(before, after, {("rec1", "C"): 120, ("stby1", "C"): 60}) is None
    sentence = limitation(before, after, {("rec1", "C"): 100})
    assert sentence is not None
    assert sentence.startswith("disk letter C of rec1 would be held to 60%")
    assert limitation(after, after, {("rec1", "C"): 100}) is None, "what is held already refuses nothing"


def body(node: Node, **changes: Any) -> dict[str, Any]:
    rows = node.catalogue.segments("north", 1)
    span = {"camera": "north/1", "from": show(rows[0].start_us), "to": show(rows[-1].end_us)}
    return {**span, "reason": "theft", "by": "ann@rec1", **changes}


def api(tmp_path: Path, story: Any) -> None:
    async def run() -> None:
        node = Node(tmp_path, "rec1")
        node.record("s1", 0, 6)
        async with AsyncExitStack() as stack:
            peers = await stack.enter_async_context(peers_of(node.plan, {}))
            services = Services(node.plan, node.catalogue, node.disks, peers, tmp_path / "a.sock", tmp_path / "r.sock")
            client = await stack.enter_async_context(TestClient(TestServer(make_app(services))))
            await story(client, node)

    asyncio.run(run())


def test_f14_a_hold_is_made_listed_shown_in_the_timeline_and_released(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(client: Any, node: Node) -> None:
        answer = await client.post("/api/v1/holds", json=body(node), headers=SERVER)
        assert answer.status == 201
        made = await answer.json()
        assert (made["camera"], made["by"], made["reason"]) == ("north/1", "ann@rec1", "theft")
        assert sorted(made["silent"]) == ["rec2", "stby1"]
        timeline = await (await client.get("/api/v1/timeline/north/1", headers=SERVER)).json()
        assert [(h["id"], h["reason"]) for h in timeline["holds"]] == [(made["id"], "theft")]
        url = f"/api/v1/holds/{made['id']}/release"
        assert (await client.post("/api/v1/holds/none/release", headers=SERVER)).status == 404
        assert (await client.post(url, headers=SERVER)).status == 200
        again = await client.post(url, headers=SERVER)
        assert again.status == 409
        assert "was released by rec2" in (await again.json())["detail"]
        assert (await (await client.get("/api/v1/holds", headers=SERVER)).json())["holds"] == []
        everything = (await (await client.get("/api/v1/holds?all=1", headers=SERVER)).json())["holds"]
        assert [h["released_by"] for h in everything] == ["rec2"]
        assert (await client.post("/api/v1/holds", json=body(node))).status == 401

    with caplog.at_level("WARNING"):
        api(tmp_path, story)
    assert "on north/1 by ann@rec1: theft" in caplog.text
    assert "on north/1 released by rec2" in caplog.text


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"camera": "north/9"}, 400, "this site has no camera 'north/9'"),
        ({"to": "2026-01-01T00:00:00Z"}, 400, "must be later than its start"),
        ({"to": "2999-01-01T00:00:00Z"}, 400, "must not lie in the future"),
        ({"until": "2020-01-01T00:00:00Z"}, 400, "must end in the future"),
        ({"reason": "  "}, 400, "a hold needs a reason"),
        ({"from": "yesterday"}, 400, "'yesterday' is no time"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_wrong_holds_are_refused_with_a_sentence(
    tmp_path: Path, changes: dict[str, Any], status: int, sentence: str
) -> None:
    async def story(client: Any, node: Node) -> None:
        answer = await client.post("/api/v1/holds", json=body(node, **changes), headers=SERVER)
        assert answer.status == status
        assert sentence in (await answer.json())["detail"]
        assert not HoldBook(node.catalogue.path.with_name("holds.json")).all()

    api(tmp_path, story)


def test_f14_a_hold_that_would_fill_the_letter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold_routes.os, "statvfs", lambda _: SimpleNamespace(f_blocks=1, f_frsize=1000))

    async def story(client: Any, node: Node) -> None:
        answer = await client.post("/api/v1/holds", json=body(node), headers=SERVER)
        assert answer.status == 409
        assert "disk letter C of rec1 would be held to" in (await answer.json())["detail"]

    api(tmp_path, story)


def test_f14_a_hold_made_where_the_footage_is_travels_home_before_its_bytes_are_freed(tmp_path: Path) -> None:
    """Made on the standby while home was away; home copies footage older than it keeps, because it is held."""

    async def run() -> None:
        home, standby = Node(tmp_path, "rec1"), Node(tmp_path, "stby1")
        recorded = standby.record("s1", 0, 6)
        standby.catalogue.put(msgspec.structs.replace(row, sha256=sha256(standby.path(row))) for row in recorded)
        rows = standby.catalogue.segments("north", 1)
        # The track keeps ten years; so does this story, from then on.
        camera = home.plan.logical[0].cameras[0]
        camera = msgspec.structs.replace(camera, tracks=(msgspec.structs.replace(camera.tracks[0], days=0.01),))
        north = msgspec.structs.replace(home.plan.logical[0], cameras=(camera,))
        plan = msgspec.structs.replace(home.plan, logical=(north, home.plan.logical[1]))
        async with AsyncExitStack() as stack:
            away = await stack.enter_async_context(peers_of(standby.plan, {}))
            services = Services(standby.plan, standby.catalogue, standby.disks, away)
            services.holds.add([hold(rows[0].start_us, rows[0].end_us)])
            front = Front(services, "rec1")
            await front.start()
            stack.push_async_callback(front.close)
            peers = await stack.enter_async_context(peers_of(plan, {"stby1": front}))
            book = HoldBook(home.catalogue.path.with_name("holds.json"))
            exchange = HoldExchange(book, peers)
            redirect = Redirect(plan, home.catalogue, peers)

            async def carried() -> set[str]:
                return {"north"}

            copier = Copier(plan, home.catalogue, home.disks, peers, redirect, carried, exchange)
            await redirect.poll("stby1", "north")
            assert not await copier.round(), "too old to bring, as far as home knows"
            await exchange.learn("stby1")
            assert [found.reason for found in book.all()] == ["theft"]
            assert await copier.round()
            assert [row.holder for row in home.catalogue.segments("north", 1)][:1] == ["rec1"]
            assert standby.catalogue.segment(rows[0].id) is None, "freed"
            asked = [request.partition("?")[0] for request in front.requests]
            freed = next(n for n, request in enumerate(asked) if request.startswith("DELETE"))
            assert "GET /api/v1/holds/known" in asked[:freed]

    asyncio.run(run())


def test_f14_the_command_says_who_and_answers_in_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Node(tmp_path, "rec1")
    asked: list[tuple[Any, ...]] = []

    def ask(*arguments: Any) -> dict[str, Any]:
        asked.append(arguments)
        return {"id": "h1", "camera": "north/1", "from": "A", "to": "B", "silent": {"rec2": "rec2 is away"}}

    monkeypatch.setattr(keeping, "ask_web", ask)
    monkeypatch.setattr(keeping, "load", lambda: node.plan)
    monkeypatch.setenv("SUDO_USER", "ann")
    span = ["--from", "2026-11-23T10:00:00Z", "--to", "2026-11-23T10:00:12Z"]
    assert cli.main(["hold", "north/1", *span, "--reason", "theft", "--until", "2030-01-01T00:00:00Z"]) == 0
    out = capsys.readouterr()
    assert out.out == "legal hold h1 on north/1 from A to B\n"
    assert "rec2 hears of it as soon as it answers" in out.err
    assert asked[-1][2]["by"] == "ann@rec1"
    assert cli.main(["hold", "release", "h1"]) == 0
    assert asked[-1] == ("POST", "/api/v1/holds/h1/release", {"by": "ann@rec1"})
    capsys.readouterr()
    for wrong in (["north/1", *span], ["release"], ["north/1", "h1", *span, "--reason", "x"]):
        assert cli.main(["hold", *wrong]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.undo()
    monkeypatch.setattr(local_web, "load", lambda: node.plan)
    monkeypatch.setattr(paths, "WEB_SOCKET", tmp_path / "none.sock")
    assert cli.main(["hold", "list"]) == 1
    assert "the web part here does not answer" in capsys.readouterr().err


def test_f14_an_export_says_that_its_footage_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Node(tmp_path, "rec1")
    node.record("s1", 0, 12)
    rows = node.catalogue.segments("north", 1)
    monkeypatch.setattr(reach, "load", lambda: node.plan)
    monkeypatch.setattr(reach, "peers_of", lambda plan: peers_of(plan, {}))
    monkeypatch.setattr(reach, "Disks", lambda server: node.disks)
    monkeypatch.setattr(paths, "CATALOGUE", node.catalogue.path)
    HoldBook(node.catalogue.path.with_name("holds.json")).add([hold(rows[0].start_us, rows[0].start_us + 1)])
    span = ["--from", show(rows[0].start_us), "--to", show(rows[-1].end_us)]
    assert cli.main(["export", "north/1", *span, "--json", str(tmp_path / "x.mp4")]) == 0
    assert [found["reason"] for found in json.loads(capsys.readouterr().out)["holds"]] == ["theft"]
    assert cli.main(["timeline", "north/1"]) == 0
    assert "legal hold h1: theft" in capsys.readouterr().out
