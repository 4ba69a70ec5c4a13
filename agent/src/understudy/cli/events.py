"""`understudy rules` and `alarms`: what is watched here, what happened at the site."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import time
from typing import Any

from understudy import control, paths
from understudy.cli import CommandError
from understudy.cli.table import table
from understudy.events.texts import span
from understudy.footage.instants import show
from understudy.site.plan import load


def rules(options: argparse.Namespace) -> int:
    """The rules with their state and the measured fact; `test` tries them on what was measured before."""
    if options.action == "test":
        return _test(options)
    found = control.call(paths.EVENTS_SOCKET, "rules")["rules"]
    if options.json:
        print(json.dumps({"rules": found}))
        return 0
    rows = [(r["name"], r["cause"], r["state"], r["measured"], ", ".join(r["actions"]) or None) for r in found]
    print(table(("RULE", "CAUSE", "STATE", "MEASURED", "ACTIONS"), rows))
    return 0


def _test(options: argparse.Namespace) -> int:
    from understudy.events import history
    from understudy.events.rules import rules_of

    plan, now_s = load(), time.time()
    lines = list(history.read(paths.EVENTS_STATE / history.FILE, now_s - options.since_s))
    if not lines:
        raise CommandError(f"no facts of the last {span(round(options.since_s * 1e6))} are recorded on {plan.node}")
    firings = history.replay(plan, rules_of(plan), lines, now_s)
    times = [(f, show(round(f.fired_s * 1e6)), f.over_s and show(round(f.over_s * 1e6))) for f in firings]
    since = show(round(lines[0][0] * 1e6))
    if options.json:
        found = [{"rule": f.rule, "fired": fired, "over": over, "measured": f.text} for f, fired, over in times]
        print(json.dumps({"since": since, "firings": found}))
        return 0
    if times:
        rows = [(f.rule, fired, over or "lasts", f.text) for f, fired, over in times]
        print(table(("RULE", "FIRES", "OVER", "MEASURED"), rows))
    else:
        print("no rule would have fired")
    print(f"facts of {plan.node} since {since}; scripts count as they ended then")
    return 0


def alarms(options: argparse.Namespace) -> int:
    """The alarm list, without what is over and acknowledged; `ack` notes that somebody knows."""
    if options.action == "ack":
        return _acknowledge(options)
    found = control.call(paths.EVENTS_SOCKET, "alarms")["alarms"]
    shown = [a for a in found if options.all or a["state"] == "open" or not a["acknowledged"]]
    if options.json:
        print(json.dumps({"alarms": shown}))
        return 0
    rows = [(a["id"], show(a["opened_us"]), _over(a), a["title"], a["detail"], _told(a)) for a in shown]
    print(table(("ID", "SINCE", "OVER", "WHAT", "MEASURED", "TOLD"), rows) if rows else "no alarm")
    return 0


def _over(alarm: dict[str, Any]) -> str:
    return "open" if alarm["over_us"] is None else show(alarm["over_us"])


def _told(alarm: dict[str, Any]) -> str:
    known = f"acknowledged by {alarm['acked_by']}" if alarm["acknowledged"] else ""
    ways = ", ".join(sorted({what.partition(":")[0] for what in alarm["sent"]}))
    held = f"nobody: {alarm['held']}" if alarm["held"] else ""
    return "; ".join(text for text in (held or ways or "nobody yet", known) if text)


def _acknowledge(options: argparse.Namespace) -> int:
    if not options.id:
        raise CommandError("which alarm? `understudy alarms` tells their ids")
    login = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    found = control.call(paths.EVENTS_SOCKET, "ack", id=options.id, by=f"{login}@{load().node}")["alarm"]
    print(json.dumps(found) if options.json else f"{found['id']} is acknowledged by {found['acked_by']}")
    return 0
