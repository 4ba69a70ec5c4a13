"""What can go wrong with one camera. Each text is a sentence for the status page; none holds a password."""

from __future__ import annotations

from typing import Literal

#: pause after the immediate retry; doubles up to RETRY_CAP_S (measured: uncapped, a 4 s reboot cost 100 frames)
RETRY_FIRST_S = 0.5
RETRY_CAP_S = 2.0
#: after a refused password: cameras lock accounts after a few wrong attempts
RETRY_REFUSED_S = 10.0


class CameraError(Exception):
    """The connection is of no use any more; `retry_s` is the least time before another attempt."""

    def __init__(self, sentence: str, retry_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_s = retry_s


class Unsupported(CameraError):
    """Our own ingest does not speak what the camera speaks; `recorder/fallback` may, over `transport` if it is RTSP."""

    def __init__(self, sentence: str, transport: Literal["tcp", "udp"] = "tcp") -> None:
        super().__init__(sentence)
        self.transport = transport


class ProtocolError(CameraError):
    """The camera said something that RTSP, SDP or RTP do not allow."""


class Redirected(Exception):
    """The camera sends us to another URL."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url
