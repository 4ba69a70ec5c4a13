"""The two messages of a camera's process, framed like answers of an RTSP camera. Pure, no I/O."""

from __future__ import annotations

import msgspec

from understudy.recorder.ingest.errors import CameraError, ProtocolError
from understudy.recorder.ingest.message import parse_response
from understudy.recorder.ingest.sdp import Stream


class Order(msgspec.Struct, frozen=True):
    """What a camera's process is started for; it reads this from its standard input."""

    url: str
    username: str
    password: str
    #: why our own ingest could not, for RTSP: over which transport then
    transport: str


class Described(msgspec.Struct, frozen=True):
    """What is coming."""

    streams: tuple[Stream, ...]
    #: what is left out, a sentence; "" when nothing is
    note: str = ""


def description(described: Described) -> bytes:
    return _message("200 OK", msgspec.json.encode(described))


def failure(sentence: str, retry_s: float = 0.0) -> bytes:
    return _message("500 Failed", msgspec.json.encode((sentence, retry_s)))


def _message(line: str, body: bytes) -> bytes:
    return f"RTSP/1.0 {line}\r\nCSeq: 0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def read(message: bytes) -> Described:
    """The description; CameraError when the camera's process reports a failure."""
    response = parse_response(message)
    try:
        if response.status == 200:
            return msgspec.json.decode(response.body, type=Described)
        sentence, retry_s = msgspec.json.decode(response.body, type=tuple[str, float])
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the camera's own process sent what is none of its messages: {error}") from error
    raise CameraError(sentence, retry_s)
