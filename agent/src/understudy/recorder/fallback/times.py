"""RTP times of frames that libav gives. Pure, no clock of its own."""

from __future__ import annotations

from fractions import Fraction


class Times:
    """Times of one stream. libav knows none for some frames, a camera's first over UDP among them: they follow on."""

    def __init__(self, rate: int, *, by_arrival: bool) -> None:
        self._rate = rate
        self._by_arrival = by_arrival
        self._newest = 0
        self._came_ns: int | None = None

    def timestamp(self, media_s: Fraction | None, now_ns: int) -> int:
        """Ticks of a frame whose media time is `media_s` seconds, None when unknown; it came at `now_ns`, monotonic."""
        if self._by_arrival:
            return now_ns * self._rate // 1_000_000_000
        if media_s is not None:
            self._newest = int(media_s * self._rate)
        elif self._came_ns is not None:
            self._newest += max(1, (now_ns - self._came_ns) * self._rate // 1_000_000_000)
        self._came_ns = now_ns
        return self._newest
