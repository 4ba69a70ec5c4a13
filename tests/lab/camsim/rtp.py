"""Cuts access units into RTP payloads and puts RTP, RTCP and interleaving headers around them. Pure, no I/O.

H.264: RFC 6184 packetization mode 1 (single NAL unit, FU-A, on request STAP-A). H.265: RFC 7798 (single NAL unit, FU,
on request AP). AAC: RFC 3640, mode AAC-hbr. G.711: RFC 3551.
"""

from __future__ import annotations

import secrets
import struct

from camsim.clip import SoundCodec, VideoCodec

#: bytes of RTP payload in one packet; with headers it stays below an Ethernet frame
MAX_PAYLOAD = 1400
VIDEO_TYPE = 96
#: G.711 has types of its own (RFC 3551)
AUDIO_TYPES: dict[SoundCodec, int] = {"aac": 97, "pcmu": 0, "pcma": 8}
_STAP_A, _FU_A = 24, 28
_AP, _FU = 48, 49
#: seconds from the NTP epoch (1900) to the Unix epoch
_NTP_OFFSET_S = 2_208_988_800
_PACKET = struct.Struct(">BBHBBHII")
_SENDER_REPORT = struct.Struct(">BBHIIIIII")


def video_payloads(nals: tuple[bytes, ...], *, codec: VideoCodec = "h264", aggregate: bool) -> list[bytes]:
    """RTP payloads of one access unit, in order. `aggregate` puts the leading NAL units up to the slices into one."""
    if codec == "mjpeg":
        return list(nals)  # not for RTP: `http.py` sends the image
    payloads: list[bytes] = []
    small = [nal for nal in nals if not is_slice(codec, nal)] if aggregate else []
    if len(small) > 1:
        head = bytes([0x60 | _STAP_A]) if codec == "h264" else bytes([_AP << 1, 1])
        payloads.append(head + b"".join(struct.pack(">H", len(nal)) + nal for nal in small))
        nals = nals[len(small) :]
    for nal in nals:
        payloads += [nal] if len(nal) <= MAX_PAYLOAD else _fragments(codec, nal)
    return payloads


def is_slice(codec: VideoCodec, nal: bytes) -> bool:
    """Whether a NAL unit is a part of a picture, rather than something said about it."""
    return nal[0] & 0x1F in (1, 5) if codec == "h264" else nal[0] >> 1 < 32


def _fragments(codec: VideoCodec, nal: bytes) -> list[bytes]:
    if codec == "h264":
        head, kind = bytes([nal[0] & 0xE0 | _FU_A]), nal[0] & 0x1F
    else:
        head, kind = bytes([nal[0] & 0x81 | _FU << 1, nal[1]]), nal[0] >> 1 & 0x3F
    room = MAX_PAYLOAD - len(head) - 1
    cuts = range(len(head), len(nal), room)
    return [
        head + bytes([kind | (0x80 if at == cuts[0] else 0) | (0x40 if at == cuts[-1] else 0)]) + nal[at : at + room]
        for at in cuts
    ]


def audio_payload(frame: bytes) -> bytes:
    """RTP payload of one AAC frame: one AU header of 13 bits size and 3 bits index. The frame is below 8 KiB."""
    return struct.pack(">HH", 16, len(frame) << 3) + frame


class Track:
    """The sending side of one media track of one session: its own random SSRC, sequence and timestamp base."""

    def __init__(self, channel: int, payload_type: int) -> None:
        self.channel = channel
        self.payload_type = payload_type
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self.base = secrets.randbits(32)
        self.packets = 0
        self.octets = 0

    def timestamp(self, ticks: int) -> int:
        """RTP timestamp of a media time in clock ticks."""
        return (self.base + ticks) & 0xFFFFFFFF

    def add_packets(self, payloads: list[bytes], ticks: int, out: list[bytes]) -> None:
        """Append the interleaved packets of one access unit to `out`; the last one carries the marker."""
        timestamp = self.timestamp(ticks)
        last = len(payloads) - 1
        for index, payload in enumerate(payloads):
            kind = self.payload_type | (0x80 if index == last else 0)
            size = len(payload)
            out.append(_PACKET.pack(36, self.channel, size + 12, 0x80, kind, self.sequence, timestamp, self.ssrc))
            out.append(payload)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.octets += size
        self.packets += last + 1

    def sender_report(self, ntp_wall_s: float, ticks: int) -> bytes:
        """An interleaved RTCP compound packet (SR and SDES) that ties the media time `ticks` to a wall clock time."""
        whole = int(ntp_wall_s)
        seconds, fraction = (whole + _NTP_OFFSET_S) & 0xFFFFFFFF, int((ntp_wall_s - whole) * 2**32)
        counts = (self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        report = _SENDER_REPORT.pack(0x80, 200, 6, self.ssrc, seconds, fraction, self.timestamp(ticks), *counts)
        report += struct.pack(">BBHIBB6s", 0x81, 202, 3, self.ssrc, 1, 3, b"cam")
        return struct.pack(">BBH", 36, self.channel + 1, len(report)) + report
