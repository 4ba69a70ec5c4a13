"""What a camera puts on the wire, made by hand: NAL units, RTP packets, `$` framing; and a sink that remembers."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from understudy.recorder.ingest.framing import Batch, Framer
from understudy.recorder.ingest.parser import Session
from understudy.recorder.ingest.sdp import Stream
from understudy.recorder.units import AccessUnit, Format, StreamKind

#: 1280x720, High profile, as x264 writes it
SPS = bytes.fromhex("6764001facd9405005bb011000000300100000030320f1831960")
PPS = bytes.fromhex("68ebe3cb22c0")
TICKS = 3600
ASC = bytes.fromhex("1190")


def idr(filling: bytes = b"key", size: int = 0) -> bytes:
    return b"\x65\x88" + filling.ljust(size, b"k")


def delta(filling: bytes = b"delta", size: int = 0) -> bytes:
    return b"\x41\x9a" + filling.ljust(size, b"d")


def interleaved(channel: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(payload)) + payload


@dataclass
class Sender:
    """Numbers packets like one stream of a camera."""

    channel: int = 0
    payload_type: int = 96
    sequence: int = 65_530
    ssrc: int = 7
    packet_bytes: int = 500

    def packet(self, payload: bytes, timestamp: int, marker: bool) -> bytes:
        second = self.payload_type | (0x80 if marker else 0)
        header = struct.pack(">BBHII", 0x80, second, self.sequence, timestamp & 0xFFFFFFFF, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return interleaved(self.channel, header + payload)

    def picture(self, nals: Iterable[bytes], timestamp: int) -> bytes:
        """An access unit: small NAL units in packets of their own, large ones as FU-A."""
        payloads: list[bytes] = []
        for nal in nals:
            payloads += [nal] if len(nal) <= self.packet_bytes else list(self._fragments(nal))
        last = len(payloads) - 1
        return b"".join(self.packet(payload, timestamp, index == last) for index, payload in enumerate(payloads))

    def _fragments(self, nal: bytes) -> Iterable[bytes]:
        body = nal[1:]
        pieces = [body[i : i + self.packet_bytes] for i in range(0, len(body), self.packet_bytes)]
        for index, piece in enumerate(pieces):
            flags = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
            yield bytes((nal[0] & 0xE0 | 28, flags | nal[0] & 0x1F)) + piece


def stap_a(nals: Iterable[bytes]) -> bytes:
    return b"\x78" + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


def sound(frames: Iterable[bytes]) -> bytes:
    """An RFC 3640 AAC-hbr payload."""
    listed = list(frames)
    headers = b"".join(struct.pack(">H", len(frame) << 3) for frame in listed)
    return struct.pack(">H", 16 * len(listed)) + headers + b"".join(listed)


def video_stream(*sets: bytes) -> Stream:
    return Stream("video", "h264", 96, 90_000, 0, sets, "", channel=0)


def audio_stream() -> Stream:
    return Stream("audio", "aac", 97, 48_000, 2, (ASC,), "", channel=2)


def session(*sets: bytes, sound: bool = False) -> Session:
    return Session((video_stream(*sets), audio_stream()) if sound else (video_stream(*sets),), name="s1")


def split(data: bytes) -> Batch:
    return Framer().split(bytearray(data), len(data))


def length_form(*nals: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(nal)) + nal for nal in nals)


@dataclass
class Memory:
    """A sink that remembers what it was given."""

    starts: list[tuple[tuple[Format, ...], str]] = field(default_factory=list)
    units: list[tuple[StreamKind, AccessUnit]] = field(default_factory=list)

    def start(self, formats: tuple[Format, ...], session: str) -> None:
        self.starts.append((formats, session))

    def write(self, kind: StreamKind, unit: AccessUnit) -> None:
        self.units.append((kind, unit))

    @property
    def video(self) -> list[AccessUnit]:
        return [unit for kind, unit in self.units if kind == "video"]

    @property
    def audio(self) -> list[AccessUnit]:
        return [unit for kind, unit in self.units if kind == "audio"]
