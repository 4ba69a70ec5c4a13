"""Frames as interleaved RTP packets: what goes from a camera's process to the recorder. Pure, no I/O.

H.264, H.265 and, dressed as H.264, Motion JPEG and MPEG-4 (`codec/frames.py`): RFC 6184 and RFC 7798; AAC: RFC 3640;
G.711: RFC 3551. There is no network in between, so packets are as large as their 16-bit length allows.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator

from understudy.recorder.ingest.sdp import Stream

_PACKET = struct.Struct(">BBHBBHII")
_DOLLAR, _VERSION_2, _MARKER = 0x24, 0x80, 0x80
MAX_PAYLOAD = 60_000
#: 13-bit sizes of AAC-hbr
MAX_AAC = 8191
_FU_A, _FU = 28, 49


def annex_b(data: bytes) -> Iterator[bytes]:
    """The NAL units between start codes; the zero that a longer start code begins with is no part of one."""
    begin = data.find(b"\0\0\1")
    while begin >= 0:
        following = data.find(b"\0\0\1", begin + 3)
        unit = data[begin + 3 : following if following >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        begin = following


def nal_payloads(codec: str, units: Iterable[bytes]) -> list[bytes]:
    """RTP payloads of the NAL units of a frame."""
    payloads: list[bytes] = []
    for unit in units:
        if len(unit) <= MAX_PAYLOAD:
            payloads.append(unit)
            continue
        if codec == "h265":
            head, kind = bytes((unit[0] & 0x81 | _FU << 1, unit[1])), unit[0] >> 1 & 0x3F
        else:
            head, kind = bytes((unit[0] & 0xE0 | _FU_A,)), unit[0] & 0x1F
        cuts = range(len(head), len(unit), MAX_PAYLOAD)
        for at in cuts:
            flags = kind | (0x80 if at == cuts[0] else 0) | (0x40 if at == cuts[-1] else 0)
            payloads.append(head + bytes((flags,)) + unit[at : at + MAX_PAYLOAD])
    return payloads


def aac_payload(frame: bytes) -> bytes:
    """One AAC frame behind its header; it is at most MAX_AAC bytes long."""
    return struct.pack(">HH", 16, len(frame) << 3) + frame


class Sender:
    """The sending side of one stream."""

    def __init__(self, stream: Stream) -> None:
        self._channel = stream.channel
        self._type = stream.payload_type
        self._sequence = 0
        self._ssrc = secrets.randbits(32)

    def packets(self, payloads: list[bytes], timestamp: int) -> bytes:
        """The packets of one frame; the last one carries the marker."""
        out: list[bytes] = []
        for number, payload in enumerate(payloads, 1):
            second = self._type | (_MARKER if number == len(payloads) else 0)
            stamp = timestamp & 0xFFFFFFFF
            head = (_DOLLAR, self._channel, len(payload) + 12, _VERSION_2, second, self._sequence, stamp, self._ssrc)
            out += (_PACKET.pack(*head), payload)
            self._sequence = (self._sequence + 1) & 0xFFFF
        return b"".join(out)
