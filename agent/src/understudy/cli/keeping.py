"""`understudy event`, `hold`, `retention` and `clock`: what is recorded, and kept for how long."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
from typing import Any
from urllib.parse import quote

from understudy import control, paths
from understudy.cli import CommandError
from understudy.cli.local_web import ask_web
from understudy.cli.table import table
from understudy.footage.instants import show
from understudy.site.plan import load


def event(options: argparse.Namespace) -> int:
    """Begin an event of a camera, on any server that may record it; or tell what URL would."""
    if options.webhook:
        print(_webhook(options.camera.logical, options.camera.number))
        return 0
    name = options.camera
    arguments = {"logical": name.logical, "camera": name.number, "for_s": options.for_s, "text": options.text}
    answer = control.call(paths.RECORDER_SOCKET, "event", **arguments)["event"]
    print(f"{name}: event from {show(answer['from_us'])} until {show(answer['until_us'])}")
    return 0


def _webhook(logical: str, camera: int) -> str:
    from understudy.web.event_routes import webhook_token

    try:
        key = bytes.fromhex(paths.HEARTBEAT_KEY.read_text().strip())
    except (OSError, ValueError) as error:
        raise CommandError(f"{paths.HEARTBEAT_KEY}: {error}; run as root") from error
    return f"/api/v1/hooks/{logical}/{camera}/{webhook_token(key, logical, camera)}?for_s=30"


def retention(options: argparse.Namespace) -> int:
    """The retention report of one camera or of all, over every server that answers."""
    query = "" if options.camera is None else f"?camera={quote(str(options.camera), safe='')}"
    answer = ask_web("GET", f"/api/v1/retention{query}")
    if options.json:
        print(json.dumps(answer))
        return 0
    fields = ("camera", "track", "mode", "expected_days", "actual_days")
    rows = [[*(t[f] for f in fields), _recorded(t), len(t["holes"]), t["remark"]] for t in answer["tracks"]]
    print(table(("CAMERA", "TRACK", "MODE", "DAYS", "HAS", "RECORDED IN 7 DAYS", "HOLES", "REMARK"), rows))
    for name, problem in sorted(answer["clocks"].items()):
        print(f"understudy: {name}: {problem}", file=sys.stderr)
    return 0


def _recorded(track: dict[str, Any]) -> str:
    if track["recorded_percent"] is None:
        return f"{track['events']} events" if track["mode"] == "event" else "-"
    return f"{track['recorded_percent']:.2f} %"


def clock(options: argparse.Namespace) -> int:
    """Have the recorder here believe its clock, and delete by age again."""
    control.call(paths.RECORDER_SOCKET, "confirm-clock")
    print("the clock is confirmed")
    return 0


def hold(options: argparse.Namespace) -> int:
    """Make, list or release legal holds; this server's web part does it and tells the others."""
    if options.what == "list":
        return _list(options)
    if options.what == "release":
        if not options.id:
            raise CommandError("which hold? `understudy hold list` tells their ids")
        answer = ask_web("POST", f"/api/v1/holds/{quote(options.id, safe='')}/release", {"by": _who()})
        print(json.dumps(answer) if options.json else f"legal hold {answer['id']} on {answer['camera']} is released")
        return _warn(answer)
    if options.id or None in (options.from_us, options.to_us, options.reason):
        how = "`understudy hold CAMERA --from TIME --to TIME --reason TEXT`, `hold list` or `hold release ID`"
        raise CommandError(f"write {how}")
    body = {"camera": options.what, "from": show(options.from_us), "to": show(options.to_us), "reason": options.reason}
    until = {} if options.until_us is None else {"until": show(options.until_us)}
    answer = ask_web("POST", "/api/v1/holds", {**body, **until, "by": _who()})
    text = f"legal hold {answer['id']} on {answer['camera']} from {answer['from']} to {answer['to']}"
    print(json.dumps(answer) if options.json else text)
    return _warn(answer)


def _list(options: argparse.Namespace) -> int:
    answer = ask_web("GET", f"/api/v1/holds?all={int(options.all)}")
    if options.json:
        print(json.dumps(answer))
        return 0
    fields = ("id", "camera", "from", "to", "by", "made", "until", "released", "reason")
    rows = [[found[field] for field in fields] for found in answer["holds"]]
    header = ("ID", "CAMERA", "FROM", "TO", "BY", "MADE", "UNTIL", "RELEASED", "REASON")
    print(table(header, rows) if rows else "no legal hold")
    return 0


def _warn(answer: dict[str, Any]) -> int:
    for name, reason in sorted(answer["silent"].items()):
        print(f"understudy: {name} hears of it as soon as it answers: {reason}", file=sys.stderr)
    return 0


def _who() -> str:
    """The person at this terminal, on this server."""
    login = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return f"{login}@{load().node}"
