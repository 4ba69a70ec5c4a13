"""The one clock that failover measures by. Decisions never read it: time is passed in to them."""

import time


def boottime_s() -> float:
    """CLOCK_BOOTTIME in seconds: counts suspend, never jumps, and is the same for all processes of a machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
