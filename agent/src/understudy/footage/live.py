"""The newest seconds of a camera, from the files that this server's recorder is writing. Reads, never writes.

A window follows one track from part to part: `refresh` reads only what was added. It is one server's view; after a
takeover the next server's window begins anew, with numbers above those that a viewer has seen.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from understudy.footage import playlist
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks, FootageError
from understudy.footage.model import Frame, Segment, SegmentHeader
from understudy.footage.playlist import Chunk
from understudy.recorder.fmp4 import scan
from understudy.recorder.layout import day_of

#: what a live playlist offers; a viewer plays two or three seconds behind its end
WINDOW_S = 12.0
#: footage older than this is not live any more
FRESH_S = 30.0
#: begins of files looked at: the longest segment, and some more
_REACH_US = 180_000_000
#: entries per second at most (`fragment._MIN_KEY_PART_S`): numbers of a later window are above those of an earlier one
_PER_SECOND = 4
_STILL_US = 500_000


class NotLive(Exception):
    """This server is not recording the camera now; the text is one sentence."""


class _File:
    """A segment being followed."""

    def __init__(self, path: Path, id: str, disk: str, relative: str) -> None:
        self.path = path
        self.id = id
        self.disk = disk
        self.relative = relative
        found = scan.scan(path)
        self.header: SegmentHeader = found.header
        self.init_size = found.init_size
        self.offset = found.init_size
        self.frames = 0

    def parts(self) -> list[tuple[int, int, list[Frame]]]:
        """(offset, size, frames) of the parts that have come since."""
        found = []
        with self.path.open("rb", buffering=0) as file:
            end = os.fstat(file.fileno()).st_size
            while self.offset < end and (part := scan.part_at(file.fileno(), self.offset, end)) is not None:
                found.append((self.offset, part.size, part.frames))
                self.offset += part.size
        return found


class Window:
    """The live window of one camera. `refresh` blocks on the disk; call it in a thread, any thread."""

    def __init__(self, catalogue: Catalogue, disks: Disks, node: str, logical: str, camera: int) -> None:
        self._catalogue = catalogue
        self._disks = disks
        self._node = node
        self._logical = logical
        self._camera = camera
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._last: tuple[SegmentHeader, Frame] | None = None
        self._chunks: deque[Chunk] = deque()
        self._sequence = 0
        self._breaks = 0
        #: segments offered of which the catalogue may not know yet -> disk letter, path below it
        self.places: dict[str, tuple[str, str]] = {}

    def refresh(self, tracks: Sequence[str], now_us: int) -> str:
        """The playlist as of now, of the first of `tracks` that is being recorded; NotLive when none is."""
        with self._lock:
            try:
                if self._file is None or not self._is_fresh(now_us):
                    self._begin(tracks, now_us)
                self._follow(now_us)
            except (OSError, ValueError, FootageError) as error:
                self._file = None
                raise NotLive(
                    f"the newest footage of {self._logical}/{self._camera} cannot be read: {error}"
                ) from error
            if not self._is_fresh(now_us):
                self._file = None
                raise NotLive(f"{self._node} is not recording {self._logical}/{self._camera} now")
            return playlist.live(self._chunks, self._sequence, self._breaks)

    def _is_fresh(self, now_us: int) -> bool:
        return self._last is not None and now_us - self._last[1].wall_us < FRESH_S * 1e6

    def _begin(self, tracks: Sequence[str], now_us: int) -> None:
        """Find the file that holds the beginning of the window."""
        rows = self._catalogue.begun_since(self._logical, self._camera, now_us - _REACH_US, "video")
        mine = [row for row in rows if row.holder == self._node == row.recorder and row.track in tracks]
        fresh = [row for row in mine if row.state == "open" or now_us - row.end_us < FRESH_S * 1e6]
        if not fresh:
            raise NotLive(f"{self._node} is not recording {self._logical}/{self._camera} now")
        track = min((row.track for row in fresh), key=tracks.index)
        rows = [row for row in fresh if row.track == track]
        newest = max(rows, key=lambda row: (row.state == "open", row.start_us))
        same = [row for row in rows if row.session == newest.session]
        begin_us = now_us - WINDOW_S * 1e6
        first = max((row for row in same if row.start_us <= begin_us), key=lambda row: row.start_us, default=same[0])
        self._chunks.clear()
        self._last = None
        self._file = self._open(first)
        self._sequence = int(max(first.start_us, begin_us) * _PER_SECOND // 1_000_000)
        self._breaks = int(first.start_us // 1_000_000)

    def _open(self, row: Segment) -> _File:
        return self._known(_File(self._disks.path(row), row.id, row.disk, row.path))

    def _known(self, file: _File) -> _File:
        self.places[file.id] = file.disk, file.relative
        return file

    def _follow(self, now_us: int) -> None:
        """Take what was added, over the ends of files."""
        while self._file is not None:
            added = self._file.parts()
            for part in added:
                self._add(self._file, *part)
            if added and now_us - added[-1][2][-1].wall_us < _STILL_US:
                break
            following = self._next(self._file, now_us)
            if following is None:
                break
            self._file = following
        begin_us = now_us - WINDOW_S * 1e6
        while len(self._chunks) > 3 and self._chunks[1].wall_us <= begin_us:
            self._chunks.popleft()
            self._sequence += 1
            self._breaks += self._chunks[0].broken
        offered = {chunk.id for chunk in self._chunks} | ({self._file.id} if self._file else set())
        self.places = {id: place for id, place in self.places.items() if id in offered}

    def _next(self, file: _File, now_us: int) -> _File | None:
        """The file that follows in the track's directory of the day, or in that of today."""
        track = file.path.parent.parent
        ending = f"_{self._node}.v.mp4"
        for day in sorted({file.path.parent.name, day_of(now_us)}):
            try:
                names = sorted(entry.name for entry in os.scandir(track / day) if entry.name.endswith(ending))
            except FileNotFoundError:
                continue
            for name in names:
                if (day, name) > (file.path.parent.name, file.path.name):
                    relative = "/".join([*file.relative.split("/")[:-2], day, name])
                    return self._known(_File(track / day / name, f"{self._node}/{relative}", file.disk, relative))
        return None

    def _add(self, file: _File, offset: int, size: int, frames: list[Frame]) -> None:
        first, rate = frames[0], file.header.clock_rate
        broken, before = bool(self._chunks), self._last
        if before is not None and before[0].session == file.header.session and before[0].clock_rate == rate:
            step_s = (first.dts - before[1].dts) / rate
            broken = broken and not 0 < step_s < 1.0
        last_s = (frames[-1].dts - frames[-2].dts) / rate if len(frames) > 1 else 0.04
        self._chunks.append(
            Chunk(
                id=file.id,
                holder=self._node,
                init_size=file.init_size,
                offset=offset,
                size=size,
                first=file.frames,
                stop=file.frames + len(frames),
                cut=False,
                wall_us=first.wall_us,
                length_s=max(0.01, (frames[-1].dts - first.dts) / rate + min(last_s, 2.0)),
                key=first.key,
                broken=broken,
            )
        )
        file.frames += len(frames)
        self._last = file.header, frames[-1]


class Live:
    """The windows of all cameras that somebody watches through this server."""

    def __init__(self, catalogue: Catalogue, disks: Disks, node: str) -> None:
        self._catalogue = catalogue
        self._disks = disks
        self._node = node
        self._windows: dict[tuple[str, int], Window] = {}

    def window(self, logical: str, camera: int) -> Window:
        """The window of a camera of the plan."""
        key = logical, camera
        if key not in self._windows:
            self._windows[key] = Window(self._catalogue, self._disks, self._node, logical, camera)
        return self._windows[key]

    def path(self, id: str) -> tuple[str, str, Path] | None:
        """Disk letter, path below it and file of a segment that a live playlist offers; None when none does."""
        for window in tuple(self._windows.values()):
            place = window.places.get(id)
            if place is not None:
                try:
                    return *place, self._disks.root(place[0]) / place[1]
                except FootageError:
                    return None
        return None
