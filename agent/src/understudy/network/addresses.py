"""Logical addresses on this machine's interfaces, through rtnetlink in process.

No subprocess: running `ip` needs the system disk, and the disk may be the very thing that hangs. Every address is
added with a finite lifetime, so that the kernel removes it when this process stops refreshing it: that is the
dead man's switch of the whole design, and `self_test` proves it before anything is served.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from understudy.clock import boottime_s
from understudy.network import netlink

#: the kernel answers within microseconds; a second means that another process sits on its network lock
ANSWER_TIMEOUT_S = 1.0
_RECEIVE_BYTES = 256 * 1024
#: RFC 5737 / RFC 3849 documentation addresses: never anybody's, and on `lo` they are announced to nobody
_TEST_ADDRESSES = {4: "192.0.2.254/32", 6: "2001:db8:6e64:7374::1/128"}
_TEST_LIFETIME_S = 7


class AddressError(Exception):
    """The kernel refused or did not answer; the text says which address, which interface and why."""


@dataclass(frozen=True)
class Held:
    """An address on an interface of this machine."""

    nic: str
    #: in CIDR form
    address: str
    #: whole seconds until the kernel removes it; None means for ever, which no logical address may be
    valid_s: int | None


class Addresses:
    """The kernel's table of addresses. Not for several threads."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket; addresses stay until their lifetime ends."""
        self._socket.close()

    def __enter__(self) -> Addresses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def links(self) -> dict[str, netlink.Link]:
        """Every interface by name."""
        found = (netlink.read_link(m) for m in self._dump(netlink.RTM_GETLINK) if m.kind == netlink.RTM_NEWLINK)
        return {link.name: link for link in found}

    def held(self) -> tuple[Held, ...]:
        """Every IPv4 and IPv6 address of every interface."""
        return self.table()[1]

    def table(self) -> tuple[dict[str, netlink.Link], tuple[Held, ...]]:
        """Every interface by name, and every address of every interface."""
        links = self.links()
        names = {link.index: name for name, link in links.items()}
        found = (netlink.read_address(m) for m in self._dump(netlink.RTM_GETADDR) if m.kind == netlink.RTM_NEWADDR)
        held = (
            Held(nic=names[a.index], address=a.address, valid_s=a.valid_s)
            for a in found
            if a is not None and a.index in names
        )
        return links, tuple(held)

    def replace(self, nic: str, address: str, valid_s: int) -> None:
        """Add `address` (CIDR) to `nic`, or refresh it, to live `valid_s` whole seconds from now."""
        if valid_s < 1:
            raise AddressError(f"{address} on {nic}: a lifetime of {valid_s} s is not one the kernel knows")
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE
        self._change(netlink.RTM_NEWADDR, flags, nic, address, valid_s)

    def delete(self, nic: str, address: str) -> None:
        """Remove `address` from `nic`; that it (or the interface) is gone already is success."""
        try:
            self._change(netlink.RTM_DELADDR, 0, nic, address, None)
        except AddressError as error:
            if error.__cause__ is None or getattr(error.__cause__, "errno", None) not in (
                errno.EADDRNOTAVAIL,
                errno.ENODEV,
            ):
                raise

    def _change(self, kind: int, flags: int, nic: str, address: str, valid_s: int | None) -> None:
        try:
            body = netlink.address_body(_index(nic), address, valid_s)
            self._ask(kind, flags | netlink.NLM_F_ACK, body)
        except OSError as error:
            reason = "no answer from the kernel" if isinstance(error, TimeoutError) else error.strerror
            raise AddressError(f"{address} on {nic}: {reason}") from error

    def _dump(self, kind: int) -> list[netlink.Message]:
        try:
            return self._ask(kind, netlink.NLM_F_DUMP, netlink.dump_body(kind))
        except OSError as error:
            raise AddressError(f"cannot list interfaces and addresses: {error.strerror or error}") from error

    def _ask(self, kind: int, flags: int, body: bytes) -> list[netlink.Message]:
        """Send one request and collect its answer; OSError with the kernel's errno when it is refused."""
        self._sequence += 1
        self._socket.send(netlink.request(kind, flags, self._sequence, body))
        answer: list[netlink.Message] = []
        while True:
            for message in netlink.messages(self._socket.recv(_RECEIVE_BYTES)):
                if message.sequence != self._sequence:
                    continue  # the late answer of a request that was given up on
                if message.kind == netlink.NLMSG_ERROR:
                    if number := netlink.error_number(message):
                        raise OSError(number, os.strerror(number))
                    return answer
                if message.kind == netlink.NLMSG_DONE:
                    return answer
                answer.append(message)


def _index(nic: str) -> int:
    try:
        return socket.if_nametoindex(nic)
    except OSError as error:
        # the C library's error has no number here
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


def self_test(addresses: Addresses, versions: Iterable[int], nic: str = "lo") -> str | None:
    """Prove that this kernel takes and keeps finite lifetimes: None, or the reason why it must not serve.

    `versions`: the IP versions that matter; one that a machine has switched off cannot be tried on it.

    pyroute2 0.7.2 silently dropped the lifetime, and the address stayed for ever; whatever the next such surprise
    is, it shall show here and not as one address on two machines.
    """
    try:
        for version in versions:
            reason = _test_one(addresses, nic, _TEST_ADDRESSES[version])
            if reason is not None:
                return reason
    except AddressError as error:
        return f"self-test of address lifetimes: {error}"
    return None


def _test_one(addresses: Addresses, nic: str, address: str) -> str | None:
    started_s = boottime_s()
    addresses.replace(nic, address, _TEST_LIFETIME_S)
    try:
        found = {held.address: held for held in addresses.held() if held.nic == nic}.get(address)
    finally:
        addresses.delete(nic, address)
    took_s = boottime_s() - started_s
    if found is None:
        return f"self-test of address lifetimes: {address} was accepted on {nic} but is not there"
    if found.valid_s is None:
        return f"self-test of address lifetimes: the kernel keeps {address} for ever instead of {_TEST_LIFETIME_S} s"
    if not _TEST_LIFETIME_S - 1 - took_s <= found.valid_s <= _TEST_LIFETIME_S:
        return f"self-test of address lifetimes: {address} lives {found.valid_s} s instead of {_TEST_LIFETIME_S} s"
    return None
