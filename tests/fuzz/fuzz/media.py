"""Targets: what a camera sends while it plays, and what lies on a disk. As in `talk.py`, only what is wrong raises."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from understudy.footage.model import SegmentHeader
from understudy.footage.movie import sample_entry
from understudy.recorder.codec.nal import NAL_CODECS, frame_crc
from understudy.recorder.fmp4.fragment import Fragmenter
from understudy.recorder.fmp4.init import init_section
from understudy.recorder.fmp4.scan import header, scan
from understudy.recorder.fmp4.verify import good_size, resumes
from understudy.recorder.ingest.framing import Framer, walk
from understudy.recorder.ingest.nal import MAX_FRAME_BYTES
from understudy.recorder.ingest.parser import Session, SessionParser
from understudy.recorder.ingest.sdp import Stream
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Chunk
from understudy.recorder.units import AccessUnit, Codec, Format, StreamKind

_START_US = 1_795_427_000_000_000
_READ_BYTES = 400
_RING_BYTES = 64 * 1024
_AAC_CONFIG = bytes.fromhex("1190")


def _streams(video: Codec, audio: Codec) -> tuple[Stream, ...]:
    sets = (_AAC_CONFIG,) if audio == "aac" else ()
    rate = 48_000 if audio == "aac" else 8000
    return (
        Stream("video", video, 96, 90_000, 0, (), "", channel=0),
        Stream("audio", audio, 97, rate, 2, sets, "", channel=2),
    )


class _Disk:
    """A sink that writes segments as the recorder does, and reads each back."""

    def __init__(self) -> None:
        self._files: dict[StreamKind, tuple[Format, Fragmenter, bytearray]] = {}
        self.units: list[tuple[StreamKind, int, int]] = []

    def start(self, formats: tuple[Format, ...], session: str) -> None:
        self.close()
        for format in formats:
            told = SegmentHeader(
                logical="north",
                camera=1,
                track="main",
                stream=format.kind,
                codec=format.codec,
                clock_rate=format.clock_rate,
                recorder="rec1",
                session=session,
                start_us=_START_US,
            )
            try:
                head = init_section(told, format)
            except ValueError:  # the sentence in the track's status
                continue
            assert sample_entry(head)
            self._files[format.kind] = (format, Fragmenter(format), bytearray(head))

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        assert 0 < len(unit.payload) <= 2 * MAX_FRAME_BYTES
        assert 0 <= unit.wall_us < 2**62
        self.units.append((kind, unit.crc, len(unit.payload)))
        if kind in self._files:
            format, fragmenter, content = self._files[kind]
            assert unit.crc == frame_crc(format.codec, unit.payload)
            part = fragmenter.add(unit)
            content += b"".join(part.buffers) if part else b""

    def close(self) -> None:
        for _, fragmenter, content in self._files.values():
            part = fragmenter.flush()
            content += b"".join(part.buffers) if part else b""
            path = _file(bytes(content))
            index = scan(path)
            assert index.whole_size == len(content), "what was written is not read back"
            descriptor = os.open(path, os.O_RDONLY)
            try:
                assert good_size(descriptor, index) == len(content)
            finally:
                os.close(descriptor)
        self._files.clear()


def _play(video: Codec, audio: Codec, data: bytes) -> None:
    """Packets of a session, live and out of the ring: the same units, whole ones only, and readable files."""
    session = Session(_streams(video, audio), name="live")
    ring, disk, framer = Ring(seconds=0.5, max_bytes=_RING_BYTES), _Disk(), Framer()
    framer.channels = frozenset(range(4))
    parser = SessionParser(session, disk)
    chunks: list[Chunk] = []
    counted = 0
    for number, start in enumerate(range(0, len(data), _READ_BYTES)):
        buffer = bytearray(framer.tail + data[start : start + _READ_BYTES])
        batch = framer.split(buffer, len(buffer))
        if not batch.offsets:
            continue
        chunk = Chunk(batch.data, session, _START_US + number * 40_000, number * 0.04)
        parser.feed(chunk.data, batch.offsets, chunk.wall_us)
        counted += ring.append(chunk, batch.offsets)
        chunks.append(chunk)
        assert ring.bytes <= _RING_BYTES + len(chunk.data)
    disk.close()
    assert parser.written <= parser.arrived <= counted + len(data) // 12
    _replay([held.load() for held in ring.drain()])
    fresh = Session(session.streams, name="again")
    assert _replay([chunk._replace(session=fresh) for chunk in chunks]) == disk.units


def _replay(chunks: list[Chunk]) -> list[tuple[StreamKind, int, int]]:
    disk = _Disk()
    parser: SessionParser | None = None
    for chunk in chunks:
        parser = parser or SessionParser(chunk.session, disk)
        parser.feed(chunk.data, walk(chunk.data), chunk.wall_us)
    disk.close()
    return disk.units


h264 = partial(_play, "h264", "aac")
h265 = partial(_play, "h265", "pcmu")


def parameter_sets(data: bytes) -> None:
    """A parameter set of either codec, in a description: dimensions and an initialisation section, or a refusal."""
    for name, codec in NAL_CODECS.items():
        codec.set_id(data)
        width, height = codec.dimensions(data)
        assert 0 <= width <= 0xFFFF
        assert 0 <= height <= 0xFFFF
        heads = [bytes((kind << (codec.header_bytes - 1), 1)) for kind in codec.sets]
        sets = tuple(head + data[codec.header_bytes :] for head in heads)
        told = Format("video", "h264" if name == "h264" else "h265", 90_000, sets, width, height)
        disk = _Disk()
        disk.start((told,), "s")


def segment(data: bytes) -> None:
    """A file on a disk letter: an index whose frames lie inside, or ValueError."""
    path = _file(data)
    try:
        index = scan(path)
    except ValueError:
        return
    assert header(path) == index.header
    assert index.header.clock_rate > 0, "media time is divided by it"
    assert index.init_size <= index.whole_size <= len(data)
    assert all(frame.offset + frame.size <= index.whole_size for frame in index.frames)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert index.init_size <= good_size(descriptor, index) <= index.whole_size
        resumes(descriptor, index.whole_size, len(data))
    finally:
        os.close(descriptor)
    try:
        sample_entry(data[: index.init_size])
    except ValueError:
        return


_memory = os.memfd_create("fuzz")


def _file(data: bytes) -> Path:
    """`data` as a file, until the next call."""
    os.ftruncate(_memory, 0)
    os.pwrite(_memory, data, 0)
    return Path(f"/proc/self/fd/{_memory}")
