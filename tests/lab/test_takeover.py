"""Given a site of 2+1, when rec1 loses power, then nobody misses a frame; when it is back, everything goes home.

One story in order: each test continues where the one before ended (S05, S06, S09-S12, S17, S20).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import pytest
import story
from harness.lab import Lab
from harness.probe import Blackout

pytestmark = pytest.mark.usefixtures("power_lost")


@dataclass
class Story:
    """What later chapters need to know of earlier ones; wall times in seconds."""

    crashed_s: float = 0.0
    taken_s: float = 0.0
    home_s: float = 0.0
    blackouts: dict[str, Blackout] = field(default_factory=dict)
    outage: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def power_lost(lab: Lab) -> Story:
    """rec1 crashes silently while a client with a warm ARP cache watches north's addresses."""
    lab.heal("all")
    story.wait_whole(lab)
    addresses = story.logical(lab.status(), "north")["addresses"]
    told = Story()
    with lab.watch(addresses) as watch:
        told.crashed_s = story.now()
        lab.fault("crash", "rec1")
        lab.wait(lambda: story.carrier(lab, "north") == "stby1", 20, "stby1 to carry north")
        told.taken_s = story.now()
        lab.wait(watch.all_answer, 20, "north's addresses to answer")
    told.blackouts = watch.blackouts()
    return told


def test_s05_the_standby_carries_north_and_says_so(lab: Lab, power_lost: Story) -> None:
    status = lab.status()
    north = story.logical(status, "north")
    assert (north["carrier"], north["state"]) == ("stby1", "TAKEN_OVER")
    assert status["protection"]["state"] == "UNPROTECTED"
    assert status["protection"]["reason"]
    assert story.logical(status, "south")["carrier"] == "rec2"


def test_s06_the_addresses_answer_within_the_limit(power_lost: Story) -> None:
    assert power_lost.blackouts, "no address was watched"
    for address, blackout in power_lost.blackouts.items():
        print(f"{address}: away for {blackout.longest_s:.2f} s")
        assert blackout.longest_s > 0.2, f"{address} was never away: the crash did not happen"
        assert blackout.longest_s <= story.TAKEOVER_LIMIT_S, f"{address} was away for {blackout.longest_s:.2f} s"


def test_s08_the_outage_is_recorded_from_before_the_crash(lab: Lab, power_lost: Story) -> None:
    begin, end = power_lost.crashed_s - 6, power_lost.taken_s + 6
    lab.wait(lambda: story.now() > end + 3, 30, "some footage after the takeover")
    for number in story.CAMERAS["north"]:
        camera = f"north/{number}"
        story.assert_whole(story.export(lab, "stby1", camera, begin, end), camera, begin, end)


def test_f13_the_decision_is_explained(lab: Lab, power_lost: Story) -> None:
    told = lab.host("stby1").run(["understudy", "explain"]).stdout
    assert re.search(r"north.*SHADOWING", told)
    assert re.search(r"north.*TAKEN_OVER", told)


def test_a_rerun_of_site_yml_moves_nothing_while_failed_over(lab: Lab, power_lost: Story) -> None:
    with story.no_takeover(lab):
        run = lab.site("--limit", "rec2,stby1", check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    story.assert_unchanged(run, ("rec2", "stby1"))


def test_an_unreachable_server_is_named_and_the_others_finished(lab: Lab, power_lost: Story) -> None:
    with story.no_takeover(lab):
        run = lab.site(check=False)
    assert run.returncode != 0
    assert re.search(r"^rec1\s*: ok=\d+\s+changed=0\s+unreachable=1", run.stdout, re.M), run.stdout[-2000:]
    story.assert_unchanged(run, ("rec2", "stby1"))


def test_s09_the_part_goes_home_by_itself(lab: Lab, power_lost: Story) -> None:
    power_lost.outage.update(story.segments_held(lab, "stby1", "north"))
    assert power_lost.outage, "the standby has no footage of the outage"
    lab.heal("rec1")
    lab.wait(lambda: story.carrier(lab, "north") == "rec1", 150, "north to go home")
    power_lost.home_s = story.now()


def test_s10_the_outage_is_in_the_timeline_of_home_at_once(lab: Lab, power_lost: Story) -> None:
    def imported() -> bool:
        return all(_recorders(lab, number) >= {"rec1", "stby1"} for number in story.CAMERAS["north"])

    lab.wait(imported, 2 + 3, "the standby's spans in north's timeline")  # 2 s promised; four look-ups take up to 3 s


def _recorders(lab: Lab, number: int) -> set[str]:
    answer = json.loads(lab.host("rec1").run(["understudy", "timeline", f"north/{number}", "--json"]).stdout)
    return {span["recorder"] for span in answer["spans"]}


def test_s17_nothing_is_missing_over_crash_and_return(lab: Lab, power_lost: Story) -> None:
    begin, end = power_lost.crashed_s - 15, power_lost.home_s + 4
    lab.wait(lambda: story.now() > end + 4, 30, "some footage after the handback")
    for number in story.CAMERAS["north"]:
        camera = f"north/{number}"
        story.assert_whole(story.export(lab, "rec1", camera, begin, end), camera, begin, end)


def test_f01_the_timeline_measures_no_gap(lab: Lab, power_lost: Story) -> None:
    for number in story.CAMERAS["north"]:
        answer = json.loads(lab.host("rec1").run(["understudy", "gaps", f"north/{number}", "--json"]).stdout)
        begin, end = story.stamp(power_lost.crashed_s - 15), story.stamp(power_lost.home_s + 4)
        over = [gap for gap in answer["gaps"] if gap["to"] > begin and gap["from"] < end]
        assert not over, f"north/{number}: {over}"


def test_s11_the_footage_comes_home_and_is_freed_on_the_standby(lab: Lab, power_lost: Story) -> None:
    lab.wait(lambda: not story.segments_held(lab, "stby1", "north"), 180, "the standby to be free of north's footage")
    home = story.segments_held(lab, "rec1", "north")
    closed = {path: digest for path, digest in power_lost.outage.items() if path in home}
    assert set(power_lost.outage) == set(closed), "footage of the outage is missing at home"
    # The last segments were still growing when they were listed: those grew, all others are the same bytes.
    same = [path for path, digest in closed.items() if home[path] == digest]
    streams = {path.rsplit("/", 1)[0] + path[-7:] for path in closed}
    assert len(same) >= len(closed) - len(streams), "checksums differ"


def test_s17_nothing_is_missing_once_everything_is_home(lab: Lab, power_lost: Story) -> None:
    begin, end = power_lost.crashed_s - 15, power_lost.home_s + 4
    for number in story.CAMERAS["north"]:
        camera = f"north/{number}"
        story.assert_whole(story.export(lab, "rec1", camera, begin, end), camera, begin, end)


def test_s20_the_standby_is_primary_standby_again(lab: Lab, power_lost: Story) -> None:
    story.wait_whole(lab)
    journal = lab.host("stby1").run(["journalctl", "-u", "understudy-agent", "--no-pager", "-o", "cat"]).stdout
    assert "PRIMARY STANDBY" in journal
