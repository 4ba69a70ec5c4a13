"""Heartbeat datagrams: sealed, opened, and believed or not. Pure: no sockets, time is passed in.

Layout: magic (4), version (1), sequence number (8), heartbeat as MessagePack, HMAC-SHA-256 of all that (32). The
sequence number is the sender's CLOCK_BOOTTIME in nanoseconds: it grows across a restart of its agent and need not be
stored.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from understudy.failover.model import Heartbeat, Peer

MAGIC, VERSION = b"UNDY", 1
#: a heartbeat of 100 parts is about 3 kB
MAX_BYTES = 8192
#: earlier boots of a peer that are remembered, so that a recording of one cannot be played back
REMEMBERED_BOOTS = 16
NEVER_S = -1e9
_HEADER = struct.Struct("!4sBQ")
_SEAL_BYTES = 32


class Heard(IntEnum):
    """What became of a datagram; true when it was believed."""

    REFUSED = 0
    #: says what the one before said, apart from the renewals it reports
    SAME = 1
    NEWS = 2


class HeartbeatError(Exception):
    """The heartbeat cannot be sent; the text says why."""


def seal(key: bytes, sequence: int, heartbeat: Heartbeat) -> bytes:
    """The datagram of `heartbeat`; HeartbeatError when it is longer than MAX_BYTES."""
    content = _HEADER.pack(MAGIC, VERSION, sequence) + msgspec.msgpack.encode(heartbeat)
    if len(content) + _SEAL_BYTES > MAX_BYTES:
        raise HeartbeatError(f"a heartbeat of {len(content)} bytes is longer than {MAX_BYTES}")
    return content + hmac.digest(key, content, hashlib.sha256)


@dataclass
class _Speaker:
    """What is known of another server."""

    boot: str
    heartbeat: Heartbeat
    newest: int = 0
    #: network -> newest sequence number, and when it was heard
    sequences: dict[str, int] = field(default_factory=dict)
    heard_s: dict[str, float] = field(default_factory=dict)
    #: the newest datagram: over every other network comes the same one, and need not be opened again
    datagram: bytes = b""
    earlier_boots: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BOOTS))


class Hearing:
    """Believes datagrams sealed with the site's key, and no datagram twice."""

    def __init__(self, key: bytes, node: str, boot: str, others: frozenset[str]) -> None:
        self._key = key
        self._node, self._boot = node, boot
        self._others = others
        self._speakers: dict[str, _Speaker] = {}
        #: the newest datagram of every speaker, opened
        self._opened: dict[bytes, tuple[Heartbeat | None, int, str]] = {}
        #: when a machine with our name and another boot was last heard
        self.double_s = NEVER_S
        #: reason -> datagrams refused for it
        self.refused: Counter[str] = Counter()

    def hear(self, data: bytes, network: str, now_s: float) -> Heard:
        """Take in a datagram received on `network` at `now_s`; REFUSED, and counted, when it is not to be believed."""
        heartbeat, sequence, reason = self._opened.get(data) or self._open(data)
        if heartbeat is None:
            self.refused[reason] += 1
            if reason == "same name":
                self.double_s = now_s
            return Heard.REFUSED
        heard = self._believe(heartbeat, sequence, network, now_s)
        speaker = self._speakers[heartbeat.node]
        if heard and speaker.newest == sequence and speaker.datagram != data:
            self._opened.pop(speaker.datagram, None)
            self._opened[data] = (heartbeat, sequence, "")
            speaker.datagram = data
        return heard

    def peers(self) -> dict[str, Peer]:
        """Everybody heard so far."""
        return {name: Peer(heartbeat=s.heartbeat, heard_s=dict(s.heard_s)) for name, s in self._speakers.items()}

    def _open(self, data: bytes) -> tuple[Heartbeat | None, int, str]:
        """The heartbeat in `data` and its sequence number, or None, 0 and why not."""
        if not _HEADER.size + _SEAL_BYTES < len(data) <= MAX_BYTES or data[:4] != MAGIC:
            return None, 0, "malformed"
        content, mac = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, content, hashlib.sha256)):
            return None, 0, "foreign"
        _magic, version, sequence = _HEADER.unpack_from(content)
        if version != VERSION:
            return None, 0, "another version"
        try:
            heartbeat = msgspec.msgpack.decode(content[_HEADER.size :], type=Heartbeat)
        except msgspec.DecodeError:
            return None, 0, "another version"
        if heartbeat.node == self._node:
            return None, 0, "own" if heartbeat.boot == self._boot else "same name"
        if heartbeat.node not in self._others:
            return None, 0, "unknown server"
        return heartbeat, sequence, ""

    def _believe(self, heartbeat: Heartbeat, sequence: int, network: str, now_s: float) -> Heard:
        speaker = self._speakers.get(heartbeat.node)
        if speaker is None:
            speaker = self._speakers[heartbeat.node] = _Speaker(heartbeat.boot, heartbeat)
        if heartbeat.boot in speaker.earlier_boots or (
            heartbeat.boot == speaker.boot and sequence <= speaker.sequences.get(network, 0)
        ):
            self.refused["replayed"] += 1
            return Heard.REFUSED
        if heartbeat.boot != speaker.boot:
            speaker.earlier_boots.append(speaker.boot)
            speaker.boot, speaker.newest, speaker.sequences = heartbeat.boot, 0, {}
        speaker.sequences[network] = sequence
        speaker.heard_s[network] = now_s
        if sequence <= speaker.newest:
            return Heard.SAME
        news = speaker.newest == 0 or _differ(speaker.heartbeat, heartbeat)
        speaker.newest, speaker.heartbeat = sequence, heartbeat
        return Heard.NEWS if news else Heard.SAME


def _differ(last: Heartbeat, now: Heartbeat) -> bool:
    """Whether they say different things, apart from the renewals they report."""
    return last != now and msgspec.structs.replace(last, beat=now.beat) != now
