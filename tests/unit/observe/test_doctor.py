"""What `understudy doctor` (F17) makes of what it sees: one finding per check, what to do, an exit status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import answers
import depot
import pytest
from msgspec.structs import replace
from standby import plan, seen
from understudy.doctor import machine, work
from understudy.doctor.finding import Finding, document, exit_status, some, text
from understudy.doctor.seen import Certificate, Seen, Space, Unit


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
            {"status": set_in("register", trouble="quorum at risk: rec1; north: epoch 7 went back to 6")},
            ("FAIL", "register", "quorum at risk: rec1; north: epoch 7 went back to 6"),
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
            ("warn", "pre-roll", "1 of 2 cameras hold too little: north/1 holds 3 of 15 s"),
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
