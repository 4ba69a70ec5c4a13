"""What H.264 and H.265 have in common: NAL units, told apart by their first byte. Pure data and one checksum.

A table per codec, so that receiving, the pre-roll ring, segment files and their check agree on what a slice is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from understudy.recorder.codec import h264, h265
from understudy.recorder.units import Codec


@dataclass(frozen=True, slots=True)
class NalCodec:
    """The NAL unit types (`nal_unit_type`) of one codec, and those that only exist in RTP payloads."""

    name: Codec
    header_bytes: int
    #: the type for each value of a NAL unit's first byte
    kinds: bytes
    #: types of slices: what a frame's CRC covers
    slices: range
    #: slices of pictures that a decoder can begin with
    keys: frozenset[int]
    #: parameter sets, in the order a decoder needs them
    sets: tuple[int, ...]
    #: access unit delimiter: says nothing that a container does not
    delimiter: int
    #: RTP payloads that are one NAL unit, several, a piece of one, and those that we do not take apart
    single: range
    aggregate: int
    fragment: int
    unreadable: frozenset[int]
    #: identifier of a parameter set, -1 when it cannot be read
    set_id: Callable[[bytes], int]
    #: (width, height) in pixels of an SPS, (0, 0) when they cannot be read
    dimensions: Callable[[bytes], tuple[int, int]]


#: keys: IDR. Unreadable: STAP-B, MTAP16, MTAP24, FU-B of the interleaved mode, which we never ask for (RFC 6184 5.2)
H264 = NalCodec(
    name="h264",
    header_bytes=1,
    kinds=bytes(first & 0x1F for first in range(256)),
    slices=range(1, 6),
    keys=frozenset({5}),
    sets=(h264.SPS, h264.PPS),
    delimiter=9,
    single=range(1, 24),
    aggregate=24,
    fragment=28,
    unreadable=frozenset({25, 26, 27, 29}),
    set_id=h264.set_id,
    dimensions=h264.dimensions,
)

#: keys: all IRAP pictures (BLA, IDR, CRA); leading pictures behind a first CRA are skipped by decoders as the standard
#: says. Unreadable: PACI (RFC 7798 4.4.4)
H265 = NalCodec(
    name="h265",
    header_bytes=2,
    kinds=bytes(first >> 1 & 0x3F for first in range(256)),
    slices=range(32),
    keys=frozenset(range(16, 24)),
    sets=(h265.VPS, h265.SPS, h265.PPS),
    delimiter=35,
    single=range(48),
    aggregate=48,
    fragment=49,
    unreadable=frozenset({50}),
    set_id=h265.set_id,
    dimensions=h265.dimensions,
)

#: by the codec's name in `Format` and in a segment's header
NAL_CODECS: dict[str, NalCodec] = {codec.name: codec for codec in (H264, H265)}


def frame_crc(codec: str, payload: bytes) -> int:
    """The CRC-32 a frame goes by (`AccessUnit.crc`), from its bytes as stored; of all bytes where it has no slices."""
    nal = NAL_CODECS.get(codec)
    if nal is None:
        return zlib.crc32(payload)
    crc, offset = 0, 0
    while offset + 4 < len(payload):
        begin = offset + 4
        offset = begin + int.from_bytes(payload[offset:begin], "big")
        if nal.kinds[payload[begin]] in nal.slices:
            crc = zlib.crc32(payload[begin:offset], crc)
    return crc
