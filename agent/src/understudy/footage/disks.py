"""Where a segment's bytes lie on this server. Turns rows into paths; never trusts a row's text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from understudy.footage.model import Segment
from understudy.site.plan import Server


class FootageError(Exception):
    """Footage cannot be read or written; the text is one sentence for people."""


class Disks:
    """This server's disk letters. `mounted` tells a mount point from a bare directory, which is no disk letter."""

    def __init__(self, server: Server, mounted: Callable[[Path], bool] = os.path.ismount) -> None:
        self._disks = {disk.letter: disk for disk in server.disks}
        self._server = server.name
        self._mounted = mounted

    def root(self, letter: str) -> Path:
        """The mounted disk letter; FootageError when this server has none or it is not there."""
        disk = self._disks.get(letter)
        if disk is None:
            raise FootageError(f"{self._server} has no disk letter {letter}")
        path = Path(disk.path)
        if not self._mounted(path):
            raise FootageError(f"disk letter {letter} of {self._server} is not mounted at {path}")
        return path

    def path(self, segment: Segment) -> Path:
        """Where the bytes of `segment` are or belong; FootageError for a missing letter or a path leading elsewhere."""
        relative = PurePosixPath(segment.path)
        if relative.is_absolute() or not relative.parts or ".." in relative.parts or "\0" in segment.path:
            raise FootageError(f"segment {segment.id!r} has the impossible path {segment.path!r}")
        return self.root(segment.disk) / relative

    def room_bytes(self, letter: str) -> int:
        """Free bytes of the letter above the floor that retention keeps; negative below it."""
        found = os.statvfs(self.root(letter))
        return found.f_bavail * found.f_frsize - self._disks[letter].free_floor_bytes

    def floor_bytes(self, letter: str) -> int:
        """What retention keeps free of the letter."""
        return self._disks[letter].free_floor_bytes
