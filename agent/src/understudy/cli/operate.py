"""`understudy status`, `explain` and `catalogue`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from understudy import control, paths
from understudy.cli import CommandError
from understudy.cli.table import table
from understudy.site.plan import load

Document = dict[str, Any]


def status(options: argparse.Namespace) -> int:
    """The site's status, as the agent here and the other servers tell it."""
    document, warning = asyncio.run(_status())
    if warning:
        print(f"understudy: {warning}", file=sys.stderr)
    print(json.dumps(document) if options.json else status_text(document))
    return 0


async def _status() -> tuple[Document, str]:
    from understudy.cli.reach import peers_of
    from understudy.web.status import site_status

    plan = load()
    async with peers_of(plan) as peers:
        return await site_status(plan, peers, paths.AGENT_SOCKET)


def status_text(document: Document) -> str:
    """Protection first, then servers, logical servers, cameras."""
    protection = document["protection"]
    head = f"site {document['site']}: {protection['state']}"
    servers = [
        (s["name"], s["kind"], s["state"], _age(s["age_s"]) if s["reachable"] else "silent", s["reason"])
        for s in document["servers"]
    ]
    logical = [
        (part["name"], part["home"], part["carrier"], part["state"], ", ".join(part["addresses"]), _why(part))
        for part in document["logical"]
    ]
    cameras = [
        (
            f"{part['name']}/{c['number']}",
            c["name"],
            c["mode"],
            c["frames"],
            _age(c["last_frame_age_s"]),
            c.get("error") or "",
        )
        for part in document["logical"]
        for c in part["cameras"]
    ]
    return "\n\n".join(
        (
            f"{head} ({protection['reason']})" if protection["reason"] else head,
            table(("SERVER", "KIND", "STATE", "HEARD", "REASON"), servers),
            table(("LOGICAL", "HOME", "CARRIER", "STATE", "ADDRESSES", "WHY"), logical),
            table(("CAMERA", "NAME", "MODE", "FRAMES", "LAST FRAME", "ERROR"), cameras),
        )
    )


def _why(part: Document) -> str:
    """The row that fired last where the part is carried, its reason, and who is only second choice for it."""
    why = part.get("why")
    told = [f"{why['row']} {why['reason']}"] if why else []
    told += [standby["reason"] for standby in part.get("standbys", []) if standby["choice"] != 0]
    return "; ".join(told)


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s ago"


def explain(options: argparse.Namespace) -> int:
    """The agent's decisions, newest last, and what it waits for."""
    arguments = {} if options.since is None else {"since_s": options.since}
    answer = control.call(paths.AGENT_SOCKET, "explain", **arguments)
    if options.json:
        print(json.dumps({"decisions": answer["decisions"], "waiting": answer["waiting"]}))
        return 0
    rows = [
        (line["time"], line["part"], line["row"], f"{line['before']} -> {line['after']}", line["reason"])
        for line in answer["decisions"]
    ]
    print(table(("TIME", "LOGICAL", "ROW", "STATE", "REASON"), rows) if rows else "no decision in this time")
    for part, reason in sorted(answer["waiting"].items()):
        print(f"{part} waits: {reason}")
    return 0


def catalogue(options: argparse.Namespace) -> int:
    """Every difference between catalogue and disks; `rebuild` puts them right. 1 when `check` found any."""
    from understudy.footage.catalogue import Catalogue, DamagedCatalogueError

    plan, repair = load(), options.action == "rebuild"
    try:
        rows = Catalogue(paths.CATALOGUE, read_only=not repair)
    except DamagedCatalogueError as error:
        what = "restart the recorder, which puts the file aside and makes it anew from the disks"
        raise CommandError(f"{error}: {what}") from error
    found, failed = 0, 0
    for disk in plan.me.disks:
        try:
            found += _look_through(plan.node, disk.letter, Path(disk.path), rows, repair=repair)
        except OSError as error:
            print(f"disk letter {disk.letter}: not looked through, its rows stay: {error.strerror or error}")
            failed += 1
    done = "put right" if repair else "found"
    print(f"{found} differences {done} on {len(plan.me.disks) - failed} of {len(plan.me.disks)} disk letters")
    if found and not repair:
        print("`understudy catalogue rebuild` puts them right, also while the recorder runs")
    return 1 if failed or (found and not repair) else 0


def _look_through(node: str, letter: str, path: Path, rows: Any, *, repair: bool) -> int:
    from understudy.recorder.recover import check_letter

    found = 0
    for finding in check_letter(node, letter, path, rows, repair=repair):
        print(f"{finding.id}: {finding.what}")
        found += 1
    return found
