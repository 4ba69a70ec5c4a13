"""Frames cut out of a segment as a fragment of their own, with the media times they have there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.footage.model import Frame, SegmentIndex
from understudy.footage.playlist import length_s
from understudy.recorder.fmp4.fragment import lay_out
from understudy.recorder.units import AccessUnit


def byte_range(index: SegmentIndex, first: int, stop: int) -> tuple[int, int]:
    """Offset and size of what is to be read for frames `first` to before `stop`; parts' heads between are in it."""
    frames = index.frames[first:stop]
    return frames[0].offset, frames[-1].offset + frames[-1].size - frames[0].offset


def fragment(index: SegmentIndex, first: int, stop: int, data: bytes) -> bytes:
    """The fragment; `data` are the bytes that `byte_range` names."""
    frames = index.frames[first:stop]
    base = frames[0].offset
    units = [_unit(frame, data[frame.offset - base : frame.offset - base + frame.size]) for frame in frames]
    decode = [frame.dts for frame in frames]
    last_s = length_s(index, stop - 1, stop)
    return b"".join(lay_out(units, decode, max(1, round(last_s * index.header.clock_rate)), first + 1).buffers)


def possible(frames: Sequence[Frame], first: int, stop: int) -> bool:
    """Whether there are such frames, and few enough to be a part."""
    return 0 <= first < stop <= len(frames) and stop - first <= 1000


def _unit(frame: Frame, payload: bytes) -> AccessUnit:
    return AccessUnit(frame.dts + frame.cts, frame.wall_us, frame.key, payload, frame.crc)
