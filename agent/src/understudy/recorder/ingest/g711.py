"""G.711 over RTP (RFC 3551 4.5.14): a payload is so many samples, one byte each. No I/O, nothing is converted."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from understudy.recorder.ingest.rtp import RtpTrack
from understudy.recorder.units import AccessUnit


class G711Track(RtpTrack):
    """Gives each packet's samples to `emit`; a packet with half a sample of all channels is dropped and counted."""

    def __init__(self, payload_type: int, clock_rate: int, channels: int, emit: Callable[[AccessUnit], None]) -> None:
        super().__init__(payload_type, clock_rate)
        self._channels = channels
        self._emit = emit

    def gap(self) -> None:
        """Nothing is held over packets."""

    def payload(self, data: bytes, start: int, end: int, timestamp: int, marker: bool) -> None:
        if (end - start) % self._channels:
            self.damaged += 1
            return
        samples = data[start:end]
        pts, wall_us = self.time(timestamp)
        self._emit(AccessUnit(pts, wall_us, True, samples, zlib.crc32(samples)))
