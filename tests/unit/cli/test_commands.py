"""The command line as people and scripts use it: one sentence per error, documents as JSON, footage from any server."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest
from front import DEAD, Front
from recordings import Node, sha256
from understudy import cli, control, paths
from understudy.cli import operate, reach
from understudy.footage.peers import Peers
from understudy.recorder import recover
from understudy.site.plan import Disk
from understudy.web.services import Services

SPAN = ("--from", "2026-11-23T10:00:00Z", "--to", "2026-11-23T10:00:12Z")


@pytest.fixture
def at_rec1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """Commands run on rec1; no other server answers."""
    node = Node(tmp_path, "rec1")
    use(node, {}, monkeypatch)
    return node


def use(node: Node, fronts: dict[str, Front], monkeypatch: pytest.MonkeyPatch) -> None:
    def url(server: Any) -> str:
        return fronts[server.name].url if server.name in fronts else DEAD

    for module in (reach, operate):
        monkeypatch.setattr(module, "load", lambda: node.plan)
    monkeypatch.setattr(reach, "peers_of", lambda plan: Peers(plan, None, url))
    monkeypatch.setattr(reach, "Disks", lambda server: node.disks)
    monkeypatch.setattr(paths, "CATALOGUE", node.catalogue.path)
    monkeypatch.setattr(paths, "AGENT_SOCKET", node.root / "agent.sock")


@contextmanager
def serving(start: Any) -> Iterator[None]:
    """Run the coroutine function `start` in a loop of another thread, and keep the loop running meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def agent(node: Node, **handlers: dict[str, Any] | str) -> Iterator[None]:
    """An agent that gives these answers; a text is a refusal."""

    def handler(answer: dict[str, Any] | str) -> control.Handler:
        async def handle(request: control.Document) -> control.Document:
            if isinstance(answer, str):
                raise control.ControlError(answer)
            return answer

        return handle

    async def start() -> None:
        await control.serve(node.root / "agent.sock", {op: handler(answer) for op, answer in handlers.items()})

    with serving(start):
        yield


STATUS: dict[str, Any] = {
    "version": 1,
    "site": "lab",
    "node": "rec1",
    "time": "2026-11-23T10:00:00.000Z",
    "protection": {"state": "UNPROTECTED", "reason": "the standby is busy"},
    "servers": [
        {
            "name": "rec1",
            "kind": "server",
            "state": "SERVING",
            "rank": None,
            "reason": "",
            "reachable": True,
            "age_s": 0.0,
        }
    ],
    "logical": [
        {"name": "north", "home": "rec1", "carrier": "stby1", "state": "TAKEN_OVER", "addresses": [], "cameras": []}
    ],
}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["timeline", "north"], "'north' is no camera; write LOGICAL/NUMBER, e.g. north/1"),
        (["timeline", "north/1", "--from", "2026-11-23T10:00:00"], "says no time zone; write 2026-11-23T10:00:00Z"),
        (["timeline", "north/1", "--from", "yesterday"], "'yesterday' is no time; write it like"),
        (["export", "north/1", "out.mp4"], "the following arguments are required: --from, --to"),
        (["sing"], "invalid choice: 'sing'"),
        ([], "required: COMMAND"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_status_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["timeline", "east/1"], "this site has no logical server 'east'; it has north, south"),
        (["timeline", "north/9"], "north has no camera 9; it has 1"),
        (["export", "north/1", *SPAN, "out.mp4"], "there is no footage in this span"),
        (["export", "north/1", "--from", SPAN[3], "--to", SPAN[1], "x.mp4"], "--to must be later than --from"),
        (["export", "north/1", "--track", "sub", *SPAN, "x.mp4"], "has no footage of a track 'sub'"),
        (["status"], "the agent here does not answer"),
        (["explain"], "agent.sock: No such file or directory"),
        (["handback", "north"], "agent.sock: No such file or directory"),
        (["move", "north", "stby1"], "agent.sock: No such file or directory"),
        (["maintenance", "on"], "agent.sock: No such file or directory"),
        (["maintenance", "off", "--until", SPAN[1]], "--until belongs to `maintenance on`"),
        (["fail", "--reason", "disk C is read-only"], "agent.sock: No such file or directory"),
        (["clear"], "agent.sock: No such file or directory"),
        (["failover-delete"], "agent.sock: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_status_1(
    at_rec1: Node, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("understudy: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_timeline_and_gaps_name_the_servers_that_were_silent(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    at_rec1.record("rec1-a", 0, 4)
    at_rec1.record("rec1-b", 7, 12)
    assert cli.main(["timeline", "north/1"]) == 0
    out, err = capsys.readouterr()
    assert "gap of 3.000 s: recorder restart or new connection to the camera (wall time)" in out
    assert out.index(" 100\n") < out.index("gap of") < out.index(" 125\n")
    assert "footage that only stby1 holds is not included: stby1 does not answer" in err
    assert cli.main(["gaps", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(gap["camera"], gap["length_s"]) for gap in document["gaps"]] == [("north/1", 3.0)]
    assert cli.main(["gaps", "north/1", "--to", "2026-11-23T10:00:04Z"]) == 0
    assert "no gap in the footage of 1 tracks" in capsys.readouterr().out


def test_s12_timeline_and_export_work_on_any_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked at rec2, which has nothing of north: home and standby give what they hold over HTTP."""
    nodes = {name: Node(tmp_path, name) for name in ("rec1", "rec2", "stby1")}
    nodes["rec1"].record("rec1-a", 0, 4.3)
    nodes["rec1"].record("rec1-b", 8, 12)
    for stream in ("video", "audio"):
        nodes["stby1"].record(f"stby1-{stream}", 3, 9.5, stream=stream, clock_us=60_000)  # type: ignore[arg-type]
    fronts = {
        name: Front(Services(node.plan, node.catalogue, node.disks, Peers(node.plan, None)), "rec2")
        for name, node in nodes.items()
    }
    use(nodes["rec2"], fronts, monkeypatch)

    async def start() -> None:
        for front in fronts.values():
            await front.start()

    async def stop() -> None:
        for front in fronts.values():
            await front.close()

    with serving(start):
        assert cli.main(["timeline", "north/1", "--json"]) == 0
        track = json.loads(capsys.readouterr().out)
        assert [span["holder"] for span in track["spans"]] == ["rec1", "stby1", "rec1"]
        assert track["gaps"] == []
        target = tmp_path / "out.mp4"
        assert cli.main(["export", "north/1", *SPAN, str(target), "--json"]) == 0
        manifest = json.loads(capsys.readouterr().out)
    assert (manifest["video_frames"], manifest["gaps"], manifest["unavailable"]) == (300, [], [])
    with av.open(str(target)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 300


def test_status_for_people_and_for_scripts(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(at_rec1, status={"status": STATUS}):
        assert cli.main(["status", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert cli.main(["status"]) == 0
        text = capsys.readouterr().out
    (camera,) = document["logical"][0]["cameras"]
    assert (camera["name"], camera["mode"], camera["error"]) == ("Gate", "off", "stby1 does not answer")
    assert text.startswith("site lab: UNPROTECTED (the standby is busy)\n")
    assert "north    rec1  stby1    TAKEN_OVER" in text


def test_handback_says_where_to_ask(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(at_rec1, handback="rec1 does not carry 'north' for another server", status={"status": STATUS}):
        assert cli.main(["handback", "north"]) == 1
    assert capsys.readouterr().err.endswith("; stby1 carries it: run this command there\n")


def test_f03_maintenance_says_what_still_has_to_leave(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(at_rec1, maintenance={"maintenance": True, "carries": ["north"]}):
        assert cli.main(["maintenance", "on", "--until", SPAN[1]]) == 0
        assert cli.main(["maintenance", "off"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"in maintenance until {SPAN[1]}; north leaves as soon as another server records it"
    assert second == "maintenance is over"


def test_f22_register_recreate_tells_what_it_would_write_and_writes_only_with_yes(
    at_rec1: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    owners = {
        "north": {"node": "rec1", "epoch": 6, "state": "held", "to": None},
        "south": {"node": "rec2", "epoch": 3, "state": "released", "to": "rec2"},
    }
    answer = {"owners": owners, "faults": {"north": "epoch 1, 5 was seen", "south": "no owner, 2 was seen"}}
    with agent(at_rec1, recreate={**answer, "written": False}):
        assert cli.main(["register", "recreate"]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "north: epoch 1, 5 was seen; rec1 keeps it under epoch 6",
        "south: no owner, 2 was seen; released under epoch 3, rec2 first: nobody carries it",
    ]
    assert told.err.startswith("understudy: nothing was written; ")
    with agent(at_rec1, recreate={**answer, "written": True}):
        assert cli.main(["register", "recreate", "--without", "rec2", "--without", "stby1", "--yes"]) == 0
    assert capsys.readouterr().out.endswith("the register is written anew\n")
    with agent(at_rec1, recreate="nothing to do: the register can be read and no server knows more than it"):
        assert cli.main(["register", "recreate", "--yes"]) == 1
    assert capsys.readouterr().err.startswith("understudy: nothing to do: ")


def test_s56_failover_delete_leaves_no_key_of_a_logical_server(
    at_rec1: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "PKI", tmp_path / "pki")
    (tmp_path / "pki/logical").mkdir(parents=True)
    (tmp_path / "pki/logical/north.key").write_text("secret")
    (tmp_path / "pki/node.key").write_text("own")
    with agent(at_rec1, detach={"detached": False, "carries": ["north"]}):
        assert cli.main(["failover-delete"]) == 1
    assert "north could not be handed over yet" in capsys.readouterr().err
    with agent(at_rec1, detach={"detached": True, "carries": []}):
        assert cli.main(["failover-delete", "--force"]) == 0
    assert [path.name for path in (tmp_path / "pki").iterdir()] == ["node.key"]


@pytest.mark.parametrize(("system", "left"), [("stopping", 1), ("running", 0), ("degraded", 0)])
def test_fault_04_only_a_shutdown_of_the_machine_hands_over(
    system: str, left: int, at_rec1: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "systemctl"
    tool.write_text(f"#!/bin/sh\necho {system}\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    asked: list[str] = []
    monkeypatch.setattr(control, "call", lambda path, op, **arguments: asked.append(op))
    assert cli.main(["agent-stopping"]) == 0
    assert asked == ["leave"] * left


def test_explain_tells_decisions_and_what_is_waited_for(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    decision = {"time": "T", "part": "north", "row": "R1", "before": "A", "after": "B", "reason": "because"}
    with agent(at_rec1, explain={"decisions": [decision], "waiting": {"north": "healthy for 3 of 30 s"}}):
        assert cli.main(["explain", "--since", "60"]) == 0
    out = capsys.readouterr().out
    assert "A -> B  because" in out
    assert "north waits: healthy for 3 of 30 s" in out


def test_catalogue_check_finds_what_rebuild_puts_right(
    at_rec1: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover, "check_letter", functools.partial(recover.check_letter, require_mount=False))
    rows = at_rec1.record("rec1-a", 0, 9)
    for row in rows:
        os.utime(at_rec1.path(row), (0, 0))  # not just written: nobody has it open
        at_rec1.catalogue.put([msgspec.structs.replace(row, sha256=sha256(at_rec1.path(row)))])
    at_rec1.catalogue.remove([rows[0].id])
    assert cli.main(["catalogue", "check"]) == 1
    out = capsys.readouterr().out
    assert f"{rows[0].id}: no row" in out
    assert "`understudy catalogue rebuild` puts them right, also while the recorder runs" in out
    assert cli.main(["catalogue", "rebuild"]) == 0
    assert at_rec1.catalogue.segment(rows[0].id) is not None
    capsys.readouterr()
    assert cli.main(["catalogue", "check"]) == 0
    assert capsys.readouterr().out == "0 differences found on 1 of 1 disk letters\n"


def test_s17_catalogue_passes_over_a_letter_that_is_gone_and_forgets_nothing_of_it(
    at_rec1: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """D is a bare mount point: C is looked through all the same."""
    (at_rec1.root / "rec1" / "D").mkdir()
    disks = (Disk(letter="D", path=str(at_rec1.root / "rec1" / "D")), *at_rec1.plan.me.disks)
    me = msgspec.structs.replace(at_rec1.plan.me, disks=disks)
    plan = msgspec.structs.replace(at_rec1.plan, servers=(me, *at_rec1.plan.servers[1:]))
    monkeypatch.setattr(operate, "load", lambda: plan)
    real = recover.check_letter
    monkeypatch.setattr(recover, "check_letter", lambda *a, **o: real(*a, **o, require_mount=a[1] == "D"))
    [row] = at_rec1.record("rec1-a", 0, 3)
    lost = msgspec.structs.replace(row, id="rec1/lost", disk="D", path="north/001/main/20261123/lost")
    at_rec1.catalogue.put([lost])
    assert cli.main(["catalogue", "rebuild"]) == 1
    out = capsys.readouterr().out
    assert "disk letter D: not looked through, its rows stay: no disk is mounted there" in out
    assert "on 1 of 2 disk letters" in out
    assert at_rec1.catalogue.segment("rec1/lost") == lost


def test_catalogue_says_what_to_do_about_a_damaged_file(at_rec1: Node, capsys: pytest.CaptureFixture[str]) -> None:
    at_rec1.catalogue.close()
    paths.CATALOGUE.write_bytes(b"no database " * 1000)
    for action in ("check", "rebuild"):
        assert cli.main(["catalogue", action]) == 1
        err = capsys.readouterr().err
        assert "restart the recorder, which puts the file aside" in err
        assert err.count("\n") == 1


def test_the_reference_names_every_command() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
    parser = cli._parser()
    assert parser._subparsers is not None
    for command in parser._subparsers._group_actions[0].choices or ():
        assert f"`understudy {command}" in text
