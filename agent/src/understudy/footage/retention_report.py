"""The retention report: how long a track reaches back, how long it should, and what of the last days is there. Pure.

It reads rows of the catalogue alone, not the frames: a hole shorter than `HOLE_US` is for `understudy gaps` to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from understudy.footage.instants import show
from understudy.footage.model import Segment, event_of
from understudy.site.plan import Track

DAY_US = 86_400_000_000
WINDOW_US = 7 * DAY_US
#: rows of a segment being written lag by 2 s, and neighbours touch within a frame
HOLE_US = 3_000_000
#: retention is applied every minute to segments of a minute
_SLACK_DAYS = 0.01


class Hole(msgspec.Struct, frozen=True):
    """Nothing of the track in between; microseconds since the epoch."""

    from_us: int
    to_us: int


class TrackReport(msgspec.Struct, frozen=True, kw_only=True):
    camera: str
    name: str
    track: str
    mode: str
    #: what the site file asks for, and how far back the oldest footage is
    expected_days: float
    actual_days: float
    oldest_us: int | None
    newest_us: int | None
    bytes: int
    #: of the last 7 days, or of the time since the oldest footage where that is less; None for tracks of events
    recorded_percent: float | None
    holes: tuple[Hole, ...]
    #: of which a track of events has footage
    events: int
    #: servers that hold bytes of it
    holders: tuple[str, ...]
    #: a sentence; "" when all is as it should be
    remark: str


def report(
    camera: str, name: str, track: Track, rows: Iterable[Segment], now_us: int, silent: Sequence[str] = ()
) -> TrackReport:
    """The report of a track from its rows (of any stream), on every server that answered; `silent`: who did not."""
    every = list(rows)
    video = [row for row in every if row.stream == "video"] or every
    video = sorted((row for row in video if row.frames), key=lambda row: row.start_us)
    oldest = video[0].start_us if video else None
    actual_days = 0.0 if oldest is None else max(0.0, (now_us - oldest) / DAY_US)
    continuous = track.mode == "continuous"
    since_us = max(now_us - WINDOW_US, oldest if oldest is not None else now_us)
    holes = _holes(video, since_us, now_us) if continuous and oldest is not None else []
    missing_us = sum(hole.to_us - hole.from_us for hole in holes)
    length_us = now_us - since_us
    percent = None
    if continuous:
        percent = round(100 * (1 - missing_us / length_us), 3) if length_us > 0 else 0.0
    return TrackReport(
        camera=camera,
        name=name,
        track=track.name,
        mode=track.mode,
        expected_days=track.days,
        actual_days=round(actual_days, 3),
        oldest_us=oldest,
        newest_us=max((row.end_us for row in video), default=None),
        bytes=sum(row.bytes for row in every),
        recorded_percent=percent,
        holes=tuple(holes),
        events=len({event_of(row.session) for row in every} - {""}),
        holders=tuple(sorted({row.holder for row in every})),
        remark=_remark(track, actual_days, bool(video), holes, now_us, silent),
    )


def _holes(rows: Sequence[Segment], since_us: int, now_us: int) -> list[Hole]:
    """Where no row reaches, from `since_us` on."""
    found: list[Hole] = []
    reached = since_us
    for row in rows:
        if row.start_us - reached > HOLE_US:
            found.append(Hole(reached, row.start_us))
        reached = max(reached, row.end_us)
    if now_us - reached > HOLE_US:
        found.append(Hole(reached, now_us))
    return found


def _remark(
    track: Track, actual_days: float, has_footage: bool, holes: Sequence[Hole], now_us: int, silent: Sequence[str]
) -> str:
    said = []
    if track.mode != "off" and not has_footage:
        said.append("no event so far" if track.mode == "event" else "no footage at all")
    if holes and holes[-1].to_us == now_us:
        said.append(f"nothing recorded since {show(holes[-1].from_us)}")
    if actual_days > track.days + max(_SLACK_DAYS, 0.02 * track.days):
        said.append("keeps more than its days: a legal hold, a clock that is not believed, or a disk in trouble")
    if silent:
        said.append(f"without what only {', '.join(silent)} holds")
    return "; ".join(said)


def retention_document(found: TrackReport) -> dict[str, Any]:
    """The report with times as text: what `understudy retention --json` prints and the API answers."""
    document: dict[str, Any] = msgspec.to_builtins(found)
    oldest_us, newest_us = document.pop("oldest_us"), document.pop("newest_us")
    times = {
        "oldest": None if oldest_us is None else show(oldest_us),
        "newest": None if newest_us is None else show(newest_us),
    }
    holes = [
        {"from": show(h.from_us), "to": show(h.to_us), "length_s": round((h.to_us - h.from_us) / 1e6, 3)}
        for h in found.holes
    ]
    return {**document, **times, "holes": holes}
