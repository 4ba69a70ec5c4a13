"""An ONVIF device beside the RTSP camera: the parts of Device and Media services and of WS-Discovery that we use.

Its login is WS-UsernameToken (digest, `Created` within five seconds of its own clock, each nonce once) or HTTP Digest.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from camsim.auth import Gate

_MAX_AGE_S = 5.0
_OPEN = ("GetSystemDateAndTime",)
_ENVELOPE = (
    '<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">'
    "<e:Body>{}</e:Body></e:Envelope>"
)
_FAULT = (
    '<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value xmlns:t="http://www.onvif.org/ver10/error">'
    "t:NotAuthorized</e:Value></e:Subcode></e:Code></e:Fault>"
)


@dataclass
class OnvifDevice:
    """Serves between `with` and the end of the block, on loopback and free ports."""

    rtsp: str
    user: str
    password: str
    login: Literal["token", "digest"] = "token"
    clock_offset_s: float = 0.0
    #: profiles for which a key frame was asked
    key_frames: list[str] = field(default_factory=list)
    #: operations, in order
    asked: list[str] = field(default_factory=list)
    #: what is answered instead of what is right
    garbage: bytes = b""

    def __enter__(self) -> OnvifDevice:
        device = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                status, headers, answer = device.answer(body, self.path, self.headers.get("Authorization", ""))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._gate = Gate("digest-qop", self.user, self.password)
        self._nonces: set[str] = set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.discovery = ("127.0.0.1", int(self._udp.getsockname()[1]))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._discovery, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._udp.sendto(b"", self.discovery)

    def _discovery(self) -> None:
        with self._udp:
            while True:
                data, peer = self._udp.recvfrom(65535)
                if not data:
                    return
                number = re.search(r"MessageID>([^<]+)<", data.decode())
                assert number, "a probe has a number"
                match = (
                    f"<ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/Sim%20Cam</Scopes>"
                    f"<XAddrs>http://127.0.0.1:{self.port}/onvif/device_service</XAddrs></ProbeMatch></ProbeMatches>"
                )
                self._udp.sendto(_ENVELOPE.format(match).encode(), peer)

    def answer(self, body: str, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and document for a request."""
        operation = re.search(r"Body>\s*<(\w+)", body)
        name = operation[1] if operation else ""
        self.asked.append(name)
        if self.garbage:
            return 200, {}, self.garbage
        if name not in _OPEN and self.login == "digest" and not self._gate.admits("POST", path, authorization):
            return 401, {"WWW-Authenticate": self._gate.challenge()}, b""
        if name not in _OPEN and self.login == "token" and not self._token(body):
            return 400, {}, _ENVELOPE.format(_FAULT).encode()
        return 200, {}, _ENVELOPE.format(self._perform(name, body)).encode()

    def _token(self, body: str) -> bool:
        told = dict(re.findall(r"<(Username|Password|Nonce|Created)(?: [^>]*)?>([^<]*)", body))
        if told.get("Username") != self.user or told["Nonce"] in self._nonces:
            return False
        self._nonces.add(told["Nonce"])
        secret = base64.b64decode(told["Nonce"]) + told["Created"].encode() + self.password.encode()
        created_s = datetime.fromisoformat(told["Created"]).timestamp()
        wanted = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        return told["Password"] == wanted and abs(created_s - self._now_s()) < _MAX_AGE_S

    def _now_s(self) -> float:
        return time.time() + self.clock_offset_s

    def _perform(self, name: str, body: str) -> str:
        if name == "GetSystemDateAndTime":
            now = datetime.fromtimestamp(self._now_s(), UTC)
            clock = f"<Time><Hour>{now.hour}</Hour><Minute>{now.minute}</Minute><Second>{now.second}</Second></Time>"
            day = f"<Date><Year>{now.year}</Year><Month>{now.month}</Month><Day>{now.day}</Day></Date>"
            return f"<Answer><UTCDateTime>{clock}{day}</UTCDateTime></Answer>"
        if name == "GetDeviceInformation":
            told = {"Manufacturer": "Sim", "Model": "Cam", "FirmwareVersion": "1"}
            return f"<Answer>{''.join(f'<{key}>{value}</{key}>' for key, value in told.items())}</Answer>"
        if name == "GetCapabilities":
            # an address that nobody can reach, as behind NAT
            return "<Answer><Media><XAddr>http://192.0.2.1/onvif/media</XAddr></Media></Answer>"
        if name == "GetProfiles":
            return f"<Answer>{_profile('main', 'H264', 640, 360)}{_profile('sub', 'JPEG', 320, 180)}</Answer>"
        token = re.search(r"<ProfileToken>([^<]*)<", body)
        assert token, "these are about a profile"
        if name == "SetSynchronizationPoint":
            self.key_frames.append(token[1])
            return "<Answer/>"
        return f"<Answer><MediaUri><Uri>{self.rtsp}?profile={token[1]}</Uri></MediaUri></Answer>"


def _profile(name: str, encoding: str, width: int, height: int) -> str:
    size = f"<Resolution><Width>{width}</Width><Height>{height}</Height></Resolution>"
    encoder = f"<VideoEncoderConfiguration><Encoding>{encoding}</Encoding>{size}</VideoEncoderConfiguration>"
    return f'<t:Profiles xmlns:t="urn:t" token="{name}"><t:Name>{name}</t:Name>{encoder}</t:Profiles>'
