# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was measured to the rows of a report: the final checks of a site (S52-S54), and a drill (F02). Pure."""

from __future__ import annotations

from typing import Any

from . import nvr_report

PRIMARY = "PRIMARY STANDBY"


def acceptance(facts: dict[str, Any]) -> dict[str, Any]:
    """The acceptance report: every machine restarted through failover, and what the site was like afterwards."""
    servers, limits = facts["servers"], facts["limits"]
    restarts = ", ".join(f"{s['name']} {s['restart_s']} s" for s in servers if s["restart_s"] is not None)
    missed = [f"{s['name']} was not restarted" for s in servers if s["restart_s"] is None]
    checks = [
        nvr_report.check("S52", "every machine was restarted, one after the other", restarts, missed),
        _primary(servers),
        _issues(servers, facts["expected"]),
        _gaps(facts["gaps"], facts["silent"], limits["gap_s"]),
        _clocks(servers, limits["clock_s"]),
        _units(servers),
        nvr_report.check("S04", "the site is whole and protected", facts["protection"], facts["problems"]),
        _licences(servers, facts["logical"]),
    ]
    tables = [
        _server_table(servers),
        _not_failing_over(facts["logical"]),
        _expected_table(servers, facts["expected"]),
    ]
    return nvr_report.document("acceptance", facts["site"], (facts["from"], facts["to"]), checks, tables)


def _primary(servers: list[Any]) -> dict[str, Any]:
    said = {s["name"]: s["journal"]["found"].get(PRIMARY, "") for s in servers if s["kind"] == "standby"}
    told = ", ".join(f"{name} at {time}" for name, time in said.items() if time)
    problems = [] if told or not said else [f"no journal of {', '.join(said)} says {PRIMARY} since the restarts"]
    if not said:
        problems = ["the site has no standby"]
    return nvr_report.check("S53", f"the journal of a standby says {PRIMARY}", told, problems)


def _issues(servers: list[Any], expected: list[Any]) -> dict[str, Any]:
    issues = [
        f"{s['name']} {issue['time']} {issue['unit']}: {issue['message']}"
        for s in servers
        for issue in s["journal"]["issues"]
    ]
    what = "no line of priority err or worse in any journal, no failed unit, but what is listed as expected"
    return nvr_report.check("S54", what, f"{len(issues)} issues, {len(expected)} kinds of lines are expected", issues)


def _gaps(gaps: list[Any], silent: list[str], limit_s: float) -> dict[str, Any]:
    over = [gap for gap in gaps if gap["length_s"] > limit_s]
    problems = [f"{g['camera']} {g['from']}: {g['length_s']:.3f} s, {g['cause']}" for g in over]
    problems += [f"the footage of {name} could not be looked at" for name in silent]
    longest = max((gap["length_s"] for gap in gaps), default=0.0)
    what = f"no gap over {limit_s:g} s in the recordings of any camera, measured from the files"
    return nvr_report.check("F01", what, f"{len(gaps)} gaps, the longest {longest:.3f} s", problems)


def _clocks(servers: list[Any], limit_s: float) -> dict[str, Any]:
    off = [
        f"{s['name']} is off by {s['clock_s']:.4f} s" if s["clock_s"] is not None else f"{s['name']} does not tell"
        for s in servers
        if s["clock_s"] is None or abs(s["clock_s"]) > limit_s
    ]
    told = ", ".join(f"{s['name']} {s['clock_s'] * 1000:.2f} ms" for s in servers if s["clock_s"] is not None)
    return nvr_report.check("S42", f"every clock is within {limit_s:g} s of its source", told, off)


def _units(servers: list[Any]) -> dict[str, Any]:
    down = [
        f"{s['name']}: {name} is {state}" for s in servers for name, state in s["units"].items() if state != "active"
    ]
    count = sum(len(s["units"]) for s in servers)
    return nvr_report.check("S17", "every service runs", f"{count} services looked at", down)


def _licences(servers: list[Any], logical: list[Any]) -> dict[str, Any]:
    members = [s for s in servers if s["kind"] != "witness"]
    wrong = [
        f"{s['name']} has {s['licence'].get('edition') or 'no licence'}"
        for s in members
        if s["licence"].get("edition") != "enterprise"
    ]
    need = max((sum(c["capture"] != "analogue" for c in part["cameras"]) for part in logical), default=0)
    small = [
        f"{s['name']} has {s['licence'].get('channels', 0)} channels, {need} are needed"
        for s in members
        if s["kind"] == "standby" and s["licence"].get("channels", 0) < need
    ]
    told = ", ".join(f"{s['name']} {s['licence'].get('channels', 0)} channels" for s in members)
    return nvr_report.check("S01, S33", "enterprise licences with enough channels", told, wrong + small)


def _server_table(servers: list[Any]) -> dict[str, Any]:
    rows = [[s["name"], s["kind"], s["state"], s["release"], s["restart_s"]] for s in servers]
    return nvr_report.table("Machines", ["Machine", "Kind", "State", "Release", "Out for, s"], rows)


def _not_failing_over(logical: list[Any]) -> dict[str, Any]:
    why = {"none": "failover: none", "live-only": "failover: live-only, no recording on the standby"}
    rows = [
        [
            f"{part['name']}/{c['number']}",
            c["name"],
            "analogue (S27)" if c["capture"] == "analogue" else why[c["failover"]],
        ]
        for part in logical
        for c in part["cameras"]
        if c["capture"] == "analogue" or c["failover"] in why
    ]
    return nvr_report.table("Cameras that do not fail over", ["Camera", "Name", "Why"], rows)


def _expected_table(servers: list[Any], expected: list[Any]) -> dict[str, Any]:
    def count(pattern: str) -> int:
        return sum(s["journal"]["expected"].get(pattern, 0) for s in servers)

    rows = [[row["pattern"], row["why"], count(row["pattern"])] for row in expected]
    return nvr_report.table("Lines that are expected during restarts", ["Pattern", "Why", "Seen"], rows)


def drill(facts: dict[str, Any]) -> dict[str, Any]:
    """The report of a drill: every logical server moved to a standby and returned, and what that cost."""
    limits, moves = facts["limits"], facts["moves"]
    away = [
        f"{move['logical']}: {row['address']} did not answer for {row['longest_s']:.3f} s"
        for move in moves
        for row in move["addresses"]
        if row["longest_s"] > limits["address_s"]
    ]
    longest = max((row["longest_s"] for move in moves for row in move["addresses"]), default=0.0)
    unwatched = [
        f"{m['logical']}: {row['address']} was never seen to answer"
        for m in moves
        for row in m["addresses"]
        if not row["answers"]
    ]
    seen = ", ".join(f"{move['logical']} to {move['server']} and back" for move in moves)
    undone = [f"{name} was not moved" for name in facts["unmoved"]]
    checks = [
        nvr_report.check("F02", "every logical server moved to a standby and returned", seen, undone),
        nvr_report.check(
            "S06",
            f"no logical address was away for more than {limits['address_s']:g} s",
            f"the longest {longest:.3f} s",
            away + unwatched,
        ),
        _gaps(facts["gaps"], facts["silent"], limits["gap_s"]),
        nvr_report.check("S04", "the site is whole and protected afterwards", facts["protection"], facts["problems"]),
    ]
    addresses = [
        [m["logical"], row["address"], f"{row['longest_s']:.3f}", row["tries"]] for m in moves for row in m["addresses"]
    ]
    cameras = [[name, f"{_longest(facts['gaps'], name):.3f}"] for name in facts["cameras"]]
    tables = [
        nvr_report.table("Addresses", ["Logical server", "Address", "Away for, s", "Tries"], addresses),
        nvr_report.table("Cameras", ["Camera", "Longest gap, s"], cameras),
    ]
    return nvr_report.document("drill", facts["site"], (facts["from"], facts["to"]), checks, tables)


def _longest(gaps: list[Any], camera: str) -> float:
    return max((gap["length_s"] for gap in gaps if gap["camera"] == camera), default=0.0)
