"""How far this server's clock is off: one question to a time server (RFC 4330), as any client of it would ask.

Asked directly and not read from chrony: that works for a service without rights, and measures the clock that
recordings carry even where nothing disciplines it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterable

PORT = 123
ANSWER_S = 2.0
#: seconds from 1900, where NTP begins, to 1970
_EPOCH_S = 2_208_988_800
_CLIENT = 0x23  # version 4, mode 3
_PACKET = struct.Struct("!B B b b I I I I I I I I I I I")
#: a year that begins after 2036 wraps around
_ERA_S = 2**32


def request(sent_s: float) -> bytes:
    """The question; its transmit time comes back, so that an answer belongs to it."""
    return _PACKET.pack(_CLIENT, 0, 0, 0, *([0] * 9), *_stamp(sent_s))


def offset_s(sent_s: float, answer: bytes, received_s: float) -> tuple[float, float] | None:
    """How far the own clock is ahead, and how wrong that may be at most (half the way); None for no proper answer."""
    if len(answer) < _PACKET.size:
        return None
    first, stratum, *_rest = fields = _PACKET.unpack_from(answer)
    origin, server_received, server_sent = fields[9:11], _seconds(*fields[11:13]), _seconds(*fields[13:15])
    if first & 7 != 4 or first >> 6 == 3 or not 1 <= stratum <= 15 or tuple(origin) != _stamp(sent_s):
        return None
    delay_s = (received_s - sent_s) - (server_sent - server_received)
    return ((sent_s - server_received) + (received_s - server_sent)) / 2, max(0.0, delay_s / 2)


def _stamp(wall_s: float) -> tuple[int, int]:
    whole, part = divmod(wall_s + _EPOCH_S, 1)
    return int(whole) % _ERA_S, int(part * 2**32)


def _seconds(whole: int, part: int) -> float:
    era = _ERA_S if whole < 2**31 else 0
    return whole + era + part / 2**32 - _EPOCH_S


async def clock_offset_s(servers: Iterable[str], port: int = PORT) -> float | None:
    """How far this server's clock is certainly off, by the time server that answers quickest; None when none does."""
    answers = await asyncio.gather(*(asyncio.to_thread(_ask, server, port) for server in servers))
    found = [answer for answer in answers if answer is not None]
    if not found:
        return None
    offset, doubt_s = min(found, key=lambda answer: answer[1])
    return 0.0 if abs(offset) <= doubt_s else offset - doubt_s if offset > 0 else offset + doubt_s


def _ask(server: str, port: int) -> tuple[float, float] | None:
    try:
        family, kind, number, _, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, number) as channel:
            channel.settimeout(ANSWER_S)
            channel.connect(address)
            sent_s = time.time()
            channel.send(request(sent_s))
            answer = channel.recv(1024)
            return offset_s(sent_s, answer, time.time())
    except OSError:
        return None
