"""Runs on the machine that holds the lab, standard library only: which logical address is on which host, every few ms.

    python3 addresses_script.py INTERVAL_S ADDRESS,ADDRESS... HOST=PIDFILE...

It looks into the hosts' network namespaces from outside, so neither a stopped process nor a frozen host hides anything,
and one clock times all of them. One line per change, `at TIME HOST [ADDRESS...]`; one line per look that finds an
address on two hosts, `twice TIME ADDRESS HOST HOST`, after a second look at both; `looks COUNT LONGEST_PAUSE` in the
end. TIME is CLOCK_MONOTONIC. Ends when standard input closes. A host that is down has no addresses.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
RTM_GETADDR, NLMSG_ERROR, NLMSG_DONE = 22, 2, 3
NLM_F_REQUEST_DUMP = 0x301
IFA_ADDRESS, IFA_LOCAL = 1, 2
RECEIVE_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A host's network namespace; the socket into it is made anew whenever the host's first process is another."""

    def __init__(self, name: str, pidfile: str) -> None:
        self.name = name
        self._pidfile = Path(pidfile)
        self._pid = ""
        self._socket: socket.socket | None = None

    def look(self, wanted: frozenset[str]) -> frozenset[str]:
        """The wanted addresses that are on the host now."""
        try:
            return self._dump(self._enter()) & wanted
        except OSError:
            self._forget()
            return frozenset()

    def _enter(self) -> socket.socket:
        pid = self._pidfile.read_text(encoding="ascii").strip()
        namespace = Path(f"/proc/{pid}/ns/net")
        namespace.readlink()  # the dead have none
        if self._socket is not None and pid == self._pid:
            return self._socket
        self._forget()
        handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(handle, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(handle)
        self._pid, self._socket = pid, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.settimeout(1.0)
        return self._socket

    def _forget(self) -> None:
        """Let go of the namespace: an open socket would keep a dead host's alive."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._pid = None, ""

    def _dump(self, channel: socket.socket) -> frozenset[str]:
        channel.send(struct.pack("=IHHIIBBBBI", 24, RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0, 0, 0, 0, 0, 0))
        found: set[str] = set()
        while True:
            data, at = channel.recv(RECEIVE_BYTES), 0
            while at < len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return frozenset(found)
                if kind == NLMSG_ERROR:
                    raise OSError("the kernel refused to tell the addresses")
                found.add(_address(data[at + 16 : at + size]))
                at += (size + 3) & ~3


def _address(body: bytes) -> str:
    """The address of one RTM_NEWADDR message."""
    at, found = 8, b""
    while at + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, at)
        if kind == IFA_LOCAL or (kind == IFA_ADDRESS and not found):
            found = body[at + 4 : at + size]
        at += (size + 3) & ~3
    return str(ipaddress.ip_address(found)) if found else ""


def tell_twice(hosts: list[Host], seen: dict[str, frozenset[str]], wanted: frozenset[str]) -> None:
    """Look again at hosts that seem to hold the same address: it may have moved between the first and the second."""
    for index, one in enumerate(hosts):
        for other in hosts[index + 1 :]:
            both = seen[one.name] & seen[other.name]
            if both and (both := both & one.look(wanted) & other.look(wanted)):
                for address in sorted(both):
                    print("twice", f"{time.monotonic():.6f}", address, one.name, other.name, flush=True)


def main() -> None:
    """Look and tell until standard input ends."""
    interval_s, wanted = float(sys.argv[1]), frozenset(sys.argv[2].split(","))
    hosts = [Host(*word.split("=", 1)) for word in sys.argv[3:]]
    told: dict[str, frozenset[str]] = {}
    looks, longest_s, last_s = 0, 0.0, time.monotonic()
    while not select.select([sys.stdin], [], [], interval_s)[0]:
        seen = {host.name: host.look(wanted) for host in hosts}
        now_s = time.monotonic()
        tell_twice(hosts, seen, wanted)
        for name, addresses in seen.items():
            if told.get(name) != addresses:
                print("at", f"{now_s:.6f}", name, *sorted(addresses), flush=True)
        told, looks = seen, looks + 1
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
    print("looks", looks, f"{longest_s:.6f}", flush=True)


main()
