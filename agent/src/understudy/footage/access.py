"""Footage wherever it lies: rows, frame indexes and bytes, from this server's letters or from whoever holds them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks, FootageError
from understudy.footage.model import Segment, SegmentIndex, StreamKind
from understudy.footage.peers import PeerError, Peers
from understudy.footage.timeline import Timeline, build, needed
from understudy.recorder.fmp4 import scan
from understudy.site.plan import Plan

#: frame indexes fetched from one another's servers at a time
PARALLEL = 4
#: the row of a segment being written lags behind its file by at most so much
LAG_US = 5_000_000


class Footage:
    """Reads footage of the whole site as this server sees it.

    `catalogue` is None where there is none (yet). `silent` collects, per server that did not answer, the reason;
    servers in `skip` (with the reason) are not asked at all.
    """

    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue | None,
        disks: Disks,
        peers: Peers,
        skip: Mapping[str, str] | None = None,
    ) -> None:
        self._plan = plan
        self._catalogue = catalogue
        self._disks = disks
        self._peers = peers
        self._limit = asyncio.Semaphore(PARALLEL)
        self._skip = dict(skip or {})
        self.silent: dict[str, str] = dict(self._skip)

    async def rows(
        self, logical: str, camera: int, from_us: int | None = None, to_us: int | None = None
    ) -> list[Segment]:
        """Rows of every server that answers, by start; where two know of a segment, this server's copy or the holder's
        own word counts."""
        others = self._peers.servers.items()
        asked = [name for name, server in others if server.kind != "witness" and name not in self._skip]
        if from_us is not None:
            from_us -= LAG_US
        answers = await asyncio.gather(*(self._rows_of(name, logical, camera, from_us, to_us) for name in asked))
        told = {row.id: row for rows in answers for row in rows}
        local = {row.id: row for row in self.local_rows(logical, camera, from_us, to_us)}
        mine = {row.id: row for row in local.values() if row.holder == self._plan.node}
        # Redirected rows of a server that does not answer; one that does would have listed them if it still had them.
        unanswered = {row.id: row for row in local.values() if row.holder in self.silent}
        return sorted({**unanswered, **told, **mine}.values(), key=lambda row: (row.start_us, row.id))

    def local_rows(
        self, logical: str, camera: int, from_us: int | None = None, to_us: int | None = None
    ) -> list[Segment]:
        """What this server's catalogue knows, redirected footage included."""
        if self._catalogue is None:
            return []
        return self._catalogue.segments(logical, camera, from_us=from_us, to_us=to_us)

    async def _rows_of(
        self, name: str, logical: str, camera: int, from_us: int | None, to_us: int | None
    ) -> list[Segment]:
        query = f"&camera={camera}"
        query += f"&from_us={from_us}" if from_us is not None else ""
        query += f"&to_us={to_us}" if to_us is not None else ""
        try:
            listing = await self._peers.segments(name, logical, query=query)
        except PeerError as error:
            self.silent[name] = str(error)
            return []
        return list(listing.segments) if listing else []

    async def index(self, segment: Segment) -> SegmentIndex:
        """The frame index; FootageError or PeerError when the holder cannot be asked or has no such file."""
        segment = self._newest(segment)
        if segment.holder in self._skip:
            raise FootageError(self._skip[segment.holder])
        if segment.holder != self._plan.node:
            async with self._limit:
                return await self._peers.index(segment.holder, segment.id)
        path = self._disks.path(segment)
        try:
            return await asyncio.to_thread(scan.scan, path)
        except (OSError, ValueError) as error:
            raise FootageError(f"segment {segment.id}: {error}") from error

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Exactly `size` bytes; FootageError or PeerError when they cannot be had."""
        segment = self._newest(segment)
        if segment.holder == self._plan.node:
            data = await asyncio.to_thread(_pread, self._disks.path(segment), offset, size)
        else:
            collected = bytearray()
            async with self._peers.content(segment.holder, segment.id, offset, offset + size) as blocks:
                async for block in blocks:
                    collected += block
            data = bytes(collected)
        if len(data) != size:
            raise FootageError(f"segment {segment.id} on {segment.holder} ends early")
        return data

    def _newest(self, segment: Segment) -> Segment:
        """The row as it is now: its bytes may have come home since it was read."""
        if segment.holder == self._plan.node or self._catalogue is None:
            return segment
        return self._catalogue.segment(segment.id) or segment

    async def timeline(
        self, rows: Iterable[Segment], stream: StreamKind, from_us: int | None = None, to_us: int | None = None
    ) -> Timeline:
        """The timeline of `rows` of one camera and track; segments whose holder is silent are named in it."""
        chosen = [row for row in rows if row.stream == stream]
        wanted = needed(chosen, from_us, to_us)
        indexes = await self._indexes([row for row in chosen if row.id in wanted])
        return await asyncio.to_thread(build, chosen, indexes, from_us, to_us)

    async def _indexes(self, rows: list[Segment]) -> dict[str, SegmentIndex]:
        results = await asyncio.gather(*(self.index(row) for row in rows), return_exceptions=True)
        found: dict[str, SegmentIndex] = {}
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, SegmentIndex):
                found[row.id] = result
            elif not isinstance(result, (FootageError, PeerError)):
                raise result
        return found


def _pread(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise FootageError(f"{path}: {error.strerror}") from error
