"""Writing one plain MP4 (media first, tables behind) of a video and perhaps an audio track. Reads nothing.

A plain file rather than fragments because every player takes it. Until `finish` the file is not playable: write to a
temporary name. Tables are kept in memory, 17 bytes a frame. A sample of G.711 is what one packet held, as recorded: it
needs no key frames and no decoder configuration, and players find it by the sample entry `ulaw` or `alaw`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import BinaryIO, NamedTuple

from understudy.footage.model import StreamKind
from understudy.recorder.fmp4.boxes import box, full_box, read_box

#: of the movie header and the edit lists
TIMESCALE = 90_000
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_STSD_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


class Sample(NamedTuple):
    """A frame of a chunk: its size in bytes, decode time and presentation offset in ticks of the track."""

    size: int
    dts: int
    cts: int
    key: bool


def sample_entry(init: bytes) -> bytes:
    """The sample description (avc1, mp4a, ...) of an initialisation section; ValueError when there is none."""
    start, end = 0, len(init)
    for kind in _STSD_PATH:
        while start < end and init[start + 4 : start + 8] != kind:
            size = int.from_bytes(init[start : start + 4], "big")
            if size < 8:
                raise ValueError("not a sequence of boxes")
            start += size
        found = read_box(init[:end], start, kind)
        start, end = found.body, found.end
    return init[start + 8 : end]  # behind version, flags and the count of entries, which is one


class Track:
    """Tables of one track. Decode times begin at 0; `start_us` is where the track begins in the movie."""

    def __init__(self, stream: StreamKind, timescale: int, start_us: int) -> None:
        self.stream = stream
        self.timescale = timescale
        self.start_us = start_us
        self._entries: list[bytes] = []
        self._sizes = array("I")
        self._dts = array("q")
        self._cts = array("i")
        self._keys = array("I")
        #: offset in the file, frames, number of the sample description
        self._chunks: list[tuple[int, int, int]] = []

    @property
    def frames(self) -> int:
        """Samples so far."""
        return len(self._sizes)

    def add(self, offset: int, entry: bytes, samples: Sequence[Sample]) -> None:
        """Note a chunk of samples that lies at `offset` of the file and is described by `entry`."""
        if entry not in self._entries:
            self._entries.append(entry)
        self._chunks.append((offset, len(samples), self._entries.index(entry) + 1))
        for sample in samples:
            self._sizes.append(sample.size)
            self._dts.append(sample.dts)
            self._cts.append(sample.cts)
            if sample.key:
                self._keys.append(len(self._sizes))

    def _durations(self) -> list[int]:
        steps = [after - before for before, after in pairwise(self._dts)]
        return [*steps, steps[-1] if steps else self.timescale // 25]

    def seconds(self) -> float:
        """Length of the media, without the pause before it."""
        return sum(self._durations()) / self.timescale

    def duration(self) -> int:
        """Length with the pause before its start, in ticks of the movie."""
        return self._delay() + sum(self._durations()) * TIMESCALE // self.timescale

    def _delay(self) -> int:
        return self.start_us * TIMESCALE // 1_000_000

    def trak(self, number: int) -> bytes:
        """The `trak` box."""
        video = self.stream == "video"
        size = self._entries[0][32:36] if video else bytes(4)
        dimensions = size[:2] + bytes(2) + size[2:] + bytes(2)
        volume = 0 if video else 0x100
        times = struct.pack(">QQIIQ", 0, 0, number, 0, self.duration())
        tkhd = full_box(b"tkhd", 1, 3, times, struct.pack(">8xHHHH", 0, 0, volume, 0), _MATRIX, dimensions)
        media = struct.pack(">QQIQHH", 0, 0, self.timescale, sum(self._durations()), 0x55C4, 0)
        handler = (b"vide", b"video\0") if video else (b"soun", b"audio\0")
        hdlr = full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler[0]), handler[1])
        header = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
        dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
        minf = box(b"minf", header, dinf, self._stbl())
        return box(b"trak", tkhd, self._edts(), box(b"mdia", full_box(b"mdhd", 1, 0, media), hdlr, minf))

    def _edts(self) -> bytes:
        """A pause first when the track begins later than the movie; then the media from its first shown frame."""
        pause = struct.pack(">QqHH", self._delay(), -1, 1, 0) if self._delay() else b""
        shown = sum(self._durations()) * TIMESCALE // self.timescale
        media = struct.pack(">QqHH", shown, self._cts[0], 1, 0)
        return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", 2 if pause else 1), pause, media))

    def _stbl(self) -> bytes:
        boxes = [
            full_box(b"stsd", 0, 0, struct.pack(">I", len(self._entries)), *self._entries),
            full_box(b"stts", 0, 0, _run_lengths(self._durations(), ">II")),
        ]
        if any(self._cts):
            boxes.append(full_box(b"ctts", 1, 0, _run_lengths(self._cts, ">Ii")))
        if len(self._keys) < len(self._sizes):
            boxes.append(full_box(b"stss", 0, 0, struct.pack(">I", len(self._keys)), _words(self._keys)))
        boxes.append(full_box(b"stsc", 0, 0, self._stsc()))
        boxes.append(full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(self._sizes)), _words(self._sizes)))
        offsets = struct.pack(f">{len(self._chunks)}Q", *(offset for offset, _, _ in self._chunks))
        boxes.append(full_box(b"co64", 0, 0, struct.pack(">I", len(self._chunks)), offsets))
        return box(b"stbl", *boxes)

    def _stsc(self) -> bytes:
        records = []
        before = None
        for number, (_, frames, entry) in enumerate(self._chunks, start=1):
            if (frames, entry) != before:
                records.append(struct.pack(">III", number, frames, entry))
                before = (frames, entry)
        return struct.pack(">I", len(records)) + b"".join(records)


def _run_lengths(values: Sequence[int], layout: str) -> bytes:
    records = [struct.pack(layout, len(list(same)), value) for value, same in groupby(values)]
    return struct.pack(">I", len(records)) + b"".join(records)


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


class Movie:
    """An MP4 file being written to `file`, which must be seekable and empty."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tracks: list[Track] = []
        file.write(box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isom", b"iso2", b"avc1", b"mp41"))
        self._mdat = file.tell()
        file.write(struct.pack(">I4sQ", 1, b"mdat", 0))  # the long form: the size is filled in at the end

    def track(self, stream: StreamKind, timescale: int, start_us: int) -> Track:
        """Begin a track."""
        self.tracks.append(Track(stream, timescale, start_us))
        return self.tracks[-1]

    def write(
        self, track: Track, entry: bytes, payloads: Sequence[bytes | memoryview], samples: Sequence[Sample]
    ) -> None:
        """Append one chunk of a track."""
        track.add(self._file.tell(), entry, samples)
        self._file.write(b"".join(payloads))

    def finish(self) -> None:
        """Write the tables; the file is playable afterwards."""
        end = self._file.tell()
        self._file.seek(self._mdat + 8)
        self._file.write(struct.pack(">Q", end - self._mdat))
        self._file.seek(end)
        length = max(track.duration() for track in self.tracks)
        fields = struct.pack(">QQIQIH10x", 0, 0, TIMESCALE, length, 0x10000, 0x100)
        mvhd = full_box(b"mvhd", 1, 0, fields, _MATRIX, struct.pack(">24xI", len(self.tracks) + 1))
        self._file.write(box(b"moov", mvhd, *(track.trak(n) for n, track in enumerate(self.tracks, start=1))))
