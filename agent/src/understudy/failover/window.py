"""The daily window in which parts may go home (`handback.window`), in the site's time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


def is_open(window: str | None, zone: str, wall_s: float) -> bool:
    """Whether `wall_s` (seconds since the epoch) lies in `window`, "HH:MM-HH:MM"; no window is always open.

    The end does not belong to it; one that ends before it begins spans midnight. Where a machine does not know the
    zone, UTC decides: late is better than never.
    """
    found = _WINDOW.fullmatch(window or "")
    if found is None:
        return True
    hours = [int(number) for number in found.groups()]
    begin, end = time(hours[0], hours[1]), time(hours[2], hours[3])
    try:
        now = datetime.fromtimestamp(wall_s, ZoneInfo(zone)).time()
    except (ZoneInfoNotFoundError, ValueError):
        now = datetime.fromtimestamp(wall_s, UTC).time()
    return begin <= now < end if begin <= end else now >= begin or now < end
