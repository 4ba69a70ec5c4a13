"""Memory of a pre-roll ring that outlives the process: a memfd, kept by systemd while the recorder restarts.

Two slots for a table (where the oldest record is, and the sessions), then records of whole reads, appended for ever;
what is trimmed at the front is given back page by page. A crash at any point leaves a valid table, for the slots
take turns, and whole records up to the last one: a torn one reaches beyond the end of the file.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Self

import msgspec

from understudy.recorder.ingest.parser import Session
from understudy.recorder.ingest.sdp import Stream

VERSION = 1
_MAGIC = b"usr1"
#: sparse: a table of one session is 1 kB
_SLOT_BYTES = 1024 * 1024
_SLOT_HEAD = struct.Struct(">4sIII")  # magic, turn, size, CRC-32 of the table
_RECORDS = 2 * _SLOT_BYTES
#: magic, session, size of the data, arrival (microseconds since the epoch, monotonic seconds), CRC-32 of these
_HEAD = struct.Struct(">4sIIqdI")
_PAGE = 4096
_KEEP_SIZE_PUNCH_HOLE = 0x03

_libc = ctypes.CDLL(None, use_errno=True)


class Chunk(NamedTuple):
    """Whole packets of one read."""

    data: bytes
    session: Session
    #: arrival: microseconds since the epoch, and seconds of the monotonic clock
    wall_us: int
    now_s: float
    #: its frames are part of the camera's frame count: it has been in a ring
    counted: bool = False

    @property
    def size(self) -> int:
        return len(self.data)


class Held(NamedTuple):
    """A chunk that lies in a ring's memory."""

    memory: Memory
    #: where its bytes are
    at: int
    size: int
    session: Session
    wall_us: int
    now_s: float

    def load(self) -> Chunk:
        """The chunk with its bytes; OSError when they are no longer there."""
        data = os.pread(self.memory.descriptor, self.size, self.at)
        return Chunk(data, self.session, self.wall_us, self.now_s, counted=True)


class _SessionRow(msgspec.Struct, frozen=True):
    number: int
    name: str
    streams: tuple[Stream, ...]
    parameter_sets: list[bytes]


class _Table(msgspec.Struct, frozen=True):
    version: int
    #: the camera's URL: another camera's packets are of no use
    source: str
    #: where the oldest record begins
    oldest: int
    sessions: list[_SessionRow]


@dataclasses.dataclass(slots=True)
class _Known:
    session: Session
    number: int
    #: where its newest record begins
    newest: int


class Memory:
    """The memfd of one camera; closed when neither ring nor chunks refer to it any more."""

    def __init__(self, source: str, descriptor: int | None = None) -> None:
        """An empty one, or (`restore`) what `descriptor` holds."""
        self.descriptor = os.memfd_create("pre-roll", os.MFD_CLOEXEC) if descriptor is None else descriptor
        self._source = source
        self._turn = 0
        self._oldest = self._end = _RECORDS
        self._given_back = _RECORDS
        self._known: dict[int, _Known] = {}
        self._sessions = 0

    def __del__(self) -> None:
        os.close(self.descriptor)

    def add(self, chunk: Chunk) -> Held:
        """Keep `chunk`; OSError when there is no memory, and then it is not kept."""
        known = self._known.get(id(chunk.session))
        if known is None:
            self._sessions += 1
            known = self._known[id(chunk.session)] = _Known(chunk.session, self._sessions, self._end)
            self._write_table()
        fields = _HEAD.pack(_MAGIC, known.number, chunk.size, chunk.wall_us, chunk.now_s, 0)[:-4]
        head = fields + zlib.crc32(fields).to_bytes(4, "big")
        written = os.pwritev(self.descriptor, (head, chunk.data), self._end)
        if written != len(head) + chunk.size:
            raise MemoryError("no memory for the pre-roll")
        held = Held(self, self._end + len(head), chunk.size, chunk.session, chunk.wall_us, chunk.now_s)
        known.newest = self._end
        self._end += written
        return held

    def drop_before(self, held: Held | None) -> None:
        """Give back what lies before `held`, everything when it is None."""
        self._oldest = held.at - _HEAD.size if held is not None else self._end
        self._known = {key: known for key, known in self._known.items() if known.newest >= self._oldest}
        self._write_table()
        page = self._oldest // _PAGE * _PAGE
        if page > self._given_back:
            _punch(self.descriptor, self._given_back, page - self._given_back)
            self._given_back = page

    def _write_table(self) -> None:
        rows = [
            _SessionRow(known.number, known.session.name, known.session.streams, known.session.parameter_sets)
            for known in self._known.values()
        ]
        body = msgspec.json.encode(_Table(VERSION, self._source, self._oldest, rows))
        if _SLOT_HEAD.size + len(body) > _SLOT_BYTES:  # a camera with parameter sets of this size is up to no good
            body = msgspec.json.encode(_Table(VERSION, self._source, self._oldest, []))
        self._turn += 1
        head = _SLOT_HEAD.pack(_MAGIC, self._turn, len(body), zlib.crc32(body))
        os.pwritev(self.descriptor, (head, body), self._turn % 2 * _SLOT_BYTES)

    @classmethod
    def restore(cls, descriptor: int, source: str) -> tuple[Self, list[Held]] | None:
        """What another process left in `descriptor`, which is closed when it is of no use; None then.

        The memory of this `source` goes on behind its last whole record.
        """
        memory = cls(source, descriptor)
        tables = [(turn, table) for turn, table in memory._tables() if table.source == source]
        if not tables:
            return None
        memory._turn, table = max(tables, key=lambda item: item[0])
        sessions = {row.number: Session(row.streams, row.name, row.parameter_sets) for row in table.sessions}
        memory._sessions = max(sessions, default=0)
        memory._known = {id(session): _Known(session, number, -1) for number, session in sessions.items()}
        memory._oldest = memory._end = table.oldest
        memory._given_back = max(_RECORDS, table.oldest // _PAGE * _PAGE)
        held = list(memory._records(sessions))
        os.ftruncate(descriptor, memory._end)
        return memory, held

    def _tables(self) -> Iterator[tuple[int, _Table]]:
        for slot in (0, _SLOT_BYTES):
            head = os.pread(self.descriptor, _SLOT_HEAD.size, slot)
            if len(head) < _SLOT_HEAD.size or not head.startswith(_MAGIC):
                continue
            _, turn, size, crc = _SLOT_HEAD.unpack(head)
            body = os.pread(self.descriptor, min(size, _SLOT_BYTES), slot + _SLOT_HEAD.size)
            if zlib.crc32(body) != crc:
                continue
            try:
                table = msgspec.json.decode(body, type=_Table)
            except msgspec.DecodeError:  # of another release
                continue
            if table.version == VERSION and table.oldest >= _RECORDS:
                yield turn, table

    def _records(self, sessions: dict[int, Session]) -> Iterator[Held]:
        size = os.fstat(self.descriptor).st_size
        while self._end + _HEAD.size <= size:
            head = os.pread(self.descriptor, _HEAD.size, self._end)
            magic, number, length, wall_us, now_s, crc = _HEAD.unpack(head)
            begins = self._end + _HEAD.size
            if magic != _MAGIC or zlib.crc32(head[:-4]) != crc or begins + length > size or number not in sessions:
                return
            session = sessions[number]
            self._known[id(session)].newest = self._end
            self._end = begins + length
            yield Held(self, begins, length, session, wall_us, now_s)


def _punch(descriptor: int, at: int, length: int) -> None:
    """Give the pages of a part of the file back; OSError as it comes."""
    if _libc.fallocate(descriptor, _KEEP_SIZE_PUNCH_HOLE, ctypes.c_long(at), ctypes.c_long(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
