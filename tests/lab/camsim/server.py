"""Runs the simulator: listens, drives the cameras' clocks, ends dead sessions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from camsim import clip, control
from camsim.auth import Gate
from camsim.camera import Camera
from camsim.config import Config
from camsim.connection import Connection
from camsim.multipart import Viewer

#: how often silent sessions are looked for
_SWEEP_S = 1.0


class Simulator:
    """All cameras of one configuration on one RTSP port, and the control port.

    Raises OSError or ValueError when a clip cannot be read or a port is taken.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.connections: set[Connection] = set()
        self._wall_at_start_s = time.time()
        self._monotonic_at_start_s = time.monotonic()
        media = Path(config.media_dir)
        now_s = self.now_s()
        clips = {name: clip.read(media / name) for name in {told.media for told in config.cameras}}
        self.cameras = {told.name: Camera(told, clips[told.media], now_s) for told in config.cameras}
        self._by_path = {camera.config.path: camera for camera in self.cameras.values()}

    def now_s(self) -> float:
        """Seconds since the epoch by the clock at start-up plus monotonic time."""
        return self._wall_at_start_s + (time.monotonic() - self._monotonic_at_start_s)

    def camera_at(self, path: str) -> Camera | None:
        """The camera a URL path, or the path of one of its tracks, belongs to."""
        path = path.rstrip("/")
        return self._by_path.get(path) or self._by_path.get(path.rpartition("/")[0])

    def gate(self, camera: Camera) -> Gate:
        """A fresh gate for one connection to a camera."""
        return Gate(camera.config.auth, self.config.user, self.config.password)

    async def run(self) -> None:
        """Serve until cancelled. Prints one line once both ports are open: clients may connect from then on."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), self.config.host, self.config.port)
        switches = await asyncio.start_server(
            lambda reader, writer: control.serve(self, reader, writer), "127.0.0.1", self.config.control_port
        )
        async with server, switches:
            ports = [str(each.sockets[0].getsockname()[1]) for each in (server, switches)]
            more = ""
            if any(camera.config.transport == "http" for camera in self.cameras.values()):
                viewers = await loop.create_server(lambda: Viewer(self), self.config.host, self.config.http_port)
                more = f", Motion JPEG on port {viewers.sockets[0].getsockname()[1]}"
            told = f"camsim: {len(self.cameras)} cameras on port {ports[0]}, control on port {ports[1]}"
            print(told + more, flush=True)
            await asyncio.gather(self._tick(), self._sweep())

    async def _tick(self) -> None:
        while True:
            now_s = self.now_s()
            for camera in self.cameras.values():
                camera.tick(now_s)
            due_s = min(camera.next_due_s() for camera in self.cameras.values())
            await asyncio.sleep(max(0.0, due_s - self.now_s()))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            deaf_since_s = self.now_s() - self.config.session_timeout_s
            for connection in [each for each in self.connections if each.last_heard_s < deaf_since_s]:
                if connection.camera:
                    connection.camera.timed_out += 1
                connection.drop()
