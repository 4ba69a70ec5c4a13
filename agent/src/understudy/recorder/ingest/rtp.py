"""RTP over the interleaved stream: order, loss, 64-bit time, and the sender reports of RTCP. No I/O.

`RtpTrack` is the hot path: one call per packet, nothing allocated but slices of the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from understudy.recorder.ingest.clock import CaptureClock

#: from the `$` on: channel, length, two flag bytes, sequence, timestamp, SSRC
_HEADER = struct.Struct(">HBBHII")
_FIXED_BYTES = 16
#: a timestamp further ahead of arrival than this, or further back than frames are reordered, is a jump
MAX_AHEAD_S = 5.0
MAX_BACK_S = 2.0
#: how long the followed source must be silent before another SSRC on the channel is believed (stale sessions)
_SOURCE_SILENCE_US = 1_000_000
_NTP_EPOCH_S = 2_208_988_800


class SenderReport(NamedTuple):
    """RTCP SR: the camera's wall clock (microseconds since the epoch) at an RTP timestamp."""

    ssrc: int
    wall_us: int
    timestamp: int
    #: how far the camera's clock was ahead of ours when it arrived
    ahead_us: int


def parse_sender_report(payload: bytes, arrival_us: int) -> SenderReport | None:
    """The SR at the start of an RTCP compound packet, None when there is none."""
    if len(payload) < 20 or payload[0] & 0xC0 != 0x80 or payload[1] != 200:
        return None
    ssrc, seconds, fraction, timestamp = struct.unpack_from(">IIII", payload, 4)
    wall_us = (seconds - _NTP_EPOCH_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
    return SenderReport(ssrc, wall_us, timestamp, wall_us - arrival_us)


def payload_bounds(data: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the packet at `position` is, whatever its header holds; empty (0, 0) when malformed."""
    end = position + 4 + (data[position + 2] << 8 | data[position + 3])
    start = position + _FIXED_BYTES
    if end > len(data) or end <= start or data[position + 4] & 0xC0 != 0x80:
        return 0, 0
    flags = data[position + 4]
    start += 4 * (flags & 0x0F)
    if flags & 0x10:
        if start + 4 > end:
            return 0, 0
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
    if flags & 0x20:
        end -= data[end - 1]
    return (start, end) if start < end else (0, 0)


class RtpTrack:
    """One stream of one session: checks the header of every packet and hands payloads to the codec's subclass."""

    def __init__(self, payload_type: int, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        #: arrival of the packets being fed, microseconds since the epoch
        self.arrival_us = 0
        self.lost_packets = 0
        #: frames dropped because a part of them was lost or could not be read
        self.damaged = 0
        #: the camera's RTP clock or this server's clock jumped: bridged until a new session starts at a key frame
        self.broken_time = False
        self._payload_type = payload_type
        self._ssrc: int | None = None
        self._next_sequence = -1
        self._source_seen_us = 0
        self._clock = CaptureClock(clock_rate)
        self._last_timestamp = 0
        self._last_pts: int | None = None
        self._last_arrival_us = 0

    def packets(self, data: bytes, offsets: Sequence[int], index: int) -> int:
        """Take the packet at `offsets[index]` of `data`, and maybe some behind it; the index of the next to take."""
        self.packet(data, offsets[index])
        return index + 1

    def packet(self, data: bytes, position: int) -> None:
        """Take the packet whose `$` is at `position` of `data`."""
        end = position + 4 + (data[position + 2] << 8 | data[position + 3])
        start = position + _FIXED_BYTES
        if end <= start:
            return
        _, flags, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data, position + 2)
        if flags != 0x80:
            start, end = payload_bounds(data, position)
            if start == end:
                return
        if second & 0x7F != self._payload_type or (ssrc != self._ssrc and not self._follow(ssrc)):
            return
        self._source_seen_us = self.arrival_us
        if sequence != self._next_sequence:
            if self._next_sequence >= 0:
                self.lost_packets += (sequence - self._next_sequence) & 0xFFFF
            self.gap()
        self._next_sequence = (sequence + 1) & 0xFFFF
        self.payload(data, start, end, timestamp, second > 0x7F)

    def _follow(self, ssrc: int) -> bool:
        """Whether to believe a new source: the first, or when the one followed has gone silent."""
        if self._ssrc is not None and self.arrival_us - self._source_seen_us < _SOURCE_SILENCE_US:
            return False
        self._ssrc = ssrc
        self._next_sequence = -1
        return True

    def time(self, timestamp: int) -> tuple[int, int]:
        """(pts, capture time in microseconds) of a frame; a jump of the camera's clock is bridged by arrival time."""
        if self._last_pts is None:
            self._last_pts = 0
        else:
            delta = (timestamp - self._last_timestamp) & 0xFFFFFFFF
            if delta >= 0x80000000:
                delta -= 0x100000000
            elapsed_us = max(0, self.arrival_us - self._last_arrival_us)
            ahead = (elapsed_us + int(MAX_AHEAD_S * 1e6)) * self.clock_rate // 1_000_000
            if delta > ahead or delta < -MAX_BACK_S * self.clock_rate:
                self.broken_time = True
                delta = max(1, elapsed_us * self.clock_rate // 1_000_000)
            self._last_pts += delta
        self._last_timestamp = timestamp
        self._last_arrival_us = self.arrival_us
        wall_us = self._clock.wall_us(self._last_pts, self.arrival_us)
        if self._clock.set_back:
            self.broken_time = True
        return self._last_pts, wall_us

    def new_session(self) -> None:
        """Media time goes on, capture time may start anew."""
        self.broken_time = False
        self._clock.forget()

    def gap(self) -> None:
        """Packets are missing before the next one (also before the first)."""
        raise NotImplementedError

    def payload(self, data: bytes, start: int, end: int, timestamp: int, marker: bool) -> None:
        """The payload `data[start:end]`, at least one byte."""
        raise NotImplementedError
