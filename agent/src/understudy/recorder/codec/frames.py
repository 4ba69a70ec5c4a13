"""Codecs without NAL units, in the dress of some: what `recorder/fallback` hands over as RTP.

A frame is one unit: its head, then the bytes as the camera made them. So the ring, the parser and healing treat them as
they treat H.264, and the head is taken off where the frame is written (`bare`). Parameter sets are the picture's
size and the decoder's configuration. Pure data.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib

from understudy.recorder.codec.nal import H264, NAL_CODECS, NalCodec
from understudy.recorder.units import AccessUnit, Codec

SIZE, CONFIG = 7, 8
_KEY, _DELTA = 5, 1
#: the second byte says to a parser that a picture begins here
_HEADS = {True: bytes((0x60 | _KEY, 0x80)), False: bytes((0x60 | _DELTA, 0x80))}
_LENGTH_AND_HEAD = 4 + 2


def _dimensions(unit: bytes) -> tuple[int, int]:
    if len(unit) != 5:
        return 0, 0
    width, height = struct.unpack(">HH", unit[1:])
    return width, height


def _dressed(name: Codec) -> NalCodec:
    return dataclasses.replace(H264, name=name, sets=(SIZE, CONFIG), set_id=lambda _: 0, dimensions=_dimensions)


#: Motion JPEG; MPEG-4 part 2 (ISO 14496-2)
FRAME_CODECS: dict[str, NalCodec] = {codec.name: codec for codec in (_dressed("mjpeg"), _dressed("mpeg4"))}
#: how the video of a session is taken apart, by its codec's name
PACKET_CODECS: dict[str, NalCodec] = NAL_CODECS | FRAME_CODECS


def dress(frame: bytes, key: bool) -> bytes:
    """The unit that carries `frame`."""
    return _HEADS[key] + frame


def parameter_sets(width: int, height: int, config: bytes) -> tuple[bytes, ...]:
    """The sets of a format; `config` is the decoder's configuration, empty for Motion JPEG."""
    return bytes((0x60 | SIZE,)) + struct.pack(">HH", width, height), bytes((0x60 | CONFIG,)) + config


def config_of(sets: tuple[bytes, ...]) -> bytes:
    """The decoder's configuration among a format's parameter sets."""
    return next((unit[1:] for unit in sets if unit[0] & 0x1F == CONFIG), b"")


def bare(unit: AccessUnit) -> AccessUnit:
    """The frame as it is stored: as the camera made it."""
    frame = unit.payload[_LENGTH_AND_HEAD:]
    return dataclasses.replace(unit, payload=frame, crc=zlib.crc32(frame))
