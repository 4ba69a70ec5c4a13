"""What people type, checked: cameras and times. A wrong word is a usage error (exit status 2) with a sentence."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from understudy.footage import instants


class CameraName(NamedTuple):
    """`north/1`: camera 1 of the logical server north."""

    logical: str
    number: int

    def __str__(self) -> str:
        return f"{self.logical}/{self.number}"


def camera(text: str) -> CameraName:
    """Read LOGICAL/NUMBER."""
    logical, slash, number = text.partition("/")
    if not (logical and slash and number.isascii() and number.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no camera; write LOGICAL/NUMBER, e.g. north/1")
    return CameraName(logical, int(number))


def instant(text: str) -> int:
    """Read a time with zone; microseconds since the epoch."""
    try:
        return instants.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """Read a whole number from 1."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def duration(text: str) -> float:
    """Read a duration such as 90s, 30m, 12h or 7d; seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write it like 30m, 12h or 7d")
    return int(number) * units[unit]
