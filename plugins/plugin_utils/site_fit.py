# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fit check (F06): can the standbys carry what one or two failed recording servers leave? Pure.

Who takes what follows the agent's failover/order.py: parts by priority are paired with the free places of the line,
first choice before second. Two servers may fail at once or one after the other; the worst of these counts.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import Any

from . import site_needs
from .site_needs import Need, Part, Rate, Standby

COLOURS = ("green", "amber", "red")
GREEN, AMBER, RED = range(3)
#: a repair takes longer than that
RED_HOURS = 24.0
#: a machine that fails on Friday evening is replaced on Monday
AMBER_HOURS = 72.0
#: beside recording a disk plays, copies home and deletes
WRITE_SHARE = 0.8
#: lines of the table
SHOWN = 50

#: how bad, and why
Finding = tuple[int, str]
#: part to the standby that takes it, or None
Taking = dict[str, str | None]


class Fit:
    """The site as the check sees it; remembers what it has judged, for double failures repeat it often."""

    def __init__(self, parts: list[Part], standbys: list[Standby], today: str | None) -> None:
        self._parts = parts
        self._standbys = {standby.name: standby for standby in standbys}
        self._today = today
        levels = range(max((standby.limit for standby in standbys), default=0))
        #: places of the line: the first of every standby, then the second of those that may carry two
        slots = [standby.name for level in levels for standby in standbys if standby.limit > level]
        self._places = {part.name: _ranked(part, slots) for part in parts}
        self._judged: dict[tuple[str, ...], list[Finding]] = {}

    def failure(self, failed: tuple[str, ...]) -> dict[str, Any]:
        """The row of the failure of the servers `failed`: colour, carriers (part to standby) and reason."""
        parts = [part for part in self._parts if part.home in failed]
        found = [(self._findings(parts, taking), taking) for taking in self.takings(parts)]
        findings, taking = max(found, key=lambda one: max(level for level, _reason in one[0]))
        worst = max(level for level, _reason in findings)
        reasons = dict.fromkeys(reason for level, reason in findings if level == worst)
        return {
            "failed": list(failed),
            "colour": COLOURS[worst],
            "carriers": {part: standby or "" for part, standby in taking.items()},
            "reason": "; ".join(reasons) + ".",
        }

    def takings(self, parts: list[Part]) -> list[Taking]:
        """Who takes the parts (in order of rescue) when their homes fail at once, and one after the other."""
        turns = [parts] if len(parts) < 2 else [parts, parts[::-1]]
        found = [self._at_once(parts), *(self._in_turn(turn) for turn in turns)]
        return [taking for index, taking in enumerate(found) if taking not in found[:index]]

    def _at_once(self, parts: list[Part]) -> Taking:
        taken: set[int] = set()
        taking: Taking = {}
        for part in parts:
            free = next(((slot, name) for slot, name in self._places[part.name] if slot not in taken), None)
            taking[part.name] = free and free[1]
            taken.update(free[:1] if free else ())
        return taking

    def _in_turn(self, parts: list[Part]) -> Taking:
        """Each by the first in line that has any place left: who carries one already is not behind the others."""
        carried: Counter[str] = Counter()
        taking: Taking = {}
        for part in parts:
            free = (name for _choice, name in self._places[part.name] if carried[name] < self._standbys[name].limit)
            taking[part.name] = name = next(free, None)
            carried.update([name] if name else [])
        return taking

    def _findings(self, parts: list[Part], taking: Taking) -> list[Finding]:
        carried: dict[str, list[Part]] = {}
        findings: list[Finding] = []
        for part in parts:
            name = taking[part.name]
            if name is not None:
                carried.setdefault(name, []).append(part)
            elif part.choices:
                findings.append((RED, f"no place is left for {part.name} on {_list(list(part.choices))}"))
            else:
                findings.append((RED, f"no standby may take {part.name}"))
        for name, those in carried.items():
            findings += self._carrying(self._standbys[name], those)
        return findings or [(GREEN, "it carries no logical server")]

    def _carrying(self, standby: Standby, parts: list[Part]) -> list[Finding]:
        key = (standby.name, *sorted(part.name for part in parts))
        if key not in self._judged:
            need = site_needs.together([part.need for part in parts])
            names = _list([part.name for part in parts])
            findings = [*_licence(standby, need, names, self._today), *_disks(standby, need, names)]
            for part in parts:
                findings += [*_reach(standby, part), *_sessions(standby, part)]
            self._judged[key] = findings or [(GREEN, _carries(standby, need, names))]
        return self._judged[key]


def _ranked(part: Part, slots: list[str]) -> list[tuple[int, str]]:
    """The places that may take the part, with their standbys, best first: by choice, then in line."""
    able = [(part.choices[name], slot, name) for slot, name in enumerate(slots) if name in part.choices]
    return [(slot, name) for _choice, slot, name in sorted(able)]


def _licence(standby: Standby, need: Need, names: str, today: str | None) -> list[Finding]:
    found: list[Finding] = []
    if standby.edition != "enterprise":
        found.append((RED, f"{standby.name} has the {standby.edition} edition, failover needs enterprise"))
    if today is not None and standby.expires is not None and standby.expires < today:
        found.append((RED, f"the licence of {standby.name} ended on {standby.expires}"))
    if need.channels > standby.channels:
        found.append((RED, f"{standby.name} has {standby.channels} channels, {need.channels} are needed for {names}"))
    return found


def _disks(standby: Standby, need: Need, names: str) -> list[Finding]:
    found: list[Finding] = []
    for name, by_days in sorted(need.rates.items()):
        letter, rate = standby.letters[name], sum(by_days.values(), Rate())
        where = f"{standby.name}'s {name}"
        if letter.write is not None:
            writes = f"{where} writes {_mb(letter.write)} MB/s"
            if rate.told > letter.write:
                found.append((RED, f"{writes}, {_mb(rate.told)} are needed for {names}"))
            elif rate.all > letter.write * WRITE_SHARE:
                needs = f"{_mb(rate.all)} needed for {names}{_assumed(rate)}"
                found.append((AMBER, f"{writes}, {needs} are more than the {WRITE_SHARE:.0%} that leave time to play"))
        if letter.usable is not None:
            told_h = hours({days: one.told for days, one in by_days.items()}, letter.usable)
            all_h = hours({days: one.all for days, one in by_days.items()}, letter.usable)
            if told_h < RED_HOURS:
                found.append((RED, f"{where} is full after {_h(told_h)} of {names}, less than {_h(RED_HOURS)}"))
            elif all_h < AMBER_HOURS:
                full = f"{where} is full after {_h(all_h)} of {names}{_assumed(rate)}"
                found.append((AMBER, f"{full}, less than {_h(AMBER_HOURS)}"))
    return found


def hours(rates: dict[float, float], usable: float) -> float:
    """Until `usable` bytes are full, in hours; infinite when retention keeps them from that.

    `rates` are bytes per second by the days they are kept: what was written longer ago than that is deleted.
    """
    filled, since_s = 0.0, 0.0
    left = sorted(rates.items())
    while left:
        rate, until_s = sum(one for _days, one in left), left[0][0] * 86400
        if rate > 0 and filled + rate * (until_s - since_s) > usable:
            return (since_s + (usable - filled) / rate) / 3600
        filled, since_s = filled + rate * (until_s - since_s), until_s
        left = left[1:]
    return math.inf


def _reach(standby: Standby, part: Part) -> list[Finding]:
    found: list[Finding] = []
    for nic in part.client_nics:
        if nic not in standby.nics:
            found.append((RED, f"{standby.name} has no address on {nic}, where the address of {part.name} belongs"))
    mine = [net for nets in standby.nics.values() for net in nets]
    for need in part.networks:
        if any(net.version == need.network.version and net.overlaps(need.network) for net in mine):
            continue
        where = f"{need.network}, the network of {part.name}'s camera {need.camera}"
        if need.nic in standby.nics:
            found.append((AMBER, f"{standby.name} is not in {where}, and reaches it only through a router"))
        else:
            found.append((RED, f"{standby.name} has no {need.nic} into {where}"))
    return found


def _sessions(standby: Standby, part: Part) -> list[Finding]:
    """A camera serves its home and the pre-roll of every standby that may take it; the session of a machine that has
    crashed ends by the camera's own timeout."""
    if part.scarcest is None:
        return []
    (camera, allowed), holders = part.scarcest, len(part.choices)
    if allowed > holders:
        return []
    wish = f"{part.name}'s camera {camera} allows {allowed} sessions, its home and its standbys hold {holders + 1}"
    if allowed < holders:
        return [(RED, f"{wish}: {standby.name} may get no picture")]
    return [(AMBER, f"{wish}: {standby.name} may have no pre-roll")]


def _carries(standby: Standby, need: Need, names: str) -> str:
    said = f"{standby.name} carries {names} with {need.channels} of {standby.channels} channels"
    fills = [
        (hours({days: one.all for days, one in by_days.items()}, usable), name)
        for name, by_days in need.rates.items()
        if (usable := standby.letters[name].usable) is not None
    ]
    if not fills:
        return said
    first_h, letter = min(fills)
    return f"{said}, and no disk fills up" if first_h == math.inf else f"{said}, {letter} is full after {_h(first_h)}"


def _assumed(rate: Rate) -> str:
    return f" (assumed {site_needs.ASSUMED_KBIT} kbit/s where no bit rate is given)" if rate.all > rate.told else ""


def _h(time_h: float) -> str:
    """Rounded down, so that what is less than a limit is not shown as the limit."""
    return f"{math.floor(time_h * 10) / 10:g} h"


def _mb(rate: float) -> str:
    return f"{rate / 1e6:.1f}"


def _list(names: list[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def fit(plan: Any, said: Any, measured: Any = None, today: str | None = None) -> dict[str, Any]:
    """Judge every failure of one and of two recording servers of `plan`, worst first.

    `said` is the host variable `understudy_capacity`; `measured` what understudy.nvr.disk_info found, by standby;
    `today` (YYYY-MM-DD) judges licences that end. Returns `rows`, `counts`, `refused` (reasons of red single
    failures), `unknown` (what could not be judged) and `table` (lines to print).
    """
    parts = site_needs.parts(plan, said)
    standbys = site_needs.standbys(plan, said, measured or {})
    site = Fit(parts, standbys, today)
    servers = [server["name"] for server in plan["servers"] if server["kind"] == "server"]
    failures = [*((name,) for name in servers), *combinations(servers, 2)]
    rows = sorted((site.failure(failed) for failed in failures), key=_worst_first)
    counts = {
        size: {colour: sum(row["colour"] == colour and len(row["failed"]) == of for row in rows) for colour in COLOURS}
        for of, size in ((1, "single"), (2, "double"))
    }
    unknown = _unknown(parts, standbys)
    return {
        "rows": rows,
        "counts": counts,
        "refused": [_line(row) for row in rows if row["colour"] == "red" and len(row["failed"]) == 1],
        "unknown": unknown,
        "table": _table(rows, counts, unknown),
    }


def _worst_first(row: Any) -> tuple[int, int]:
    return -COLOURS.index(row["colour"]), len(row["failed"])


def _unknown(parts: list[Part], standbys: list[Standby]) -> list[str]:
    used = sorted({letter for part in parts for letter in part.need.rates})
    found = []
    if assumed := [part.name for part in parts if part.assumed]:
        found.append(
            f"Not every camera of {_list(assumed)} has a bit_rate_kbit: {site_needs.ASSUMED_KBIT} kbit/s are assumed,"
            " which alone makes nothing red."
        )
    if sizes := [name for name in used if any(s.letters[name].usable is None for s in standbys)]:
        found.append(f"Disk hours are not judged on {_list(sizes)}: no size_gb, and not measured on every standby.")
    if rates := [name for name in used if any(s.letters[name].write is None for s in standbys)]:
        found.append(f"Write rates are not judged on {_list(rates)}: no write_mb_s.")
    return found


def _line(row: Any) -> str:
    return f"{' and '.join(row['failed'])} fails: {row['reason']}"


def _table(rows: list[Any], counts: Any, unknown: list[str]) -> list[str]:
    said = [
        f"{title}: {', '.join(f'{counts[size][colour]} {colour}' for colour in reversed(COLOURS))}"
        for size, title in (("single", "One server fails"), ("double", "Two servers fail"))
    ]
    lines = [f"{row['colour'].upper():<6}{' + '.join(row['failed'])}: {row['reason']}" for row in rows[:SHOWN]]
    more = [f"… and {len(rows) - SHOWN} more, none of them worse"] if len(rows) > SHOWN else []
    return [*said, *lines, *more, *unknown]
