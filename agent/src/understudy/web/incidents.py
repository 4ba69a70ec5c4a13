"""Incidents: what happened to a logical server, told from the decisions of all servers. Pure.

Decisions about one part that lie near each other are one story. It is an incident when the part changed its carrier or
was without one; what a server decides for itself and false alarms are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from understudy.footage.instants import parse

Document = dict[str, Any]

#: decisions further apart than this belong to different stories
APART_US = 20_000_000
#: states in which a move of a part begins, and what its outcome is called
_DEPARTURES = ("SHADOWING", "HANDING_BACK", "HANDING_OVER")
_TAKEN, _HOME, _LOST = "taken over", "back home", "without a carrier"


class Decision(msgspec.Struct, frozen=True):
    """A line of a server's decision log that is about a part."""

    server: str
    time: str
    part: str
    row: int
    before: str
    after: str
    reason: str


def decisions(lines: Mapping[str, Iterable[Document]]) -> list[Decision]:
    """Lines of the decision log by server, in order of time; what is no decision about a part is left out."""
    found: list[Decision] = []
    for server, rows in lines.items():
        for row in rows:
            try:
                decision = msgspec.convert({**row, "server": server}, Decision)
                parse(decision.time)
            except (msgspec.ValidationError, ValueError):
                continue
            if decision.part:
                found.append(decision)
    return sorted(found, key=lambda decision: decision.time)


def incidents(found: Iterable[Decision]) -> list[Document]:
    """The incidents, newest first."""
    stories: dict[str, list[list[Decision]]] = {}
    for decision in found:
        mine = stories.setdefault(decision.part, [])
        if not mine or _begins(mine[-1], decision):
            mine.append([])
        mine[-1].append(decision)
    told = [_incident(story) for part in stories.values() for story in part]
    return sorted((each for each in told if each is not None), key=lambda each: str(each["from"]), reverse=True)


def _begins(story: list[Decision], decision: Decision) -> bool:
    """Whether the decision is not about what the story tells: long after it, or a new departure behind its outcome."""
    if parse(decision.time) - parse(story[-1].time) > APART_US:
        return True
    return decision.before != decision.after and decision.after in _DEPARTURES and any(map(_what, story))


def _incident(story: list[Decision]) -> Document | None:
    outcome = next((what for decision in reversed(story) if (what := _what(decision)) is not None), None)
    first_start = any((decision.before, decision.after) == ("STARTING", "CLAIMING") for decision in story)
    if outcome is None or (first_start and outcome[0] == _HOME):
        return None
    kind, server = outcome
    title = f"{story[0].part} {kind}"
    if server:
        title += f" by {server}" if kind == _TAKEN else f" on {server}"
    cause = next((d.reason for d in story if d.after in ("SHADOWING", "HANDING_OVER", "HANDING_BACK")), story[0].reason)
    return {
        "logical": story[0].part,
        "kind": {_TAKEN: "takeover", _HOME: "return", _LOST: "outage"}[kind],
        "title": title,
        "cause": cause,
        "from": story[0].time,
        "to": story[-1].time,
        "story": [msgspec.to_builtins(decision) for decision in story],
    }


def _what(decision: Decision) -> tuple[str, str] | None:
    """The outcome that a decision is, and where. An agent that only starts again, or for the first time, is none."""
    if decision.after == "TAKEN_OVER" and decision.before in ("STANDBY", "SHADOWING", "CLAIMING", "MAINTENANCE"):
        return _TAKEN, decision.server
    if decision.after == "SERVING" and decision.before in ("RETURNING", "CLAIMING", "ISOLATED"):
        return _HOME, decision.server
    return (_LOST, "") if decision.after == "ISOLATED" != decision.before else None
