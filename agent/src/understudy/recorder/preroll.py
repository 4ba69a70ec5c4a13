"""Pre-roll: the last seconds of a camera as raw interleaved RTP, in memory, taken apart only at a takeover.

Kept are whole reads, each with its arrival and its session. The packets are looked at just enough to count frames (the
marker bit) and to know where key frames begin, so that what is kept starts at the last key frame that is at least
`seconds` old (at time alone where no key frame is found for `MAX_GOP_S`, or `max_bytes` are reached). It lies in memory
that a crash of the recorder leaves to the next one (`ring_memory.py`).
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from understudy.recorder.codec.frames import PACKET_CODECS
from understudy.recorder.codec.nal import H264, NalCodec
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.nal import parameter_sets_in, unit_kinds
from understudy.recorder.ingest.parser import Session, new_session_name
from understudy.recorder.ingest.rtp import payload_bounds
from understudy.recorder.ring_memory import Chunk, Held, Memory

#: 20 s of 25 Mbit/s
DEFAULT_MAX_BYTES = 64 * 1024 * 1024
#: a stream without a key frame for so long is cut by time alone; smart codecs reach 10 s
MAX_GOP_S = 30.0
#: what a chunk costs beside its bytes (object headers, deque slot)
_CHUNK_BYTES = 240
#: what `between` gives beyond the span, so that frames which both recorders have tell how the two belong together
BEFORE_US = 500_000
AFTER_US = 1_000_000
#: arrivals on two servers, and a tick, differ by less than this
_JITTER_US = 250_000


#: an access unit may begin with it and needs a closer look; a slice that no decoder begins with; neither
_LOOK, _SLICE, _ASIDE = range(3)


class _Kinds(NamedTuple):
    """What a glance at a packet looks for."""

    codec: NalCodec
    #: NAL units that are or precede a key frame
    keys: frozenset[int]
    sets: frozenset[int]
    slices: frozenset[int]
    #: what most payloads are, by their first byte, or that of the fragment header behind it: _LOOK, _SLICE, _ASIDE
    plain: bytes
    plain_piece: bytes

    @classmethod
    def of(cls, codec: NalCodec) -> _Kinds:
        """A PPS alone may come before any picture; the sets in front of it come before key frames."""
        keys = codec.keys | set(codec.sets[:-1])
        apart = codec.keys | set(codec.sets) | {codec.aggregate, codec.fragment}
        plain = bytes(_LOOK if kind in apart else _SLICE if kind in codec.slices else _ASIDE for kind in range(64))
        return cls(
            codec,
            keys,
            frozenset(codec.sets),
            frozenset(codec.slices),
            bytes(plain[kind] for kind in codec.kinds),
            bytes(plain[flags & (0x1F if codec.header_bytes == 1 else 0x3F)] for flags in range(256)),
        )


_KINDS = {name: _Kinds.of(codec) for name, codec in PACKET_CODECS.items()}


class Ring:
    """Bounded in seconds and bytes; `append` costs no more than a glance at the packets."""

    def __init__(
        self,
        seconds: float,
        max_bytes: int = DEFAULT_MAX_BYTES,
        *,
        memory: Memory | None = None,
        held: Iterable[Held] = (),
    ) -> None:
        """An empty ring, or one that begins with what `memory` held when the process before this one ended."""
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._memory = memory if memory is not None else Memory("")
        self._chunks: deque[Held] = deque()
        #: number of the leftmost chunk; chunks are counted since the ring was made
        self._first = 0
        #: (chunk number, arrival) of access units that are or precede a key frame
        self._keys: deque[tuple[int, float]] = deque()
        #: numbers of chunks with parameter sets in them
        self._sets: deque[int] = deque()
        self._frame_chunk = -1
        #: the access unit being received has not shown a slice yet
        self._undecided = True
        self._session: Session | None = None
        self._kinds = _KINDS[H264.name]
        self.bytes = 0
        for each in held:
            data = each.load().data
            try:
                offsets = walk(data)
            except IndexError:
                break  # no packets: nothing behind it is to be believed
            self._keep(each, data, offsets)

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def seconds(self) -> float:
        """Seconds between the oldest and the newest packet held."""
        return self._chunks[-1].now_s - self._chunks[0].now_s if self._chunks else 0.0

    def append(self, chunk: Chunk, offsets: list[int]) -> int:
        """Keep the packets of a read, drop what is too old; returns the number of video frames that ended in it."""
        frames = self._keep(self._memory.add(chunk), chunk.data, offsets)
        self._trim(chunk.now_s)
        return frames

    def _keep(self, held: Held, data: bytes, offsets: list[int]) -> int:
        session = held.session
        if session is not self._session:
            self._session = session
            self._kinds = _KINDS[session.video.codec]
            self._undecided, self._frame_chunk = True, -1
        self._chunks.append(held)
        self.bytes += held.size + _CHUNK_BYTES
        return self._scan(data, offsets, session.video.channel, held.now_s)

    def _scan(self, data: bytes, offsets: list[int], channel: int, now_s: float) -> int:
        """Count frames, remember key frames. The hot path of pre-roll."""
        frames = 0
        undecided = self._undecided
        # A packet too short for its flags can only be read past the end when it is the last one.
        last = len(data) - 5
        wanted = self._kinds
        kinds, fragment, header_bytes = wanted.codec.kinds, wanted.codec.fragment, wanted.codec.header_bytes
        plain, plain_piece, payload = wanted.plain, wanted.plain_piece, 16
        # what is shorter than two headers and a byte is looked at closely, and so is the last packet
        least, safe = payload + header_bytes - 4, len(data) - payload - header_bytes
        for position in offsets:
            if data[position + 1] == channel and position < last:
                if undecided:
                    if position < safe and data[position + 4] == 0x80 and data[position + 3] > least:
                        first = data[position + payload]
                        if kinds[first] == fragment:
                            found = plain_piece[data[position + payload + header_bytes]]
                        else:
                            found = plain[first]
                    else:
                        found = _LOOK
                    if found == _SLICE:
                        undecided = False
                    elif found == _LOOK:
                        undecided = self._look(data, position, now_s)
                    elif self._frame_chunk < 0:
                        self._frame_chunk = self._number
                if data[position + 5] > 0x7F:
                    frames += 1
                    undecided = True
                    self._frame_chunk = -1
        self._undecided = undecided
        return frames

    def _look(self, data: bytes, position: int, now_s: float) -> bool:
        """Look at a packet of an access unit that has shown no slice yet; False when this one is a slice."""
        if self._frame_chunk < 0:
            self._frame_chunk = self._number
        start, end = payload_bounds(data, position)
        if start == end:
            return True
        wanted = self._kinds
        kinds = unit_kinds(wanted.codec, data, start, end)
        if not wanted.keys.isdisjoint(kinds) and (not self._keys or self._keys[-1][0] != self._frame_chunk):
            self._keys.append((self._frame_chunk, now_s))
        if not wanted.sets.isdisjoint(kinds) and (not self._sets or self._sets[-1] != self._number):
            self._sets.append(self._number)
        return wanted.slices.isdisjoint(kinds)

    @property
    def _number(self) -> int:
        """The number of the newest chunk."""
        return self._first + len(self._chunks) - 1

    def _trim(self, now_s: float) -> None:
        keys = self._keys
        wanted_s = now_s - self._seconds
        while len(keys) > 1 and keys[1][1] <= wanted_s:
            keys.popleft()
        start = keys[0][0] if keys and keys[0][1] <= wanted_s else self._first
        chunks = self._chunks
        first = self._first
        while chunks and (
            self._first < start or self.bytes > self._max_bytes or chunks[0].now_s < wanted_s - MAX_GOP_S
        ):
            chunk, number = chunks.popleft(), self._first
            self._first += 1
            self.bytes -= chunk.size + _CHUNK_BYTES
            if self._sets and self._sets[0] == number:
                # A camera may send its parameter sets once, at the start: a takeover still needs them.
                self._sets.popleft()
                chunk.session.parameter_sets[:] = _latest(chunk.load())
        while keys and keys[0][0] < self._first:
            keys.popleft()
        if self._first != first:
            self._memory.drop_before(chunks[0] if chunks else None)

    def drain(self) -> deque[Held]:
        """Hand over all chunks, oldest first, and be empty: for a takeover. Their bytes stay until they are let go."""
        chunks, self._chunks = self._chunks, deque()
        self._first += len(chunks)
        self._keys.clear()
        self._sets.clear()
        self._frame_chunk = -1
        self.bytes = 0
        return chunks

    def between(self, from_us: int, to_us: int) -> list[Chunk]:
        """What arrived in [from_us, to_us] (microseconds since the epoch), from a key frame before to a little behind.

        The ring stays as it is. The chunks come with sessions of their own: their media times begin anew. Empty when
        nothing arrived in between here either.
        """
        chunks = list(self._chunks)
        inner_us = from_us + _JITTER_US, to_us - _JITTER_US
        if to_us - from_us > 4 * _JITTER_US and not any(inner_us[0] < chunk.wall_us < inner_us[1] for chunk in chunks):
            return []
        keys = [number - self._first for number, _ in self._keys]
        start = max((key for key in keys if chunks[key].wall_us <= from_us - BEFORE_US), default=0)
        stop = next((n for n, chunk in enumerate(chunks) if chunk.wall_us > to_us + AFTER_US), len(chunks))
        return self._renamed(chunks[:stop], start)

    def _renamed(self, chunks: list[Held], start: int) -> list[Chunk]:
        """The chunks from `start` on, in new sessions that know the parameter sets which came before."""
        sessions: dict[int, Session] = {}
        found = []
        for number, chunk in enumerate(chunks):
            session = sessions.get(id(chunk.session))
            if session is None:
                known = list(chunk.session.parameter_sets)
                session = dataclasses.replace(chunk.session, name=new_session_name(), parameter_sets=known)
                sessions[id(chunk.session)] = session
            if number >= start:
                found.append(chunk.load()._replace(session=session))
            elif self._first + number in self._sets:
                session.parameter_sets[:] = _latest(chunk.load()._replace(session=session))
        return found


def _latest(chunk: Chunk) -> list[bytes]:
    """The session's parameter sets known before this chunk and those in it, bounded by what a chunk can hold."""
    video = chunk.session.video
    found = parameter_sets_in(PACKET_CODECS[video.codec], chunk.data, video.channel)
    kept = [unit for unit in chunk.session.parameter_sets if unit not in found]
    return [*kept, *found][-8:]
