"""The byte stream of an RTSP connection: `$` packets (RTP, RTCP) and RTSP messages, told apart. No I/O.

A packet is `$`, channel, 16-bit length, payload (RFC 2326 10.12). What is neither packet nor message is garbage: it is
skipped up to the next plausible packet header and counted, because some cameras leave the tail of an older session on
the connection. How the stream was cut into reads never changes what comes out of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DOLLAR = 0x24
#: an RTSP message with its body; SDP documents of cameras stay below 8 KiB
MAX_MESSAGE_BYTES = 64 * 1024
#: a packet header with its 16-bit length
_HEADER_BYTES = 4
_MAX_PACKET_BYTES = _HEADER_BYTES + 0xFFFF
#: what `split` may leave over for the next read, at most
MAX_TAIL_BYTES = max(_MAX_PACKET_BYTES, MAX_MESSAGE_BYTES)

_MESSAGE = b"RTSP/1."
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_END_OF_HEADER = b"\r\n\r\n"


class Batch(NamedTuple):
    """What one read brought."""

    #: whole packets with their `$` headers, one behind the other, nothing in between
    data: bytes
    #: where each packet of `data` starts
    offsets: list[int]
    #: whole RTSP messages
    messages: list[bytes]


def walk(data: bytes) -> list[int]:
    """Where each packet starts in the `data` of a Batch."""
    offsets = []
    position, end = 0, len(data)
    while position < end:
        offsets.append(position)
        position += _HEADER_BYTES + (data[position + 2] << 8 | data[position + 3])
    return offsets


class Framer:
    """Keeps what a read left unfinished (at most MAX_TAIL_BYTES) and finds the way back after garbage."""

    def __init__(self) -> None:
        #: to be put before the next read
        self.tail = b""
        self.garbage_bytes = 0
        #: how often garbage began in the last read
        self.resyncs = 0
        self._channels: frozenset[int] = frozenset()
        self._start = _plausible_start(frozenset())
        self._lost = False

    @property
    def channels(self) -> frozenset[int]:
        """Channels the camera may use: what looks like a packet of another one does not end a run of garbage."""
        return self._channels

    @channels.setter
    def channels(self, channels: frozenset[int]) -> None:
        if channels != self._channels:
            self._channels, self._start = channels, _plausible_start(channels)

    def split(self, buffer: bytearray, end: int) -> Batch:
        """Take apart `buffer[:end]`, which starts with `tail`; sets the new `tail`."""
        offsets: list[int] = []
        pieces: list[bytes] = []
        messages: list[bytes] = []
        view = memoryview(buffer)
        position = run = removed = self.resyncs = 0
        while True:
            if not self._lost:
                position = _packets(buffer, position, end, removed, offsets)
            if position > run:
                pieces.append(bytes(view[run:position]))
            if end - position < _HEADER_BYTES or (buffer[position] == DOLLAR and not self._lost):
                break
            was_lost = self._lost
            skipped = self._other(buffer, position, end, messages)
            removed += skipped
            position = run = position + skipped
            if self._lost or not (skipped or was_lost):
                break
        self.tail = bytes(view[position:end])
        return Batch(pieces[0] if len(pieces) == 1 else b"".join(pieces), offsets, messages)

    def _other(self, buffer: bytearray, position: int, end: int, messages: list[bytes]) -> int:
        """Bytes to take away at `position`, where no packet starts; 0 when more must be read to tell."""
        if self._lost:
            return self._skip_garbage(buffer, position, position, end)
        seen = bytes(buffer[position : min(end, position + len(_MESSAGE))])
        if not _MESSAGE.startswith(seen):
            return self._skip_garbage(buffer, position, position + 1, end)
        size = _message_size(buffer, position, end)
        if size is None:
            return self._skip_garbage(buffer, position, position + 1, end)
        if size:
            messages.append(bytes(buffer[position : position + size]))
        return size

    def _skip_garbage(self, buffer: bytearray, position: int, search: int, end: int) -> int:
        """Bytes up to the next plausible start; `_lost` stays set when what was read does not hold one."""
        self.resyncs += not self._lost
        match = self._start.search(buffer, search, end)
        self._lost = match is None
        if match:
            found = match.start()
        else:
            # A packet may begin within the last bytes, or else a message.
            found = buffer.find(DOLLAR, max(search, end - _HEADER_BYTES), end)
            if found < 0:
                found = max(search, end - len(_MESSAGE) + 1)
        self.garbage_bytes += found - position
        return found - position


def _plausible_start(channels: frozenset[int]) -> re.Pattern[bytes]:
    """Finds the header of an RTP or RTCP packet (version 2) on one of `channels`, or a message."""
    listed = b"".join(re.escape(bytes((channel,))) for channel in sorted(channels))
    packet = rb"|\$[" + listed + rb"]..[\x80-\xbf]" if listed else b""
    return re.compile(rb"RTSP/1\." + packet, re.DOTALL)


def _packets(buffer: bytearray, position: int, end: int, removed: int, offsets: list[int]) -> int:
    """Walk over whole packets from `position`, noting where they start less `removed`; where they end. The hot path."""
    append = offsets.append
    last = end - _HEADER_BYTES
    while position <= last and buffer[position] == 0x24:
        after = position + 4 + (buffer[position + 2] << 8 | buffer[position + 3])
        if after > end:
            break
        append(position - removed)
        position = after
    return position


def _message_size(buffer: bytearray, position: int, end: int) -> int | None:
    """Size of the message at `position` with its body; 0 when it has not all been read, None when it is too long."""
    limit = position + MAX_MESSAGE_BYTES
    header_end = buffer.find(_END_OF_HEADER, position, min(end, limit))
    if header_end < 0:
        return None if end >= limit else 0
    size = header_end + len(_END_OF_HEADER) - position
    # The blank line's own line break closes the last header line.
    match = _LENGTH.search(buffer, position, header_end + 2)
    if match:
        size += int(match[1])
    if size > MAX_MESSAGE_BYTES:
        return None
    return size if position + size <= end else 0
