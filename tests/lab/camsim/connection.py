"""One client's RTSP connection: answers its requests, and carries its media once it plays."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from camsim import rtsp
from camsim.auth import Gate
from camsim.camera import AUDIO, VIDEO, Camera, Unit
from camsim.config import Config
from camsim.rtp import AUDIO_TYPES, VIDEO_TYPE, Track
from camsim.rtsp import Inbox, Request, response

if TYPE_CHECKING:
    from camsim.server import Simulator

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"


class Connection(asyncio.Protocol):
    """A connection plays at most one session of one camera, as RTSP over TCP clients do."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._config: Config = simulator.config
        self._inbox = Inbox()
        self._gates: dict[str, Gate] = {}
        self._tracks: dict[int, Track] = {}
        self._session = ""
        self._needs_key = False
        self._next_report_s = 0.0
        self._transport: asyncio.Transport | None = None
        self.camera: Camera | None = None
        self.last_heard_s = simulator.now_s()
        self.peer = ""
        self.agent = ""
        #: UDP: (socket, the client's ports for RTP and RTCP) by channel
        self._ports: dict[int, tuple[socket.socket, tuple[str, int]]] = {}
        self.pictures = 0
        self.first_sent: int | None = None
        self.last_sent: int | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.peer = "{}:{}".format(*transport.get_extra_info("peername")[:2])
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._config.socket_buffer_bytes)
        self._simulator.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.last_heard_s = self._simulator.now_s()
        try:
            requests = self._inbox.feed(data)
        except ValueError:
            self.drop()
            return
        for request in requests:
            self._answer(request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._simulator.connections.discard(self)

    # -- camera.Client

    def send(self, units: list[Unit], noise: bytes, now_s: float) -> None:
        """Send units; a client that does not keep up is cut off, so that what it has is without holes."""
        assert self.camera
        assert self._transport
        out = [noise]
        for unit in units:
            track = self._tracks.get(unit.track)
            if track is None or (self._needs_key and not (unit.key and unit.track == VIDEO)):
                continue
            self._needs_key = False
            track.add_packets(unit.payloads, unit.ticks, out)
            if unit.track == VIDEO:
                self._count(unit.counter)
        if now_s >= self._next_report_s:
            out.append(self._reports(now_s))
        self._write_media(b"".join(out))
        if self._transport.get_write_buffer_size() > self._config.backlog_bytes:
            self.camera.dropped_slow += 1
            self.drop()

    def _write_media(self, data: bytes) -> None:
        """Interleaved packets, or the same ones as datagrams."""
        assert self._transport
        if not self._ports:
            self._transport.write(data)
            return
        position = 0
        while position < len(data):
            end = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
            sock, peer = self._ports[data[position + 1]]
            with contextlib.suppress(OSError):  # the client has gone, or its buffer is full
                sock.sendto(data[position + 4 : end], peer)
            position = end

    def drop(self) -> None:
        """Close at once, without sending what is buffered."""
        self._forget()
        if self._transport:
            self._transport.abort()

    def _count(self, counter: int) -> None:
        assert self.camera
        self.pictures += 1
        self.first_sent = counter if self.first_sent is None else self.first_sent
        self.last_sent = counter
        self.camera.note_sent(counter)

    def _forget(self) -> None:
        if self.camera:
            self.camera.clients.discard(self)
        for sock, _ in self._ports.values():
            sock.close()
        self._ports.clear()

    def _reports(self, now_s: float) -> bytes:
        assert self.camera
        self._next_report_s = now_s + self._config.report_interval_s
        ntp_s = now_s + self.camera.config.clock_offset_s
        tracks = self._tracks.items()
        return b"".join(track.sender_report(ntp_s, self.camera.media_ticks(now_s, kind)) for kind, track in tracks)

    # -- requests

    def _answer(self, request: Request) -> None:
        assert self._transport
        if request.method == "OPTIONS":
            self._transport.write(response(request, 200, {"Public": PUBLIC}))
            return
        camera = self._simulator.camera_at(request.path)
        if camera is None:
            self._transport.write(response(request, 404))
            return
        if camera.fault == "reboot":
            self.drop()
            return
        gate = self._gates.setdefault(camera.config.name, self._simulator.gate(camera))
        if not gate.admits(request.method, request.uri, request.headers.get("authorization", "")):
            self._transport.write(response(request, 401, {"WWW-Authenticate": gate.challenge()}))
            return
        self.agent = request.headers.get("user-agent", self.agent)
        self._transport.write(self._perform(request, camera))
        if request.method == "TEARDOWN":
            self._transport.close()

    def _perform(self, request: Request, camera: Camera) -> bytes:
        actions: dict[str, Callable[[Request, Camera], bytes]] = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "GET_PARAMETER": self._alive,
            "SET_PARAMETER": self._alive,
            "TEARDOWN": self._alive,
        }
        action = actions.get(request.method)
        if action is None:
            return response(request, 501)
        told = request.headers.get("session", "").partition(";")[0]
        if told and told != self._session:
            return response(request, 454)
        if request.method in ("DESCRIBE", "SETUP") and not self._session and not camera.accepts():
            camera.refused += 1
            return response(request, 503)
        return action(request, camera)

    def _describe(self, request: Request, camera: Camera) -> bytes:
        body = rtsp.describe(camera.config.name, camera.clip, parameter_sets=camera.config.sdp_parameter_sets)
        headers = {"Content-Base": request.uri.rstrip("/") + "/", "Content-Type": "application/sdp"}
        return response(request, 200, headers, body)

    def _setup(self, request: Request, camera: Camera) -> bytes:
        if self.camera not in (None, camera) or self in camera.clients:
            return response(request, 455)
        kind = {"trackID=0": VIDEO, "trackID=1": AUDIO}.get(request.path.rpartition("/")[2])
        if kind is None or (kind == AUDIO and not camera.clip.sound):
            return response(request, 404)
        transport = request.headers.get("transport", "")
        over_tcp = transport.startswith("RTP/AVP/TCP")
        if over_tcp is not (camera.config.transport == "tcp"):
            return response(request, 461)
        self.camera = camera
        self._session = self._session or secrets.token_hex(8)
        channel = _channel(transport, 2 * kind) if over_tcp else 2 * kind
        sound = camera.clip.sound
        track = Track(channel, AUDIO_TYPES[sound.codec] if sound and kind == AUDIO else VIDEO_TYPE)
        self._tracks[kind] = track
        way = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}" if over_tcp else self._ways(transport, channel)
        agreed = f"{way};ssrc={track.ssrc:08X}"
        session = f"{self._session};timeout={self._config.session_timeout_s}"
        return response(request, 200, {"Transport": agreed, "Session": session})

    def _ways(self, transport: str, channel: int) -> str:
        """Open the two sockets of a track over UDP; the agreed transport. ValueError is the client's fault."""
        assert self._transport
        first = int(_parameter(transport, "client_port").partition("-")[0])
        host = self._transport.get_extra_info("peername")[0]
        here = self._transport.get_extra_info("sockname")[0]
        for number in (0, 1):
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind((here, 0))
            self._ports[channel + number] = (sock, (host, first + number))
        ports = "-".join(str(self._ports[channel + number][0].getsockname()[1]) for number in (0, 1))
        return f"RTP/AVP;unicast;client_port={first}-{first + 1};server_port={ports}"

    def _play(self, request: Request, camera: Camera) -> bytes:
        if not self._tracks or self.camera is not camera:
            return response(request, 455)
        now_s = self._simulator.now_s()
        if self not in camera.clients:
            self._needs_key = camera.config.start == "key"
            camera.clients.add(self)
            camera.sessions += 1
        base = request.uri.rstrip("/")
        tracks = sorted(self._tracks.items())
        info = ",".join(
            f"url={base}/trackID={kind};seq={track.sequence};rtptime={track.timestamp(camera.media_ticks(now_s, kind))}"
            for kind, track in tracks
        )
        return response(request, 200, {"Session": self._session, "Range": "npt=0.000-", "RTP-Info": info})

    def _alive(self, request: Request, camera: Camera) -> bytes:
        return response(request, 200, {"Session": self._session} if self._session else None)


def _parameter(transport: str, wanted: str) -> str:
    parts = (part.strip().partition("=") for part in transport.split(";"))
    return next((text for name, _, text in parts if name == wanted), "")


def _channel(transport: str, default: int) -> int:
    given = _parameter(transport, "interleaved")
    return int(given.partition("-")[0]) & 0xFE if given else default
