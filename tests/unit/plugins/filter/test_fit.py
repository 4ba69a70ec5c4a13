"""F06, the fit check: what makes the failure of one or two recording servers green, amber or red, and what is said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.understudy.nvr.plugins.filter.site import FilterModule
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_file import read_site
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_fit import hours

from .sites import camera, judged, planned, row, site, standby

ROOT = Path(__file__).resolve().parents[4]
fit = FilterModule().filters()["fit"]
GB, H = 1e9, 3600


def one(said: dict[str, Any] | None = None, spare: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A site of one server with one camera and one standby; `said` of the camera, `spare` of the standby."""
    return site([{"cameras": [camera(1, **(said or {}))]}], [standby(1, **(spare or {}))], **more)


def disk(**said: Any) -> dict[str, Any]:
    return {"C": {"path": "/srv/C", "free_floor_mb": 0, **said}, "D": {"path": "/srv/D"}}


@pytest.mark.parametrize(
    ("example", "single", "double"),
    [("one-plus-one-witness", ["green"], []), ("two-plus-one", ["green", "green"], ["red"])],
)
def test_f06_the_examples_carry_every_single_failure(example: str, single: list[str], double: list[str]) -> None:
    path = next((ROOT / "inventory/examples" / example).glob("*.site.yml"))
    hosts = read_site(path, lambda secrets: yaml.safe_load(secrets.read_text()))
    for variables in hosts.values():
        found = fit(variables["understudy_plan"], variables["understudy_capacity"])
        assert [r["colour"] for r in found["rows"] if len(r["failed"]) == 1] == single
        assert [r["colour"] for r in found["rows"] if len(r["failed"]) == 2] == double
        assert found["refused"] == []


def test_f06_two_failures_and_one_standby_are_red_and_say_who_is_left() -> None:
    found = judged(site([{"priority": 20}, {"priority": 10}], [standby(1)]))
    assert row(found, "rec1", "rec2") == {
        "failed": ["rec1", "rec2"],
        "colour": "red",
        "carriers": {"part2": "stby1", "part1": ""},
        "reason": "no place is left for part1 on stby1.",
    }
    assert [one["colour"] for one in found["rows"]] == ["red", "green", "green"]
    assert found["counts"] == {
        "single": {"green": 2, "amber": 0, "red": 0},
        "double": {"green": 0, "amber": 0, "red": 1},
    }


def test_f06_without_standby_every_failure_is_red() -> None:
    found = judged(site([{}], []))
    assert found["refused"] == ["rec1 fails: no standby may take part1."]


def test_f06_a_server_without_a_part_is_no_loss() -> None:
    data = site([{}], [standby(1)])
    data["servers"]["rec9"] = {"licence": {"channels": 1}, "addresses": {"eno2": ["192.0.2.99/24"]}}
    assert row(judged(data), "rec9")["reason"] == "it carries no logical server."


def test_f06_first_choice_comes_before_second() -> None:
    east, west = standby(1, group="east"), standby(2, group="west")
    found = judged(site([{"groups": ["west", "east"]}, {"groups": ["west"]}], [east, west]))
    assert row(found, "rec1")["carriers"] == {"part1": "stby2"}
    assert row(found, "rec1", "rec2")["reason"] == "no place is left for part2 on stby2."


def test_f06_servers_that_fail_one_after_the_other_may_meet_on_one_standby() -> None:
    """At once they are spread; the second to fail goes to the first in line that has a place, if it carries one too."""
    cameras = [camera(n) for n in (1, 2)]
    spares = [standby(n, takeover_limit=2, licence={"channels": 3}) for n in (1, 2)]
    found = row(judged(site([{"cameras": cameras}] * 2, spares)), "rec1", "rec2")
    assert found["carriers"] == {"part1": "stby1", "part2": "stby1"}
    assert found["reason"] == "stby1 has 3 channels, 4 are needed for part1 and part2."


def test_f06_too_few_channels_are_red() -> None:
    data = site([{"cameras": [camera(1), camera(2)]}], [standby(1, licence={"channels": 1})])
    assert judged(data)["refused"] == ["rec1 fails: stby1 has 1 channels, 2 are needed for part1."]


@pytest.mark.parametrize("said", [{"failover": "none"}, {"failover": "live-only"}, {"capture": "analogue", "url": ""}])
def test_s27_cameras_that_do_not_fail_over_need_nothing(said: dict[str, Any]) -> None:
    assert row(judged(one(said, {"licence": {"channels": 0}})), "rec1")["colour"] == "green"


@pytest.mark.parametrize(("today", "colour"), [(None, "green"), ("2026-12-01", "green"), ("2026-12-02", "red")])
def test_s01_a_licence_that_ended_is_red(today: str | None, colour: str) -> None:
    data = one(spare={"licence": {"channels": 1, "expires": "2026-12-01"}})
    assert row(judged(data, today=today), "rec1")["colour"] == colour


def test_s01_another_edition_is_red() -> None:
    data = one(spare={"licence": {"channels": 1, "edition": "standard"}})
    assert "stby1 has the standard edition" in judged(data)["refused"][0]


@pytest.mark.parametrize(
    ("write_mb_s", "kbit", "colour"),
    [(10, 80_000, "amber"), (10, 80_001, "red"), (10, 64_000, "green"), (10, 64_001, "amber"), (0.5, None, "amber")],
)
def test_f06_the_write_rate_leaves_time_to_play(write_mb_s: float, kbit: int | None, colour: str) -> None:
    said = {} if kbit is None else {"bit_rate_kbit": kbit}
    assert row(judged(one(said, disks=disk(write_mb_s=write_mb_s))), "rec1")["colour"] == colour


def test_f06_a_camera_with_two_tracks_writes_twice() -> None:
    tracks = {"continuous": {"disk": "C", "days": 30}, "alarm": {"disk": "C", "days": 3, "mode": "event"}}
    said = {"bit_rate_kbit": 8000, "tracks": ["continuous", "alarm"]}
    found = judged(one(said, disks=disk(write_mb_s=1.5), tracks=tracks))
    assert found["refused"] == ["rec1 fails: stby1's C writes 1.5 MB/s, 2.0 are needed for part1."]


@pytest.mark.parametrize(("size_gb", "colour"), [(86.3, "red"), (86.5, "amber"), (259.1, "amber"), (259.3, "green")])
def test_s26_smaller_disks_are_allowed_and_the_hours_told(size_gb: float, colour: str) -> None:
    """8000 kbit/s are 1 MB/s: 86.4 GB in 24 h, 259.2 GB in 72 h."""
    found = row(judged(one({"bit_rate_kbit": 8000}, disks=disk(size_gb=size_gb))), "rec1")
    assert found["colour"] == colour
    assert f"is full after {int(size_gb / 3.6 * 10) / 10:g} h" in found["reason"]


def test_s26_footage_that_retention_deletes_fills_no_disk() -> None:
    data = one({"bit_rate_kbit": 8000}, disks=disk(size_gb=87), tracks={"continuous": {"disk": "C", "days": 1}})
    assert row(judged(data), "rec1")["reason"] == "stby1 carries part1 with 1 of 64 channels, and no disk fills up."


def test_s26_the_sizes_that_were_measured_count() -> None:
    data = one({"bit_rate_kbit": 8000}, disks=disk(size_gb=9000))
    found = {"letter": "C", "total_bytes": int(10 * GB), "problems": []}
    assert row(judged(data, measured={"stby1": [found]}), "rec1")["colour"] == "red"
    broken = {**found, "problems": ["disk letter C: not mounted"]}
    assert row(judged(data, measured={"stby1": [broken]}), "rec1")["colour"] == "green"


@pytest.mark.parametrize(
    ("rates", "usable", "expected"),
    [
        ({30.0: 1.0}, 7200, 2),
        ({30.0: 0.0}, 7200, float("inf")),
        ({}, 0, float("inf")),
        ({1.0: 1.0}, 24 * H, float("inf")),
        ({1.0: 1.0, 2.0: 1.0}, 50 * H, 26),
        ({1.0: 1.0, 2.0: 1.0}, 40 * H, 20),
    ],
)
def test_hours_until_a_disk_is_full(rates: dict[float, float], usable: float, expected: float) -> None:
    assert hours(rates, usable) == pytest.approx(expected)


def test_f06_what_is_assumed_makes_nothing_red_and_is_told() -> None:
    found = judged(one(disks=disk(size_gb=1, write_mb_s=0.1)))
    assert row(found, "rec1")["colour"] == "amber"
    assert "assumed 8000 kbit/s" in row(found, "rec1")["reason"]
    assert found["unknown"] == [
        "Not every camera of part1 has a bit_rate_kbit: 8000 kbit/s are assumed, which alone makes nothing red."
    ]


def test_f06_what_cannot_be_judged_is_told() -> None:
    assert judged(one({"bit_rate_kbit": 1}))["unknown"] == [
        "Disk hours are not judged on C: no size_gb, and not measured on every standby.",
        "Write rates are not judged on C: no write_mb_s.",
    ]


def test_s22_a_standby_outside_of_the_camera_network() -> None:
    clients = {"eno2": ["192.0.2.21/24"]}
    assert judged(one(spare={"addresses": clients}))["refused"] == [
        "rec1 fails: stby1 has no eno1 into 198.51.100.0/24, the network of part1's camera Camera 1."
    ]
    routed = row(judged(one(spare={"addresses": {"eno1": ["203.0.113.21/24"], **clients}})), "rec1")
    assert routed["colour"] == "amber"
    assert "only through a router" in routed["reason"]


def test_s22_a_camera_behind_a_router_or_known_by_name_is_not_judged() -> None:
    for url in ("rtsp://203.0.113.9/1", "rtsp://camera.example.com/1"):
        assert row(judged(one({"url": url}, {"addresses": {"eno2": ["192.0.2.21/24"]}})), "rec1")["colour"] == "green"


def test_s41_a_standby_without_the_nic_of_the_logical_address_is_red() -> None:
    found = judged(one(spare={"addresses": {"eno1": ["198.51.100.21/24"]}}))
    assert found["refused"] == ["rec1 fails: stby1 has no address on eno2, where the address of part1 belongs."]


@pytest.mark.parametrize(("sessions", "colour"), [(1, "red"), (2, "amber"), (3, "green"), (None, "green")])
def test_f06_a_camera_serves_its_home_and_the_pre_roll_of_every_standby(sessions: int | None, colour: str) -> None:
    said = {} if sessions is None else {"sessions": sessions}
    found = row(judged(site([{"cameras": [camera(1, **said)]}], [standby(1), standby(2)])), "rec1")
    assert found["colour"] == colour
    assert ("its home and its standbys hold 3" in found["reason"]) == (colour != "green")


def test_f06_every_reason_of_the_worst_colour_is_in_the_sentence() -> None:
    data = one(spare={"licence": {"channels": 0, "edition": "standard"}})
    assert judged(data)["refused"] == [
        "rec1 fails: stby1 has the standard edition, failover needs enterprise; "
        "stby1 has 0 channels, 1 are needed for part1."
    ]


def test_f06_the_table_is_worst_first_and_ends() -> None:
    table = judged(site([{}] * 20, [standby(1)]))["table"]
    assert table[:2] == ["One server fails: 0 red, 0 amber, 20 green", "Two servers fail: 190 red, 0 amber, 0 green"]
    assert table[2].startswith("RED   rec1 + rec2: ")
    assert table[52] == "… and 160 more, none of them worse"


def test_f06_no_login_is_in_what_is_shown() -> None:
    path = ROOT / "inventory/lab/lab.site.yml"
    variables = read_site(path, lambda secrets: yaml.safe_load(secrets.read_text()))["stby1"]
    shown = str(fit(variables["understudy_plan"], variables["understudy_capacity"]))
    assert "p@ss:w/rd#1?" in str(variables["understudy_plan"])
    assert "p@ss:w/rd#1?" not in shown
    assert "p@ss:w/rd#1?" not in str(variables["understudy_capacity"])


def test_f06_a_hundred_servers_of_64_cameras_are_judged_within_two_seconds() -> None:
    cameras = [camera(number, bit_rate_kbit=4000, sessions=30) for number in range(1, 65)]
    spares = [standby(n, takeover_limit=2, licence={"channels": 128}) for n in range(1, 13)]
    plan, said = planned(site([{"cameras": cameras}] * 100, spares, disks=disk(size_gb=20_000, write_mb_s=200)))
    began = time.process_time()
    found = fit(plan, said)
    assert time.process_time() - began < 2
    assert len(found["rows"]) == 100 + 4950
    assert found["counts"]["double"] == {"green": 4950, "amber": 0, "red": 0}
