"""All targets with the words their inputs are made of, and one run of one input within its bounds."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz import media, talk

CORPUS = Path(__file__).parents[1] / "corpus"
#: CPU seconds one input may take: none is larger than 256 KiB, and the loop that reads it serves 64 cameras
MAX_CPU_S = 1.0
#: memory at the peak: so much for whatever there is, and so much per byte of input (frames are held, joined, written)
MAX_PEAK_BYTES, MAX_PEAK_FACTOR = 4 * 1024 * 1024, 40


class TooMuch(AssertionError):
    """An input took more time or memory than it may."""


@dataclass(frozen=True)
class Target:
    """A reader under attack."""

    name: str
    read: Callable[[bytes], None]
    tokens: tuple[bytes, ...]

    def corpus(self) -> list[bytes]:
        """Where inputs begin, in a fixed order."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]

    def run(self, data: bytes, *, weigh: bool = False) -> None:
        """Read `data`; raises when something is wrong. `weigh` looks at the memory instead of the time (it is slow)."""
        if weigh:
            tracemalloc.start()
            try:
                self.read(data)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            if peak > MAX_PEAK_BYTES + MAX_PEAK_FACTOR * len(data):
                raise TooMuch(f"{peak} bytes at the peak for an input of {len(data)}")
            return
        began_s = time.thread_time()
        self.read(data)
        if time.thread_time() - began_s > MAX_CPU_S:
            raise TooMuch(f"{time.thread_time() - began_s:.1f} s of CPU for an input of {len(data)} bytes")


_RTP = (b"$\x00", b"$\x01", b"$\x02", b"\x80\x60", b"\x80\xe0", b"\xb0\xe0", b"\x00\x00", b"\xff\xff", b"\x00\x00\x03")
_WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"RTSP/1.0 200 OK\r\n",
    b"RTSP/1.0 401 No\r\n",
    b"RTSP/1.0 302 Moved\r\nLocation: rtsp://[::1]:99/\r\n\r\n",
    b"Content-Length: 9\r\n",
    b"WWW-Authenticate: Digest ",
    b"Transport: RTP/AVP/TCP;interleaved=255-1\r\n",
    b"Session: x;timeout=0\r\n",
    b"rtsps://u:p@[",
    b"$\x00\x00\x04",
    b'="',
    b"\\",
    b"\nX: y",
    b"\x00",
    b"\xf0\x9f",
)
_SDP = (
    b"m=video 0 RTP/AVP 96\r\n",
    b"m=audio 0 RTP/AVP 8\r\n",
    b"a=fmtp:96 ",
    b"a=rtpmap:96 H265/90000\r\n",
    b";",
    b"=",
)
_BOXES = (b"moov", b"moof", b"mdat", b"uuid", b"\x00\x00\x00\x08", b"\xff\xff\xff\xff", b"UNDERSTUDYFRAMES", b"[" * 50)

TARGETS = (
    Target("conversation", talk.conversation, _WORDS),
    Target("description", talk.description, (*_SDP, *_WORDS)),
    Target(
        "challenge", talk.challenge, (b"Digest ", b"Basic ", b'="', b",", b"\\", b"nonce", b"algorithm=SHA-256", b" ")
    ),
    Target("framing", talk.framing, (*_RTP, *_WORDS)),
    Target("tls", talk.tls, (b"\x16\x03\x03", b"\x15\x03\x03\x00\x02\x01\x00", b"\x17\x03\x03", b"\x00\x00")),
    Target("h264", media.h264, (*_RTP, b"\x78\x00", b"\x7c\x85", b"\x7c\x45", b"\x7d\x85", b"\x65\x88", b"\x67")),
    Target(
        "h265",
        media.h265,
        (*_RTP, b"\x60\x01", b"\x62\x01\x93", b"\x62\x01\x53", b"\x64\x01", b"\x26\x01", b"\x42\x01"),
    ),
    Target("parameter_sets", media.parameter_sets, (b"\x00\x00\x03", b"\x00\x00", b"\xff\xff", b"\x80")),
    Target("segment", media.segment, _BOXES),
)
