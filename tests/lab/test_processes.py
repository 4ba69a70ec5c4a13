"""Given a whole site, when one process of rec1 is killed, then nobody takes over and in the end no frame is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import story
from harness.lab import Lab

CAMERAS = story.CAMERAS["north"]


def told_gaps(lab: Lab, number: int, begin: float, end: float) -> list[dict[str, Any]]:
    """The gaps that rec1 tells of a camera between two wall times."""
    told = json.loads(lab.host("rec1").run(["understudy", "gaps", f"north/{number}", "--json"]).stdout)["gaps"]
    return [gap for gap in told if gap["to"] > story.stamp(begin) and gap["from"] < story.stamp(end)]


def recorders(lab: Lab, number: int, begin: float, end: float) -> set[str]:
    """Who recorded what plays between two wall times."""
    command = ["understudy", "timeline", f"north/{number}", "--json"]
    command += ["--from", story.stamp(begin), "--to", story.stamp(end)]
    return {span["recorder"] for span in json.loads(lab.host("rec1").run(command).stdout)["spans"]}


def main_pid(lab: Lab, unit: str) -> str:
    return lab.host("rec1").run(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()


def kill(lab: Lab, unit: str) -> float:
    """kill -9 the unit's main process, wait until systemd has started another; the wall time of the kill."""
    before = main_pid(lab, unit)
    killed_s = story.now()
    lab.fault("kill", "rec1", unit)
    lab.wait(lambda: main_pid(lab, unit) not in ("0", before), 10, f"{unit} to be started again")
    return killed_s


@pytest.mark.parametrize("unit", ["understudy-agent", "understudy-web"])
def test_killing_the_agent_or_the_web_part_costs_no_frame_and_no_takeover(site: Lab, unit: str) -> None:
    addresses = story.logical(site.status(), "north")["addresses"]
    with story.no_takeover(site):
        with site.watch(addresses) as watch:
            killed_s = kill(site, unit)
            site.wait(lambda: story.now() > killed_s + 12, 20, "twelve seconds to pass")
            story.wait_whole(site, 20)
        for address, blackout in watch.blackouts().items():
            assert blackout.longest_s < 0.5, f"{address} was away for {blackout.longest_s:.2f} s"
    for number in CAMERAS:
        found = story.export(site, "rec1", f"north/{number}", killed_s - 5, killed_s + 8)
        story.assert_whole(found, f"north/{number}", killed_s - 5, killed_s + 8)


def test_f10_killing_the_recorder_loses_no_frame_for_the_standby_fills_the_gap(site: Lab) -> None:
    with story.no_takeover(site):
        killed_s = kill(site, "understudy-recorder")
        begin, end = killed_s - 8, killed_s + 10
        site.wait(lambda: story.now() > end, 20, "ten seconds to pass")
        site.wait(lambda: not any(told_gaps(site, each, begin, end) for each in CAMERAS), 20, "the gaps to be closed")
        healed_s = story.now() - killed_s
        story.wait_whole(site, 30)
    print(f"no gap {healed_s:.1f} s after the kill")
    for number in CAMERAS:
        camera = f"north/{number}"
        found = story.export(site, "rec1", camera, begin, end)
        lost_s = sum(last - first + 1 for first, last in found.missing) / story.FPS
        told_s = sum(gap["length_s"] for gap in told_gaps(site, number, begin, end))
        assert abs(lost_s - told_s) <= 0.3, f"{camera}: {lost_s:.2f} s lost, {told_s:.2f} s told"
        story.assert_whole(found, camera, begin, end)
        assert "stby1" in recorders(site, number, begin, end), f"{camera}: nothing is missing, yet nothing was filled"
    site.wait(lambda: not story.segments_held(site, "stby1", "north"), 30, "the standby's copies to be freed")
