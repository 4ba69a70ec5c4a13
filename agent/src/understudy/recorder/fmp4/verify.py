"""Do the bytes of a segment hold the frames that its index names? Reads, never writes."""

from __future__ import annotations

import os

from understudy.footage.model import SegmentIndex
from understudy.recorder.codec.nal import frame_crc
from understudy.recorder.fmp4.boxes import INDEX_UUID
from understudy.recorder.fmp4.scan import part_at

#: how many parts a power cut can damage: those of some seconds, at most two a second for short GOPs
_DOUBTFUL_PARTS = 20
#: a torn part is not larger than this unless a single frame is
_SEARCH_BYTES = 16 * 1024 * 1024


def good_size(descriptor: int, index: SegmentIndex) -> int:
    """Bytes up to the end of the last part that holds its frames: less than `whole_size` when a power cut left parts
    whose sizes reached the disk and whose pictures did not.

    When no part near the end is good, that is no trace of a power cut, and the answer is `whole_size`.
    """
    codec = index.header.codec
    frames = list(index.frames)
    for offset, size in index.parts[: -_DOUBTFUL_PARTS - 1 : -1]:
        good = True
        while frames and frames[-1].offset >= offset:
            frame = frames.pop()
            good = good and frame_crc(codec, os.pread(descriptor, frame.size, frame.offset)) == frame.crc
        if good:
            return offset + size
    return index.whole_size if len(index.parts) > _DOUBTFUL_PARTS else index.init_size


def resumes(descriptor: int, offset: int, end: int) -> bool:
    """Whether a whole part stands somewhere behind `offset`, in a file of `end` bytes: damage, not a torn tail."""
    tail = os.pread(descriptor, min(_SEARCH_BYTES, end - offset), offset)
    found = tail.find(INDEX_UUID)
    while found >= 0:
        if found >= 8 and part_at(descriptor, offset + found - 8, end) is not None:
            return True
        found = tail.find(INDEX_UUID, found + 1)
    return False
