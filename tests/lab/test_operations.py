"""Given a whole site, the playbooks beside site.yml do what they say, and nobody misses a frame.

One story in order; the frames are audited from before the first move to behind the last (F02, F03, S09, S52-S54, S56).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import story
from harness.lab import Lab


@dataclass
class Story:
    """Wall times in seconds: of the beginning, and of the restarts."""

    began_s: float
    restarts_s: float = 0.0


@pytest.fixture(scope="module")
def operated(lab: Lab) -> Story:
    lab.heal("all")
    story.wait_whole(lab)
    return Story(story.now())


@pytest.mark.parametrize(
    ("playbook", "words", "says"),
    [
        ("maintenance", ("-e", "servers=rec9"), "allowed: stby1, rec1, rec2"),
        ("drill", ("-e", "logical=nord"), "allowed: north, south"),
        ("verify_report", ("-e", "report=/nowhere"), "name the file of a report"),
        ("handback", ("-e", "logical=nord"), "allowed: north, south"),
        ("failover_delete", (), "name one server of the site"),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(
    lab: Lab, operated: Story, playbook: str, words: tuple[str, ...], says: str
) -> None:
    run = lab.play(playbook, *words, check=False)
    assert run.returncode != 0
    assert says in " ".join(run.stdout.split())


def test_f02_a_drill_measures_and_signs(lab: Lab, operated: Story) -> None:
    run = lab.play("drill", "-e", "logical=north", "-e", f"address_limit_s={story.TAKEOVER_LIMIT_S:g}")
    assert not story.trouble(lab.status())
    name = re.search(r"/\S*/drill-\w+\.json", run.stdout)
    assert name, run.stdout[-2000:]
    report = Path(name.group())
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["verdict"] == "pass"
    addresses, cameras = (table["rows"] for table in found["tables"])
    assert [row[1] for row in addresses] == ["198.18.31.101", "fd00:31::101"]
    assert [row[0] for row in cameras] == [f"north/{number}" for number in story.CAMERAS["north"]]
    lab.play("verify_report", "-e", f"report={report}")
    report.write_text(report.read_text(encoding="utf-8").replace('"pass"', '"PASS"', 1), encoding="utf-8")
    refused = lab.play("verify_report", "-e", f"report={report}", check=False)
    assert "not what the site's authority signed" in " ".join(refused.stdout.split())


def test_f03_a_server_is_drained_and_nothing_is_done_twice(lab: Lab, operated: Story) -> None:
    lab.play("maintenance", "-e", "servers=rec1")
    assert story.carrier(lab, "north") == "stby1"
    assert story.server(lab.status(), "rec1")["state"] == "MAINTENANCE"
    story.assert_unchanged(lab.play("maintenance", "-e", "servers=rec1"), ("rec1",))


def test_f03_what_nobody_could_take_is_not_drained(lab: Lab, operated: Story) -> None:
    with story.no_takeover(lab):
        run = lab.play("maintenance", "-e", "servers=rec2", check=False)
    assert "rec2 carries south, and no standby that may take it can now" in " ".join(run.stdout.split())
    assert story.server(lab.status(), "rec2")["state"] == "SERVING"


def test_f03_it_returns_and_the_site_is_whole(lab: Lab, operated: Story) -> None:
    lab.play("maintenance", "-e", "servers=rec1", "-e", "switch=off")
    assert not story.trouble(lab.status())


def test_f03_no_frame_was_missed(lab: Lab, operated: Story) -> None:
    end = story.now()
    lab.wait(lambda: story.now() > end + 4, 30, "some footage after the return")
    for number in story.CAMERAS["north"]:
        camera = f"north/{number}"
        story.assert_whole(story.export(lab, "rec1", camera, operated.began_s, end), camera, operated.began_s, end)


def test_s52_s54_the_final_checks_accept_the_site(lab: Lab, operated: Story) -> None:
    operated.restarts_s = story.now() - 5
    run = lab.play("final_checks", check=False)
    name = re.search(r"/\S*/acceptance-\w+\.json", run.stdout)
    assert name, run.stdout[-2000:]
    report = json.loads(Path(name.group()).read_text(encoding="utf-8"))
    failed = {row["rule"]: row["problems"] for row in report["checks"] if not row["passed"]}
    # Two cores for all hosts: while one boots, the register's members of the others may starve for a second, and the
    # agents say so. That is an issue the report has to tell; any other line is not explained by the lab.
    told = [line for line in failed.pop("S54", []) if "understudy.arbitration.voters: quorum" not in line]
    assert not told, told
    assert not failed, failed


def test_s52_no_frame_was_missed_by_the_restarts(lab: Lab, operated: Story) -> None:
    begin, end = operated.restarts_s, story.now()
    lab.wait(lambda: story.now() > end + 4, 30, "some footage after the restarts")
    for part, home in story.HOMES.items():
        camera = f"{part}/1"
        story.assert_whole(story.export(lab, home, camera, begin, end), camera, begin, end)
