"""What the processes of stby1 of the depot answer, made by the product's own code where that is pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import depot
import msgspec
from test_contract import SERVING, standby, told
from test_incidents import incident
from understudy.events.service import alarm
from understudy.recorder import fleet

DISK = {"state": "ok", "free_bytes": 3 * 2**30, "total_bytes": 8 * 2**30, "error": None}


def camera(number: int, **changes: Any) -> dict[str, Any]:
    """A camera in pre-roll, as the recorder tells it."""
    held = {"mode": "pre-roll", "frames": 1200, "last_frame_age_s": 0.04, "ring_s": 15.2}
    return {**dataclasses.asdict(fleet._Idle(number, f'Gate "{number}"')), **held, **changes}


def progress(*cameras: dict[str, Any], mode: str = "preroll", **changes: Any) -> dict[str, Any]:
    """The recorder's answer: north in pre-roll, or as `mode` says; south off."""
    shown = list(cameras or (camera(1), camera(2)))
    idle = [dataclasses.asdict(fleet._Idle(number, "Yard")) for number in (1, 2)]
    parts = {"north": {"mode": mode, "cameras": shown}, "south": {"mode": "off", "cameras": idle}}
    return {"node": "stby1", "disks": {"C": DISK}, "parts": parts, "clock": None, "pid": 4711, **changes}


def status(**seen: Any) -> dict[str, Any]:
    """The agent's answer, with both homes heard."""
    return told(standby(), SERVING, **seen)


def alarms(*changes: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The alarm list, an incident for each of `changes`."""
    plan = depot.plan("stby1")
    return [alarm(msgspec.structs.replace(incident(), source=plan.node, **each)) for each in changes]
