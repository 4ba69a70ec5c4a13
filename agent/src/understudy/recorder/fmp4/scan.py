"""Reading a segment file back: its header, and the index of every whole part. Reads, never writes.

Strict: a part counts only when it is laid out exactly as `fragment.py` does and lies wholly in the file. So a file cut
at any byte (crash, power cut), or followed by anything else, has a well-defined whole size. Bounded: pictures are never
read; what is read of a part and the number of parts are limited, whatever the file says.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from understudy.footage.model import Frame, SegmentHeader, SegmentIndex
from understudy.recorder.fmp4.boxes import BOX_HEADER, HEADER_UUID, INDEX_UUID, read_box, read_full_box
from understudy.recorder.fmp4.fragment import (
    FLAG_KEY,
    INDEX_HEAD,
    INDEX_RECORD,
    INDEX_VERSION,
    MAX_FRAMES,
    PRFT_BODY,
    PRFT_FLAGS,
    SAMPLE_RECORD,
    TFDT_BODY,
    TFHD_FLAGS,
    TRUN_BODY,
    TRUN_FLAGS,
)

#: ftyp + header + moov; 31 SPS and 255 PPS of usual length are 10 kB
_MAX_INIT_BYTES = 256 * 1024
#: the head of a part of 50 frames fits into one read; that of one of MAX_FRAMES is 29 kB
_FIRST_READ_BYTES = 2048
#: 18 hours of parts in one file: two seconds of scanning
MAX_PARTS = 65_536

#: what every reader of a header may count on: nothing divides by zero, everything fits into a row
_MAX_CLOCK_RATE, _MAX_CAMERA = 1_000_000, 1_000_000

_WORD = struct.Struct(">I")


class _Part(NamedTuple):
    """A whole part: its bytes (head and pictures) and its frames."""

    size: int
    frames: list[Frame]


def header(path: Path) -> SegmentHeader:
    """What the segment file `path` says of itself; ValueError for what is no segment of ours, OSError as it comes."""
    with path.open("rb", buffering=0) as file:
        return _init(file.fileno(), path)[0]


def scan(path: Path) -> SegmentIndex:
    """The index of `path`, also while it is being written. ValueError for what is no segment of ours, OSError as it is.

    What is behind the last whole part is left out and shows as `whole_size` smaller than the file. About 2 ms for 60 s.
    """
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        found, init_size = _init(descriptor, path)
        end = os.fstat(descriptor).st_size
        parts: list[tuple[int, int]] = []
        frames: list[Frame] = []
        offset = init_size
        while offset < end and len(parts) < MAX_PARTS:
            part = part_at(descriptor, offset, end)
            if part is None:
                break
            parts.append((offset, part.size))
            frames.extend(part.frames)
            offset += part.size
    return SegmentIndex(header=found, init_size=init_size, parts=tuple(parts), frames=tuple(frames), whole_size=offset)


def part_at(descriptor: int, offset: int, end: int) -> _Part | None:
    """The whole part at `offset` of a file of `end` bytes; None when there is none (a torn or foreign tail)."""
    data = os.pread(descriptor, min(_FIRST_READ_BYTES, end - offset), offset)
    try:
        needed = _head_size(data)
        if needed > len(data):
            data = os.pread(descriptor, min(needed, end - offset), offset)
        part = _head(data, offset)
    except ValueError:
        return None
    return part if offset + part.size <= end else None


def _init(descriptor: int, path: Path) -> tuple[SegmentHeader, int]:
    """The header of the file and the size of its initialisation section."""
    data = os.pread(descriptor, _MAX_INIT_BYTES, 0)
    try:
        offset = read_box(data, 0, b"ftyp").end
        own = read_box(data, offset, b"uuid")
        if data[own.body : own.body + 16] != HEADER_UUID:
            raise ValueError("its uuid box is not ours")
        found = msgspec.json.decode(data[own.body + 16 : own.end], type=SegmentHeader)
        size = read_box(data, own.end, b"moov").end
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not a segment of ours: {error}") from error
    if found.version != 1:
        raise ValueError(f"{path}: a segment of version {found.version}, this release reads version 1")
    if not (
        0 < found.clock_rate <= _MAX_CLOCK_RATE and 0 < found.camera <= _MAX_CAMERA and 0 <= found.start_us < 2**62
    ):
        raise ValueError(f"{path}: not a segment of ours: its header holds impossible numbers")
    return found, size


def _head_size(data: bytes) -> int:
    """Bytes of the head of a part (mdat's header included), from the sizes its boxes state; ValueError when absurd.

    Needs the index box's header only: the sizes of the others follow from its number of frames.
    """
    if len(data) < 8 + INDEX_HEAD.size:
        raise ValueError("torn in the index box")
    _, kind = BOX_HEADER.unpack_from(data, 0)
    count: int
    user_type, version, count = INDEX_HEAD.unpack_from(data, 8)
    if kind != b"uuid" or user_type != INDEX_UUID or version != INDEX_VERSION << 24 or not 0 < count <= MAX_FRAMES:
        raise ValueError("not an index box of ours")
    index = 8 + INDEX_HEAD.size + count * INDEX_RECORD.size
    prft = 12 + PRFT_BODY.size
    moof = 8 + 16 + 8 + 16 + (12 + TFDT_BODY.size) + (12 + TRUN_BODY.size + count * SAMPLE_RECORD.size)
    return index + prft + moof + 8


def _head(data: bytes, offset: int) -> _Part:
    """Take apart the head of the part at `offset` of the file; ValueError for any other layout than ours."""
    index = read_box(data, 0, b"uuid")
    count = INDEX_HEAD.unpack_from(data, index.body)[2]
    if index.end != index.body + INDEX_HEAD.size + count * INDEX_RECORD.size:
        raise ValueError("the index box does not hold what it counts")
    prft = read_full_box(data, index.end, b"prft", 1, PRFT_FLAGS, PRFT_BODY)
    moof = read_box(data, prft.end, b"moof")
    mfhd = read_full_box(data, moof.body, b"mfhd", 0, 0, _WORD)
    traf = read_box(data, mfhd.end, b"traf")
    tfhd = read_full_box(data, traf.body, b"tfhd", 0, TFHD_FLAGS, _WORD)
    tfdt = read_full_box(data, tfhd.end, b"tfdt", 1, 0, TFDT_BODY)
    trun = read_full_box(data, tfdt.end, b"trun", 1, TRUN_FLAGS, TRUN_BODY)
    first = trun.body + TRUN_BODY.size
    if TRUN_BODY.unpack_from(data, trun.body) != (count, moof.end - prft.end + 8):
        raise ValueError("the run does not match the index or the place of mdat")
    if not trun.end == traf.end == moof.end == first + count * SAMPLE_RECORD.size:
        raise ValueError("the fragment does not hold what it counts")
    if moof.end + 8 > len(data):
        raise ValueError("torn before mdat")
    mdat_size, kind = BOX_HEADER.unpack_from(data, moof.end)
    records = INDEX_RECORD.iter_unpack(data[index.body + INDEX_HEAD.size : index.end])
    samples = SAMPLE_RECORD.iter_unpack(data[first : trun.end])
    decode_time = TFDT_BODY.unpack_from(data, tfdt.body)[0]
    frames, behind = _frames(records, samples, decode_time, offset + moof.end + 8)
    whole = moof.end + mdat_size
    if kind != b"mdat" or offset + whole != behind:
        raise ValueError("mdat does not hold what the run counts")
    return _Part(whole, frames)


def _frames(
    records: Iterator[tuple[int, ...]], samples: Iterator[tuple[int, ...]], decode_time: int, offset: int
) -> tuple[list[Frame], int]:
    """Join index records and sample records; the first picture is at `offset`. Also returns where the last one ends."""
    frames = []
    for (crc, wall_us, flags), (duration, size, _, composition) in zip(records, samples, strict=True):
        frames.append(Frame(crc, wall_us, decode_time, composition, bool(flags & FLAG_KEY), offset, size))
        decode_time += duration
        offset += size
    return frames, offset
