"""Parts of a segment: access units in, bytes for one write out. Pure, no I/O, no clock.

A part is index box + prft + moof + mdat. It lasts at most `PART_S`, a key frame begins a new one (a run of them may
share it), and it is written with one `writev`: a crash costs at most the last part and damages no frame in front of it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.recorder.fmp4.boxes import INDEX_UUID, box, full_box
from understudy.recorder.fmp4.init import TRACK_ID
from understudy.recorder.units import AccessUnit, Format

PART_S = 1.0
#: key frames closer than this share a part (a camera that sends key frames only)
_MIN_KEY_PART_S = 0.25
#: with B-frames a part is cut where nothing behind is shown earlier; it waits for such a place up to this length
_MAX_WAIT_S = 1.25
#: one writev takes 1024 buffers (IOV_MAX); the first is the part's head
MAX_FRAMES = 1000
#: 8 MiB are 2 s of 32 Mbit/s
MAX_PART_BYTES = 8 * 1024 * 1024
#: ticks of a unit before two have been seen: an AAC frame, 20 ms of G.711; of a picture 40 ms
_USUAL_STEP = {"aac": 1024, "pcmu": 160, "pcma": 160}
#: a still stream is shown as a gap rather than as a picture held longer than this
_MAX_FRAME_S = 2.0

INDEX_HEAD = struct.Struct(">16sII")
INDEX_RECORD = struct.Struct(">IqB")
SAMPLE_RECORD = struct.Struct(">IIIi")
PRFT_BODY = struct.Struct(">IQQ")
TFDT_BODY = struct.Struct(">Q")
TRUN_BODY = struct.Struct(">Ii")

INDEX_VERSION = 1
FLAG_KEY = 1
#: prft: the time is that of capture (ISO 14496-12)
PRFT_FLAGS = 24
TFHD_FLAGS = 0x020000  # default-base-is-moof
TRUN_FLAGS = 0xF01  # data offset; per sample: duration, size, flags, composition offset
_SAMPLE_KEY = 0x02000000  # depends on no other
_SAMPLE_DELTA = 0x01010000  # depends on others, not a sync sample
_NTP_EPOCH_S = 2_208_988_800


@dataclass(frozen=True, slots=True)
class Part:
    """A part ready to be written: `head` (index, prft, moof, mdat's header), then the payloads in order."""

    head: bytes
    payloads: tuple[bytes, ...]
    #: bytes of head and payloads
    size: int
    first_wall_us: int
    #: the latest capture time in it, microseconds since the epoch
    last_wall_us: int

    @property
    def buffers(self) -> list[bytes]:
        """What one `writev` takes."""
        return [self.head, *self.payloads]


class Fragmenter:
    """Collects the access units of one elementary stream of one session and cuts them into parts.

    Decode times run on over the files of a session. RTP carries presentation times only: the decode times of a part are
    its presentation times in order; a frame that comes too late for that (a cut in the middle of B-frames) is decoded
    one tick after its predecessor and keeps its presentation time.
    """

    def __init__(self, format: Format) -> None:
        self._rate = format.clock_rate
        self._video = format.kind == "video"
        self._units: list[AccessUnit] = []
        self._bytes = 0
        self._first_pts = 0
        self._last_pts = 0
        self._sequence = 0
        #: the earliest decode time the next part may begin with
        self._floor = 0
        #: whether the stream has B-frames, as far as seen
        self._reorders = False
        #: ticks from one frame to the next, as last seen
        self._step = _USUAL_STEP.get(format.codec, format.clock_rate // 25)

    def due(self, now_wall_us: int) -> bool:
        """Whether what was collected is a part's length old, so that it is flushed though nothing follows."""
        if not self._units:
            return False
        age_us = now_wall_us - self._units[0].wall_us
        # A clock set back must not hold frames in memory; B-frames get the time to a good place to cut.
        return abs(age_us) >= (_MAX_WAIT_S if self._reorders else PART_S) * 1e6

    def add(self, unit: AccessUnit) -> Part | None:
        """Collect `unit`; returns the part that it completes (and is not in), if it does."""
        part = self.flush(unit.pts) if self._units and self._cut_before(unit) else None
        if not self._units:
            self._first_pts = self._last_pts = unit.pts
        elif unit.pts < self._last_pts:
            self._reorders = True
        self._units.append(unit)
        self._bytes += len(unit.payload)
        self._last_pts = max(self._last_pts, unit.pts)
        return part

    def flush(self, next_pts: int | None = None) -> Part | None:
        """The part of all that was collected, None when nothing was; `next_pts` is the unit behind it, if any."""
        if not self._units:
            return None
        units, self._units, self._bytes = self._units, [], 0
        shown = sorted(unit.pts for unit in units)
        decode = []
        floor = self._floor
        for pts in shown:
            decode.append(max(pts, floor))
            floor = decode[-1] + 1
        if len(decode) > 1:
            self._step = decode[-1] - decode[-2]
        # With B-frames the next unit is not the next to be shown: only the usual step tells where that one is.
        in_order = units[-1].pts == shown[-1]
        last = next_pts - decode[-1] if in_order and next_pts is not None else self._step
        last = min(max(last, 1), int(_MAX_FRAME_S * self._rate))
        self._floor = floor
        self._sequence += 1
        return lay_out(units, decode, last, self._sequence)

    def _cut_before(self, unit: AccessUnit) -> bool:
        if self._bytes + len(unit.payload) > MAX_PART_BYTES or len(self._units) >= MAX_FRAMES:
            return True
        ticks = unit.pts - self._first_pts
        if self._video and unit.key:
            return not self._units[0].key or ticks >= _MIN_KEY_PART_S * self._rate
        if unit.pts < self._last_pts:
            return ticks > _MAX_WAIT_S * self._rate
        wall_us = unit.wall_us - self._units[0].wall_us
        return ticks + self._step > PART_S * self._rate or wall_us > PART_S * 1e6


def lay_out(units: Sequence[AccessUnit], decode: Sequence[int], last_duration: int, sequence: int) -> Part:
    """Lay out `units` (decode order) with decode times `decode`; the last frame lasts `last_duration` ticks."""
    payloads = tuple(unit.payload for unit in units)
    length = sum(map(len, payloads))
    index = [INDEX_HEAD.pack(INDEX_UUID, INDEX_VERSION << 24, len(units))]
    samples = []
    for position, unit in enumerate(units):
        behind = decode[position + 1] - decode[position] if position + 1 < len(units) else last_duration
        index.append(INDEX_RECORD.pack(unit.crc, unit.wall_us, FLAG_KEY if unit.key else 0))
        flags = _SAMPLE_KEY if unit.key else _SAMPLE_DELTA
        samples.append(SAMPLE_RECORD.pack(behind, len(unit.payload), flags, unit.pts - decode[position]))
    head = b"".join(
        (
            box(b"uuid", *index),
            full_box(b"prft", 1, PRFT_FLAGS, PRFT_BODY.pack(TRACK_ID, _ntp(units[0].wall_us), decode[0])),
            _moof(decode[0], samples, sequence),
            struct.pack(">I4s", 8 + length, b"mdat"),
        )
    )
    walls = [unit.wall_us for unit in units]
    return Part(head, payloads, len(head) + length, walls[0], max(walls))


def _moof(decode_time: int, samples: Sequence[bytes], sequence: int) -> bytes:
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", sequence & 0xFFFFFFFF))
    tfhd = full_box(b"tfhd", 0, TFHD_FLAGS, struct.pack(">I", TRACK_ID))
    tfdt = full_box(b"tfdt", 1, 0, TFDT_BODY.pack(decode_time))
    run = 12 + TRUN_BODY.size + SAMPLE_RECORD.size * len(samples)
    size = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + run
    # The samples begin behind mdat's header, counted from the start of moof.
    trun = full_box(b"trun", 1, TRUN_FLAGS, TRUN_BODY.pack(len(samples), size + 8), *samples)
    return box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun))


def _ntp(wall_us: int) -> int:
    """NTP timestamp (seconds since 1900 in 32.32 bits) of a time in microseconds since 1970."""
    seconds, micros = divmod(wall_us, 1_000_000)
    return ((seconds + _NTP_EPOCH_S) & 0xFFFFFFFF) << 32 | (micros << 32) // 1_000_000
