"""The timeline as a document: what `understudy timeline --json` prints and the API answers. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from understudy.footage.gaps import Gap
from understudy.footage.holds import Hold
from understudy.footage.instants import show
from understudy.footage.model import Segment
from understudy.footage.timeline import Timeline
from understudy.site.plan import Plan

Document = dict[str, Any]


def gap_document(gap: Gap) -> Document:
    """A gap with times as text."""
    return {
        "from": show(gap.from_us),
        "to": show(gap.to_us),
        "length_s": gap.length_s,
        "cause": gap.cause,
        "proof": gap.proof,
    }


def hold_document(hold: Hold) -> Document:
    """A legal hold with times as text."""
    return {
        "id": hold.id,
        "camera": f"{hold.logical}/{hold.camera}",
        "from": show(hold.from_us),
        "to": show(hold.to_us),
        "reason": hold.reason,
        "by": hold.by,
        "made": show(hold.made_us),
        "until": None if hold.until_us is None else show(hold.until_us),
        "released": None if hold.released_us is None else show(hold.released_us),
        "released_by": hold.released_by,
    }


def timeline_document(
    logical: str, camera: int, track: str, timeline: Timeline, silent: Mapping[str, str], holds: Iterable[Hold]
) -> Document:
    """Spans and gaps of a track; `silent`: servers that were asked and did not answer, with the reason; `holds`: those
    in force, of which the ones that reach into the footage are shown."""
    spans = [
        {
            "from": show(span.from_us),
            "to": show(span.to_us),
            "holder": span.holder,
            "recorder": span.recorder,
            "frames": span.frames,
        }
        for span in timeline.spans()
    ]
    return {
        "camera": f"{logical}/{camera}",
        "track": track,
        "spans": spans,
        "gaps": [gap_document(gap) for gap in timeline.gaps],
        "unavailable": list(timeline.unavailable),
        "holds": [
            hold_document(hold) for hold in holds if any(hold.covers(piece.segment) for piece in timeline.pieces)
        ],
        "silent": dict(silent),
    }


def first_track(plan: Plan, logical: str, camera: int, tracks: Mapping[str, object]) -> str:
    """The camera's first track that has footage, in the order of the site file, then of the names; its first where none
    has; "" where it has no track at all."""
    cameras = [known for part in plan.logical if part.name == logical for known in part.cameras]
    configured = [track.name for known in cameras if known.number == camera for track in known.tracks]
    return next((name for name in [*configured, *tracks] if name in tracks), configured[0] if configured else "")


def tracks_of(rows: Iterable[Segment]) -> dict[str, list[Segment]]:
    """Rows of one camera by track, in the order of the tracks' names."""
    found: dict[str, list[Segment]] = {}
    for row in rows:
        found.setdefault(row.track, []).append(row)
    return dict(sorted(found.items()))
