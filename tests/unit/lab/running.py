"""A camera simulator in a process of its own, on loopback and free ports, and a bare RTSP client to look at it with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from camsim import control

LAB = Path(__file__).parents[2] / "lab"
USER, PASSWORD = "viewer", "p@ss:w/rd#1?"
CAMERAS: dict[str, dict[str, Any]] = {
    "gate": {"path": "/gate", "media": "gate.clip", "start": "key"},
    "ramp": {"path": "/ch/2?sub=0", "media": "ramp.clip", "auth": "digest-qop", "aggregate": True},
    "door": {"path": "/door", "media": "door.clip"},
}


@dataclass(frozen=True)
class Simulator:
    port: int
    control_port: int
    http_port: int = 0

    def url(self, path: str, password: str = PASSWORD) -> str:
        return f"rtsp://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}{path}"

    def fault(self, camera: str, fault: str, seconds: float | None = None) -> None:
        control.ask({"op": "fault", "camera": camera, "fault": fault, "seconds": seconds}, self.control_port)

    def stats(self, camera: str) -> dict[str, Any]:
        found: dict[str, Any] = control.ask({"op": "stats"}, self.control_port)["cameras"][camera]
        return found


@contextlib.contextmanager
def start(clips: Path, **settings: object) -> Iterator[Simulator]:
    """Run a simulator until the block ends; it must end without an error of its own."""
    config = clips / "config.json"
    told = {"host": "127.0.0.1", "port": 0, "control_port": 0, "media_dir": str(clips), "user": USER}
    config.write_text(json.dumps({**told, "password": PASSWORD, "cameras": CAMERAS, **settings}))
    command = [sys.executable, "-m", "camsim", "--config", str(config)]
    process = subprocess.Popen(command, cwd=LAB, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        ports = re.search(
            r"port (\d+), control on port (\d+)(?:, Motion JPEG on port (\d+))?", process.stdout.readline()
        )
        assert ports, process.communicate()[1]
        yield Simulator(int(ports[1]), int(ports[2]), int(ports[3] or 0))
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert not errors, errors


@dataclass
class Packet:
    channel: int
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class Client:
    """A client with the barest RTSP; answers Digest without qop."""

    def __init__(self, simulator: Simulator, *, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(10)
        self.sock.connect(("127.0.0.1", simulator.port))
        self._file = self.sock.makefile("rb")
        self._base = f"rtsp://127.0.0.1:{simulator.port}"
        self._challenge = ""
        self._session = ""
        #: bytes that belonged to no packet
        self.skipped = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.sock.close()

    def ask(self, method: str, path: str, password: str = PASSWORD, **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers with names in lower case, and body of the answer; interleaved packets before it are lost."""
        uri = self._base + path
        lines = [f"{method} {uri} RTSP/1.0", "CSeq: 1", *(f"{name}: {value}" for name, value in headers.items())]
        if self._challenge:
            lines.append(f"Authorization: {self._digest(method, uri, password)}")
        if self._session:
            lines.append(f"Session: {self._session}")
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, answer, body = self._response()
        if status == 401 and not self._challenge:
            self._challenge = answer["www-authenticate"]
            return self.ask(method, path, password, **headers)
        self._session = answer.get("session", self._session).partition(";")[0]
        return status, answer, body

    def play(self, path: str) -> tuple[int, dict[str, str]]:
        """Set up the video and play it."""
        status, answer, _ = self.ask("SETUP", f"{path}/trackID=0", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        if status == 200:
            status, answer, _ = self.ask("PLAY", path)
        return status, answer

    def packet(self) -> Packet | None:
        """The next RTP or RTCP packet; bytes that belong to none are skipped. None when the connection is closed."""
        try:
            while (first := self._file.read(1)) not in (b"$", b""):
                self.skipped += 1
            head = self._file.read(3) if first else b""
        except ConnectionResetError:
            return None
        if len(head) < 3:
            return None
        data = self._file.read(int.from_bytes(head[1:], "big"))
        _, kind, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", data)
        return Packet(head[0], kind & 0x7F, sequence, timestamp, ssrc, data[12:])

    def video(self, count: int) -> list[Packet]:
        """The next `count` RTP packets of the video."""
        found: list[Packet] = []
        while len(found) < count and (packet := self.packet()):
            found += [packet] if packet.channel == 0 else []
        return found

    def _digest(self, method: str, uri: str, password: str) -> str:
        told = dict(re.findall(r'(\w+)="([^"]*)"', self._challenge))
        realm, nonce = told["realm"], told["nonce"]
        hashed = [_md5(f"{USER}:{realm}:{password}"), nonce, _md5(f"{method}:{uri}")]
        fields = {"username": USER, "realm": realm, "nonce": nonce, "uri": uri, "response": _md5(":".join(hashed))}
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())

    def _response(self) -> tuple[int, dict[str, str], str]:
        while (first := self._file.read(1)) == b"$":
            self._file.read(int.from_bytes(self._file.read(3)[1:], "big"))
        head = first
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                raise EOFError
            head += line
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        return int(status.split()[1]), headers, self._file.read(int(headers.get("content-length", "0"))).decode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
