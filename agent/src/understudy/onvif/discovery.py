"""WS-Discovery: who on this network says that it is an ONVIF camera. UDP multicast: one question."""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from understudy.onvif import soap

GROUP = ("239.255.255.250", 3702)
#: devices answer after a random delay of up to 0.5 s
WAIT_S = 3.0
_MAX_FOUND = 1024
_PROBE = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header><a:MessageID>urn:uuid:{number}</a:MessageID>'
    "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body>"
    '<Probe xmlns="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
    "<Types>dn:NetworkVideoTransmitter</Types></Probe></s:Body></s:Envelope>"
)


class Found(NamedTuple):
    host: str
    #: the device service's URL
    address: str
    name: str


def discover(source: str | None = None, group: tuple[str, int] = GROUP, wait_s: float = WAIT_S) -> list[Found]:
    """Devices that answer, by host; asked from the address `source`. OSError when the network cannot be used."""
    found: dict[str, Found] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        if source:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            sock.bind((source, 0))
        sock.sendto(_PROBE.format(number=uuid.uuid4()).encode(), group)
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0 and len(found) < _MAX_FOUND:
            sock.settimeout(left_s)
            with contextlib.suppress(TimeoutError, soap.OnvifError):
                data, peer = sock.recvfrom(65535)
                found.setdefault(peer[0], read(data, peer[0]))
    return sorted(found.values())


def read(answer: bytes, host: str) -> Found:
    """A ProbeMatch; OnvifError when it is none."""
    body = soap.read(answer)
    addresses = [url for url in soap.text(body, "ProbeMatch", "XAddrs").split() if urlsplit(url).hostname]
    if not addresses:
        raise soap.OnvifError("not an answer of a camera")
    address = next((url for url in addresses if urlsplit(url).hostname == host), addresses[0])
    scopes = soap.text(body, "ProbeMatch", "Scopes").split()
    names = [unquote(scope.rpartition("/")[2]) for scope in scopes if "/name/" in scope]
    return Found(host, address, "".join(c for c in (names or [""])[0] if c.isprintable())[:60])
