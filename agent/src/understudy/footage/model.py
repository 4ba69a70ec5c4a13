"""The terms of footage: segment, frame, span. Pure data, no I/O.

A *segment* is one file of one elementary stream. A *frame index* names every frame in it by the CRC-32 of its slices.
"""

from __future__ import annotations

from typing import Literal

import msgspec

StreamKind = Literal["video", "audio"]
_EVENT = "~event"


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Written at the head of every segment file, so that a catalogue can be rebuilt from the files alone."""

    version: int = 1
    logical: str
    camera: int
    track: str
    stream: StreamKind
    codec: str
    clock_rate: int
    #: the physical server that recorded it
    recorder: str
    #: one connection to the camera: within it media times are continuous over segments
    session: str
    start_us: int


def event_session(session: str, event: int) -> str:
    """The session name of a segment that belongs to an event, which is named by the microsecond it began at."""
    return f"{session}{_EVENT}{event}"


def event_of(session: str) -> str:
    """What event a segment of this session belongs to; "" for tracks that record all the time."""
    return session.partition(_EVENT)[2].partition(".")[0]


class Frame(msgspec.Struct, frozen=True, array_like=True):
    crc: int
    #: capture time, microseconds since the epoch
    wall_us: int
    #: decode time in clock ticks, continuous within the session
    dts: int
    #: presentation offset in clock ticks
    cts: int
    key: bool
    #: where its bytes are in the file
    offset: int
    size: int


class SegmentIndex(msgspec.Struct, frozen=True, kw_only=True):
    """All that a segment file says of itself."""

    header: SegmentHeader
    #: bytes of ftyp + header box + moov, at the start of the file
    init_size: int
    #: (offset, size) of every whole part (index box + prft + moof + mdat), in file order
    parts: tuple[tuple[int, int], ...]
    frames: tuple[Frame, ...]
    #: bytes up to the end of the last whole part; anything behind is a torn tail
    whole_size: int


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the catalogue: a segment file, and which server holds its bytes."""

    #: `<recorder>/<path>`: the same on every server, for ever
    id: str
    logical: str
    camera: int
    track: str
    stream: StreamKind
    recorder: str
    session: str
    disk: str
    #: below the disk letter's mount point: LOGICAL/CAMERA/TRACK/YYYYMMDD/HHMMSS.mmm_RECORDER.{v,a}.mp4 (UTC)
    path: str
    start_us: int
    #: capture time of the last frame; grows while the segment is open
    end_us: int
    frames: int
    bytes: int
    #: open: being written here; closed: whole; torn: ended by a crash (cut to whole parts)
    state: Literal["open", "closed"]
    #: the server that holds the bytes: a row with another holder is redirected footage
    holder: str
    #: of the file's bytes, in hex, as they were written; empty for what was recorded at its home, and when not known
    sha256: str = ""
