"""Times as people and documents write them: ISO 8601 with zone, here microseconds since the epoch. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str) -> int:
    """Microseconds since the epoch; ValueError with a sentence for anything but ISO 8601 with a zone."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it like 2026-11-23T10:00:00Z") from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} says no time zone; write {text}Z for UTC or {text}+01:00")
    return (when - _EPOCH) // timedelta(microseconds=1)


def show(us: int) -> str:
    """UTC with milliseconds, e.g. 2026-11-23T10:00:00.000Z."""
    when = _EPOCH + timedelta(microseconds=us)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
