"""Walks the boxes of an MP4 file, fragmented or not, to the samples of its H.264 or H.265 track, or of its
sound. Bytes in, no files.

A torn tail, as a crash leaves it, is no error: samples that are not wholly in the file are left out and `torn` is set.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_FIRST_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"uuid", b"free")
_VISUAL_ENTRY, _FULL = 78, 4
#: per sample entry the box with the decoder configuration, and where in it the length of lengths is
_CONFIGURATIONS = {b"avc1": (b"avcC", 4), b"avc3": (b"avcC", 4), b"hvc1": (b"hvcC", 21), b"hev1": (b"hvcC", 21)}


@dataclass(frozen=True, slots=True)
class Box:
    """`start` is where its header starts, `body` where its content does; `end` may lie behind a torn file's end."""

    kind: bytes
    start: int
    body: int
    end: int


@dataclass(slots=True)
class Movie:
    """What was read: (offset, size) of every whole sample of the video (or sound) track in decode order."""

    samples: list[tuple[int, int]]
    #: the sample entry (avc1, hvc1, mp4a, ulaw, ...), empty when the file has no such track
    entry: bytes = b""
    #: bytes of the length in front of a NAL unit
    length_size: int = 0
    track: int = 0
    default_size: int = 0
    torn: bool = False


def read(data: bytes, handler: bytes = b"vide") -> Movie:
    """Read the video of a file, or with `soun` its sound. Raises ValueError when it is no MP4.

    An empty or headless torn file is a movie without samples.
    """
    if data and len(data) >= 8 and data[4:8] not in _FIRST_BOXES:
        raise ValueError("not an MP4 file")
    movie = Movie([], torn=not data)
    end = 0
    for box in boxes(data, 0, len(data)):
        end = box.end
        if box.kind == bytes(4):  # zeros: a file that grew on disk before its bytes came
            movie.torn = True
            break
        if box.end > len(data) and box.kind != b"mdat":
            break
        if box.kind == b"moov":
            _read_moov(data, box, movie, handler)
        elif box.kind == b"moof" and movie.entry:
            _read_moof(data, box, movie)
    whole = [(offset, size) for offset, size in movie.samples if offset + size <= len(data)]
    movie.torn = movie.torn or end != len(data) or len(whole) < len(movie.samples)
    movie.samples = whole
    return movie


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets. Ends at the first one whose header is not whole or makes no sense."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            size = struct.unpack_from(">Q", data, body)[0]
            body += 8
        size = size or end - start
        if size < body - start:
            raise ValueError(f"a box of {size} bytes at offset {start}")
        yield Box(kind, start, body, start + size)
        start += size


def _find(data: bytes, start: int, end: int, *path: bytes) -> Box | None:
    for box in boxes(data, start, end):
        if box.kind == path[0]:
            return box if len(path) == 1 else _find(data, box.body, box.end, *path[1:])
    return None


def _need(data: bytes, box: Box, *path: bytes) -> Box:
    found = _find(data, box.body, box.end, *path)
    if found is None:
        raise ValueError(f"no {b'/'.join(path).decode()} in {box.kind.decode()}")
    return found


def _uint(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "big")


def _read_moov(data: bytes, moov: Box, movie: Movie, wanted: bytes) -> None:
    for trak in boxes(data, moov.body, moov.end):
        if trak.kind != b"trak":
            continue
        handler = _need(data, trak, b"mdia", b"hdlr")
        if data[handler.body + 8 : handler.body + 12] != wanted:
            continue
        if movie.entry:
            raise ValueError(f"more than one {wanted.decode()} track")
        table = _need(data, trak, b"mdia", b"minf", b"stbl")
        _read_entries(data, _need(data, table, b"stsd"), movie, video=wanted == b"vide")
        header = _need(data, trak, b"tkhd")
        movie.track = _uint(data, header.body + (20 if data[header.body] else 12))
        movie.samples += _table_samples(data, table)
    for trex in boxes(data, moov.body, moov.end):
        if trex.kind == b"mvex":
            _read_defaults(data, trex, movie)


def _read_defaults(data: bytes, mvex: Box, movie: Movie) -> None:
    for trex in boxes(data, mvex.body, mvex.end):
        if trex.kind == b"trex" and _uint(data, trex.body + 4) == movie.track:
            movie.default_size = _uint(data, trex.body + 16)


def _read_entries(data: bytes, stsd: Box, movie: Movie, *, video: bool) -> None:
    """The sample entries must agree on codec and NAL unit lengths."""
    found = set()
    for entry in boxes(data, stsd.body + _FULL + 4, stsd.end):
        if not video:
            found.add((entry.kind, 0))
            continue
        if entry.kind not in _CONFIGURATIONS:
            raise ValueError(f"video is {entry.kind!r}, the audit reads H.264 and H.265")
        inside = Box(entry.kind, entry.start, entry.body + _VISUAL_ENTRY, entry.end)
        name, offset = _CONFIGURATIONS[entry.kind]
        found.add((entry.kind, 1 + (data[_need(data, inside, name).body + offset] & 3)))
    if len(found) != 1:
        raise ValueError(f"sample entries (codec, NAL unit lengths) {sorted(found)}")
    movie.entry, movie.length_size = found.pop()


def _table_samples(data: bytes, table: Box) -> Iterator[tuple[int, int]]:
    """Samples of a file that is not fragmented: chunk offsets, samples per chunk and sample sizes combined."""
    stsz = _need(data, table, b"stsz")
    fixed, count = struct.unpack_from(">II", data, stsz.body + _FULL)
    sizes = [fixed] * count if fixed else list(struct.unpack_from(f">{count}I", data, stsz.body + _FULL + 8))
    chunks = _chunk_offsets(data, table)
    stsc = _need(data, table, b"stsc")
    runs = [
        struct.unpack_from(">II", data, stsc.body + _FULL + 4 + 12 * index)
        for index in range(_uint(data, stsc.body + _FULL))
    ]
    sample = 0
    for number, offset in enumerate(chunks, start=1):
        for size in sizes[sample : sample + next(per for first, per in reversed(runs) if first <= number)]:
            yield offset, size
            offset += size
            sample += 1


def _chunk_offsets(data: bytes, table: Box) -> list[int]:
    wide = _find(data, table.body, table.end, b"co64")
    box = wide or _need(data, table, b"stco")
    count = _uint(data, box.body + _FULL)
    return list(struct.unpack_from(f">{count}{'Q' if wide else 'I'}", data, box.body + _FULL + 4))


def _read_moof(data: bytes, moof: Box, movie: Movie) -> None:
    for traf in boxes(data, moof.body, moof.end):
        if traf.kind != b"traf":
            continue
        tfhd = _need(data, traf, b"tfhd")
        if _uint(data, tfhd.body + _FULL) == movie.track:
            base, size = _fragment_defaults(data, tfhd)
            _read_traf(data, traf, moof.start if base is None else base, size or movie.default_size, movie)


def _fragment_defaults(data: bytes, tfhd: Box) -> tuple[int | None, int]:
    """What a tfhd says: where data offsets count from (None: the moof), and the default sample size (0: nothing)."""
    flags, at = _uint(data, tfhd.body), tfhd.body + 8
    base = None
    if flags & 0x1:
        base = int.from_bytes(data[at : at + 8], "big")
        at += 8
    at += 4 * (bool(flags & 0x2) + bool(flags & 0x8))
    return base, _uint(data, at) if flags & 0x10 else 0


def _read_traf(data: bytes, traf: Box, base: int, default_size: int, movie: Movie) -> None:
    offset = base
    for trun in boxes(data, traf.body, traf.end):
        if trun.kind != b"trun":
            continue
        flags, count = struct.unpack_from(">II", data, trun.body)
        at = trun.body + 8
        if flags & 0x1:
            offset = base + struct.unpack_from(">i", data, at)[0]
            at += 4
        at += 4 * bool(flags & 0x4)
        before = 4 * bool(flags & 0x100)
        stride = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
        for index in range(count):
            size = _uint(data, at + index * stride + before) if flags & 0x200 else default_size
            movie.samples.append((offset, size))
            offset += size
