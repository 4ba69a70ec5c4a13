"""Where a segment lies below its disk letter, and back. Pure functions, no I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from understudy.footage.model import SegmentHeader

#: LOGICAL/CAMERA/TRACK/YYYYMMDD/HHMMSS.mmm_RECORDER.{v,a}.mp4; anything else on the disk is not ours to touch
PATH = re.compile(
    r"(?P<logical>[^/.][^/]*)/(?P<camera>\d{3,})/(?P<track>[^/.][^/]*)/(?P<day>\d{8})/"
    r"\d{6}\.\d{3}_(?P<recorder>[^/]+)\.(?P<stream>[va])\.mp4"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def segment_path(header: SegmentHeader, later_ms: int = 0) -> str:
    """The path of the segment `header` below its letter; `later_ms` finds another name when it is taken."""
    start = _EPOCH + timedelta(microseconds=header.start_us // 1000 * 1000 + later_ms * 1000)
    path = (
        f"{header.logical}/{header.camera:03d}/{header.track}/"
        f"{start:%Y%m%d/%H%M%S}.{start.microsecond // 1000:03d}_{header.recorder}.{header.stream[0]}.mp4"
    )
    if not PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no path of a segment: a name is empty, has a slash or begins with a dot")
    return path


def day_of(wall_us: int) -> str:
    """The day directory (UTC) of a time in microseconds since the epoch."""
    return f"{_EPOCH + timedelta(microseconds=wall_us):%Y%m%d}"
