"""rtnetlink messages: built and read with struct. Pure; the sockets are in addresses.py and watch.py.

Layouts from linux/netlink.h, linux/if_addr.h and linux/if_link.h; everything is in the machine's byte order.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE, NLM_F_DUMP = 0x01, 0x04, 0x100, 0x400, 0x300
#: multicast groups as a bit mask for bind(2): links, IPv4 addresses, IPv6 addresses
GROUPS_LINK_AND_ADDRESS = 0x1 | 0x10 | 0x100

IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 6, 8
IFA_F_NODAD = 0x02
IFLA_ADDRESS, IFLA_IFNAME = 1, 3
IFF_UP, IFF_RUNNING, IFF_LOWER_UP = 0x1, 0x40, 0x10000
#: the kernel's "for ever" in seconds of a lifetime
INFINITE = 0xFFFFFFFF

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_LINK = struct.Struct("=BBHiII")
_ATTRIBUTE = struct.Struct("=HH")
_CACHEINFO = struct.Struct("=IIII")


@dataclass(frozen=True)
class Address:
    """An address as the kernel holds it."""

    index: int
    #: in CIDR form, e.g. "198.18.31.101/32"
    address: str
    #: whole seconds until the kernel removes it, None for never
    valid_s: int | None


@dataclass(frozen=True)
class Link:
    """A network interface as the kernel holds it."""

    index: int
    name: str
    mac: bytes
    #: up and with a carrier
    running: bool


@dataclass(frozen=True)
class Message:
    """One netlink message without its header."""

    kind: int
    sequence: int
    body: bytes


def _padded(length: int) -> int:
    return (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """One route attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_padded(length) - length)


def request(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A whole request to the kernel."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | NLM_F_REQUEST, sequence, 0) + body


def address_body(index: int, cidr: str, valid_s: int | None) -> bytes:
    """The body of RTM_NEWADDR (with `valid_s`, whole seconds) or RTM_DELADDR (None) for `cidr` on interface `index`.

    The preferred lifetime is 0: outgoing connections, to cameras for one, then keep the physical address as their
    source (RFC 6724 rule 3) and do not break when the logical address moves. Duplicate address detection is off: it
    would cost 1.4-1.9 s, and the probe has been made before.
    """
    interface = ipaddress.ip_interface(cidr)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    body = _ADDRESS.pack(family, interface.network.prefixlen, 0, 0, index)
    body += attribute(IFA_LOCAL, interface.ip.packed) + attribute(IFA_ADDRESS, interface.ip.packed)
    if valid_s is not None:
        flags = IFA_F_NODAD if interface.version == 6 else 0
        body += attribute(IFA_CACHEINFO, _CACHEINFO.pack(0, valid_s, 0, 0))
        body += attribute(IFA_FLAGS, struct.pack("=I", flags))
    return body


def dump_body(kind: int) -> bytes:
    """The body of a dump request of all links or all addresses."""
    return _LINK.pack(0, 0, 0, 0, 0, 0) if kind == RTM_GETLINK else _ADDRESS.pack(0, 0, 0, 0, 0)


def messages(data: bytes) -> Iterator[Message]:
    """Every whole message in one datagram; a torn tail is left out."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        yield Message(kind, sequence, data[offset + _HEADER.size : offset + length])
        offset += _padded(length)


def _attributes(data: bytes, offset: int) -> dict[int, bytes]:
    found = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += _padded(length)
    return found


def error_number(message: Message) -> int:
    """The errno of an NLMSG_ERROR message, 0 for an acknowledgement."""
    return int(-struct.unpack_from("=i", message.body)[0])


def read_address(message: Message) -> Address | None:
    """The address of an RTM_NEWADDR or RTM_DELADDR message; None for families other than IPv4 and IPv6."""
    family, prefix, _flags, _scope, index = _ADDRESS.unpack_from(message.body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = _attributes(message.body, _ADDRESS.size)
    packed = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)
    if packed is None:
        return None
    valid = _CACHEINFO.unpack(found[IFA_CACHEINFO])[1] if IFA_CACHEINFO in found else INFINITE
    return Address(
        index=index,
        address=f"{ipaddress.ip_address(packed)}/{prefix}",
        valid_s=None if valid == INFINITE else valid,
    )


def read_link(message: Message) -> Link:
    """The interface of an RTM_NEWLINK or RTM_DELLINK message."""
    _family, _pad, _type, index, flags, _change = _LINK.unpack_from(message.body)
    found = _attributes(message.body, _LINK.size)
    wanted = IFF_UP | IFF_RUNNING | IFF_LOWER_UP
    name = found.get(IFLA_IFNAME, b"").split(b"\0")[0].decode(errors="replace")
    return Link(index=index, name=name, mac=found.get(IFLA_ADDRESS, b""), running=flags & wanted == wanted)
