"""Tracks become segments: access units of a camera in, segment files on a disk letter out.

`TrackWriter` belongs to the ingest loop and never waits; `Store` owns what does: the letters' threads, the
catalogue thread and the keepers (recovery and retention). A segment lasts about `SEGMENT_S`, begins at a video key
frame, and its sound is cut where the picture is. What a crash leaves is told in `segment_file.py`; the session's
next segments are not affected.
"""

from __future__ import annotations

import logging
from pathlib import Path

from understudy.footage.catalogue import Catalogue, DamagedCatalogueError, NewerCatalogueError
from understudy.footage.model import SegmentHeader, StreamKind
from understudy.recorder.clock_guard import ClockGuard
from understudy.recorder.fmp4.fragment import Fragmenter, Part
from understudy.recorder.fmp4.init import init_section
from understudy.recorder.keeper import Keeper
from understudy.recorder.layout import segment_path
from understudy.recorder.rows import RowWriter
from understudy.recorder.segment_file import SegmentFile
from understudy.recorder.units import AccessUnit, Format
from understudy.recorder.volume import SYNC_S, DiskState, Volume
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

SEGMENT_S = 60
#: sound goes on in its file while the picture gives no place to cut
_MAX_AUDIO_S = 2 * SEGMENT_S
#: presentation times that step back further than any reordering are another time line
_MAX_STEP_BACK_S = 5


class Store:
    """All disk letters of this server and its catalogue. `require_mount=False` takes plain directories (tests)."""

    def __init__(self, plan: Plan, state_dir: Path, *, require_mount: bool = True, sync_s: float = SYNC_S) -> None:
        """Open (or make) the catalogue in `state_dir`; CatalogueError when that cannot be done."""
        self.node = plan.node
        self.catalogue = _open_catalogue(state_dir / "catalogue.db")
        self.rows = RowWriter(self.catalogue)
        self.clock = ClockGuard(state_dir / "clock.json")
        self._at_home = frozenset(logical.name for logical in plan.logical if logical.home == plan.node)
        self._volumes = {
            disk.letter: Volume(disk.letter, Path(disk.path), require_mount=require_mount, sync_s=sync_s)
            for disk in plan.me.disks
        }
        # Space is measured by the sync thread: looking more often would see nothing new.
        self._keepers = [
            Keeper(plan, volume, self.catalogue, self.rows, self.clock, sync_s) for volume in self._volumes.values()
        ]

    def leaves(self, logical: str) -> bool:
        """Whether what is recorded here of a logical server goes to another server one day, its home. Then it is
        hashed as it is written, so that no disk can change it unseen; that is a ninth of what recording costs."""
        return logical not in self._at_home

    def start(self) -> None:
        """Start recording's threads; recovery after a crash runs behind, per letter."""
        self.rows.start()
        for volume in self._volumes.values():
            volume.start()
        for keeper in self._keepers:
            keeper.start()

    def close(self) -> None:
        """Write and sync all that was submitted; close every TrackWriter first."""
        for keeper in self._keepers:
            keeper.close()
        for volume in self._volumes.values():
            volume.close()
        self.rows.close()
        self.catalogue.close()

    def disks(self) -> dict[str, DiskState]:
        """State and space of every letter of this server; never blocks on a disk."""
        return {letter: volume.state() for letter, volume in self._volumes.items()}

    def volume(self, letter: str) -> Volume | None:
        """The letter's volume; None when this server has no such letter."""
        return self._volumes.get(letter)


class _Stream:
    """One elementary stream of a TrackWriter: its fragmenter for the session, and the file it goes to."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self.fragmenter = Fragmenter(format)
        self.file: SegmentFile | None = None
        self.start_pts = 0
        self.last_pts: int | None = None
        #: why the segment before this one ended too early, or why there is none
        self.problem: str | None = None

    def age_s(self, unit: AccessUnit) -> float:
        """How long the present segment is when `unit` begins."""
        return (unit.pts - self.start_pts) / self.format.clock_rate

    def stepped_back(self, unit: AccessUnit) -> bool:
        return self.last_pts is not None and unit.pts < self.last_pts - _MAX_STEP_BACK_S * self.format.clock_rate


class TrackWriter:
    """One track of one camera. All calls come from the ingest loop's thread and never block."""

    def __init__(self, *, store: Store, logical: str, camera: int, track: str, disk: str, recorder: str) -> None:
        #: frames written (of the video, or of the sound where there is no video), their first and last capture time
        self.frames_written = 0
        self.last_frame_wall_us = 0
        self.first_frame_wall_us: int | None = None
        #: frames that came while the letter was out of use or its queue full
        self.frames_dropped = 0
        self._store = store
        self._logical = logical
        self._camera = camera
        self._track = track
        self._recorder = recorder
        self._disk = disk
        self._volume = store.volume(disk)
        self._session = ""
        self._restarts = 0
        self._video: _Stream | None = None
        self._audio: _Stream | None = None
        #: sound from this capture time on belongs into a new segment
        self._audio_cut_us: int | None = None

    @property
    def error(self) -> str | None:
        """Why frames are not being written, a sentence; None when all is well."""
        if self._volume is None:
            return f"disk {self._disk} is not one of this server's"
        state = self._volume.state()
        if state.error is not None:
            return f"disk {self._disk} is {state.state}: {state.error}"
        problems = (stream.problem for stream in (self._video, self._audio) if stream is not None)
        return next((problem for problem in problems if problem is not None), None)

    @property
    def room_bytes(self) -> int:
        """How much the track's letter takes now without dropping: who writes a whole ring paces itself by it."""
        return self._volume.room_bytes if self._volume is not None else 0

    def start(self, formats: tuple[Format, ...], session: str) -> None:
        """A new session or changed formats: the next segment begins at the next video key frame."""
        self.close()
        self._session = session
        self._restarts = 0
        streams = {format.kind: _Stream(format) for format in formats}
        self._video = streams.get("video")
        self._audio = streams.get("audio")
        self._audio_cut_us = None

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        """Take the next unit, in decode order; units of a stream that `start` did not name are left out."""
        stream = self._video if kind == "video" else self._audio
        if stream is None:
            return
        if stream.stepped_back(unit):
            stream = self._restart(kind)
        self._check(stream)
        if self._video_cut(stream, unit) if kind == "video" else self._audio_cut(stream, unit):
            self._cut(stream, unit)
        stream.last_pts = unit.pts if stream.last_pts is None else max(stream.last_pts, unit.pts)
        if stream.file is not None:
            self._send(stream, stream.fragmenter.add(unit))
        elif self._volume is None or not self._volume.usable:
            self.frames_dropped += 1

    def tick(self, now_wall_us: int) -> None:
        """Write what has waited for a part's length, also when no more frames come; call it every 0.1 s or so."""
        for stream in (self._video, self._audio):
            if stream is not None and stream.fragmenter.due(now_wall_us):
                self._send(stream, stream.fragmenter.flush())

    def close(self) -> None:
        """Flush and close the segments; `start` may follow."""
        for stream in (self._video, self._audio):
            if stream is not None:
                self._finish(stream)
        self._video = self._audio = None

    def _video_cut(self, stream: _Stream, unit: AccessUnit) -> bool:
        return unit.key and (stream.file is None or stream.age_s(unit) >= SEGMENT_S)

    def _audio_cut(self, stream: _Stream, unit: AccessUnit) -> bool:
        if self._video is None:
            return stream.file is None or stream.age_s(unit) >= SEGMENT_S
        if self._audio_cut_us is not None:
            return unit.wall_us >= self._audio_cut_us
        return stream.file is not None and stream.age_s(unit) >= _MAX_AUDIO_S

    def _cut(self, stream: _Stream, unit: AccessUnit) -> None:
        """Begin a new segment with `unit`; leaves the stream without a file when the disk or the format forbids."""
        self._finish(stream, unit.pts)
        self._audio_cut_us = unit.wall_us if stream is self._video else None
        if self._volume is None or not self._volume.usable:
            return
        format = stream.format
        header = SegmentHeader(
            logical=self._logical,
            camera=self._camera,
            track=self._track,
            stream=format.kind,
            codec=format.codec,
            clock_rate=format.clock_rate,
            recorder=self._recorder,
            session=self._session if not self._restarts else f"{self._session}.{self._restarts}",
            start_us=unit.wall_us,
        )
        try:
            segment_path(header)
            init = init_section(header, format)
        except ValueError as error:
            stream.problem = str(error)
            return
        counted = stream is self._video or self._video is None
        written = self._count if counted else _ignore
        hashed = self._store.leaves(self._logical)
        stream.file = SegmentFile(self._volume, header, init, self._store.rows.put, written, hashed=hashed)
        stream.start_pts = unit.pts

    def _restart(self, kind: StreamKind) -> _Stream:
        """Times stepped back within a session, which ingest rules out: go on under a session name of our own."""
        log.warning("%s/%d %s: times stepped back", self._logical, self._camera, self._track)
        formats = tuple(stream.format for stream in (self._video, self._audio) if stream is not None)
        restarts = self._restarts + 1
        self.start(formats, self._session)
        self._restarts = restarts
        stream = self._video if kind == "video" else self._audio
        assert stream is not None, "it is one of the formats"
        return stream

    def _check(self, stream: _Stream) -> None:
        """Give up a segment that cannot be written any more: the next one begins at the next key frame."""
        if stream.file is None:
            return
        if stream.file.problem is not None:
            if stream.problem != stream.file.problem:
                log.warning("%s/%d %s: %s", self._logical, self._camera, self._track, stream.file.problem)
            stream.problem = stream.file.problem
            self._finish(stream)
        elif stream.file.begun:
            stream.problem = None

    def _send(self, stream: _Stream, part: Part | None) -> None:
        if part is None or stream.file is None:
            return
        stream.file.append(part)
        if stream.file.problem is not None:
            self.frames_dropped += len(part.payloads)

    def _finish(self, stream: _Stream, next_pts: int | None = None) -> None:
        """Flush and close the stream's segment, if there is one."""
        self._send(stream, stream.fragmenter.flush(next_pts))
        if stream.file is not None:
            stream.file.close()
            stream.file = None

    def _count(self, part: Part) -> None:
        """In the letter's writer thread, the only one that writes these; the ingest loop reads them."""
        if self.first_frame_wall_us is None:
            self.first_frame_wall_us = part.first_wall_us
        self.frames_written += len(part.payloads)
        self.last_frame_wall_us = part.last_wall_us


def _ignore(_: Part) -> None:
    """Sound does not count where there is a picture."""


def _open_catalogue(path: Path) -> Catalogue:
    """The catalogue; one that is damaged or of a newer release is put aside, and recovery makes it anew from the files:
    a release that was taken back records."""
    try:
        return Catalogue(path)
    except (DamagedCatalogueError, NewerCatalogueError) as error:
        aside = path.with_suffix(".damaged" if isinstance(error, DamagedCatalogueError) else ".newer")
        log.error("%s; kept as %s, the catalogue is rebuilt from the disks", error, aside)
        path.replace(aside)
        for rest in ("-wal", "-shm"):
            path.with_name(path.name + rest).unlink(missing_ok=True)
        return Catalogue(path)
