"""What a letter no longer has to hold: segments older than their track keeps, and the oldest when space runs out.

Only closed segments held here; first the file, then the row, so that a crash in between leaves a row whose file is
gone, which recovery forgets. An outage's footage of another server is deleted by `footage/` when home has verified
it; here only when the letter would be full otherwise. What is under a legal hold stays whatever happens, and while the
holds cannot be read nothing is deleted.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from understudy.footage.catalogue import Catalogue
from understudy.footage.holds import FILE, HoldBook, is_held
from understudy.footage.model import Segment
from understudy.recorder.layout import day_of
from understudy.recorder.volume import Volume
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

_DAY_US = 86_400_000_000
#: files deleted in one go: a slow disk is not kept from its recording by a long row of deletions
BATCH = 64
#: rows read in one go where legal holds may cover many
_PAGE = 256
#: the floor of a plan without one: a full disk stops recording, and that is worse than footage a minute shorter
MIN_FLOOR_BYTES = 8 * 1024 * 1024
#: what is freed beyond the floor, as a share of it: so that not every look at the disk deletes a single file
_MARGIN = 0.25


class Retention:
    """Retention of one letter. Its methods run in the letter's keeper thread. OSError is the disk's fault, HoldError
    says that the legal holds cannot be read."""

    def __init__(self, plan: Plan, volume: Volume, catalogue: Catalogue) -> None:
        self._node = plan.node
        self._volume = volume
        self._catalogue = catalogue
        self._holds = HoldBook(catalogue.path.with_name(FILE))
        self._all_held = False
        self._home = {logical.name: logical.home for logical in plan.logical}
        floor_bytes = next(disk.free_floor_bytes for disk in plan.me.disks if disk.letter == volume.letter)
        self._floor_bytes = max(floor_bytes, MIN_FLOOR_BYTES)
        self._tracks = [
            (logical.name, camera.number, track.name, int(track.days * _DAY_US))
            for logical in plan.logical
            if logical.home == plan.node
            for camera in logical.cameras
            for track in camera.tracks
        ]

    def by_age(self, now_us: int) -> int:
        """Delete what is older than its track keeps, oldest first, a batch per track; returns how many."""
        deleted = 0
        for logical, camera, track, length_us in self._tracks:
            expired = self._deletable(
                now_us, logical=logical, camera=camera, track=track, ended_before_us=now_us - length_us
            )
            deleted += self._delete(list(islice(expired, BATCH)), now_us)
        return deleted

    def by_space(self, now_us: int) -> int:
        """Delete the oldest segments until the letter's free bytes are above its floor, a batch; returns how many."""
        with self._volume.root() as root:
            space = os.fstatvfs(root)
        missing = self._floor_bytes - space.f_bavail * space.f_frsize
        if missing <= 0:
            return 0
        missing += int(self._floor_bytes * _MARGIN)
        doomed: list[Segment] = []
        for segment in islice(self._deletable(now_us), BATCH):
            if missing <= 0:
                break
            missing -= segment.bytes
            doomed.append(segment)
            if self._home.get(segment.logical) != self._node:
                log.warning(
                    "disk %s: free space below its floor: deleting %s, footage of an outage of %s",
                    self._volume.letter,
                    segment.id,
                    segment.logical,
                )
        if not doomed and not self._all_held and self._holds.active(now_us):
            log.error("disk %s: free space below its floor, and legal holds keep what is left", self._volume.letter)
        self._all_held = not doomed
        return self._delete(doomed, now_us)

    def _deletable(self, now_us: int, **which: Any) -> Iterator[Segment]:
        """Closed segments here that no legal hold covers, oldest first."""
        held = self._holds.active(now_us)
        began_us: int | None = None
        last: set[str] = set()
        while True:
            rows = self._catalogue.held(
                self._node, self._volume.letter, state="closed", began_from_us=began_us, limit=_PAGE, **which
            )
            yield from (row for row in rows if row.id not in last and not is_held(row, held))
            if len(rows) < _PAGE or rows[-1].start_us == began_us:
                return
            began_us, last = rows[-1].start_us, {row.id for row in rows}

    def _delete(self, segments: Sequence[Segment], now_us: int) -> int:
        if not segments:
            return 0
        gone: list[str] = []
        try:
            with self._volume.root() as root:
                for segment in segments:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(segment.path, dir_fd=root)
                    gone.append(segment.id)
                for directory in {segment.path.rpartition("/")[0] for segment in segments}:
                    _remove_if_over(root, directory, now_us)
        finally:
            self._catalogue.remove(gone)
        return len(gone)


def _remove_if_over(root: int, directory: str, now_us: int) -> None:
    """Remove an empty day directory; not that of a day on which a segment may just begin."""
    if directory[-8:] < day_of(now_us - _DAY_US):
        with contextlib.suppress(OSError):  # not empty yet
            os.rmdir(directory, dir_fd=root)
