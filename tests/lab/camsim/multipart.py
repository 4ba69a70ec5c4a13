"""Motion JPEG over HTTP, as many cameras have it beside RTSP: one endless multipart answer per client, with Basic."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from camsim.camera import VIDEO, Camera, Unit

if TYPE_CHECKING:
    from camsim.server import Simulator

BOUNDARY = b"camsim"
_MAX_HEAD = 8192


class Viewer(asyncio.Protocol):
    """One client of one camera."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._camera: Camera | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._camera:
            self._camera.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if len(self._head) > _MAX_HEAD:
            self.drop()
        elif b"\r\n\r\n" in self._head and self._camera is None:
            self._answer(self._head.decode("latin-1"))

    def _answer(self, head: str) -> None:
        config = self._simulator.config
        camera = self._simulator.camera_at(head.split(" ")[1])
        wanted = base64.b64encode(f"{config.user}:{config.password}".encode()).decode()
        if camera is None or camera.config.transport != "http":
            self._refuse("404 Not Found")
        elif f"authorization: basic {wanted}".lower() not in head.lower():
            self._refuse("401 Unauthorized", 'WWW-Authenticate: Basic realm="camsim"\r\n')
        elif not camera.accepts():
            camera.refused += 1
            self._refuse("503 Service Unavailable")
        else:
            kind = b"multipart/x-mixed-replace; boundary=" + BOUNDARY
            self._write(b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
            self._camera = camera
            camera.clients.add(self)
            camera.sessions += 1

    def _refuse(self, status: str, header: str = "") -> None:
        self._write(f"HTTP/1.0 {status}\r\n{header}Content-Length: 0\r\n\r\n".encode())
        if self._transport:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def send(self, units: list[Unit], noise: bytes, now_s: float) -> None:
        """One part per picture."""
        assert self._camera
        for unit in units:
            if unit.track == VIDEO:
                image = unit.payloads[0]
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n".encode()
                self._write(b"--" + BOUNDARY + b"\r\n" + head + image + b"\r\n")
                self._camera.note_sent(unit.counter)

    def drop(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()
