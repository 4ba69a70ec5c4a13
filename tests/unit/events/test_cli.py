"""`understudy rules` and `alarms` as people use them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import depot
import pytest
from test_incidents import incident
from understudy import cli, control, paths
from understudy.cli import events
from understudy.events.book import Book
from understudy.events.facts import Readings, facts_of
from understudy.events.history import FILE, History
from understudy.events.service import Places, Service
from understudy.footage.peers import Peers
from understudy.site.event_rules import Rule
from understudy.site.plan import Plan

RULE = Rule(name="disk", cause="disk-fault", for_s=5, actions=("failover", "mail"))


@contextmanager
def serving(plan: Plan, places: Places, book: list[object]) -> Iterator[None]:
    """The control socket of the events service, in a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> None:
        service = Service(plan, Peers(plan, None), places)
        for known in book:
            service.book.add(known)  # type: ignore[arg-type]
        facts = facts_of(plan, Readings(), depot.progress(disk="error"), depot.status())
        service._watch.look(depot.look(0.0, facts))
        await control.serve(places.socket, service.handlers())

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(paths, "EVENTS_SOCKET", tmp_path / "events.sock")
    monkeypatch.setattr(paths, "EVENTS_STATE", tmp_path)
    monkeypatch.setattr(events, "load", lambda: depot.plan("rec1", RULE))
    return Places(state=tmp_path, socket=tmp_path / "events.sock")


def test_rules_show_state_and_measured_fact(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(depot.plan("rec1", RULE), places, []):
        assert cli.main(["rules"]) == 0
        shown = capsys.readouterr().out
        assert "disk-fault" in shown
        assert "pending" in shown
        assert "disk letter C is error" in shown
        assert cli.main(["rules", "--json"]) == 0
    rules = {rule["name"]: rule for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert (rules["disk"]["actions"], rules["disk"]["built_in"]) == (["failover", "mail"], False)
    assert (rules["quorum"]["state"], rules["quorum"]["built_in"]) == ("well", True)


def test_alarms_are_listed_and_acknowledged(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    over = incident(1, over_us=incident(1).opened_us + 1, acked_us=1, acked_by="ann@rec1")
    with serving(depot.plan(), places, [incident(), over]):
        assert cli.main(["alarms", "--json"]) == 0
        assert [a["id"] for a in json.loads(capsys.readouterr().out)["alarms"]] == [incident().id]
        assert cli.main(["alarms", "ack", incident().id]) == 0
        assert "is acknowledged by" in capsys.readouterr().out
        assert cli.main(["alarms", "--all"]) == 0
        shown = capsys.readouterr().out
        assert over.id in shown
        assert "acknowledged by" in shown
        assert cli.main(["alarms", "ack", "x"]) == 1
        assert capsys.readouterr().err == "understudy: there is no incident 'x'; `understudy alarms` tells their ids\n"
        assert cli.main(["alarms", "ack"]) == 1
        assert "which alarm?" in capsys.readouterr().err
    assert Book(places.state / "incidents.json").get(incident().id).acked_by.endswith("@rec1")


def test_without_the_service_there_is_one_sentence(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rules"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_rules_are_tried_on_recorded_facts(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.time, "time", lambda: depot.WALL_S + 3600)
    assert cli.main(["rules", "test"]) == 1
    assert "no facts of the last 7 d 0 h are recorded on rec1" in capsys.readouterr().err
    history = History(places.state / FILE)
    for second, disk in ((0, "ok"), (100, "hung"), (200, "ok")):
        facts = facts_of(depot.plan(), Readings(), depot.progress(disk=disk), depot.status())
        history.note(facts, depot.WALL_S + second)
    assert cli.main(["rules", "test", "--since", "2h", "--json"]) == 0
    (firing,) = json.loads(capsys.readouterr().out)["firings"]
    assert firing == {
        "rule": "disk",
        "fired": "2026-11-23T10:01:45.000Z",
        "over": "2026-11-23T10:03:50.000Z",
        "measured": "disk letter C is hung",
    }
    with pytest.raises(SystemExit):
        cli.main(["rules", "test", "--since", "week"])
    assert "'week' is no duration; write it like 30m, 12h or 7d" in capsys.readouterr().err
