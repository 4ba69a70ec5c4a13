"""Reads the stamp of one picture: counter, checksum and camera from its SEI, checked against its slices. Pure, no I/O.

The stamp is described in `camsim.stamp`; this is a second, independent reading of it.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import NamedTuple

STAMP = uuid.UUID("6f1d3c0e-5b7a-4c52-9a51-0c5e1f7a2d94").bytes
_USER_DATA_UNREGISTERED = 5


class _Types(NamedTuple):
    """NAL unit types of a codec: how far the type is shifted in the first byte and how wide it is, and what is what."""

    shift: int
    mask: int
    header_bytes: int
    slices: range
    keys: range
    sei: int


#: by the sample entries of MP4
_H264 = _Types(0, 0x1F, 1, range(1, 6), range(5, 6), 6)
_H265 = _Types(1, 0x3F, 2, range(32), range(16, 24), 39)
TYPES = {b"avc1": _H264, b"avc3": _H264, b"hvc1": _H265, b"hev1": _H265}


@dataclass(frozen=True, slots=True)
class Stamped:
    """One picture of a file. `fault` is a sentence when its bytes are not what the camera sent, else empty."""

    camera: str
    counter: int | None
    key: bool
    fault: str = ""


def read(sample: bytes, length_size: int, entry: bytes = b"avc1") -> Stamped:
    """Read one access unit of NAL units behind big-endian lengths; `entry` is the sample entry that tells the codec."""
    types = TYPES[entry]
    crc, key, slices = 0, False, 0
    stamp: tuple[int, int, str] | None = None
    try:
        for nal in _split(sample, length_size):
            kind = nal[0] >> types.shift & types.mask
            if kind in types.slices:
                crc = zlib.crc32(nal, crc)
                slices += 1
                key = key or kind in types.keys
            elif kind == types.sei:
                stamp = _find_stamp(nal[types.header_bytes :]) or stamp
    except ValueError as error:
        return Stamped("", stamp[0] if stamp else None, key, str(error))
    if stamp is None:
        return Stamped("", None, key, "no counter")
    counter, expected, camera = stamp
    fault = "no slices" if not slices else "" if crc == expected else "the slices are not those the camera sent"
    return Stamped(camera, counter, key, fault)


def _split(sample: bytes, length_size: int) -> list[bytes]:
    nals, offset = [], 0
    while offset < len(sample):
        start = offset + length_size
        end = start + int.from_bytes(sample[offset:start], "big")
        if end > len(sample) or end <= start:
            raise ValueError("NAL unit lengths do not add up")
        nals.append(sample[start:end])
        offset = end
    return nals


def _find_stamp(messages: bytes) -> tuple[int, int, str] | None:
    """(counter, checksum, camera) when one of the messages of a SEI NAL unit, without its header, is a stamp."""
    rbsp = messages.replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 < len(rbsp):
        kind, at = _varied(rbsp, at)
        size, at = _varied(rbsp, at)
        body = rbsp[at : at + size]
        if kind == _USER_DATA_UNREGISTERED and body.startswith(STAMP) and len(body) >= 28:
            counter, crc = struct.unpack_from(">QI", body, 16)
            return counter, crc, body[28:].decode("ascii", "replace")
        at += size
    return None


def _varied(rbsp: bytes, at: int) -> tuple[int, int]:
    """A SEI number (any number of 0xFF, then the rest), and the offset behind it."""
    value = 0
    while at < len(rbsp) - 1 and rbsp[at] == 0xFF:
        value += 255
        at += 1
    return value + rbsp[at], at + 1
