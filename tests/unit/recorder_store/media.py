"""Real video and sound: encoded once with PyAV, split into access units as an ingest would deliver them."""

from __future__ import annotations

import array
import functools
import math
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from understudy.recorder.codec.nal import NAL_CODECS
from understudy.recorder.units import AccessUnit, Codec, Format

#: 2026-11-23T10:00:00Z
EPOCH_US = 1_795_428_000_000_000
RATE = 90_000
_DECODERS = {"h264": "h264", "h265": "hevc", "aac": "aac", "pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}


def _nals(annex_b: bytes) -> Iterator[bytes]:
    for piece in annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1"):
        if piece:
            yield piece


def _access_unit(codec: Codec, annex_b: bytes, pts: int, wall_us: int, key: bool) -> AccessUnit:
    types = NAL_CODECS[codec]
    nals = [nal for nal in _nals(annex_b) if types.kinds[nal[0]] not in (*types.sets, types.delimiter)]
    crc = 0
    for nal in nals:
        if types.kinds[nal[0]] in types.slices:
            crc = zlib.crc32(nal, crc)
    payload = b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
    return AccessUnit(pts, wall_us, key, payload, crc)


@functools.cache
def video(
    seconds: float = 3, *, fps: int = 25, gop: int = 25, b_frames: int = 0, codec: Codec = "h264"
) -> tuple[Format, tuple[AccessUnit, ...]]:
    """Format and access units (decode order) of a moving picture; presentation times begin at 0 of 90 kHz."""
    x26x = "x264" if codec == "h264" else "x265"
    encoder = av.CodecContext.create(f"lib{x26x}", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base = Fraction(1, fps)
    encoder.framerate = Fraction(fps)
    single = "threads=1" if codec == "h264" else "frame-threads=1:pools=none:open-gop=0:log-level=none"
    encoder.options = {
        "preset": "ultrafast",
        f"{x26x}-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}:b-adapt=0:{single}",
    }
    packets = []
    for number in range(int(seconds * fps)):
        frame = av.VideoFrame(160, 96, "yuv420p")
        for plane in frame.planes:
            row = bytes((number * 3 + column) % 256 for column in range(plane.line_size))
            plane.update(row * plane.height)
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    types = NAL_CODECS[codec]
    head = encoder.extradata if codec == "h265" and encoder.extradata else bytes(packets[0])
    sets = tuple(nal for nal in _nals(head) if types.kinds[nal[0]] in types.sets)
    units = []
    for order, packet in enumerate(packets):
        assert packet.pts is not None
        wall_us = EPOCH_US + order * 1_000_000 // fps
        units.append(_access_unit(codec, bytes(packet), packet.pts * RATE // fps, wall_us, packet.is_keyframe))
    return Format("video", codec, RATE, sets, 160, 96), tuple(units)


@functools.cache
def audio(seconds: float = 3, *, rate: int = 16_000) -> tuple[Format, tuple[AccessUnit, ...]]:
    """Format and access units of a tone in AAC."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.format, encoder.layout = rate, "fltp", "mono"
    encoder.open()
    packets = []
    for number in range(int(seconds * rate / 1024)):
        frame = av.AudioFrame("fltp", "mono", 1024)
        tone = array.array("f", (math.sin(sample / 10) for sample in range(number * 1024, (number + 1) * 1024)))
        frame.planes[0].update(tone.tobytes())
        frame.sample_rate, frame.pts = rate, number * 1024
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = []
    for number, packet in enumerate(packets):
        payload = bytes(packet)
        wall_us = EPOCH_US + number * 1024 * 1_000_000 // rate
        units.append(AccessUnit(number * 1024, wall_us, True, payload, zlib.crc32(payload)))
    assert encoder.extradata is not None
    return Format("audio", "aac", rate, (bytes(encoder.extradata),), channels=1), tuple(units)


def g711(seconds: float = 3, *, law: Codec = "pcmu") -> tuple[Format, tuple[AccessUnit, ...]]:
    """Format and access units of packets of 20 ms, each with other samples."""
    units = []
    for number in range(int(seconds * 50)):
        payload = bytes((number * 7 + sample) % 256 for sample in range(160))
        units.append(AccessUnit(number * 160, EPOCH_US + number * 20_000, True, payload, zlib.crc32(payload)))
    return Format("audio", law, 8000, (), channels=1), tuple(units)


def decode(path: Path) -> list[bytes]:
    """Decode a file to pictures or sound as a player would; raises when it cannot."""
    with av.open(str(path)) as container:
        return [b"".join(map(bytes, frame.planes)) for frame in container.decode(container.streams[0])]


def decode_units(format: Format, units: tuple[AccessUnit, ...]) -> list[bytes]:
    """The same from the access units themselves, without any file: what `decode` must give."""
    decoder = av.CodecContext.create(_DECODERS[format.codec], "r")
    if format.kind == "video":
        decoder.extradata = b"".join(b"\0\0\0\1" + nal for nal in format.parameter_sets)
    else:
        decoder.extradata = b"".join(format.parameter_sets) or None
        decoder.sample_rate = format.clock_rate
        decoder.layout = "mono"
    found = []
    for unit in units:
        payload = _annex_b(unit.payload) if format.kind == "video" else unit.payload
        found += decoder.decode(av.Packet(payload))
    found += decoder.decode(None)
    return [b"".join(map(bytes, frame.planes)) for frame in found]


def _annex_b(payload: bytes) -> bytes:
    result, offset = b"", 0
    while offset < len(payload):
        length = int.from_bytes(payload[offset : offset + 4], "big")
        result += b"\0\0\0\1" + payload[offset + 4 : offset + 4 + length]
        offset += 4 + length
    return result
