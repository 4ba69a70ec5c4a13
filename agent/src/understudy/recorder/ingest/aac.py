"""AAC over RTP (RFC 3640, AAC-hbr: 13-bit sizes, 3-bit indices). No I/O."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from understudy.recorder.ingest.rtp import RtpTrack
from understudy.recorder.units import AccessUnit

#: 13-bit sizes
MAX_FRAME_BYTES = 8191
#: samples per AAC frame
FRAME_SAMPLES = 1024


class AacTrack(RtpTrack):
    """Gives whole AAC frames to `emit`; damaged ones are dropped and counted."""

    def __init__(self, payload_type: int, clock_rate: int, emit: Callable[[AccessUnit], None]) -> None:
        super().__init__(payload_type, clock_rate)
        self._emit = emit
        #: a frame larger than a packet comes in pieces
        self._pieces = b""
        self._wanted = 0
        self._timestamp = 0

    def gap(self) -> None:
        """Drop the frame that the lost packets may have belonged to."""
        if self._pieces:
            self.damaged += 1
        self._pieces = b""

    def payload(self, data: bytes, start: int, end: int, timestamp: int, marker: bool) -> None:
        if end - start < 4:
            return
        header_bits = data[start] << 8 | data[start + 1]
        header = start + 2
        position = header + (header_bits + 7) // 8
        if not header_bits or header_bits % 16 or position >= end:
            self.damaged += 1
            return
        for index in range(header_bits // 16):
            size = (data[header + 2 * index] << 8 | data[header + 2 * index + 1]) >> 3
            if position + size > end:
                self._fragment(data[position:end], size, timestamp, header_bits)
                return
            if size:
                self._frame(data[position : position + size], timestamp + index * FRAME_SAMPLES)
            position += size

    def _fragment(self, piece: bytes, size: int, timestamp: int, header_bits: int) -> None:
        """A piece of a frame of `size` bytes; every piece repeats the frame's header and timestamp."""
        if header_bits != 16:
            self.damaged += 1
            return
        if self._pieces and (timestamp != self._timestamp or size != self._wanted):
            self.damaged += 1
            self._pieces = b""
        self._timestamp, self._wanted = timestamp, size
        self._pieces += piece
        if len(self._pieces) >= size:
            whole, self._pieces = self._pieces[:size], b""
            self._frame(whole, timestamp)

    def _frame(self, frame: bytes, timestamp: int) -> None:
        pts, wall_us = self.time(timestamp & 0xFFFFFFFF)
        self._emit(AccessUnit(pts, wall_us, True, frame, zlib.crc32(frame)))
