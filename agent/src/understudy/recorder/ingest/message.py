"""RTSP messages as text (RFC 2326): building requests, reading responses. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from understudy.recorder.ingest.errors import ProtocolError

#: a header is one line; what else a hostile camera puts there must not come back in our requests
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STATUS_LINE = re.compile(rb"RTSP/1\.\d[ \t]+(\d{3})[ \t]*([^\r\n]*)$")


class Response(NamedTuple):
    status: int
    reason: str
    #: names in lower case; a name may occur several times (WWW-Authenticate does)
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of header `name` (lower case), "" when absent."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def sequence(self) -> int:
        """CSeq, -1 when absent or not a number."""
        value = self.header("cseq")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1

    @property
    def line(self) -> str:
        """Status and reason for people; control characters of a hostile camera are left out."""
        reason = "".join(c for c in self.reason if c.isprintable())[:60]
        return f"{self.status} {reason}".strip()


def parse_response(message: bytes) -> Response:
    """Read a whole message; ProtocolError when it is not a response."""
    head, _, body = message.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    match = _STATUS_LINE.match(first)
    if not match:
        raise ProtocolError("the camera sent an RTSP message that is not a response")
    headers = []
    for line in rest:
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon:
            headers.append((name.strip().lower(), _CONTROL.sub("", value.strip())))
    return Response(int(match[1]), match[2].decode("utf-8", "replace"), tuple(headers), body)


def request(method: str, uri: str, sequence: int, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request without a body."""
    lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {sequence}", "User-Agent: Understudy"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parameters(value: str) -> dict[str, str]:
    """Read `a=b;c="d";e` (Transport, Session, fmtp): names in lower case, quotes off, flags as ""."""
    found = {}
    for part in value.split(";"):
        name, _, text = part.partition("=")
        if name.strip():
            found[name.strip().lower()] = text.strip().strip('"')
    return found
