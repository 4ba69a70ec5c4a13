"""Reports: what passes, what fails, that both forms say the same, that a changed byte is found; journal and watch."""

from __future__ import annotations

import datetime
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.understudy.nvr.plugins.module_utils import (
    nvr_acceptance,
    nvr_certificates,
    nvr_journal,
    nvr_report,
    nvr_watch,
)
from ansible_collections.understudy.nvr.plugins.modules import address_watch_info, journal_info, report_info, report_set
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_public import public_logical
from cryptography.hazmat.primitives.asymmetric import ec


def server(name: str, kind: str = "server", **given: Any) -> dict[str, Any]:
    found = {"PRIMARY STANDBY": "2026-11-23T10:00:00.000Z" if kind == "standby" else ""}
    return {
        "name": name,
        "kind": kind,
        "state": "SERVING",
        "licence": {"edition": "enterprise", "channels": 8},
        "release": "0123",
        "restart_s": 21,
        "clock_s": 0.0004,
        "journal": {"issues": [], "expected": {"lost leader": 2}, "found": found},
        "units": {"nginx.service": "active"},
        **given,
    }


def facts(**given: Any) -> dict[str, Any]:
    cameras = [
        {"number": 1, "name": "Gate", "capture": "rtsp", "failover": "full"},
        {"number": 2, "name": "Old <yard>", "capture": "analogue", "failover": "full"},
    ]
    return {
        "site": "depot",
        "from": "2026-11-23T10:00:00Z",
        "to": "2026-11-23T10:10:00Z",
        "limits": {"gap_s": 0.0, "clock_s": 0.1},
        "servers": [server("rec1"), server("stby1", "standby")],
        "logical": [{"name": "north", "home": "rec1", "addresses": [], "cameras": cameras}],
        "gaps": [],
        "silent": [],
        "protection": "PROTECTED",
        "problems": [],
        "expected": [{"pattern": "lost leader", "why": "its leader restarts"}],
        **given,
    }


def failing(report: dict[str, Any]) -> dict[str, list[str]]:
    return {row["rule"]: row["problems"] for row in report["checks"] if not row["passed"]}


def test_s52_s54_a_site_in_order_is_accepted_with_its_exceptions_listed() -> None:
    report = nvr_acceptance.acceptance(facts())
    assert (report["verdict"], failing(report)) == ("pass", {})
    tables = {table["title"]: table["rows"] for table in report["tables"]}
    assert tables["Cameras that do not fail over"] == [["north/2", "Old <yard>", "analogue (S27)"]]
    assert tables["Lines that are expected during restarts"] == [["lost leader", "its leader restarts", 4]]


@pytest.mark.parametrize(
    ("given", "rule", "says"),
    [
        ({"servers": [server("rec1", restart_s=None), server("stby1", "standby")]}, "S52", "rec1 was not restarted"),
        (
            {"servers": [server("stby1", "standby", journal={"issues": [], "expected": {}, "found": {}})]},
            "S53",
            "no journal of stby1 says PRIMARY STANDBY since the restarts",
        ),
        (
            {
                "servers": [
                    server("stby1", "standby"),
                    server(
                        "rec1",
                        journal={
                            "issues": [{"time": "T", "unit": "etcd.service", "message": "disk"}],
                            "expected": {},
                            "found": {},
                        },
                    ),
                ]
            },
            "S54",
            "rec1 T etcd.service: disk",
        ),
        (
            {"gaps": [{"camera": "north/1", "from": "T", "length_s": 0.24, "cause": "takeover"}]},
            "F01",
            "north/1 T: 0.240 s, takeover",
        ),
        ({"silent": ["rec1"]}, "F01", "the footage of rec1 could not be looked at"),
        ({"servers": [server("stby1", "standby", clock_s=-0.3)]}, "S42", "stby1 is off by -0.3000 s"),
        ({"servers": [server("stby1", "standby", clock_s=None)]}, "S42", "stby1 does not tell"),
        ({"problems": ["rec1 is silent"]}, "S04", "rec1 is silent"),
        (
            {"servers": [server("stby1", "standby", units={"etcd.service": "failed"})]},
            "S17",
            "stby1: etcd.service is failed",
        ),
        (
            {"servers": [server("stby1", "standby", licence={"edition": "enterprise", "channels": 0})]},
            "S01, S33",
            "stby1 has 0 channels, 1 are needed",
        ),
    ],
)
def test_every_check_can_fail_and_says_why(given: dict[str, Any], rule: str, says: str) -> None:
    report = nvr_acceptance.acceptance(facts(**given))
    assert report["verdict"] == "fail"
    assert failing(report) == {rule: [says]}


def drilled(longest_s: float, answers: int = 99, **given: Any) -> dict[str, Any]:
    address = {"address": "192.0.2.101", "tries": 100, "answers": answers, "longest_s": longest_s}
    moves = [{"logical": "north", "server": "stby1", "addresses": [address]}]
    limits = {"gap_s": 0.0, "address_s": 2.0}
    base = facts(moves=moves, unmoved=[], cameras=["north/1"], limits=limits)
    return nvr_acceptance.drill({**base, **given})


def test_f02_a_drill_passes_within_its_limits_and_fails_beyond() -> None:
    assert drilled(0.25)["verdict"] == "pass"
    assert failing(drilled(2.4)) == {"S06": ["north: 192.0.2.101 did not answer for 2.400 s"]}
    assert failing(drilled(0.0, answers=0)) == {"S06": ["north: 192.0.2.101 was never seen to answer"]}
    assert failing(drilled(0.2, unmoved=["south"])) == {"F02": ["south was not moved"]}
    gap = {"camera": "north/1", "from": "T", "length_s": 1.5, "cause": "takeover"}
    report = drilled(0.2, gaps=[gap])
    assert failing(report) == {"F01": ["north/1 T: 1.500 s, takeover"]}
    assert report["tables"][1]["rows"] == [["north/1", "1.500"]]


def test_both_forms_say_the_same_and_nothing_is_taken_for_markup() -> None:
    report = nvr_acceptance.acceptance(facts(problems=["<script>"]))
    page = nvr_report.as_html(report).decode()
    assert json.loads(nvr_report.as_json(report)) == report
    assert "Old &lt;yard&gt;" in page
    assert "<script>" not in page
    assert page.count("FAIL") == 2  # the verdict and the one check


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    nvr_certificates.store(tmp_path / "ca", nvr_certificates.make_authority("site", key, now, 10), key)
    return tmp_path


def test_a_changed_byte_and_another_authority_are_found(authority: Path, tmp_path: Path) -> None:
    content = nvr_report.as_json(nvr_acceptance.acceptance(facts()))
    report_set.write(tmp_path / "reports", {"a.json": content}, (authority / "ca.key").read_bytes())
    certificate = (authority / "ca.crt").read_bytes()
    signature = (tmp_path / "reports" / "a.json.sig").read_bytes()
    assert nvr_report.verify(certificate, content, signature)
    assert not nvr_report.verify(certificate, content.replace(b'"pass"', b'"fail"'), signature)
    key = ec.generate_private_key(ec.SECP256R1())
    assert not nvr_report.verify(certificate, content, nvr_report.sign(nvr_certificates.pem(key), content))


def test_a_journal_is_judged_line_by_line() -> None:
    fields = {"__REALTIME_TIMESTAMP": "1795427000000000", "_SYSTEMD_UNIT": "etcd.service", "MESSAGE": "lost leader"}
    binary = {**fields, "_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": [73, 47, 79]}
    seen = nvr_journal.entries("\n".join([json.dumps(fields), json.dumps(binary), '{"cut']))
    issues, counted = nvr_journal.judge(seen, [{"pattern": "^etcd.*lost leader", "why": "restart"}])
    assert counted == {"^etcd.*lost leader": 1}
    assert [(issue["unit"], issue["message"]) for issue in issues] == [("kernel", "I/O")]
    assert nvr_journal.last_with(seen, "lost") == seen[0]["time"]
    assert nvr_journal.last_with(seen, "PRIMARY STANDBY") == ""


def probes(*answers: bool) -> list[nvr_watch.Probe]:
    return [nvr_watch.Probe(index * 0.5, answered) for index, answered in enumerate(answers)]


def test_f02_a_blackout_is_from_the_last_answer_to_the_next() -> None:
    assert nvr_watch.longest([]) == 0.0
    assert nvr_watch.longest(probes(True, True)) == 0.0
    assert nvr_watch.longest(probes(True, False, False, True, False, True)) == 1.5
    assert nvr_watch.longest(probes(True, False, False)) == 1.0


def test_f02_a_watch_sees_a_listener_go_and_ends_with_the_file(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    watch = nvr_watch.Watch(["127.0.0.1"], listener.getsockname()[1])
    threading.Timer(0.3, listener.close).start()
    threading.Timer(0.8, (tmp_path / "stop").touch).start()
    watch.run(0.02, 20.0, str(tmp_path / "stop"))
    [row] = watch.result()
    assert 0 < row["answers"] < row["tries"]
    assert 0.3 < row["longest_s"] < 3


def test_a_public_plan_holds_no_login() -> None:
    source = {"type": "rtsp", "url": "rtsp://192.0.2.9/1", "username": "viewer", "password": "secret"}
    camera = {"number": 1, "name": "Gate", "failover": "full", "source": source, "tracks": []}
    part = {
        "name": "north",
        "home": "rec1",
        "addresses": [{"nic": "a", "address": "192.0.2.101/32"}],
        "cameras": [camera],
    }
    shown = public_logical({"logical": [part]})
    assert shown[0]["addresses"] == ["192.0.2.101"]
    assert "secret" not in json.dumps(shown)
    assert "rtsp://" not in json.dumps(shown)


def play(module: Any, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """What a module prints when it is run with these options."""
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_report_info_tells_a_signed_report_from_a_changed_one(
    authority: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, where = (authority / "ca.key").read_bytes(), {"authority": str(authority / "ca.crt")}
    report_set.write(tmp_path, {"a.json": b'{"verdict": "pass"}'}, key)
    file = tmp_path / "a.json"
    found = play(report_info, capsys, file=str(file), **where)
    assert (found["valid"], found["report"]) == (True, {"verdict": "pass"})
    file.write_bytes(b'{"verdict": "fail"}')
    found = play(report_info, capsys, file=str(file), **where)
    assert (found["valid"], found["report"]) == (False, {})
    found = play(report_info, capsys, file=str(tmp_path / "none.json"), **where)
    assert "cannot be verified" in found["msg"]


def test_address_watch_info_ends_in_time_and_clears_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop = tmp_path / "stop"
    stop.touch()  # of an earlier watch: it must not end this one
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        port = listener.getsockname()[1]
        found = play(address_watch_info, capsys, addresses=["127.0.0.1"], port=port, limit=0.3, stop=str(stop))
    assert found["addresses"][0]["answers"] == found["addresses"][0]["tries"] > 0
    assert not stop.exists()


def test_journal_info_counts_a_failed_unit_as_an_issue() -> None:
    [issue] = journal_info.failed_units("etcd.service loaded failed failed etcd\n")
    assert (issue["unit"], issue["message"]) == ("etcd.service", "the unit has failed")
    assert journal_info.failed_units("") == []
