"""From RTP time to capture time: arrival on this server's clock, smoothed by the camera's media time. No I/O.

Arrival is late by the network, the camera's own queue and our tick (up to 100 ms, then bursts); media time is even but
drifts. So capture time runs with media time and is pulled towards the least delayed arrival by at most 500 ppm, as
far as that is known to be enough for any camera clock. The camera's own wall clock is never trusted.
"""

from __future__ import annotations

#: the fastest correction, parts per million of elapsed media time
MAX_SLEW_PPM = 500
#: arrivals are judged by the least delayed one of this many microseconds of capture time
_WINDOW_US = 1_000_000
#: beyond this the clocks have parted (server clock stepped, camera stood still): follow at once
MAX_ERROR_US = 1_000_000
#: set back further than this, the server's clock has been stepped: only a new session can follow it
MAX_BACK_US = 5_000_000
#: windows that must agree before capture time leaps forward; a burst after a stall is over by then
_WINDOWS_TO_LEAP = 3


class CaptureClock:
    """Capture times of one stream in one session; they never run backwards."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._base_us: int | None = None
        self._last_us = 0
        self._window_start_us = 0
        self._least_delay_us: int | None = None
        self._late_windows = 0
        #: capture time stands still because the server's clock was set back; `forget` with a new session
        self.set_back = False

    def forget(self) -> None:
        """A new session begins: its capture times may lie before those of the last one."""
        self._last_us = 0
        self.set_back = False

    def wall_us(self, pts: int, arrival_us: int) -> int:
        """Capture time (microseconds since the epoch) of the frame at `pts` ticks that arrived at `arrival_us`."""
        media_us = pts * 1_000_000 // self._rate
        if self._base_us is None:
            self._base_us = arrival_us - media_us
            self._window_start_us = arrival_us
        predicted_us = self._base_us + media_us
        delay_us = arrival_us - predicted_us
        if delay_us < -MAX_ERROR_US:
            # Nothing arrives before it was captured: the base came from a late frame, or the server clock was set back.
            self.set_back = self.set_back or delay_us < -MAX_BACK_US
            self._restart(arrival_us - media_us, arrival_us)
            predicted_us = arrival_us
        elif self._least_delay_us is None or delay_us < self._least_delay_us:
            self._least_delay_us = delay_us
        if predicted_us - self._window_start_us >= _WINDOW_US:
            self._correct(predicted_us)
        self._last_us = max(predicted_us, self._last_us + 1)
        return self._last_us

    def _restart(self, base_us: int, now_us: int) -> None:
        self._base_us = base_us
        self._window_start_us = now_us
        self._least_delay_us = None
        self._late_windows = 0

    def _correct(self, predicted_us: int) -> None:
        """At the end of a window: move the base towards the least delayed arrival."""
        assert self._base_us is not None
        error_us = self._least_delay_us or 0
        self._late_windows = self._late_windows + 1 if error_us > MAX_ERROR_US else 0
        if self._late_windows >= _WINDOWS_TO_LEAP:
            self._restart(self._base_us + error_us, predicted_us + error_us)
            return
        limit_us = (predicted_us - self._window_start_us) * MAX_SLEW_PPM // 1_000_000
        self._base_us += max(-limit_us, min(limit_us, error_us))
        self._window_start_us = predicted_us
        self._least_delay_us = None
