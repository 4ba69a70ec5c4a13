# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people want of a server against what its agent says: which orders to give, and what they still wait for. Pure.

Only a carrier gives a part away, so the same wish is handed to every server of a site and at most one of them acts.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

#: stands for the home of a logical server, whichever machine that is
HOME = "home"
#: states of a server that has left failover or is kept out of it
AWAY = ("MAINTENANCE", "FAILED", "CLEARED", "DETACHED")


class OrdersError(Exception):
    """The wish makes no sense on this site; the text names the value and what is allowed."""


@dataclass(frozen=True)
class Wanted:
    """What people want of one server; None and empty values leave things as they are."""

    maintenance: bool | None = None
    until: str = ""
    #: logical server -> the server that shall carry it
    carriers: dict[str, str] = field(default_factory=dict)
    #: a sentence declares the server FAILED, "" clears the fault
    fault: str | None = None
    detached: bool = False
    force: bool = False


@dataclass(frozen=True)
class Action:
    """One order to the agent, and how a diff tells it."""

    op: str
    arguments: dict[str, Any]
    before: str
    after: str


def parse_until(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time with zone; OrdersError without one."""
    try:
        instant = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise OrdersError(
            f"maintenance_until: '{text}' is no time; allowed: ISO 8601 with zone, 2026-11-23T10:00:00Z"
        ) from error
    if instant.tzinfo is None:
        raise OrdersError(
            f"maintenance_until: '{text}' has no zone; allowed: 2026-11-23T10:00:00Z or 2026-11-23T11:00:00+01:00"
        )
    return instant.timestamp()


def check(wanted: Wanted, status: dict[str, Any]) -> None:
    """OrdersError when a wish names what this site does not have."""
    parts = {part["name"]: part for part in status["logical"]}
    standbys = [server["name"] for server in status["servers"] if server["kind"] == "standby"]
    for name, server in wanted.carriers.items():
        if name not in parts:
            raise OrdersError(f"carriers: there is no logical server '{name}'; allowed: {', '.join(parts) or 'none'}")
        able = [HOME, parts[name]["home"], *standbys]
        if server not in able:
            raise OrdersError(f"carriers.{name}: '{server}' cannot carry it; allowed: {', '.join(able)}")
    if wanted.until and not wanted.maintenance:
        raise OrdersError("maintenance_until: belongs to maintenance: true")


def plan(wanted: Wanted, orders: dict[str, Any], status: dict[str, Any]) -> list[Action]:
    """The orders to give on this server, the one `status` was asked of."""
    return [
        *_maintenance(wanted, orders),
        *_fault(wanted, orders),
        *_moves(wanted, orders, status),
        *_removal(wanted, orders),
    ]


def _maintenance(wanted: Wanted, orders: dict[str, Any]) -> list[Action]:
    now = orders["maintenance"]
    if wanted.maintenance is None or (not wanted.maintenance and now is None):
        return []
    before = "maintenance: " + ("off" if now is None else _lasting(now["until"]))
    if not wanted.maintenance:
        return [Action("maintenance", {"on": False}, before, "maintenance: off")]
    if now is not None and _same_end(now["until"], wanted.until):
        return []
    arguments: dict[str, Any] = {"on": True}
    if wanted.until:
        arguments |= {"until_wall_s": parse_until(wanted.until), "until": wanted.until}
    return [Action("maintenance", arguments, before, f"maintenance: {_lasting(wanted.until)}")]


def _lasting(until: str) -> str:
    return f"until {until}" if until else "on"


def _same_end(now: str, wanted: str) -> bool:
    if not now or not wanted:
        return now == wanted
    return parse_until(now) == parse_until(wanted)


def _fault(wanted: Wanted, orders: dict[str, Any]) -> list[Action]:
    lasts = bool(orders["failed"]) and not orders["cleared"]
    before = f"fault: {orders['failed'] or 'none'}"
    if wanted.fault and not lasts:
        return [Action("fail", {"reason": wanted.fault}, before, f"fault: {wanted.fault}")]
    if wanted.fault == "" and lasts:
        return [Action("clear", {}, before, "fault: cleared, restart the machine")]
    return []


def _moves(wanted: Wanted, orders: dict[str, Any], status: dict[str, Any]) -> list[Action]:
    found = []
    for part in status["logical"]:
        target = target_of(wanted, part)
        if target is None or part["carrier"] != status["node"] or target == status["node"]:
            continue
        if orders["moves"].get(part["name"]) == target:
            continue
        op = "handback" if target == part["home"] else "move"
        arguments = {"logical": part["name"]} if op == "handback" else {"logical": part["name"], "server": target}
        name = part["name"]
        found.append(Action(op, arguments, f"{name}: carried by {part['carrier']}", f"{name}: carried by {target}"))
    return found


def target_of(wanted: Wanted, part: dict[str, Any]) -> str | None:
    """Who shall carry a part of the status document; None when that is left as it is."""
    server = wanted.carriers.get(part["name"])
    return str(part["home"]) if server == HOME else server


def _removal(wanted: Wanted, orders: dict[str, Any]) -> list[Action]:
    if not wanted.detached or orders["detached"]:
        return []
    return [Action("detach", {"force": wanted.force}, "failover: member", "failover: removed for good")]


def waits_for(wanted: Wanted, status: dict[str, Any]) -> list[str]:
    """What of the wish is not so yet, one sentence each; empty when all of it is in effect."""
    node = status["node"]
    me = next(server for server in status["servers"] if server["name"] == node)
    carried = [part["name"] for part in status["logical"] if part["carrier"] == node]
    told = []
    if carried and (wanted.maintenance or wanted.fault or wanted.detached):
        told.append(f"{node} still carries {', '.join(carried)} ({me['reason']})")
    if wanted.maintenance is False and me["state"] in AWAY:
        told.append(f"{node} is {me['state']} ({me['reason']})")
    for part in status["logical"]:
        target = target_of(wanted, part)
        if target is not None and part["carrier"] != target:
            told.append(f"{part['name']} is carried by {part['carrier'] or 'nobody'}, not by {target}")
    return told
