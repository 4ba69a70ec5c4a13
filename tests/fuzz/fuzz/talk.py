"""Targets: what a camera says before it plays. Each function takes any bytes and raises only what is wrong."""

from __future__ import annotations

from understudy.recorder.ingest import sdp
from understudy.recorder.ingest.auth import Credentials, authorization, parse_challenges
from understudy.recorder.ingest.errors import CameraError, Redirected
from understudy.recorder.ingest.framing import MAX_TAIL_BYTES, Framer, walk
from understudy.recorder.ingest.handshake import Handshake, parse_url
from understudy.recorder.ingest.message import parse_response
from understudy.recorder.ingest.tls import Tls

_URL = "rtsp://camera/live"
_PASSWORD = "p@ss:w/rd#1?"
#: a sentence is shown to people
_MAX_SENTENCE = 500
#: our requests repeat what the camera said: its base URL, a control URL below it, its session, its challenge
_MAX_REQUEST = 512 * 1024


def conversation(data: bytes) -> None:
    """The answers of a camera to whatever we ask: requests stay requests, refusals are sentences without a password."""
    handshake, framer = Handshake(parse_url(_URL, "viewer", _PASSWORD)), Framer()
    _check_request(handshake.begin())
    try:
        for message in framer.split(bytearray(data), len(data)).messages:
            request = handshake.answer(parse_response(message))
            if request:
                _check_request(request)
        if handshake.playing:
            _check_request(handshake.keep_alive())
        _check_request(handshake.teardown() or b"\r\n\r\n")
    except CameraError as error:
        _check_sentence(error)
    except Redirected as redirected:
        try:
            target = parse_url(_URL).redirected(redirected.url)
            _check_request(Handshake(target).begin())
        except CameraError as error:
            _check_sentence(error)


def _check_request(request: bytes) -> None:
    assert len(request) <= _MAX_REQUEST
    assert request.endswith(b"\r\n\r\n")
    assert request.count(b"\r\n\r\n") == 1
    assert b"\n" not in request.replace(b"\r\n", b""), "a line of the camera's own in our request"
    assert _PASSWORD.encode() not in request


def _check_sentence(error: CameraError) -> None:
    text = str(error)
    assert text.isprintable(), text
    assert len(text) <= _MAX_SENTENCE
    assert _PASSWORD not in text


def description(data: bytes) -> None:
    """A session description: the streams to record, or a sentence."""
    try:
        streams = sdp.choose(sdp.parse(data))
    except CameraError as error:
        _check_sentence(error)
        return
    assert [stream.kind for stream in streams] in (["video"], ["video", "audio"])
    assert all(0 < stream.clock_rate <= 1_000_000 for stream in streams)


def challenge(data: bytes) -> None:
    """A WWW-Authenticate header: an answer to it, or none."""
    text = "".join(c for c in data.decode("utf-8", "replace") if c.isprintable())
    found = parse_challenges([text])
    if found:
        answer = authorization(found, Credentials("viewer", _PASSWORD), "DESCRIBE", _URL)
        assert answer.startswith(("Digest ", "Basic "))
        assert "\n" not in answer


def framing(data: bytes) -> None:
    """The byte stream: the same packets, messages and garbage however it was cut; nothing is held without bound."""
    whole = _framed(data, [len(data)])
    sizes = [1 + (value + index) % 97 for index, value in enumerate(data[:64])]
    assert _framed(data, [*sizes, len(data)]) == whole


def _framed(data: bytes, sizes: list[int]) -> tuple[bytes, list[bytes], int]:
    framer, packets, messages, position = Framer(), b"", [], 0
    framer.channels = frozenset({0, 1, 2, 3})
    for size in sizes:
        buffer = bytearray(framer.tail + data[position : position + size])
        position = min(len(data), position + size)
        batch = framer.split(buffer, len(buffer))
        assert batch.offsets == walk(batch.data)
        assert len(framer.tail) <= MAX_TAIL_BYTES
        packets += batch.data
        messages += batch.messages
    assert len(packets) + framer.garbage_bytes <= len(data)
    return packets, messages, framer.garbage_bytes


def tls(data: bytes) -> None:
    """Bytes where a TLS server's are expected: more to send, or a sentence."""
    try:
        channel = Tls("camera.example")
        assert channel.begin()
        room = memoryview(bytearray(len(data) + 32 * 1024))
        for start in range(0, len(data), 700):
            assert channel.receive(data[start : start + 700], room) <= len(room)
            channel.outgoing()
    except CameraError as error:
        _check_sentence(error)
