"""Copy: bytes of redirected footage move home, verified, and are then freed where they came from.

The order makes every crash harmless: `PATH.part` grows and is resumed; its hash must be the peer's; file and directory
are synced; it gets its name; the row names this server as holder; only then the peer is told to free its copy, which it
does if its own bytes, read again, have that hash. Before that, home learns the legal holds that the peer knows. What a
crash leaves is found again from files and rows alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from understudy.durable import sync_directory
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks, FootageError
from understudy.footage.hold_exchange import HoldExchange
from understudy.footage.holds import HoldError, is_held
from understudy.footage.model import Segment
from understudy.footage.peers import PeerError, Peers
from understudy.footage.redirect import Redirect
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: leaves most of a gigabit and of a disk to recording
LIMIT_BYTES_PER_S = 32 * 1024 * 1024
POLL_S = 0.5
RETRY_S = 1.0
RETRY_MAX_S = 60.0

#: names of the logical servers this server carries now
Carried = Callable[[], Awaitable[set[str]]]


class Corrupt(Exception):
    """Bytes that arrived are not those the peer has."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in hex; OSError as it comes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Copier:
    """Brings footage home, one segment at a time, the oldest first."""

    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        disks: Disks,
        peers: Peers,
        redirect: Redirect,
        carried: Carried,
        holds: HoldExchange,
    ) -> None:
        self._plan = plan
        self._catalogue = catalogue
        self._disks = disks
        self._peers = peers
        self._redirect = redirect
        self._carried = carried
        self._holds = holds
        self._days = {
            (logical.name, camera.number, track.name): track.days
            for logical in plan.logical
            for camera in logical.cameras
            for track in camera.tracks
        }
        #: id -> (monotonic time before which it is not tried again, the pause after the next failure)
        self._pause: dict[str, tuple[float, float]] = {}
        self._trouble = ""

    async def run(self) -> None:
        """Copy until cancelled."""
        while True:
            if not await self.round():
                await asyncio.sleep(POLL_S)

    async def round(self) -> bool:
        """Bring the oldest segment that can be brought now; False when there is none."""
        try:
            work = self._work(await self._carried())
        except HoldError as error:
            if str(error) != self._trouble:
                log.error("copy: %s", error)
            self._trouble = str(error)
            return False
        self._trouble = ""
        if not work:
            return False
        row, peer = min(work, key=lambda item: (item[0].start_us, item[0].id))
        try:
            await self._bring(row, peer)
            self._redirect.held.get((peer, row.logical), {}).pop(row.id, None)
            self._pause.pop(row.id, None)
        except (PeerError, FootageError, HoldError, Corrupt, OSError, sqlite3.Error) as error:
            pause_s = self._pause.get(row.id, (0.0, RETRY_S))[1]
            log.warning("copy of %s from %s: %s; again in %g s", row.id, peer, error, pause_s)
            self._pause[row.id] = (time.monotonic() + pause_s, min(2 * pause_s, RETRY_MAX_S))
        return True

    def _work(self, carried: set[str]) -> list[tuple[Segment, str]]:
        """Closed segments that a peer holds and that belong here now, each with that peer."""
        held = self._holds.book.active(time.time_ns() // 1000)
        found = [
            (row, peer)
            for (peer, logical), rows in self._redirect.held.items()
            if logical in carried
            for row in rows.values()
            if row.state == "closed" and (is_held(row, held) or not self._expired(row))
        ]
        known = {row.id for row, _ in found}
        self._pause = {id: pause for id, pause in self._pause.items() if id in known}
        now_s = time.monotonic()
        return [(row, peer) for row, peer in found if self._pause.get(row.id, (0.0, 0.0))[0] <= now_s]

    def _expired(self, row: Segment) -> bool:
        """Whether retention would delete the segment as soon as it is here."""
        days = self._days.get((row.logical, row.camera, row.track))
        return days is not None and row.end_us < (time.time() - days * 86400) * 1e6

    async def _bring(self, row: Segment, peer: str) -> None:
        """Do what is left to do for one segment, up to freeing it at `peer`."""
        if not row.sha256:  # recorded where it was at home then
            row = msgspec.structs.replace(row, sha256=await self._peers.sha256(peer, row.id))
        path = self._disks.path(row)
        known = await asyncio.to_thread(self._catalogue.segment, row.id)
        if known is None or not self._is_home(known, row, path):
            await self._fetch(row, peer, path)
            async with self._redirect.lock:
                home = msgspec.structs.replace(row, holder=self._plan.node)
                await asyncio.to_thread(self._catalogue.put, [home])
            log.info("%s is home from %s, %d bytes", row.id, peer, row.bytes)
        await self._holds.learn(peer)  # a hold that the peer knows has to be known here before its bytes are here alone
        try:
            await self._peers.free(peer, row.id, row.sha256)
        except PeerError as error:
            if error.status != 404:  # freed already: its answer was lost, or the row was read before
                raise

    def _is_home(self, known: Segment, row: Segment, path: Path) -> bool:
        """Whether the bytes of `row` are here, verified when they came."""
        if (known.holder, known.sha256) != (self._plan.node, row.sha256):
            return False
        return path.exists() and path.stat().st_size == row.bytes

    async def _fetch(self, row: Segment, peer: str, path: Path) -> None:
        """Have the peer's bytes at `path`, durably; Corrupt when what arrived has another hash (and is thrown away)."""
        if path.exists() and await asyncio.to_thread(file_sha256, path) == row.sha256:
            return  # a crash came between the file's name and its row
        self._require_room(row)
        part = path.with_name(path.name + ".part")
        await asyncio.to_thread(_make_parents, path.parent, self._disks.root(row.disk))
        if not part.exists() or part.stat().st_size < row.bytes:
            await self._download(row, peer, part)
        arrived = await asyncio.to_thread(file_sha256, part)
        if arrived != row.sha256:
            size = part.stat().st_size
            part.unlink()
            raise Corrupt(f"{size} of {row.bytes} bytes arrived with hash {arrived[:12]}, not {row.sha256[:12]}")
        await asyncio.to_thread(_name_durably, part, path)

    async def _download(self, row: Segment, peer: str, part: Path) -> None:
        """Append what is missing of `part`, no faster than the limit."""
        began_s = time.monotonic()
        received = 0
        part.touch(0o640)
        with part.open("ab", buffering=0) as file:
            async with self._peers.content(peer, row.id, part.stat().st_size) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(file.write, block)
                    received += len(block)
                    ahead_s = received / LIMIT_BYTES_PER_S - (time.monotonic() - began_s)
                    if ahead_s > 0:
                        await asyncio.sleep(ahead_s)

    def _require_room(self, row: Segment) -> None:
        """FootageError when the bytes do not fit.

        A full letter is normal: retention keeps it at its floor. Footage newer than the oldest there may use half of
        the floor, and retention makes up for it by deleting the oldest.
        """
        room, floor = self._disks.room_bytes(row.disk), self._disks.floor_bytes(row.disk)
        oldest = self._catalogue.held(self._plan.node, row.disk, limit=1)
        if oldest and oldest[0].start_us < row.start_us:
            room += floor // 2
        if room < row.bytes:
            raise FootageError(f"no room on disk letter {row.disk} of {self._plan.node}")


def _make_parents(directory: Path, root: Path) -> None:
    """Make `directory` below `root` and sync every directory that got a new entry."""
    missing = []
    while not directory.exists() and directory != root:
        missing.append(directory)
        directory = directory.parent
    for made in reversed(missing):
        made.mkdir(0o750, exist_ok=True)
        sync_directory(made.parent)


def _name_durably(part: Path, path: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    sync_directory(path.parent)
