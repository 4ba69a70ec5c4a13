"""A segment file being written. Fed by the ingest loop, which never waits; written by the letter's writer thread.

The file appears with its first part, in one write, and grows by one write per part. What a crash leaves: whole
parts and at most one torn one behind them, and a row that says `open` (or none yet); `recover.py` puts both right.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable

import msgspec

from understudy.footage.model import Segment, SegmentHeader
from understudy.recorder.fmp4.fragment import Part
from understudy.recorder.layout import segment_path
from understudy.recorder.volume import Volume

#: how often the row of a growing segment is written
ROW_EVERY_US = 2_000_000
#: a start of recording may fall on the time of a segment that is there already (a ring written twice)
_NAME_TRIES = 1000

Rows = Callable[[Segment], None]
Written = Callable[[Part], None]


class SegmentFile:
    """One segment on one letter. `problem` is a sentence once nothing more will be written to it."""

    def __init__(
        self, volume: Volume, header: SegmentHeader, init: bytes, rows: Rows, written: Written, *, hashed: bool
    ) -> None:
        """`written` is called in the writer thread after every part; `rows` takes the catalogue's row of it, which at
        the end has the SHA-256 of what was written when it is `hashed`."""
        self.header = header
        self.problem: str | None = None
        self._volume = volume
        self._init = init
        self._rows = rows
        self._written = written
        # from here on the writer thread's own
        self._descriptor: int | None = None
        self._generation = 0
        self._hash = hashlib.sha256() if hashed else None
        self._row: Segment | None = None
        self._told_us = 0
        #: an error ended the file: False when all that it holds is whole and known (full disk), True when it may not be
        self._doubtful: bool | None = None

    @property
    def begun(self) -> bool:
        """Whether the file is on the disk with at least one part."""
        return self._row is not None

    def append(self, part: Part) -> None:
        """Have `part` written; when the letter's queue is full, that is the end of this segment (see `problem`)."""
        if self.problem is None and not self._volume.submit(lambda: self._append(part), part.size):
            self.problem = f"disk {self._volume.letter} does not keep up: its queue is full"

    def close(self) -> None:
        """Have the file closed behind all its parts."""
        self._volume.submit(self._close, 0)

    def _append(self, part: Part) -> None:
        """In the writer thread. An OSError ends the segment and goes on to the volume."""
        if self._doubtful is not None:
            return
        if self._row is not None and self._generation != self._volume.generation:
            self._doubtful = True
            self.problem = f"disk {self._volume.letter} was out of use for a while"
            return
        try:
            if self._row is None:
                self._row = self._begin(part)
            else:
                self._write(part.buffers, self._row.bytes)
                self._row = _grown(self._row, part)
        except OSError as error:
            self._doubtful = error.errno not in (errno.ENOSPC, errno.EDQUOT)
            self.problem = f"disk {self._volume.letter}: {error.strerror}"
            raise
        self._written(part)
        if not self._told_us <= part.last_wall_us < self._told_us + ROW_EVERY_US:
            self._told_us = part.last_wall_us
            self._rows(self._row)

    def _begin(self, part: Part) -> Segment:
        """Create the file with its head and first part; the row of it."""
        self._generation = self._volume.generation
        with self._volume.root() as root:
            path, self._descriptor = self._create(root)
            head = [self._init, *part.buffers]
            try:
                self._write(head, 0)
            except OSError:
                os.close(self._descriptor)
                self._descriptor = None
                os.unlink(path, dir_fd=root)
                self._volume.live.discard(path)
                raise
        header = self.header
        row = Segment(
            id=f"{header.recorder}/{path}",
            logical=header.logical,
            camera=header.camera,
            track=header.track,
            stream=header.stream,
            recorder=header.recorder,
            session=header.session,
            disk=self._volume.letter,
            path=path,
            start_us=header.start_us,
            end_us=part.first_wall_us,
            frames=0,
            bytes=len(self._init),
            state="open",
            holder=header.recorder,
        )
        return _grown(row, part)

    def _create(self, root: int) -> tuple[str, int]:
        """Create the file under the first free name, and the directories above it."""
        for later_ms in range(_NAME_TRIES):
            path = segment_path(self.header, later_ms)
            if path in self._volume.live:
                continue
            self._volume.live.add(path)
            try:
                _make_parents(root, path)
                return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640, dir_fd=root)
            except FileExistsError:
                self._volume.live.discard(path)
            except OSError:
                self._volume.live.discard(path)
                raise
        raise FileExistsError(errno.EEXIST, "a thousand names are taken", segment_path(self.header))

    def _write(self, buffers: list[bytes], at: int) -> None:
        """Write at the file's end `at`; after a short write (full disk) the file is cut back to it."""
        assert self._descriptor is not None
        written = os.writev(self._descriptor, buffers)
        if written != sum(map(len, buffers)):
            os.ftruncate(self._descriptor, at)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._hash is not None:
            for buffer in buffers:
                self._hash.update(buffer)

    def _close(self) -> None:
        """In the writer thread. The row of a doubtful file stays open until recovery has read the file."""
        if self._row is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if descriptor is not None:
                os.close(descriptor)
        finally:
            if not self._doubtful:
                sha256 = self._hash.hexdigest() if self._hash is not None else ""
                self._rows(msgspec.structs.replace(self._row, state="closed", sha256=sha256))
            self._volume.live.discard(self._row.path)
            if self._doubtful:
                self._volume.doubt()


def _grown(row: Segment, part: Part) -> Segment:
    return msgspec.structs.replace(
        row,
        end_us=max(row.end_us, part.last_wall_us),
        frames=row.frames + len(part.payloads),
        bytes=row.bytes + part.size,
    )


def _make_parents(root: int, path: str) -> None:
    names = path.split("/")[:-1]
    for depth in range(1, len(names) + 1):
        with contextlib.suppress(FileExistsError):
            os.mkdir("/".join(names[:depth]), 0o750, dir_fd=root)
