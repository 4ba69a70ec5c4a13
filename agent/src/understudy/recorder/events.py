"""Events: when event tracks record. Windows of wall time per camera, on disk before they are answered.

Every server that may record a camera is told of its events (`web/event_exchange.py`), so that a standby which takes
over in the middle knows where they end. While it is a standby it only remembers them: nothing records there (S51).
Windows that overlap are one window; in whatever order servers hear of them, they end up with the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from understudy import durable
from understudy.site.plan import Plan

#: one call; whoever needs longer arms again, which extends
MAX_FOR_S = 3600.0
#: windows are remembered so long behind their end: a takeover writes them from a pre-roll that is older
_REMEMBERED_US = 600_000_000
#: of one camera; beyond it the oldest is forgotten
_MAX_WINDOWS = 64


class EventError(Exception):
    """The event cannot be taken; the text says why."""


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event of a camera: wall time, microseconds since the epoch, and what it was, for people."""

    logical: str
    camera: int
    from_us: int
    until_us: int
    text: str = ""


class Stretch(NamedTuple):
    """What an event track records of one event or of several that follow each other closely, pre- and post-time
    included; `event` names it, on every server alike."""

    event: int
    start_us: int
    end_us: int


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Windows of one camera by time, those that overlap or touch made one, which keeps the text of the earliest."""
    found: list[Window] = []
    for window in sorted(windows, key=lambda w: (w.from_us, w.until_us, w.text)):
        if found and window.from_us <= found[-1].until_us:
            until_us = max(found[-1].until_us, window.until_us)
            found[-1] = msgspec.structs.replace(found[-1], until_us=until_us)
        else:
            found.append(window)
    return tuple(found)


def stretch_at(windows: Sequence[Window], pre_us: int, post_us: int, wall_us: int) -> Stretch | None:
    """What is to be recorded at `wall_us`; None when nothing is. `windows` as `merged` gives them."""
    return stretch_in(windows, pre_us, post_us, wall_us, wall_us)


def stretch_in(windows: Sequence[Window], pre_us: int, post_us: int, from_us: int, to_us: int) -> Stretch | None:
    """The first stretch that reaches into the time from `from_us` to `to_us`, both included."""
    found: Stretch | None = None
    for window in windows:
        start_us, end_us = window.from_us - pre_us, window.until_us + post_us
        if found is not None and start_us <= found.end_us:
            found = found._replace(end_us=end_us)
        elif found is not None and from_us < found.end_us:
            break
        else:
            found = Stretch(window.from_us, start_us, end_us)
    return found if found is not None and found.start_us <= to_us and from_us < found.end_us else None


class Events:
    """The windows this recorder knows. `add` from one thread at a time; read from any: a change is one step."""

    def __init__(self, path: Path) -> None:
        """With what `path` says; a file that cannot be read is as good as none, for events are short."""
        self._path = path
        self._windows: Mapping[tuple[str, int], tuple[Window, ...]] = _by_camera(_load(path))

    def of(self, logical: str, camera: int) -> tuple[Window, ...]:
        """The camera's windows, oldest first."""
        return self._windows.get((logical, camera), ())

    def all(self) -> list[Window]:
        """Every window, by camera and time."""
        return [window for _, windows in sorted(self._windows.items()) for window in windows]

    def add(self, windows: Iterable[Window], now_us: int) -> None:
        """Know these too, and forget what is long over; on disk when it returns, OSError when that cannot be done."""
        known = self.all()
        kept = [window for window in (*known, *windows) if window.until_us > now_us - _REMEMBERED_US]
        changed = _by_camera(kept)
        if changed != self._windows:
            durable.replace(self._path, msgspec.json.encode([w for found in changed.values() for w in found]) + b"\n")
            self._windows = changed


def _load(path: Path) -> list[Window]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Window])
    except (OSError, msgspec.DecodeError):
        return []


def _by_camera(windows: Iterable[Window]) -> dict[tuple[str, int], tuple[Window, ...]]:
    found: dict[tuple[str, int], list[Window]] = {}
    for window in windows:
        found.setdefault((window.logical, window.camera), []).append(window)
    return {camera: merged(known)[-_MAX_WINDOWS:] for camera, known in sorted(found.items())}


def arm(plan: Plan, logical: str, camera: int, for_s: float, text: str, now_us: int) -> Window:
    """The window of an event that begins now; EventError unless the camera has a track that records events."""
    known = {(part.name, found.number): found for part in plan.logical for found in part.cameras}.get((logical, camera))
    if known is None:
        raise EventError(f"this site has no camera {logical}/{camera}")
    if not any(track.mode == "event" for track in known.tracks):
        raise EventError(f"{logical}/{camera} has no track of mode event")
    if not 0 < for_s <= MAX_FOR_S:
        raise EventError(f"an event lasts more than 0 and at most {MAX_FOR_S:g} s, not {for_s:g}")
    return Window(logical, camera, now_us, now_us + round(for_s * 1_000_000), text[:200])
