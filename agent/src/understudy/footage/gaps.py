"""Gaps: where a camera's timeline has no frame, for how long, why as far as the files tell, and how that is known."""

from __future__ import annotations

import msgspec

from understudy.footage.model import Segment, event_of

#: a connection to a camera that is silent for so long is given up (10 s): where it lived on, nobody was writing
SILENCE_US = 12_000_000


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Frames that nobody holds. Times are wall time in microseconds since the epoch, UTC."""

    #: the last frame before and the first frame behind
    from_us: int
    to_us: int
    #: how much is missing: the step from frame to frame less the usual one, seconds
    length_s: float
    cause: str
    #: "media time" (one session's own clock), "frame identity" (matched frames) or "wall time" (the servers' clocks)
    proof: str


def between_events(before: Segment, after: Segment) -> bool:
    """Whether nothing was to be recorded between the two: an event track that records one event after another."""
    return event_of(before.session) != event_of(after.session)


def gap(before: Segment, after: Segment, walls_us: tuple[int, int], missing_us: int, proof: str) -> Gap:
    """The gap between a frame of `before` and one of `after`, whose capture times are `walls_us`."""
    return Gap(
        from_us=walls_us[0],
        to_us=walls_us[1],
        length_s=round(missing_us / 1_000_000, 3),
        cause=cause(before, after, missing_us),
        proof=proof,
    )


def cause(before: Segment, after: Segment, missing_us: int) -> str:
    """What the files tell: who recorded on either side, and whether the connection to the camera is the same one."""
    if before.recorder != after.recorder:
        return f"takeover, {before.recorder} to {after.recorder}"
    if before.session != after.session:
        return "recorder restart or new connection to the camera"
    if before.id != after.id and missing_us > SILENCE_US:
        return f"{before.recorder} was not recording"
    return "camera or network"
