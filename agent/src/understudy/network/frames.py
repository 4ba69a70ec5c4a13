"""Ethernet frames that tell or ask who has an address: ARP (RFC 826, 5227) and neighbour discovery (RFC 4861). Pure."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from dataclasses import dataclass

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REQUEST, _ARP_REPLY = 1, 2
_ICMPV6 = 58
_NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT = 135, 136
_OVERRIDE = 0x20000000
_ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_ETHERNET_BYTES, _IPV6_BYTES, _ADVERTISEMENT_BYTES = 14, 40, 24

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Claim:
    """Somebody on the wire says that `address` is at `mac`."""

    mac: bytes
    address: IPAddress


def _ethernet(target: bytes, source: bytes, kind: int) -> bytes:
    return target + source + struct.pack("!H", kind)


def _arp(operation: int, source: bytes, sender_ip: bytes, target: bytes, target_ip: bytes) -> bytes:
    body = _ARP.pack(1, 0x0800, 6, 4, operation, source, sender_ip, target, target_ip)
    return _ethernet(BROADCAST, source, ETH_P_ARP) + body


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _multicast_mac(group: bytes) -> bytes:
    return b"\x33\x33" + group[-4:]


def _icmpv6(source_mac: bytes, source: bytes, target: bytes, message: bytes) -> bytes:
    """A whole frame to a multicast group, hop limit 255; `message` has zero in the place of its checksum."""
    pseudo = source + target + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + source + target
    return _ethernet(_multicast_mac(target), source_mac, ETH_P_IPV6) + header + message


def announcement(mac: bytes, address: IPAddress) -> tuple[bytes, ...]:
    """Frames that make neighbours send `address` to `mac` from now on.

    IPv4 in both forms: some receivers heed only gratuitous requests, and Linux heeds a gratuitous reply only when
    its target hardware address equals the sender's. IPv6: an unsolicited advertisement with Override.
    """
    packed = address.packed
    if isinstance(address, ipaddress.IPv4Address):
        return (_arp(_ARP_REQUEST, mac, packed, BROADCAST, packed), _arp(_ARP_REPLY, mac, packed, mac, packed))
    message = struct.pack("!BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE) + packed + b"\x02\x01" + mac
    return (_icmpv6(mac, packed, _ALL_NODES, message),)


def probe(mac: bytes, address: IPAddress) -> bytes:
    """A frame that asks who has `address` without claiming it: ARP from 0.0.0.0, or a solicitation from `::`."""
    packed = address.packed
    if isinstance(address, ipaddress.IPv4Address):
        return _arp(_ARP_REQUEST, mac, bytes(4), bytes(6), packed)
    group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + packed[13:]
    message = struct.pack("!BBHI", _NEIGHBOUR_SOLICITATION, 0, 0, 0) + packed
    return _icmpv6(mac, bytes(16), group, message)


def read_claim(frame: bytes) -> Claim | None:
    """What a received frame claims; None when it claims nothing (probes, solicitations, anything torn or foreign)."""
    kind = frame[12:14]
    if kind == struct.pack("!H", ETH_P_ARP):
        return _read_arp(frame[_ETHERNET_BYTES:])
    if kind == struct.pack("!H", ETH_P_IPV6):
        return _read_advertisement(frame[6:12], frame[_ETHERNET_BYTES:])
    return None


def _read_arp(body: bytes) -> Claim | None:
    if len(body) < _ARP.size:
        return None
    hardware, protocol, mac_bytes, ip_bytes, _op, mac, sender, _target, _target_ip = _ARP.unpack_from(body)
    if (hardware, protocol, mac_bytes, ip_bytes) != (1, 0x0800, 6, 4) or sender == bytes(4):
        return None
    return Claim(mac, ipaddress.IPv4Address(sender))


def _read_advertisement(source_mac: bytes, packet: bytes) -> Claim | None:
    message = packet[_IPV6_BYTES:]
    if len(message) < _ADVERTISEMENT_BYTES or packet[6] != _ICMPV6 or message[0] != _NEIGHBOUR_ADVERTISEMENT:
        return None
    option = message[_ADVERTISEMENT_BYTES : _ADVERTISEMENT_BYTES + 8]
    mac = option[2:] if option[:2] == b"\x02\x01" and len(option) == 8 else source_mac
    return Claim(mac, ipaddress.IPv6Address(message[8:24]))


#: classic BPF (linux/filter.h): let only IPv6 packets pass whose payload is a neighbour advertisement, so that video
#: over IPv6 never reaches this process. Offsets count from the Ethernet header.
_ADVERTISEMENTS_ONLY = (
    (0x30, 0, 0, _ETHERNET_BYTES + 6),  # A = next header
    (0x15, 0, 3, _ICMPV6),
    (0x30, 0, 0, _ETHERNET_BYTES + _IPV6_BYTES),  # A = ICMPv6 type
    (0x15, 0, 1, _NEIGHBOUR_ADVERTISEMENT),
    (0x06, 0, 0, 0xFFFF),  # take it
    (0x06, 0, 0, 0),  # drop it
)


def only_advertisements(channel: socket.socket) -> None:
    """Attach that filter to an AF_PACKET socket (SO_ATTACH_FILTER)."""
    program = b"".join(struct.pack("=HBBI", *step) for step in _ADVERTISEMENTS_ONLY)
    buffer = ctypes.create_string_buffer(program)
    # struct sock_fprog: the count, then a pointer aligned to its own size; the kernel copies the program
    channel.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", len(_ADVERTISEMENTS_ONLY), ctypes.addressof(buffer)))
