"""`understudy doctor` (F17) as people and scripts run it, and how it looks at units, certificates and sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import answers
import depot
import pytest
from aiohttp import web
from netns.pki import authority, identity
from standby import RUNS, plan
from understudy import cli, control, paths
from understudy.cli import doctor as command
from understudy.doctor import look, machine
from understudy.doctor.seen import Space, Unit
from understudy.events import readings, sntp
from understudy.site.plan import Plan, PlanError

DAY_S = 86400.0


def test_what_systemd_prints_is_read_in_order() -> None:
    shown = "ActiveState=active\nUnitFileState=enabled\n\nUnitFileState=\nActiveState=inactive\n"
    assert look.read_units(shown) == [Unit("active", "enabled"), Unit("inactive", "")]


def test_without_systemd_no_unit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", absent)
    assert look.units_now(["nginx"]) is None


def test_certificates_are_looked_at_as_a_client_would(tmp_path: Path) -> None:
    for name in ("site", "other"):
        authority(tmp_path / name)
    identity(tmp_path / "site", "stby1", "127.0.0.1", tmp_path / "pki")
    identity(tmp_path / "other", "north", "127.0.0.1", tmp_path / "stranger")
    pki, wall_s = tmp_path / "pki", time.time()
    (pki / "logical").mkdir()
    for suffix in ("crt", "key"):
        (pki / "logical" / f"north.{suffix}").write_bytes((tmp_path / "stranger" / f"node.{suffix}").read_bytes())
        (pki / "logical" / f"west.{suffix}").write_bytes((pki / f"node.{suffix}").read_bytes())
    (pki / "logical" / "west.key").write_bytes((tmp_path / "stranger" / "node.key").read_bytes())
    found = look.certificates_in(pki, ["south"], wall_s)
    assert list(found) == ["node.crt", "logical/north.crt", "logical/south.crt", "logical/west.crt"]
    days = found["node.crt"].days
    assert days is not None
    assert days > 0
    assert look.certificate(pki / "node", pki / "ca.crt", wall_s + days * DAY_S).days == pytest.approx(0, abs=0.01)
    assert found["logical/north.crt"].days is None
    assert "unable to get local issuer certificate" in found["logical/north.crt"].error
    assert found["logical/south.crt"].error == "No such file or directory"
    assert "certificate and key cannot be used together" in found["logical/west.crt"].error


def test_s56_a_server_that_was_removed_from_failover_needs_no_key_of_a_logical_server() -> None:
    assert look._own_names(plan("rec1"), depot.orders()) == ["north"]
    assert look._own_names(plan("rec1"), None) == ["north"]
    assert look._own_names(plan("rec1"), {**depot.orders(), "detached": True}) == []


@contextmanager
def processes(root: Path) -> Iterator[None]:
    """Agent, recorder, events and web part of stby1, in a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def answering(answer: dict[str, Any]) -> control.Handler:
        async def handle(_: control.Document) -> control.Document:
            return answer

        return handle

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def start() -> None:
        agent = {"status": answering({"status": answers.status()}), "orders": answering(depot.orders())}
        known = {"node": "stby1", "release": "cafe", "incidents": []}
        await control.serve(root / "agent", agent)
        await control.serve(root / "recorder", {"progress": answering(answers.progress())})
        await control.serve(
            root / "events", {"alarms": answering({"alarms": []}), "known": answering({"known": known})}
        )
        app = web.Application()
        app.router.add_get("/health", health)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(root / "web")).start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def at_stby1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("agent", "recorder", "events", "web"):
        monkeypatch.setattr(paths, f"{name.upper()}_SOCKET", tmp_path / name)
    authority(tmp_path / "site")
    identity(tmp_path / "site", "stby1", "127.0.0.1", tmp_path / "pki")
    monkeypatch.setattr(paths, "PKI", tmp_path / "pki")
    monkeypatch.setattr(paths, "STATE", tmp_path)

    async def offset_s(_: Any) -> float | None:
        return 0.0

    async def served_days(*_: Any) -> float | None:
        return 400.0

    monkeypatch.setattr(sntp, "clock_offset_s", offset_s)
    monkeypatch.setattr(readings, "certificate_days", served_days)
    monkeypatch.setattr(readings, "links", lambda names: dict.fromkeys(names, ""))
    monkeypatch.setattr(readings, "memory_percent", lambda: 50.0)
    monkeypatch.setattr(readings, "temperature_c", lambda: None)
    monkeypatch.setattr(look, "units_now", lambda names: dict.fromkeys(names, RUNS))
    monkeypatch.setattr(look, "release", lambda: "cafe")
    monkeypatch.setattr(look, "_space", lambda _: Space(2**35, 2**36))
    monkeypatch.setattr(command, "load", plan)
    monkeypatch.setitem(machine.LIMITS, "certificate", 1.0)  # those of the test are good for two days
    return tmp_path


def test_f17_the_command_on_a_server_that_is_well(at_stby1: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with processes(at_stby1):
        assert cli.main(["doctor"]) == 0
        shown = capsys.readouterr().out
        assert shown.splitlines()[-1].endswith(" ok, 0 warn, 0 FAIL")
        assert cli.main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["node"], told["worst"]) == ("stby1", "ok")
    assert {finding["check"] for finding in told["findings"]} > {"certificate node.crt", "answer of web", "pre-roll"}


def test_f17_the_command_where_nothing_answers(at_stby1: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 2
    shown = capsys.readouterr().out
    for name in ("agent", "recorder", "events", "web"):
        assert f"FAIL  answer of {name}: {at_stby1 / name}: " in shown
    assert "Traceback" not in shown


def test_f17_without_a_plan_the_doctor_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Plan:
        raise PlanError("/etc/understudy/plan.json: No such file or directory")

    monkeypatch.setattr(command, "load", broken)
    assert cli.main(["doctor"]) == 2
    assert "FAIL  plan: /etc/understudy/plan.json: No such file or directory\n      " in capsys.readouterr().out
