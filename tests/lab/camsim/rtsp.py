"""RTSP messages as bytes: requests in, responses and session descriptions out. Pure, no I/O."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from camsim.clip import VIDEO_CLOCK_HZ, Clip, Sound
from camsim.rtp import AUDIO_TYPES, VIDEO_TYPE

#: a request whose head is longer is no request
MAX_HEAD = 16 * 1024
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case. `path` is the URL's path, with its query if it has one."""

    method: str
    uri: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class Inbox:
    """Takes what a client sends apart: requests, and interleaved packets (RTCP), which count as signs of life only."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Request]:
        """Add received bytes; returns the requests that are now whole. Raises ValueError on what is no RTSP."""
        self._buffer += data
        requests = []
        while self._buffer:
            if self._buffer[0] == ord("$"):
                size = 4 + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) < max(size, 4):
                    break
                del self._buffer[:size]
                continue
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise ValueError("no end of head")
                break
            request = _parse(bytes(self._buffer[:end]))
            size = end + 4 + int(request.headers.get("content-length", "0"))
            if len(self._buffer) < size:
                break
            del self._buffer[:size]
            requests.append(request)
        return requests


def _parse(head: bytes) -> Request:
    first, *rest = head.decode("utf-8").lstrip("\r\n").split("\r\n")
    method, uri, version = first.split(" ")
    if version != "RTSP/1.0":
        raise ValueError(f"not RTSP/1.0: {first!r}")
    pairs = (line.partition(":") for line in rest)
    url = urlsplit(uri)
    path = url.path + (f"?{url.query}" if url.query else "")
    return Request(method, uri, path, {name.strip().lower(): value.strip() for name, _, value in pairs})


def response(request: Request, status: int, headers: dict[str, str] | None = None, body: str = "") -> bytes:
    """The answer to a request, with its CSeq."""
    lines = [f"RTSP/1.0 {status} {_PHRASES[status]}", f"CSeq: {request.headers.get('cseq', '0')}", "Server: camsim"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def describe(name: str, clip: Clip, *, parameter_sets: bool) -> str:
    """The session description; the tracks are trackID=0 (video) and trackID=1 (audio, when the clip has sound)."""
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", f"s={name}", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
    lines += [f"m=video 0 RTP/AVP {VIDEO_TYPE}", f"a=rtpmap:{VIDEO_TYPE} {clip.codec.upper()}/{VIDEO_CLOCK_HZ}"]
    if fmtp := ";".join(_h264(clip, parameter_sets) if clip.codec == "h264" else _h265(clip, parameter_sets)):
        lines.append(f"a=fmtp:{VIDEO_TYPE} {fmtp}")
    lines += [f"a=framerate:{clip.fps}", "a=control:trackID=0"]
    if clip.sound:
        lines += _sound(clip.sound)
    return "\r\n".join(lines) + "\r\n"


def _h264(clip: Clip, parameter_sets: bool) -> list[str]:
    given = ["packetization-mode=1", f"profile-level-id={clip.sps[1:4].hex().upper()}"]
    return given + [f"sprop-parameter-sets={_base64(clip.sps)},{_base64(clip.pps)}"] * parameter_sets


def _h265(clip: Clip, parameter_sets: bool) -> list[str]:
    units = zip(("vps", "sps", "pps"), clip.parameter_sets, strict=True)
    return [f"sprop-{name}={_base64(unit)}" for name, unit in units] if parameter_sets else []


def _sound(sound: Sound) -> list[str]:
    """G.711 as most cameras say it: by its payload type alone."""
    number = AUDIO_TYPES[sound.codec]
    lines = [f"m=audio 0 RTP/AVP {number}"]
    if sound.codec == "aac":
        mode = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"
        lines.append(f"a=rtpmap:{number} mpeg4-generic/{sound.rate_hz}/{sound.channels}")
        lines.append(f"a=fmtp:{number} {mode};config={sound.config.hex()}")
    return [*lines, "a=control:trackID=1"]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
