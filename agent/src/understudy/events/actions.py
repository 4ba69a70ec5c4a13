"""Doing what rules want: FAILED (99) and its clearing through the agent, events of cameras through the recorder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy import control
from understudy.events.book import Book
from understudy.events.watch import Act, Look
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

ANSWER_S = 4.0
#: how the reasons begin for which no address can move (`failover/status.py`, `arbitration/voters.py`)
_NO_MOVE = ("the arbitration register", "quorum lost")


def hindrance(plan: Plan, status: Mapping[str, Any] | None) -> str:
    """Why declaring this server FAILED would leave a part of it with nobody; "" when every part can leave.

    A machine with a broken disk still records more than no machine does.
    """
    if status is None:
        return "the agent does not answer"
    lost: list[str] = [reason for reason in status["protection"]["reason"].split("; ") if reason.startswith(_NO_MOVE)]
    if lost:
        return lost[0]
    reachable = {server["name"] for server in status["servers"] if server["reachable"]}
    for part in status["logical"]:
        if part["carrier"] is None and part["home"] == plan.node:
            return f"nobody carries {part['name']}: this server may be the only one that records it"
        if part["carrier"] != plan.node:
            continue
        able = {standby["name"] for standby in part["standbys"] if standby["in_line"]}
        home = {part["home"]} & reachable
        if not (able | home) - {plan.node}:
            return f"nobody could take {part['name']} now"
    return ""


class Actions:
    """Does what `Watch` returns, and writes into the incident what was done. Every look asks again until it is done."""

    def __init__(self, plan: Plan, book: Book, agent: Path, recorder: Path) -> None:
        self._plan = plan
        self._book = book
        self._agent = agent
        self._recorder = recorder

    async def do(self, acts: list[Act], look: Look) -> None:
        """Do them one after the other; what fails is told and tried again with the next look."""
        for act in acts:
            try:
                await self._do(act, look)
            except control.ControlError as error:
                log.error("rule %s: %s: %s", act.rule.name, act.what, error)
                self._note(act, f"{act.what}: {error}")

    async def _do(self, act: Act, look: Look) -> None:
        if act.what == "clear":
            await control.acall(self._agent, "clear", timeout_s=ANSWER_S)
            log.warning("rule %s is over: FAILED is cleared, restart this machine", act.rule.name)
        elif act.what == "fail":
            if reason := hindrance(self._plan, look.status):
                self._note(act, f"failover waits: {reason}")
                return
            await control.acall(self._agent, "fail", reason=act.text, timeout_s=ANSWER_S)
            self._note(act, f"declared {self._plan.node} FAILED (99), so that others carry its part")
        else:
            for camera in act.rule.arm:
                logical, _, number = camera.partition("/")
                wanted: dict[str, Any] = {"logical": logical, "camera": int(number), "for_s": act.rule.arm_s}
                await control.acall(self._recorder, "event", **wanted, text=act.rule.name)
                self._note(act, f"{camera} records an event for {act.rule.arm_s:g} s")

    def _note(self, act: Act, text: str) -> None:
        """Once each: an action that is tried again and again is told once."""
        incident = self._book.get(act.incident) if act.incident else None
        if incident is not None and text not in incident.did:
            self._book.change(incident.id, did=(*incident.did, text))
