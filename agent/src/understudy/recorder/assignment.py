"""Which logical servers this recorder records or holds in pre-roll, and which of their cameras that means.

The agent decides, the recorder remembers: `assignment.json` is replaced atomically and synced before the answer, so a
crash leaves the old or the new assignment, never a half one, and a restarted recorder goes on without the agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from understudy import durable
from understudy.recorder.camera import Feed, Mode
from understudy.site.plan import Logical, Plan


class AssignmentError(Exception):
    """The assignment cannot be used; the text says what is wrong with it."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Literal["record", "preroll", "off"]


class _Document(msgspec.Struct, frozen=True):
    parts: dict[str, _Part]


#: logical server -> mode; one that is not named is off
Assignment = dict[str, Mode]


def decode(parts: object, plan: Plan) -> Assignment:
    """Check the `parts` of an `assign` request; AssignmentError names what is wrong."""
    try:
        asked = msgspec.convert(parts, dict[str, _Part])
    except msgspec.ValidationError as error:
        raise AssignmentError(f"parts: {error}") from error
    known = [part.name for part in plan.logical]
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise AssignmentError(f"parts: no logical server {unknown[0]!r} in the plan; there are: {', '.join(known)}")
    return {name: part.mode for name, part in asked.items()}


def save(path: Path, assignment: Assignment) -> None:
    """Put the assignment on disk; OSError when that fails, and then the old one is still there."""
    document = _Document({name: _Part(mode) for name, mode in sorted(assignment.items())})
    durable.replace(path, msgspec.json.encode(document) + b"\n")


def load(path: Path) -> Assignment:
    """The saved assignment, empty when there is none; AssignmentError when it is damaged. Logical servers that are no
    longer in the plan may be named: they are left out when it is applied."""
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise AssignmentError(f"{path}: {error}") from error
    return {name: part.mode for name, part in document.parts.items()}


def feeds(plan: Plan, logical: Logical) -> dict[int, Feed]:
    """The cameras of `logical` that this server can record, by number.

    Not among them: captures other than RTSP, cameras without a track that records, and, away from home, those that
    do not fail over in full.
    """
    own = tuple(address for nic in plan.me.nics if nic.role == "cameras" for address in nic.addresses)
    found = {}
    for camera in logical.cameras:
        tracks = tuple(track for track in camera.tracks if track.mode != "off")
        away = plan.node != logical.home
        if camera.source.type == "rtsp" and tracks and (not away or camera.failover == "full"):
            found[camera.number] = Feed(logical.name, camera, own, tracks)
    return found
