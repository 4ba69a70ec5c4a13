"""H.264 (RFC 6184) and H.265 (RFC 7798) over RTP: single NAL units, aggregated and fragmented ones, put together to
access units. No I/O."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

from understudy.recorder.codec.nal import NalCodec
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.rtp import RtpTrack, payload_bounds
from understudy.recorder.units import AccessUnit, Format

#: a 4K key frame at 50 Mbit/s is about 2 MB
MAX_FRAME_BYTES = 8 * 1024 * 1024
#: parameter sets of cameras are 5 to 100 bytes; with all scaling lists and VUI an SPS stays below 1 kB
MAX_SET_BYTES = 4096
_MAX_SETS = 32
#: what a piece of a frame costs beside its bytes
_PIECE_BYTES = 64
#: timestamp and SSRC
_SOURCE = struct.Struct(">II")


class ParameterSets:
    """The parameter sets in force, by kind and identifier, in the order they first came."""

    def __init__(self, codec: NalCodec, sets: tuple[bytes, ...] = ()) -> None:
        self.codec = codec
        self._sets: dict[tuple[int, int], bytes] = {}
        self.changed = True
        for unit in sets:
            self.add(unit)

    def add(self, unit: bytes) -> None:
        """Put a parameter set NAL unit in force; huge ones, and more than 32 different ones, are ignored."""
        if len(unit) > MAX_SET_BYTES:
            return
        key = (self.codec.kinds[unit[0]], self.codec.set_id(unit))
        if self._sets.get(key) != unit and (key in self._sets or len(self._sets) < _MAX_SETS):
            self._sets[key] = unit
            self.changed = True

    @property
    def units(self) -> tuple[bytes, ...]:
        """In the order a decoder needs them: VPS, SPS, PPS."""
        return tuple(unit for key, unit in sorted(self._sets.items(), key=lambda item: item[0][0]))

    def format(self, clock_rate: int) -> Format | None:
        """The format they describe; None until there is one of each kind."""
        codec = self.codec
        if {kind for kind, _ in self._sets} != set(codec.sets):
            return None
        units = self.units
        sps = next(unit for unit in units if codec.kinds[unit[0]] == codec.sets[-2])
        width, height = codec.dimensions(sps)
        return Format("video", codec.name, clock_rate, units, width, height)


class NalTrack(RtpTrack):
    """Gives whole access units to `emit`; one of which a part was lost is dropped and counted, never handed on."""

    def __init__(
        self, payload_type: int, clock_rate: int, sets: ParameterSets, emit: Callable[[AccessUnit], None]
    ) -> None:
        super().__init__(payload_type, clock_rate)
        self.sets = sets
        self._codec = sets.codec
        # what every packet asks for
        self._kinds, self._header_bytes = sets.codec.kinds, sets.codec.header_bytes
        self._fragment_kind = sets.codec.fragment
        self._emit = emit
        #: length prefix, NAL unit, length prefix, NAL unit, …
        self._pieces: list[bytes] = []
        self._size = 0
        #: CRC-32 of the slices so far, None before the first; whether a decoder can begin here
        self._crc: int | None = None
        self._key = False
        self._timestamp = -1
        #: pieces of the NAL unit that comes in fragments; empty between fragmented units
        self._fragments: list[bytes] = []
        self._fragments_size = 0
        #: from the timestamp to the payload, a packet with a piece from its middle looks so
        self._middle = b""
        #: from channel to payload, and the two flag bytes of a packet that is not the last of its picture
        self._head = struct.Struct(f">xBHHH{_SOURCE.size + self._header_bytes + 1}s")
        self._flags = 0x8000 | payload_type
        #: the rest of this access unit is of no use
        self._broken = False
        #: packets are missing before the next slice: does it begin a picture?
        self._after_gap = True

    def gap(self) -> None:
        """Drop the access unit that the lost packets may have belonged to."""
        if self._pieces or self._fragments:
            self._break()
        self._after_gap = True

    def _break(self) -> None:
        if not self._broken:
            self.damaged += 1
        self._broken = True
        self._clear()

    def _clear(self) -> None:
        self._pieces = []
        self._fragments = []
        self._size = 0
        self._crc = None
        self._key = False

    def packets(self, data: bytes, offsets: Sequence[int], index: int) -> int:
        self.packet(data, offsets[index])
        index += 1
        return self._pieces_between(data, offsets, index) if self._fragments else index

    def _pieces_between(self, data: bytes, offsets: Sequence[int], index: int) -> int:
        """Take the packets from `index` on that go on with a fragmented NAL unit and do not end it. The hot path.

        Most packets of a camera are such: they differ from the one before in nothing but sequence number and pieces.
        Whatever is not exactly so is left to `packet`.
        """
        unpack, append, middle, flags = self._head.unpack_from, self._fragments.append, self._middle, self._flags
        header_bytes = self._head.size
        channel, sequence, first = data[offsets[index - 1] + 1], self._next_sequence, index
        count, last = len(offsets), len(data) - header_bytes
        size = 0
        while index < count and (position := offsets[index]) < last:
            on, length, packet_flags, number, looks = unpack(data, position)
            if looks != middle or number != sequence or packet_flags != flags or on != channel:
                break
            begins, ends = position + header_bytes, position + 4 + length
            if ends <= begins:
                break
            append(data[begins:ends])
            size += length
            sequence = (sequence + 1) & 0xFFFF
            index += 1
        if index > first:
            self._next_sequence = sequence
            self._fragments_size += size + (index - first) * _PIECE_BYTES
            if self._fragments_size > MAX_FRAME_BYTES:
                self._break()
        return index

    def payload(self, data: bytes, start: int, end: int, timestamp: int, marker: bool) -> None:
        if timestamp != self._timestamp:
            self._finish()
            self._broken = False
            self._timestamp = timestamp
        kind = self._kinds[data[start]]
        if kind == self._fragment_kind:
            self._fragment(data, start, end)
        elif kind in self._codec.single:
            self._unit(data[start:end])
        elif kind == self._codec.aggregate:
            self._aggregate(data, start + self._header_bytes, end)
        elif kind in self._codec.unreadable:
            self._break()
        if marker and (self._crc is not None or self._broken):
            # Some cameras set the marker behind parameter sets and SEI too: the picture is still to come.
            self._finish()
            self._broken = False

    def _fragment(self, data: bytes, start: int, end: int) -> None:
        header = start + self._header_bytes
        if header >= end:
            self._break()
            return
        flags = data[header]
        fragments = self._fragments
        if flags & 0x80:
            if fragments:
                self._break()
            fragments = self._fragments = [_unit_header(data, start, self._header_bytes)]
            self._fragments_size = 0
            self._middle = _SOURCE.pack(self._timestamp, self._ssrc) + data[start:header] + bytes((flags & 0x3F,))
        elif not fragments:
            self._break()
            return
        fragments.append(data[header + 1 : end])
        self._fragments_size += end - start + _PIECE_BYTES
        if self._fragments_size > MAX_FRAME_BYTES:
            self._break()
        elif flags & 0x40:
            self._fragments = []
            self._unit(b"".join(fragments))

    def _aggregate(self, data: bytes, position: int, end: int) -> None:
        units, whole = _aggregated(data, position, end)
        for unit in units:
            self._unit(unit)
        if not whole:
            self._break()

    def _unit(self, unit: bytes) -> None:
        """Take a whole NAL unit."""
        codec, header_bytes = self._codec, self._header_bytes
        if len(unit) < header_bytes:
            self._break()
            return
        if header_bytes == 2 and (unit[0] & 0x01 or unit[1] & 0xF8):
            return  # of another layer (scalable or stereo video): decoders of the base layer leave it out as well
        kind = self._kinds[unit[0]]
        if kind in codec.sets:
            self.sets.add(unit)
            return
        if kind == codec.delimiter or self._broken:
            return
        if kind in codec.slices:
            # first_mb_in_slice is 0, or first_slice_segment_in_pic is 1, when the first bit behind the header is set.
            if self._after_gap and not (len(unit) > header_bytes and unit[header_bytes] & 0x80):
                self._break()
                return
            self._after_gap = False
            self._crc = zlib.crc32(unit, self._crc or 0)
            self._key = self._key or kind in codec.keys
        self._pieces += (len(unit).to_bytes(4, "big"), unit)
        self._size += len(unit) + _PIECE_BYTES
        if self._size > MAX_FRAME_BYTES:
            self._break()

    def _finish(self) -> None:
        """The access unit is complete; without a slice it is none."""
        if self._fragments:
            self._break()
        if self._crc is None:
            self._clear()
            return
        pts, wall_us = self.time(self._timestamp)
        unit = AccessUnit(pts, wall_us, self._key, b"".join(self._pieces), self._crc)
        self._clear()
        self._emit(unit)


def _unit_header(data: bytes, start: int, header_bytes: int) -> bytes:
    """The header of the NAL unit whose first piece is the payload at `start`: type from behind, the rest from there."""
    flags = data[start + header_bytes]
    if header_bytes == 1:
        return bytes((data[start] & 0xE0 | flags & 0x1F,))
    return bytes((data[start] & 0x81 | (flags & 0x3F) << 1, data[start + 1]))


def unit_kinds(codec: NalCodec, data: bytes, start: int, end: int) -> list[int]:
    """The types of the NAL units in the RTP payload `data[start:end]`, of which only the first piece may be here."""
    kind = codec.kinds[data[start]]
    behind = start + codec.header_bytes
    if kind == codec.fragment and behind < end:
        return [codec.kinds[_unit_header(data, start, codec.header_bytes)[0]]]
    if kind != codec.aggregate:
        return [kind]
    return [codec.kinds[unit[0]] for unit in _aggregated(data, behind, end)[0]]


def _aggregated(data: bytes, position: int, end: int) -> tuple[list[bytes], bool]:
    """The NAL units of an aggregation payload behind its own header, and whether they are all there.

    False for a size that runs over the end or is nothing; zeros behind the last unit are padding.
    """
    units: list[bytes] = []
    while position + 2 < end:
        size = data[position] << 8 | data[position + 1]
        if not size or position + 2 + size > end:
            break
        units.append(data[position + 2 : position + 2 + size])
        position += 2 + size
    return units, bool(units) and not any(data[position:end])


def parameter_sets_in(codec: NalCodec, data: bytes, channel: int) -> list[bytes]:
    """The parameter sets in the packets of `data` (as in a Batch) on `channel`, unless they came in fragments."""
    found: list[bytes] = []
    for position in walk(data):
        if data[position + 1] != channel:
            continue
        start, end = payload_bounds(data, position)
        if start == end:
            continue
        kind = codec.kinds[data[start]]
        if kind in codec.sets:
            found.append(data[start:end])
        elif kind == codec.aggregate:
            units = _aggregated(data, start + codec.header_bytes, end)[0]
            found += [unit for unit in units if codec.kinds[unit[0]] in codec.sets]
    return found
