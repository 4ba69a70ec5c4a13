"""Runs inside the client host, standard library only: asks addresses every 20 ms and prints each answer as it comes.

    python3 - INTERVAL_S ADDRESS...        each ADDRESS an IP address (ping) or ADDRESS@PORT (TCP connect)

One line per answer, `INDEX SENT RECEIVED`, both in seconds of CLOCK_MONOTONIC, which all hosts of the lab share with
the machine. Ends when standard input closes. It learns addresses by the kernel's own ARP cache, as a viewer's PC does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import sys
import time

CONNECT_LIMIT_S = 1.0
"""An unanswered connection attempt is given up after this; younger ones run beside it."""


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071); only ICMP needs it, the kernel fills in ICMPv6's."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Ping:
    """Echo requests to one address over a raw socket; the time of sending travels in the packet."""

    def __init__(self, address: str) -> None:
        self.six = ":" in address
        family, protocol = (
            (socket.AF_INET6, socket.IPPROTO_ICMPV6) if self.six else (socket.AF_INET, socket.IPPROTO_ICMP)
        )
        self.target = (address, 0)
        self.number = 0
        self.mark = os.urandom(4)
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.setblocking(False)

    def send(self) -> None:
        """One request; a network that is away is the answer that never comes."""
        self.number = (self.number + 1) & 0xFFFF
        body = self.mark + struct.pack("!d", time.monotonic())
        head = struct.pack("!BBHHH", 128 if self.six else 8, 0, 0, os.getpid() & 0xFFFF, self.number)
        if not self.six:
            head = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:]
        with contextlib.suppress(OSError):
            self.socket.sendto(head + body, self.target)

    def receive(self) -> list[float]:
        """Times of sending of the requests that were answered."""
        found = []
        with contextlib.suppress(OSError):
            while True:
                data, sender = self.socket.recvfrom(2048)
                packet = data if self.six else data[(data[0] & 15) * 4 :]
                reply = 129 if self.six else 0
                if packet[0] == reply and packet[8:12] == self.mark and sender[0] == self.target[0]:
                    found.append(struct.unpack("!d", packet[12:20])[0])
        return found


class Connect:
    """TCP connections to one address and port, each closed as soon as it stands."""

    def __init__(self, address: str, port: int) -> None:
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.target = (address, port)
        self.pending: list[tuple[float, socket.socket]] = []

    def send(self) -> None:
        """Start one attempt, give up those that are too old."""
        now = time.monotonic()
        for _, old in [entry for entry in self.pending if now - entry[0] > CONNECT_LIMIT_S]:
            old.close()
        self.pending = [entry for entry in self.pending if now - entry[0] <= CONNECT_LIMIT_S]
        attempt = socket.socket(self.family, socket.SOCK_STREAM)
        attempt.setblocking(False)
        if attempt.connect_ex(self.target) in (0, errno.EINPROGRESS):
            self.pending.append((now, attempt))
        else:
            attempt.close()

    def receive(self) -> list[float]:
        """Times of starting of the attempts that stand now."""
        found, left = [], []
        for sent, attempt in self.pending:
            try:
                attempt.getpeername()
            except OSError:
                if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    left.append((sent, attempt))
                else:
                    attempt.close()
                continue
            attempt.close()
            found.append(sent)
        self.pending = left
        return found


def main() -> None:
    """Ask and tell until standard input ends."""
    interval_s = float(sys.argv[1])
    split = [name.partition("@") for name in sys.argv[2:]]
    probes = [Connect(address, int(port)) if port else Ping(address) for address, _, port in split]
    selector = selectors.DefaultSelector()
    stdin = sys.stdin.fileno()
    selector.register(stdin, selectors.EVENT_READ)
    for probe in probes:
        if isinstance(probe, Ping):
            selector.register(probe.socket.fileno(), selectors.EVENT_READ)
    due_s = time.monotonic()
    while True:
        if time.monotonic() >= due_s:
            for probe in probes:
                probe.send()
            due_s = max(due_s + interval_s, time.monotonic())
        quick = any(isinstance(probe, Connect) and probe.pending for probe in probes)
        ready = selector.select(max(0.0, min(due_s - time.monotonic(), 0.002 if quick else 1.0)))
        if any(key.fd == stdin and not os.read(stdin, 64) for key, _ in ready):
            return
        now = time.monotonic()
        for index, probe in enumerate(probes):
            for sent in probe.receive():
                print(index, f"{sent:.6f}", f"{now:.6f}", flush=True)


main()
