"""An event track: holds the last seconds in memory and writes them, and all that follows, while an event lasts.

It begins at the last key frame that is at least `pre_s` older than the event and ends at the first one that is `post_s`
behind it, so that what is kept for the next event goes on without a hole. Which frames an event has is told by their
capture time alone: a standby that takes over in the middle writes the same ones from its pre-roll. A crash leaves what
`segment_file.py` tells; the seconds in memory are gone, and the next start goes on with the event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from understudy.footage.model import event_session
from understudy.recorder.events import Stretch, Window, stretch_at, stretch_in
from understudy.recorder.tracks import Writer
from understudy.recorder.units import AccessUnit, Format, StreamKind

#: what is held of a camera whose key frames are far apart, or never come
MAX_BYTES = 64 * 1024 * 1024
#: an event ends without a key frame when none has come for so long
_PATIENCE_US = 30_000_000


@dataclass(slots=True)
class _Group:
    """A key frame and what follows up to the next one."""

    formats: tuple[Format, ...]
    session: str
    start_us: int
    units: list[tuple[StreamKind, AccessUnit]] = field(default_factory=list)
    bytes: int = 0


class EventTrack:
    """A `Writer` in front of the one that writes the track's segments."""

    def __init__(self, inner: Writer, windows: Callable[[], Sequence[Window]], pre_s: float, post_s: float) -> None:
        self._inner = inner
        self._windows = windows
        self._pre_us, self._post_us = round(pre_s * 1e6), round(post_s * 1e6)
        self._formats: tuple[Format, ...] = ()
        self._session = ""
        #: the stream whose key frames count
        self._leading: StreamKind = "video"
        self._groups: deque[_Group] = deque()
        self._bytes = 0
        #: the event being written, and when it is over
        self._event: int | None = None
        self._end_us = 0
        #: frames held at one time or another, and how many of them were written later
        self._held = self._replayed = self._shown = 0
        self._first_us: int | None = None

    @property
    def frames_written(self) -> int:
        """Frames that are held or written: what shows that the camera is fed. Never goes back."""
        self._shown = max(self._shown, self._held + max(0, self._inner.frames_written - self._replayed))
        return self._shown

    @property
    def first_frame_wall_us(self) -> int | None:
        return self._first_us

    @property
    def room_bytes(self) -> int:
        return self._inner.room_bytes

    @property
    def error(self) -> str | None:
        return self._inner.error

    def start(self, formats: tuple[Format, ...], session: str) -> None:
        """A new session: what is held of the one before stays, an event goes on in the new one."""
        self._formats, self._session = formats, session
        self._leading = "video" if any(format.kind == "video" for format in formats) else "audio"
        if self._event is not None:
            self._inner.start(formats, event_session(session, self._event))

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        leads = kind == self._leading
        if self._first_us is None and leads:
            self._first_us = unit.wall_us
        if self._event is not None:
            if not (leads and unit.key and self._is_over(unit.wall_us)):
                self._inner.write(kind, unit)
                return
            self._end()
        self._hold(kind, unit, leads)
        windows = self._windows()
        if windows and self._groups:
            # An event may be over by the time it is heard of: what is held of it is written all the same.
            began_us = self._groups[0].start_us
            stretch = stretch_in(windows, self._pre_us, self._post_us, began_us, max(began_us, unit.wall_us))
            if stretch is not None:
                self._begin(stretch)

    def tick(self, now_wall_us: int) -> None:
        if self._event is None:
            return
        if now_wall_us > self._end_us + _PATIENCE_US and self._is_over(now_wall_us):
            self._end()
        else:
            self._inner.tick(now_wall_us)

    def close(self) -> None:
        self._end()
        self._groups.clear()
        self._bytes = 0

    def _is_over(self, wall_us: int) -> bool:
        stretch = stretch_at(self._windows(), self._pre_us, self._post_us, wall_us)
        if stretch is not None and stretch.event == self._event:
            self._end_us = stretch.end_us
            return False
        return True

    def _begin(self, stretch: Stretch) -> None:
        """Write what is held, from the last key frame before the stretch to the first one behind it."""
        self._event, self._end_us = stretch.event, stretch.end_us
        groups = self._groups
        while len(groups) > 1 and groups[1].start_us <= stretch.start_us:
            self._bytes -= groups.popleft().bytes
        session = ""
        while groups and groups[0].start_us < stretch.end_us:
            group = groups.popleft()
            self._bytes -= group.bytes
            if group.session != session:
                session = group.session
                self._inner.start(group.formats, event_session(session, stretch.event))
            for kind, unit in group.units:
                self._inner.write(kind, unit)
                self._replayed += kind == self._leading
        if groups:
            self._end()

    def _end(self) -> None:
        if self._event is not None:
            self._inner.close()
            self._event = None

    def _hold(self, kind: StreamKind, unit: AccessUnit, leads: bool) -> None:
        self._held += leads
        if leads and unit.key:
            self._groups.append(_Group(self._formats, self._session, unit.wall_us))
        if not self._groups:
            return  # nothing to begin with yet
        group = self._groups[-1]
        if group.session != self._session:
            return  # the first frames of a session, before its key frame
        group.units.append((kind, unit))
        group.bytes += len(unit.payload)
        self._bytes += len(unit.payload)
        self._trim(unit.wall_us - self._pre_us)

    def _trim(self, wanted_us: int) -> None:
        groups = self._groups
        while (len(groups) > 1 and groups[1].start_us <= wanted_us) or (groups and self._bytes > MAX_BYTES):
            self._bytes -= groups.popleft().bytes
