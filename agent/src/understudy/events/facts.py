"""What rules are judged by: measured facts of this server, flat and rounded, so that they can be recorded and replayed.

Pure: `facts_of` makes them from the answers of recorder and agent and from the readings of the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from understudy.site.plan import Plan

#: a camera without a frame for so long is silent; the slowest that is recorded sends one a second
SILENT_S = 3.0
#: another server sees a camera when its newest frame is not older
SEEN_S = 2.0
#: a pre-roll shorter than this share of what the camera shall have is degraded; the key frame distance takes some
PREROLL_SHARE = 0.7

Document = Mapping[str, Any]


class Script(msgspec.Struct, frozen=True):
    """How a rule's script ended: its exit code (-1: it could not be run or did not end) and its first line."""

    code: int
    text: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One look at this server. None and empty mean: cannot be told now; the rule then stays as it is."""

    #: logical servers this server carries; None: the agent does not answer
    carries: tuple[str, ...] | None = None
    #: why the recorder cannot be asked; "" when it answers
    recorder_silent: str = ""
    #: starts of the recorder within the last 300 s, without the first one seen
    recorder_restarts: int = 0
    #: disk letter in use -> its state as the recorder tells it, and what is wrong
    disks: dict[str, str] = {}
    disk_errors: dict[str, str] = {}
    #: cameras that are to be recorded here, and those that are not: without frames, or with no disk that takes them
    cameras: int = 0
    unrecorded: tuple[str, ...] = ()
    #: those without frames, and of these the ones another server sees
    silent: tuple[str, ...] = ()
    seen_elsewhere: tuple[str, ...] = ()
    #: NIC in use -> what is wrong with it, "" when it has a link
    nics: dict[str, str] = {}
    temperature_c: float | None = None
    memory_percent: float | None = None
    clock_offset_s: float | None = None
    scripts: dict[str, Script] = {}
    #: what the site says of itself: each a sentence, "" when all is well, None when the agent does not answer
    unprotected: str | None = None
    quorum: str | None = None
    standby_busy: str | None = None
    #: standby: why it could take no part; None on others, and while it carries one
    standby_unfit: str | None = None
    certificate_days: float | None = None
    licence_days: float | None = None
    #: server -> release it runs
    versions: dict[str, str] = {}
    #: cameras in pre-roll here, and those that hold too little, as sentences
    prerolls: int = 0
    preroll_short: tuple[str, ...] = ()
    #: this server speaks for the site: the first by name among those that are reachable
    speaker: bool = False


@dataclass(frozen=True)
class Readings:
    """What is read from the machine itself, not from the product's processes."""

    nics: Mapping[str, str] = field(default_factory=dict)
    temperature_c: float | None = None
    memory_percent: float | None = None
    clock_offset_s: float | None = None
    scripts: Mapping[str, Script] = field(default_factory=dict)
    certificate_days: float | None = None
    licence_days: float | None = None
    recorder_restarts: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)


def facts_of(
    plan: Plan,
    readings: Readings,
    progress: Document | None,
    status: Document | None,
    seen: Collection[str] = (),
    recorder_silent: str = "",
) -> Facts:
    """The facts; `progress` and `status` are the answers of recorder and agent, None when they give none.

    `seen`: cameras that another server sees, as `cameras_seen` tells them.
    """
    carries = None if status is None else tuple(p["name"] for p in status["logical"] if p["carrier"] == plan.node)
    parts = {} if progress is None else progress["parts"]
    wanted = [
        (f"{name}/{camera['number']}", camera)
        for name, part in sorted(parts.items())
        if part["mode"] == "record" and (carries is None or name in carries)
        for camera in part["cameras"]
        if camera["mode"] == "recording"
    ]
    silent = tuple(label for label, camera in wanted if _age_s(camera) > SILENT_S)
    held, short = _prerolls(plan, parts)
    states = {} if progress is None else {k: v for k, v in progress["disks"].items() if k in letters_used(plan)}
    return Facts(
        carries=carries,
        recorder_silent=recorder_silent if progress is None else "",
        recorder_restarts=readings.recorder_restarts,
        disks={letter: disk["state"] for letter, disk in sorted(states.items())},
        disk_errors={letter: str(disk["error"]) for letter, disk in sorted(states.items()) if disk["error"]},
        cameras=len(wanted),
        unrecorded=tuple(label for label, camera in wanted if _age_s(camera) > SILENT_S or camera["error"]),
        silent=silent,
        seen_elsewhere=tuple(label for label in silent if label in seen),
        nics=dict(readings.nics),
        temperature_c=_rounded(readings.temperature_c, 0),
        memory_percent=_rounded(readings.memory_percent, 0),
        clock_offset_s=_rounded(readings.clock_offset_s, 2),
        scripts=dict(readings.scripts),
        certificate_days=_rounded(readings.certificate_days, 0),
        licence_days=_rounded(readings.licence_days, 0),
        versions=dict(sorted(readings.versions.items())),
        prerolls=held,
        preroll_short=short,
        **_site(plan, status),
    )


def letters_used(plan: Plan) -> set[str]:
    """Disk letters that any track records to; others do not matter (S31)."""
    return {track.disk for part in plan.logical for camera in part.cameras for track in camera.tracks}


def cameras_seen(progress: Document | None) -> set[str]:
    """Cameras of which a server has a fresh frame, recording or in pre-roll, from its `progress`."""
    parts = {} if progress is None else progress["parts"]
    return {
        f"{name}/{camera['number']}"
        for name, part in parts.items()
        for camera in part["cameras"]
        if camera["mode"] != "off" and _age_s(camera) <= SEEN_S
    }


def reachable(status: Document | None) -> set[str]:
    """Servers and standbys that the agent here hears, itself included; empty when it does not answer."""
    servers = [] if status is None else status["servers"]
    return {server["name"] for server in servers if server["reachable"] and server["kind"] != "witness"}


def _site(plan: Plan, status: Document | None) -> dict[str, Any]:
    if status is None:
        return {}
    protection = status["protection"]
    reasons = protection["reason"].split("; ") if protection["state"] != "PROTECTED" else []
    own = next(server for server in status["servers"] if server["name"] == plan.node)
    unfit = None
    if plan.me.kind == "standby" and all(part["carrier"] != plan.node for part in status["logical"]):
        unfit = "" if own["rank"] is not None else f"{plan.node} is {own['state']}: {own['reason']}"
    return {
        "unprotected": "; ".join(reasons),
        "quorum": "; ".join(reason for reason in reasons if reason.startswith("quorum")),
        "standby_busy": _busy(plan, status),
        "standby_unfit": unfit,
        "speaker": min(reachable(status), default="") == plan.node,
    }


def _busy(plan: Plan, status: Document) -> str:
    """What every standby carries, when none is in line and one of them carries something; "" otherwise."""
    standbys = {server["name"] for server in status["servers"] if server["kind"] == "standby"}
    if any(server["rank"] is not None for server in status["servers"]):
        return ""
    carried = [f"{part['carrier']} carries {part['name']}" for part in status["logical"] if part["carrier"] in standbys]
    return "; ".join(carried)


def _prerolls(plan: Plan, parts: Document) -> tuple[int, tuple[str, ...]]:
    wanted_s = {(part.name, camera.number): camera.preroll_s for part in plan.logical for camera in part.cameras}
    held, short = 0, []
    for name, part in sorted(parts.items()):
        for camera in part["cameras"]:
            if camera["mode"] != "pre-roll":
                continue
            held += 1
            wants_s = wanted_s.get((name, camera["number"]), 0.0)
            if camera["ring_s"] < wants_s * PREROLL_SHARE or _age_s(camera) > SILENT_S:
                short.append(f"{name}/{camera['number']} holds {camera['ring_s']:.0f} of {wants_s:g} s")
    return held, tuple(short)


def _age_s(camera: Document) -> float:
    age_s = camera["last_frame_age_s"]
    return float("inf") if age_s is None else float(age_s)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
