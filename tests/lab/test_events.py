"""Given a whole site, what happens is measured, told once, and done: rules, FAILED by a rule, mails (S18, S57-S65)."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
import story
from harness.lab import Lab

#: the rule `broken` of the lab's site file: runs every 5 s, bad for 2 s; an action follows within 2 s more
RULE_S = 5 + 2 + 2
BROKEN = "/etc/understudy/broken"
MAILS = "/var/lib/mailsink"


@pytest.fixture
def told(site: Lab) -> Iterator[Lab]:
    """The whole site with an empty mail box; afterwards nothing is broken and the mail server runs."""
    site.host("cams").run(["sh", "-c", f"rm -f {MAILS}/*.eml"])
    yield site
    site.host("cams").run(["systemctl", "start", "mailsink"])
    for server in ("rec1", "rec2", "stby1"):
        site.host(server).run(["rm", "-f", BROKEN], check=False)


def mails(lab: Lab) -> list[Message]:
    """What the administrator has in the mail box."""
    every = lab.host("cams").run(["sh", "-c", f"cat {MAILS}/*.eml 2>/dev/null || true"]).stdout
    found = re.split(r"^(?=X-Mailsink-From: )", every, flags=re.M)
    return [email.message_from_string(text) for text in found if text]


def text_of(mail: Message) -> str:
    part = mail.get_payload(0)
    assert isinstance(part, Message)
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.decode()


def titled(lab: Lab, subject: str) -> list[Message]:
    return [mail for mail in mails(lab) if mail["Subject"] == f"[lab] {subject}"]


def alarms(lab: Lab, server: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab.host(server).run(["understudy", "alarms", "--all", "--json"]).stdout)[
        "alarms"
    ]
    return found


def reason(lab: Lab, server: str) -> str:
    return str(story.server(lab.status(), server)["reason"])


def state(lab: Lab, server: str) -> str:
    return str(story.server(lab.status(), server)["state"])


def test_s57_s65_a_rule_declares_failed_the_standby_carries_and_after_a_restart_all_is_as_before(told: Lab) -> None:
    began = story.now()
    told.host("rec1").run(["touch", BROKEN])
    told.wait(lambda: "FAILED: rule broken: " in reason(told, "rec1"), RULE_S, "the rule to declare rec1 FAILED")
    told.wait(lambda: story.carrier(told, "north") == "stby1", 10, "stby1 to carry north")
    told.wait(lambda: state(told, "rec1") == "FAILED", 10, "rec1 to have left")
    addresses = set(story.logical(told.status(), "north")["addresses"])
    there = told.host("rec1").run(["ip", "-o", "address"]).stdout
    assert not [address for address in addresses if f" {address}/" in there]
    assert {c["mode"] for c in story.progress(told, "rec1")["parts"]["north"]["cameras"]} == {"off"}
    told.wait(lambda: bool(titled(told, "rec1: broken")), 15, "the mail about the rule")
    assert "declared rec1 FAILED (99)" in text_of(titled(told, "rec1: broken")[0])
    told.host("rec1").run(["rm", BROKEN])
    told.wait(lambda: state(told, "rec1") == "CLEARED", 30, "the rule to clear FAILED")
    told.fault("crash", "rec1")
    told.heal("rec1")
    story.send_home(told, "north")
    story.wait_whole(told)
    end = story.now()
    told.wait(lambda: story.now() > end + 4, 30, "some footage after the return")
    for number in story.CAMERAS["north"]:
        camera = f"north/{number}"
        story.assert_whole(story.export(told, "rec1", camera, began, end), camera, began, end)


def test_s18_each_mail_arrives_once_though_the_mail_server_is_down_and_the_sender_crashes(told: Lab) -> None:
    told.host("cams").run(["systemctl", "stop", "mailsink"])
    told.fault("crash", "rec1")
    told.wait(lambda: story.carrier(told, "north") == "stby1", 15, "stby1 to carry north")
    told.wait(lambda: any(a["kind"] == "takeover" for a in alarms(told, "rec2")), 20, "rec2 to know of the takeover")
    told.fault("kill", "stby1", "understudy-events")
    told.heal("rec1")
    story.send_home(told, "north")
    story.wait_whole(told)
    told.host("cams").run(["systemctl", "start", "mailsink"])
    wanted = ("stby1 carries north instead of rec1", "north is back home on rec1")
    told.wait(lambda: all(titled(told, subject) for subject in wanted), 90, "both mails")
    settled = story.now() + 10
    told.wait(lambda: story.now() > settled, 20, "ten seconds in which nothing may come twice")
    names = [mail["Message-ID"] for mail in mails(told)]
    assert len(names) == len(set(names)), names
    assert [len(titled(told, subject)) for subject in wanted] == [1, 1]
    assert "no frame of 4 cameras" in text_of(titled(told, wanted[1])[0])


def test_s57_a_dead_disk_is_told_with_what_was_measured_and_its_end_too(told: Lab) -> None:
    told.fault("disk-dead", "rec1", "D")
    told.wait(lambda: bool(titled(told, "rec1: footage-disk")), 30, "the mail about the disk")
    assert "disk letter D is error" in text_of(titled(told, "rec1: footage-disk")[0])
    (alarm,) = [a for a in alarms(told, "stby1") if a["key"] == "rule/footage-disk/rec1" and a["state"] == "open"]
    told.host("rec2").run(["understudy", "alarms", "ack", alarm["id"]])
    told.wait(
        lambda: any(a["id"] == alarm["id"] and a["acknowledged"] for a in alarms(told, "rec1")), 10, "rec1 to know"
    )
    told.heal("rec1")
    told.wait(lambda: bool(titled(told, "over: rec1: footage-disk")), 90, "the mail about its end")


def test_the_service_costs_less_than_a_hundredth_of_a_core(told: Lab) -> None:
    def ticks() -> int:
        script = "p=$(systemctl show -P MainPID understudy-events); awk '{print $14 + $15}' /proc/$p/stat"
        return int(told.host("rec1").run(["sh", "-c", script]).stdout)

    before, began = ticks(), story.now()
    told.wait(lambda: story.now() > began + 30, 40, "half a minute to pass")
    assert (ticks() - before) / 100 / (story.now() - began) < 0.01
