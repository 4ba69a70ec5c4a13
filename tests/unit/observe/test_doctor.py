"""`understudy doctor` (F17) as people and scripts use it: one line per check, what to do, an exit status."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import answers
import depot
import pytest
from aiohttp import web
from msgspec.structs import replace
from netns.pki import authority, identity
from understudy import cli, control, paths
from understudy.cli import doctor as command
from understudy.doctor import look, machine, work
from understudy.doctor.finding import Finding, document, exit_status, some, text
from understudy.doctor.seen import Certificate, Seen, Space, Unit
from understudy.events import readings, sntp
from understudy.site.plan import Disk, Plan, PlanError

DAY_S = 86400.0
RUNS = Unit("active", "enabled")


def plan(node: str = "stby1") -> Plan:
    made = depot.plan(node)
    servers = (
        replace(s, disks=(Disk(letter="C", path="/srv/footage/C", free_floor_bytes=2**30),)) for s in made.servers
    )
    return replace(made, servers=tuple(servers))


def seen(**changes: Any) -> Seen:
    """stby1 with everything well."""
    well: dict[str, Any] = {
        "plan": plan(),
        "units": dict.fromkeys(machine.units_of(plan().me), RUNS),
        "sockets": dict.fromkeys(("agent", "recorder", "events", "web"), ""),
        "status": answers.status(),
        "orders": depot.orders(),
        "progress": answers.progress(),
        "alarms": [],
        "release": "cafe",
        "running": "cafe",
        "certificates": {"node.crt": Certificate(400.0)},
        "served_days": 400.0,
        "clock_offset_s": 0.002,
        "links": {"eno1": ""},
        "memory_percent": 40.0,
        "temperature_c": 50.0,
        "system_disk": Space(20 * 2**30, 30 * 2**30),
    }
    return Seen(**{**well, **changes})


def findings(look: Seen) -> list[Finding]:
    return [finding for check in (*machine.CHECKS, *work.CHECKS) for finding in check(look)]


def bad(**changes: Any) -> list[tuple[str, str, str]]:
    """What is not ok, with something to do about each."""
    found = [finding for finding in findings(seen(**changes)) if finding.level != "ok"]
    for finding in found:
        assert finding.advice.endswith("."), finding
    return [(finding.level, finding.check, finding.text) for finding in found]


def status(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    made = answers.status()
    change(made)
    return made


def set_in(place: str, **fields: Any) -> dict[str, Any]:
    return status(lambda made: made[place].update(fields))


# -- judgement -------------------------------------------------------------------------------------


def test_f17_a_standby_that_is_well_has_nothing_but_ok() -> None:
    found = findings(seen())
    assert [finding for finding in found if finding.level != "ok"] == []
    assert exit_status(found) == 0
    checks = {finding.check for finding in found}
    assert {"plan", "service nginx", "answer of web", "release", "certificate node.crt", "certificate in use"} < checks
    assert {"register", "heartbeat of rec1", "heartbeat of rec2", "clock", "disk C", "cameras", "pre-roll"} < checks
    assert {"system disk", "alarms", "protection", "standby", "orders", "network eno1"} < checks
    assert "heartbeat of stby1" not in checks


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"units": None}, ("warn", "services", "systemd cannot be asked")),
        (
            {"units": {"nginx": Unit("active", "disabled")}},
            ("warn", "service nginx", "runs, but does not start with the machine"),
        ),
        ({"units": {"understudy-web": Unit("failed", "enabled")}}, ("FAIL", "service understudy-web", "is failed")),
        ({"units": {"etcd": Unit("inactive", "")}}, ("FAIL", "service etcd", "is inactive")),
        ({"units": {"chrony": Unit("inactive", "enabled")}}, ("warn", "service chrony", "is inactive")),
        ({"sockets": {"web": "http.sock: refused"}}, ("FAIL", "answer of web", "http.sock: refused")),
        ({"running": "beef"}, ("warn", "release", "the services run beef, installed is cafe")),
        (
            {"certificates": {"node.crt": Certificate(9.4)}},
            ("warn", "certificate node.crt", "is valid for only 9 more days"),
        ),
        (
            {"certificates": {"logical/north.crt": Certificate(None, "No such file or directory")}},
            ("FAIL", "certificate logical/north.crt", "No such file or directory"),
        ),
        ({"served_days": 0.0}, ("FAIL", "certificate in use", "has expired")),
        ({"licence_days": -1.0}, ("FAIL", "licence", "has ended")),
        ({"licence_days": 12.0}, ("warn", "licence", "ends in 12 days")),
        ({"clock_offset_s": None}, ("warn", "clock", "no time server answers, so that nobody knows")),
        ({"clock_offset_s": -0.7}, ("FAIL", "clock", "is off by -0.70 s")),
        (
            {"progress": answers.progress(clock="it jumped by 400 days")},
            ("FAIL", "clock of recordings", "it jumped by 400 days"),
        ),
        ({"links": {"eno1": "no link"}}, ("FAIL", "network eno1", "no link")),
        ({"system_disk": Space(2**29, 2**30)}, ("warn", "system disk", "0.5 of 1.0 GiB free")),
        ({"system_disk": Space(2**20, 2**30)}, ("FAIL", "system disk", "0.0 of 1.0 GiB free")),
        ({"memory_percent": 3.0}, ("warn", "memory", "3 % is available")),
        ({"temperature_c": 91.0}, ("warn", "temperature", "the hottest sensor says 91 °C")),
        (
            {"orders": depot.orders("rule disk: C is hung")},
            ("FAIL", "orders", "this server is declared FAILED: rule disk: C is hung"),
        ),
        ({"orders": depot.orders(maintenance=True)}, ("warn", "orders", "this server is in maintenance")),
        (
            {"status": set_in("register", age_s=None)},
            ("FAIL", "register", "it never answered this server"),
        ),
        (
            {"status": set_in("register", age_s=8.2, trouble="quorum lost: rec1")},
            ("FAIL", "register", "it has not answered for 8 s; quorum lost: rec1"),
        ),
        (
            {"status": set_in("register", trouble="quorum at risk: rec1")},
            ("warn", "register", "quorum at risk: rec1"),
        ),
        (
            {"progress": answers.progress(disks={"C": {**answers.DISK, "state": "hung", "error": "no answer"}})},
            ("FAIL", "disk C", "is hung: no answer"),
        ),
        ({"progress": answers.progress(disks={})}, ("FAIL", "disk C", "the recorder does not know it")),
        (
            {"progress": answers.progress(disks={"C": {**answers.DISK, "free_bytes": 2**28}})},
            ("warn", "disk C", "0.2 of 8.0 GiB free, below half of the 1.00 GiB that retention keeps free"),
        ),
        (
            {"progress": answers.progress(answers.camera(1, ring_s=3.0), answers.camera(2))},
            ("warn", "pre-roll", "1 of 2 cameras hold too little: north/1 of 15 s"),
        ),
        ({"alarms": answers.alarms({"title": "rec1 is hot"})}, ("warn", "alarms", "1 open: rec1 is hot")),
    ],
)
def test_f17_each_trouble_is_one_finding_with_what_to_do(changes: dict[str, Any], told: tuple[str, str, str]) -> None:
    assert bad(**changes) == [told]


def test_f17_an_unprotected_site_and_a_server_that_is_not_heard() -> None:
    def change(made: dict[str, Any]) -> None:
        made["protection"] = {"state": "UNPROTECTED", "reason": "no standby can take over now"}
        made["servers"][0] |= {
            "reachable": False,
            "state": "UNREACHABLE",
            "reason": "silent on every network for 9.0 s",
        }
        made["servers"].append({**made["servers"][0], "name": "wit", "kind": "witness"})

    assert bad(status=status(change)) == [
        ("FAIL", "protection", "UNPROTECTED: no standby can take over now"),
        ("FAIL", "heartbeat of rec1", "silent on every network for 9.0 s"),
    ]


def test_f17_an_unfit_standby_says_why() -> None:
    ((level, check, told), *_) = [
        f for f in bad(status=answers.status(unfit=("the disk is missing",))) if f[1] == "standby"
    ]
    assert (level, check) == ("FAIL", "standby")
    assert "the disk is missing" in told


def test_f17_every_camera_that_is_not_recorded_is_named() -> None:
    def carried(made: dict[str, Any]) -> None:
        made["logical"][0] |= {"carrier": "stby1", "state": "TAKEN_OVER"}

    recording = {"mode": "recording", "ring_s": 0.0}
    cameras = (
        answers.camera(1, **recording, last_frame_age_s=41.2, error="no route to host"),
        answers.camera(2, **recording),
    )
    found = bad(status=status(carried), progress=answers.progress(*cameras, mode="record"))
    assert found == [
        ("FAIL", "camera north/1", "its newest frame is 41.2 s old; no route to host"),
        ("FAIL", "cameras", "1 of 2 are recorded"),
    ]
    found = bad(status=status(carried), progress=answers.progress())
    assert ("FAIL", "recording of north", "is carried here, but the recorder has it preroll") in found


def test_a_process_that_is_silent_is_told_once() -> None:
    silent = {"agent": "agent.sock: no answer", "recorder": "", "events": "", "web": ""}
    assert bad(sockets=silent, status=None, orders=None) == [("FAIL", "answer of agent", "agent.sock: no answer")]
    nothing = {"status": None, "orders": None, "progress": None, "alarms": None, "running": None, "system_disk": None}
    assert bad(**nothing, memory_percent=None, temperature_c=None) == []


def test_an_agent_of_an_older_release_says_nothing_of_the_register() -> None:
    assert bad(status=status(lambda made: made.pop("register"))) == []


def test_a_voter_has_the_register_as_well() -> None:
    me = plan().me
    assert "etcd" not in machine.units_of(me)
    assert "etcd" in machine.units_of(replace(me, etcd_voter=True))


# -- report ----------------------------------------------------------------------------------------

MIXED = [
    Finding("ok", "plan", "fine"),
    Finding("warn", "clock", "odd", "Look."),
    Finding("FAIL", "disk C", "gone", "Go."),
]


@pytest.mark.parametrize(("count", "code"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_f17_the_exit_status_is_that_of_the_worst_finding(count: int, code: int) -> None:
    assert exit_status(MIXED[:count]) == code


def test_f17_the_report_is_one_line_per_check_with_what_to_do_below() -> None:
    assert text(MIXED).splitlines() == [
        "ok    plan: fine",
        "warn  clock: odd",
        "      Look.",
        "FAIL  disk C: gone",
        "      Go.",
        "3 checks: 1 ok, 1 warn, 1 FAIL",
    ]
    told = document("rec1", MIXED)
    assert (told["node"], told["worst"]) == ("rec1", "FAIL")
    assert told["findings"][1] == {"level": "warn", "check": "clock", "text": "odd", "advice": "Look."}


def test_long_lists_are_cut() -> None:
    assert some([str(number) for number in range(8)]) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert some([str(number) for number in range(64)]).endswith("7, and 56 more")


# -- the look --------------------------------------------------------------------------------------


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
