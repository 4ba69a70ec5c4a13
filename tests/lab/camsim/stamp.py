"""Stamps pictures: which counter a picture carries, and how the frame audit finds it again. Pure, no I/O.

Each access unit carries a SEI user_data_unregistered NAL unit with UUID `STAMP`, then a 64-bit big-endian picture
counter, the CRC-32 of the picture's slice NAL units (their bytes one after the other, without lengths or start
codes), and the camera's name in ASCII. A picture with counter c was captured c / fps seconds after the epoch, so
counters grow over loops and restarts, and a test can turn a time into a counter. In H.265 it is the same message in a
prefix SEI, in a JPEG image a comment of the same bytes.
"""

from __future__ import annotations

import re
import struct
import uuid
import zlib
from dataclasses import dataclass

from camsim.clip import Clip, VideoCodec

STAMP = uuid.UUID("6f1d3c0e-5b7a-4c52-9a51-0c5e1f7a2d94")
#: The loop comes round every clip length; with this many variants of it no picture has the CRC of an earlier one for
#: 32 loops (34 minutes of the lab's clips), as a recorder that joins by CRC expects of a real camera.
VARIANTS = 32
#: cabac_zero_word with its emulation prevention byte: H.264 (7.3.2.8, 7.4.2.10) and H.265 (7.3.2.9) allow any number of
#: them behind the last slice of a CABAC picture and a decoder skips them, which changes the CRC and not the picture.
_ZERO_WORD = b"\x00\x00\x03"
_USER_DATA_UNREGISTERED, _STOP_BIT = 5, b"\x80"
#: the header of a SEI NAL unit: H.264 type 6; H.265 type 39, layer 0, temporal layer 0
_SEI_HEADERS: dict[VideoCodec, bytes] = {"h264": b"\x06", "h265": b"\x4e\x01"}


@dataclass(frozen=True, slots=True)
class StampedPicture:
    """The NAL units of one access unit in sending order: parameter sets (key frames), SEI, slices."""

    counter: int
    key: bool
    nals: tuple[bytes, ...]


def is_key(clip: Clip, counter: int) -> bool:
    """Whether the picture with this counter is a key frame."""
    return clip.pictures[counter % len(clip.pictures)].key


def stamp(clip: Clip, name: str, counter: int, *, inband_parameter_sets: bool = True) -> StampedPicture:
    """The access unit with this counter: the same bytes whenever it is asked for."""
    loop, index = divmod(counter, len(clip.pictures))
    picture = clip.pictures[index]
    if clip.codec == "mjpeg":
        return StampedPicture(counter, True, (_commented(picture.slices[0], name, counter),))
    slices = (*picture.slices[:-1], picture.slices[-1] + _ZERO_WORD * (loop % VARIANTS))
    crc = 0
    for nal in slices:
        crc = zlib.crc32(nal, crc)
    lead = clip.parameter_sets if picture.key and inband_parameter_sets else ()
    return StampedPicture(counter, picture.key, (*lead, sei(name, counter, crc, clip.codec), *slices))


def _commented(image: bytes, name: str, counter: int) -> bytes:
    """A JPEG image with the stamp as its comment, behind SOI; the CRC-32 is that of the image without it."""
    payload = STAMP.bytes + struct.pack(">QI", counter, zlib.crc32(image)) + name.encode("ascii")
    return image[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(payload)) + payload + image[2:]


def sei(name: str, counter: int, crc: int, codec: VideoCodec = "h264") -> bytes:
    """The SEI NAL unit that carries the stamp."""
    payload = STAMP.bytes + struct.pack(">QI", counter, crc) + name.encode("ascii")
    assert len(payload) < 255, "the payload size is one byte"
    rbsp = bytes([_USER_DATA_UNREGISTERED, len(payload)]) + payload + _STOP_BIT
    return _SEI_HEADERS[codec] + escape(rbsp)


def escape(rbsp: bytes) -> bytes:
    """Put in emulation prevention bytes: no two zero bytes are followed by a byte below 4 (H.264 7.4.1)."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", rbsp)
