"""S57: each cause is judged by measured facts, and says what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import depot
import pytest
from ansible_collections.understudy.nvr.plugins.plugin_utils import site_events
from understudy.events import history, readings, sntp
from understudy.events.causes import CAUSES, LIMITS, OF_SITE, measure
from understudy.events.facts import Facts, Readings, Script, cameras_seen, facts_of
from understudy.site.event_rules import Rule

WELL = facts_of(depot.plan(), Readings(nics={"eno1": ""}), depot.progress(), depot.status())


@pytest.mark.parametrize(
    ("rule", "facts", "bad", "says"),
    [
        ({"cause": "disk-fault"}, {}, False, "disk letter C is ok"),
        (
            {"cause": "disk-fault", "disk": "C"},
            {"disks": {"C": "error", "D": "ok"}, "disk_errors": {"C": "Input/output error"}},
            True,
            "disk letter C is error: Input/output error",
        ),
        ({"cause": "disk-fault", "disk": "D"}, {"disks": {"C": "error", "D": "ok"}}, False, "disk letter D is ok"),
        ({"cause": "disk-fault"}, {"disks": {"C": "hung"}}, True, "disk letter C is hung"),
        ({"cause": "disk-fault"}, {"disks": {}}, None, "the recorder tells no disk letter"),
        ({"cause": "disk-read-only"}, {"disks": {"C": "read-only"}}, True, "C is read-only"),
        ({"cause": "disk-full"}, {"disks": {"C": "full"}}, True, "C is full"),
        ({"cause": "disk-fault"}, {"disks": {"C": "full"}}, False, "C is full"),
        ({"cause": "disk-hung"}, {"disks": {"C": "hung"}}, True, "C is hung"),
        ({"cause": "disk-pulled"}, {"disks": {"C": "missing"}}, True, "C is missing"),
        ({"cause": "not-recording"}, {"unrecorded": ("north/1",)}, False, "1 of 2 cameras not recorded"),
        ({"cause": "not-recording"}, {"unrecorded": ("north/1", "north/2")}, True, "2 of 2 .*north/1, north/2"),
        ({"cause": "not-recording"}, {"recorder_silent": "no answer"}, True, "does not answer: no answer"),
        ({"cause": "not-recording"}, {"cameras": 0}, None, "no camera is to be recorded here"),
        ({"cause": "camera-loss"}, {"silent": ("north/1", "north/2")}, False, "0 of 2 cameras lost here"),
        ({"cause": "camera-loss"}, {"seen_elsewhere": ("north/1",)}, True, "1 of 2 cameras lost .*limit 50 %"),
        ({"cause": "camera-loss", "limit": 60}, {"seen_elsewhere": ("north/1",)}, False, "1 of 2 cameras lost"),
        ({"cause": "nic"}, {}, False, "eno1 with link"),
        ({"cause": "nic"}, {"nics": {"eno1": "no link"}}, True, "eno1: no link"),
        ({"cause": "nic", "nic": "eno2"}, {"nics": {"eno1": "no link"}}, None, "no interface"),
        ({"cause": "crash-loop"}, {"recorder_restarts": 3}, True, "3 times in 300 s"),
        ({"cause": "crash-loop"}, {"recorder_restarts": 2}, False, "2 times in 300 s"),
        ({"cause": "clock"}, {"clock_offset_s": -0.8}, True, r"off by -0\.80 s \(limit 0\.5 s\)"),
        ({"cause": "clock"}, {"clock_offset_s": None}, None, "no time server answers"),
        ({"cause": "temperature", "limit": 70}, {"temperature_c": 71.0}, True, "says 71 °C"),
        ({"cause": "memory"}, {"memory_percent": 4.0}, True, "4 % of the memory"),
        ({"cause": "script"}, {"scripts": {"r": Script(0, "fine")}}, False, "ended with 0: fine"),
        ({"cause": "script"}, {"scripts": {"r": Script(99, "fan")}}, True, "ended with 99: fan"),
        ({"cause": "script"}, {}, None, "has not ended yet"),
        ({"cause": "unprotected"}, {"unprotected": "no standby can take over now"}, True, "no standby"),
        ({"cause": "quorum"}, {"quorum": None}, None, "cannot be told"),
        ({"cause": "standby-busy"}, {"standby_busy": "stby1 carries north"}, True, "stby1 carries north"),
        ({"cause": "standby-unfit"}, {"standby_unfit": ""}, False, "could take a part"),
        ({"cause": "certificate"}, {"certificate_days": 13.0}, True, "13 more days"),
        ({"cause": "licence"}, {"licence_days": None}, None, "does not expire"),
        ({"cause": "version"}, {"versions": {"rec1": "aa", "rec2": "bb"}}, True, "rec1 aa, rec2 bb"),
        ({"cause": "preroll"}, {"prerolls": 2, "preroll_short": ("south/1 holds 3 of 15 s",)}, True, "holds 3 of 15 s"),
    ],
)
def test_s57_a_cause_is_judged_by_what_was_measured(
    rule: dict[str, object], facts: dict[str, object], bad: bool | None, says: str
) -> None:
    changed = Facts(**{**{name: getattr(WELL, name) for name in Facts.__struct_fields__}, **facts})  # type: ignore[arg-type]
    found = measure(Rule(name="r", command="/bin/x", **rule), changed)  # type: ignore[arg-type]
    assert found.bad is bad
    assert re.search(says, found.text), found.text


def test_the_site_file_and_the_agent_know_the_same_causes_limits_and_scopes() -> None:
    assert set(site_events.CAUSES) == set(CAUSES)
    assert {name for name, cause in site_events.CAUSES.items() if cause.limit} == set(LIMITS)
    assert {name for name, cause in site_events.CAUSES.items() if cause.of_site} == OF_SITE


def test_f09_a_camera_whose_frames_stop_is_silent_and_one_that_others_see_is_told_apart() -> None:
    answer = depot.progress(ages_s=(7.0, None))
    elsewhere = cameras_seen(depot.progress(north="preroll", ages_s=(0.1, 9.0)))
    facts = facts_of(depot.plan(), Readings(), answer, depot.status(), elsewhere)
    assert (facts.cameras, facts.silent, facts.seen_elsewhere) == (2, ("north/1", "north/2"), ("north/1",))


def test_f09_a_camera_whose_frames_arrive_and_cannot_be_written_is_not_recorded() -> None:
    answer = depot.progress()
    answer["parts"]["north"]["cameras"][0]["error"] = "disk letter C is error"
    facts = facts_of(depot.plan(), Readings(), answer, depot.status())
    assert (facts.unrecorded, facts.silent) == (("north/1",), ())


def test_a_server_that_carries_nothing_has_no_camera_that_could_be_silent() -> None:
    facts = facts_of(depot.plan(), Readings(), depot.progress(ages_s=(9.0, 9.0)), depot.status(north="stby1"))
    assert facts.cameras == 0
    assert measure(Rule(name="r", cause="not-recording"), facts).bad is None


def test_s31_a_disk_letter_that_no_track_uses_does_not_matter() -> None:
    answer = depot.progress()
    answer["disks"]["Z"] = {"state": "missing", "error": "no disk is mounted there"}
    assert facts_of(depot.plan(), Readings(), answer, depot.status()).disks == {"C": "ok"}


def test_f08_a_short_preroll_is_told_with_what_it_should_be() -> None:
    answer = depot.progress(north="preroll")
    answer["parts"]["north"]["cameras"][1]["ring_s"] = 4.0
    facts = facts_of(depot.plan("stby1"), Readings(), answer, depot.status("stby1"))
    assert (facts.prerolls, facts.preroll_short) == (2, ("north/2 holds 4 of 15 s",))


def test_links_are_read_from_the_kernel(tmp_path: Path) -> None:
    for name, carrier in (("eno1", "1\n"), ("eno2", "0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "carrier").write_text(carrier)
    (tmp_path / "eno3").mkdir()
    assert readings.links(["eno1", "eno2", "eno3", "eno4"], tmp_path) == {
        "eno1": "",
        "eno2": "no link",
        "eno3": "switched off",
        "eno4": "there is no such interface",
    }


def test_the_hottest_sensor_counts_and_a_machine_without_one_has_none(tmp_path: Path) -> None:
    assert readings.temperature_c(tmp_path) is None
    for place, value in (("thermal/thermal_zone0/temp", "48000"), ("hwmon/hwmon1/temp1_input", "61500")):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(value)
    assert readings.temperature_c(tmp_path) == 61.5


def test_the_clock_is_measured_against_a_time_server() -> None:
    sent_s = 1_795_428_000.25
    question = sntp.request(sent_s)
    server = sntp._PACKET.pack(
        0x24,
        2,
        0,
        0,
        *([0] * 5),
        *question_stamp(question),
        *sntp._stamp(sent_s - 2.0 + 0.01),
        *sntp._stamp(sent_s - 2.0 + 0.02),
    )
    found = sntp.offset_s(sent_s, server, sent_s + 0.03)
    assert found is not None
    assert found[0] == pytest.approx(2.0, abs=0.001)  # ahead by two seconds
    assert found[1] == pytest.approx(0.01, abs=0.001)
    assert sntp.offset_s(sent_s + 1, server, sent_s + 1.03) is None  # the answer to another question
    assert sntp.offset_s(sent_s, bytes([0xE4]) + server[1:], sent_s + 0.03) is None  # a server without time


def question_stamp(question: bytes) -> tuple[int, int]:
    fields = sntp._PACKET.unpack(question)
    return fields[13], fields[14]


def test_facts_are_recorded_by_change_and_rules_are_tried_on_them(tmp_path: Path) -> None:
    recorded = history.History(tmp_path / "facts.jsonl")
    bad = facts_of(depot.plan(), Readings(), depot.progress(disk="error"), depot.status())
    for second, facts in ((0, WELL), (1, WELL), (100, bad), (102, WELL), (200, bad), (260, WELL)):
        recorded.note(facts, depot.WALL_S + second)
    lines = (tmp_path / "facts.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert len(json.loads(lines[1])["facts"]) < 4
    with (tmp_path / "facts.jsonl").open("a") as file:
        file.write('{"wall_s": 17954')  # torn by a power cut
    rule = Rule(name="disk", cause="disk-fault", for_s=10, clear_s=30)
    plan = depot.plan("rec1", rule)
    found = history.replay(plan, [rule], history.read(tmp_path / "facts.jsonl", 0.0), depot.WALL_S + 1000)
    assert [(f.rule, f.fired_s - depot.WALL_S, (f.over_s or 0) - depot.WALL_S) for f in found] == [("disk", 210, 290)]
    late = history.read(tmp_path / "facts.jsonl", depot.WALL_S + 261)
    assert history.replay(plan, [rule], late, depot.WALL_S + 1000) == []
