"""One network interface as raw frames: sends announcements and probes, hears who claims an address."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from understudy.network import frames

log = logging.getLogger(__name__)

_FRAME_BYTES = 2048
#: frames taken per wake-up, so that an ARP storm cannot hold the event loop
_BATCH = 64

Heard = Callable[[str, frames.Claim], None]


class WireError(Exception):
    """The interface cannot be used for raw frames; the text says which and why."""


class Wire:
    """Raw frames on `nic`. Calls `heard(nic, claim)` for every claim of an address by another MAC than its own."""

    def __init__(self, nic: str, heard: Heard) -> None:
        self.nic = nic
        self._heard = heard
        #: IP version -> socket for ARP (4) or neighbour discovery (6); empty while closed
        self._sockets: dict[int, socket.socket] = {}

    def open(self) -> None:
        """Open the sockets and listen, if not done yet; must run inside the event loop.

        WireError when the interface is not there.
        """
        if self._sockets:
            return
        try:
            for version, kind in ((4, frames.ETH_P_ARP), (6, frames.ETH_P_IPV6)):
                channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
                self._sockets[version] = channel
                channel.setblocking(False)
                if kind == frames.ETH_P_IPV6:
                    frames.only_advertisements(channel)
                channel.bind((self.nic, kind))
        except OSError as error:
            self.close()
            raise WireError(f"{self.nic}: {error.strerror}") from error
        for channel in self._sockets.values():
            asyncio.get_running_loop().add_reader(channel, self._readable, channel)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        for channel in self._sockets.values():
            asyncio.get_running_loop().remove_reader(channel)
            channel.close()
        self._sockets.clear()

    @property
    def mac(self) -> bytes:
        """The interface's hardware address as of now (a bond may change it)."""
        mac = self._sockets[4].getsockname()[4]
        assert isinstance(mac, bytes)
        return mac

    def announce(self, address: frames.IPAddress) -> None:
        """Tell everybody on this network that `address` is here; WireError when the frames cannot leave."""
        self.open()
        for frame in frames.announcement(self.mac, address):
            self._send(address.version, frame)

    def probe(self, address: frames.IPAddress) -> None:
        """Ask who has `address`; an answer comes through `heard`. WireError when the frame cannot leave."""
        self.open()
        self._send(address.version, frames.probe(self.mac, address))

    def _send(self, version: int, frame: bytes) -> None:
        try:
            self._sockets[version].send(frame)
        except OSError as error:
            # The next use opens anew: an interface that was taken out and put back is another one to the kernel.
            self.close()
            raise WireError(f"{self.nic}: {error.strerror}") from error

    def _readable(self, channel: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                frame = channel.recv(_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                # ENETDOWN is told once when the interface goes down; anything else deserves to be seen
                if error.errno != errno.ENETDOWN:
                    log.warning("%s: %s", self.nic, error.strerror)
                return
            claim = frames.read_claim(frame)
            if claim is not None and claim.mac != self.mac:
                self._heard(self.nic, claim)
