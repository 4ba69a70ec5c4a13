"""A viewer's PC in miniature: asks an address every 20 ms whether it is there, and remembers when it answered."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import select
import socket
import struct
import threading
import time

from netns.machine import Machine

PERIOD_S = 0.02


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinger:
    """Pings `address` from `machine` from `start` to `stop`; times are time.monotonic()."""

    def __init__(self, machine: Machine, address: str) -> None:
        self._machine = machine
        self._address = address
        self._six = ipaddress.ip_address(address).version == 6
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: machine.run(self._ping), daemon=True)
        self.answered_s: list[float] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def gap_after(self, moment_s: float) -> float | None:
        """Seconds from `moment_s` to the first answer after an interruption that began later; None before that."""
        # answers may still be on their way for a few periods after the moment
        later = [at_s for at_s in self.answered_s if at_s > moment_s + 5 * PERIOD_S]
        return later[0] - moment_s if later else None

    def longest_gap(self, since_s: float) -> float:
        """The longest time between two answers since `since_s`."""
        times = [at_s for at_s in self.answered_s if at_s >= since_s]
        return max((b - a for a, b in itertools.pairwise(times)), default=float("inf"))

    def _ping(self) -> None:
        family, protocol = (socket.AF_INET6, 58) if self._six else (socket.AF_INET, 1)
        with socket.socket(family, socket.SOCK_RAW, protocol) as channel:
            channel.setblocking(False)
            sequence = 0
            while not self._stop.is_set():
                sequence = (sequence + 1) & 0xFFFF
                with contextlib.suppress(OSError):
                    channel.sendto(self._request(sequence), (self._address, 0))
                self._listen(channel, time.monotonic() + PERIOD_S)

    def _request(self, sequence: int) -> bytes:
        if self._six:  # the kernel fills in the checksum
            return struct.pack("!BBHHH", 128, 0, 0, 0x5553, sequence)
        message = struct.pack("!BBHHH", 8, 0, 0, 0x5553, sequence)
        return message[:2] + struct.pack("!H", _checksum(message)) + message[4:]

    def _listen(self, channel: socket.socket, until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0:
            if not select.select([channel], [], [], left_s)[0]:
                return
            with contextlib.suppress(OSError):
                data, sender = channel.recvfrom(2048)
                kind = data[0] if self._six else data[20]
                if sender[0] == self._address and kind == (129 if self._six else 0):
                    self.answered_s.append(time.monotonic())
