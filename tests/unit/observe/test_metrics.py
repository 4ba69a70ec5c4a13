"""Metrics (F17) as Prometheus reads them: the format, what each says, who may ask, what they cost."""

from __future__ import annotations

import asyncio
import math
import re
import time
from pathlib import Path
from typing import Any

import answers
import depot
import pytest
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace
from test_sessions import log_in, server
from understudy import control
from understudy.web import metric_table
from understudy.web.app import make_app
from understudy.web.exposition import CONTENT_TYPE, Family, Sample, encode
from understudy.web.metrics import Told, render

ROOT = Path(__file__).resolve().parents[3]
PLAN = depot.plan("stby1")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

_LINE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def read(text: str) -> Series:
    """The series of an answer; fails on what Prometheus would not take."""
    found: Series = {}
    family = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            family = line.split(" ")[2]
            assert not any(name == family for name, _ in found), f"{family} comes twice"
            continue
        parts = _LINE.fullmatch(line)
        assert parts, line
        assert parts[1] == family
        labels = frozenset(_LABEL.findall(parts[2] or ""))
        assert (family, labels) not in found, line
        found[family, labels] = float(parts[3])
    assert text.endswith("\n")
    return found


def value(series: Series, name: str, /, **labels: str) -> float | None:
    return series.get((f"understudy_{name}", frozenset(labels.items())))


def told(**changes: Any) -> Series:
    answer: dict[str, Any] = {
        "status": answers.status(),
        "progress": answers.progress(),
        "alarms": answers.alarms({}),
        "copies": {},
    }
    return read(render(PLAN, Told("2026.11", **{**answer, **changes})))


def test_the_encoder_escapes_what_would_break_a_line() -> None:
    family = Family("a_total", "counter", "one\nor \\ two", (Sample({"name": 'Gate "\\1"\n'}, 2.0), Sample({}, 0.25)))
    assert encode([family, Family("b", "gauge", "none", ())]) == (
        "# HELP a_total one\\nor \\\\ two\n"
        "# TYPE a_total counter\n"
        'a_total{name="Gate \\"\\\\1\\"\\n"} 2\n'
        "a_total 0.25\n"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (0.1, "0.1"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (2e17, "2e+17"), (-3.0, "-3")],
)
def test_the_encoder_writes_numbers_that_prometheus_reads(number: float, text: str) -> None:
    assert encode([Family("a", "gauge", "a", (Sample({}, number),))]).splitlines()[-1] == f"a {text}"


def test_f17_a_standby_that_is_well() -> None:
    series = told()
    assert value(series, "build_info", site="depot", node="stby1", release="2026.11") == 1
    assert [value(series, "process_up", process=name) for name in ("agent", "recorder", "events")] == [1, 1, 1]
    assert value(series, "protected") == 1
    assert value(series, "register_answer_age_seconds") == 0.1
    assert value(series, "register_trouble") == 0
    assert value(series, "server_reachable", server="rec1", kind="server") == 1
    assert value(series, "server_heartbeat_age_seconds", server="rec1") == 0.1
    assert (value(series, "server_rank", server="stby1"), value(series, "server_rank", server="rec1")) == (0, None)
    assert value(series, "server_state", server="stby1", state="PRIMARY STANDBY") == 1
    assert value(series, "logical_carrier", logical="north", home="rec1", server="rec1") == 1
    assert value(series, "logical_state", logical="north", state="SERVING") == 1
    assert value(series, "logical_state", logical="north", state="DOWN") == 0
    assert value(series, "camera_info", logical="north", camera="1", name='Gate \\"1\\"', engine="native") == 1
    assert value(series, "camera_mode", logical="north", camera="1", mode="pre-roll") == 1
    assert value(series, "camera_mode", logical="north", camera="1", mode="recording") == 0
    assert value(series, "camera_frames_total", logical="north", camera="1") == 1200
    assert value(series, "camera_last_frame_age_seconds", logical="north", camera="1") == 0.04
    assert value(series, "camera_error", logical="north", camera="1") == 0
    assert value(series, "camera_preroll_seconds", logical="north", camera="1") == 15.2
    assert value(series, "camera_preroll_target_seconds", logical="north", camera="1") == 15
    assert value(series, "disk_state", disk="C", state="ok") == 1
    assert value(series, "disk_state", disk="C", state="hung") == 0
    assert value(series, "disk_free_bytes", disk="C") == 3 * 2**30
    assert value(series, "disk_size_bytes", disk="C") == 8 * 2**30
    assert value(series, "clock_believed") == 1
    assert not any("south" in dict(labels).values() for name, labels in series if name.startswith("understudy_camera"))


def test_f17_trouble_shows() -> None:
    silent = answers.camera(1, last_frame_age_s=None, error="no answer")
    status = answers.status()
    status["register"] = {"age_s": None, "trouble": "quorum at risk"}
    down = {**status["logical"][0], "carrier": None, "state": "DOWN", "epoch": 7}
    status["logical"] = [down]
    status["protection"] = {"state": "UNPROTECTED", "reason": "north is carried by nobody"}
    disks = {"C": {**answers.DISK, "state": "hung"}}
    series = told(
        status=status,
        progress=answers.progress(silent, disks=disks, clock="the clock jumped"),
        copies={"north": {"segments": 2, "bytes": 4096}},
    )
    assert value(series, "protected") == 0
    assert value(series, "register_answer_age_seconds") is None
    assert value(series, "register_trouble") == 1
    assert not any(name == "understudy_logical_carrier" for name, _ in series)
    assert value(series, "logical_state", logical="north", state="DOWN") == 1
    assert value(series, "logical_epoch", logical="north") == 7
    assert value(series, "camera_last_frame_age_seconds", logical="north", camera="1") is None
    assert value(series, "camera_error", logical="north", camera="1") == 1
    assert value(series, "disk_state", disk="C", state="hung") == 1
    assert value(series, "clock_believed") == 0
    assert value(series, "copy_backlog_bytes", logical="north") == 4096
    assert value(series, "copy_backlog_segments", logical="north") == 2


def test_f17_alarms_and_the_gap_of_the_newest_incident() -> None:
    alarms = answers.alarms(
        {"kind": "takeover", "gaps": {"north/1": 0.5, "north/2": 0.0}, "over_us": 5, "acked_us": 6, "acked_by": "ann"},
        {"kind": "handback", "gaps": {"north/1": 0.1}, "over_us": 9},
        {"kind": "rule", "gaps": None},
    )
    series = told(alarms=alarms)
    assert [value(series, "alarms_open", kind=kind) for kind in ("takeover", "handback", "rule")] == [0, 0, 1]
    assert value(series, "alarms_unacknowledged") == 2
    assert value(series, "incident_gap_seconds", logical="north", camera="1") == 0.1
    assert value(series, "incident_gap_seconds", logical="north", camera="2") == 0


def test_what_cannot_be_told_is_absent() -> None:
    series = told(status=None, progress=None, alarms=None)
    assert {name for name, _ in series} == {"understudy_build_info", "understudy_process_up"}
    assert [value(series, "process_up", process=name) for name in ("agent", "recorder", "events")] == [0, 0, 0]


def test_an_agent_of_an_older_release_tells_less() -> None:
    status = answers.status()
    del status["register"]
    status["logical"] = [{k: v for k, v in part.items() if k != "epoch"} for part in status["logical"]]
    assert value(told(status=status), "register_trouble") is None


def test_the_reference_page_is_made_from_the_table() -> None:
    assert (ROOT / "docs/reference/metrics.md").read_text() == metric_table.page()


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len(metric_table.BY_NAME) == len(metric_table.METRICS)
    for metric in metric_table.METRICS:
        assert re.fullmatch(r"understudy_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not re.search(r"_(ms|mb|kb|gb|minutes|hours|days|percent)$", metric.name), metric.name
        assert metric.help.endswith("."), metric.name


def test_every_metric_of_the_table_is_served_by_some_server() -> None:
    gaps = answers.alarms({"kind": "handback", "gaps": {"north/1": 0.1}})
    status = answers.status()
    status["logical"][0]["epoch"] = 3
    served = {name for name, _ in told(status=status, alarms=gaps, copies={"north": {"segments": 0, "bytes": 0}})}
    assert served == set(metric_table.BY_NAME)


def test_f17_the_answer_for_64_cameras_costs_little() -> None:
    numbers = range(1, 65)
    part = replace(PLAN.logical[0], cameras=tuple(replace(PLAN.logical[0].cameras[0], number=n) for n in numbers))
    plan = replace(PLAN, logical=(part, PLAN.logical[1]))
    answer = Told("x", answers.status(), answers.progress(*map(answers.camera, numbers)), answers.alarms(*[{}] * 500))
    costs_s = []
    for _ in range(5):
        began_s = time.process_time()
        render(plan, answer)
        costs_s.append(time.process_time() - began_s)
    assert min(costs_s) < 0.05


def test_f17_servers_and_people_who_are_logged_in_may_ask_and_nobody_else(tmp_path: Path) -> None:
    async def run() -> None:
        services = server(tmp_path, "rec1")
        object.__setattr__(services, "events_socket", tmp_path / "events.sock")

        async def status(_: control.Document) -> control.Document:
            return {"status": answers.status()}

        async def progress(_: control.Document) -> control.Document:
            return answers.progress()

        async def alarms(_: control.Document) -> control.Document:
            return {"alarms": answers.alarms({})}

        listening = [
            await control.serve(tmp_path / "agent.sock", {"status": status}),
            await control.serve(tmp_path / "recorder.sock", {"progress": progress}),
        ]
        async with services.peers, TestClient(TestServer(make_app(services))) as client:
            person, _ = await log_in(client)
            a_server = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "stby1"}
            stranger = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "laptop"}
            for headers, code in (({}, 401), (stranger, 403), (person, 200), (a_server, 200)):
                assert (await client.get("/metrics", headers=headers)).status == code
            answer = await client.get("/metrics", headers=a_server)
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            series = read(await answer.text())
            assert value(series, "process_up", process="events") == 0
            assert value(series, "protected") == 1
            assert value(series, "copy_backlog_bytes", logical="north") == 0
            listening.append(await control.serve(tmp_path / "events.sock", {"alarms": alarms}))
            series = read(await (await client.get("/metrics", headers=a_server)).text())
            assert value(series, "process_up", process="events") == 1
            assert value(series, "alarms_unacknowledged") == 1
        for each in listening:
            each.close()

    asyncio.run(run())
