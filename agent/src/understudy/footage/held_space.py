"""How much of a disk letter legal holds may take, and whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from understudy.footage.model import Segment

#: of a letter: the rest is what retention can still free for the cameras to go on
MAX_SHARE = 0.5

#: server and letter
Place = tuple[str, str]


def held_bytes(segments: Iterable[Segment], homes: Mapping[str, str]) -> dict[Place, int]:
    """Bytes that `segments` (repeats count once) take per letter: where they are, and at home, where they come to."""
    found: dict[Place, int] = {}
    for segment in {segment.id: segment for segment in segments}.values():
        for server in {segment.holder, homes.get(segment.logical, segment.holder)}:
            place = (server, segment.disk)
            found[place] = found.get(place, 0) + segment.bytes
    return found


def limitation(before: Mapping[Place, int], after: Mapping[Place, int], sizes: Mapping[Place, int]) -> str | None:
    """Why a hold that brings `before` to `after` does not fit; None when it does, or when no size is known."""
    for place in sorted(after):
        size = sizes.get(place, 0)
        if size and after[place] > before.get(place, 0) and after[place] > MAX_SHARE * size:
            server, letter = place
            return (
                f"disk letter {letter} of {server} would be held to {after[place] / size:.0%}, and retention needs "
                f"{1 - MAX_SHARE:.0%} of it for the cameras to go on: choose a shorter span, or release a hold"
            )
    return None
