"""A camera of few words on loopback: one thread per connection, frames on demand. Faults and habits are switches."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field

from camera_wire import PPS, SPS, TICKS, Sender, delta, idr

GOP = 5


@dataclass
class ScriptedCamera:
    """Plays `frames(n)`: the next n pictures go to every session; each picture's slice tells its number."""

    refuse: str = ""
    lead: bytes = b""
    #: where DESCRIBE sends clients
    redirect: str = ""
    #: (user, password) for Digest with SHA-256
    login: tuple[str, str] | None = None
    #: speaks TLS with it
    tls: ssl.SSLContext | None = None
    #: sessions it has; a client more gets 453. A session whose client went without TEARDOWN stays until `release`
    limit: int = 1000
    #: pictures sent before the answer to PLAY
    early: int = 0
    number: int = 0
    requests: list[str] = field(default_factory=list)
    _sessions: list[tuple[socket.socket, Sender]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    joined: threading.Condition = field(default_factory=threading.Condition)
    connections: int = 0
    #: sessions that are taken
    held: int = 0
    #: server names that clients asked for (SNI)
    names: list[str | None] = field(default_factory=list)

    def __enter__(self) -> ScriptedCamera:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        return f"rtsp{'s' if self.tls else ''}://127.0.0.1:{self.port}/live"

    def release(self) -> None:
        """Forget sessions whose clients are gone."""
        with self._lock:
            self.held = len(self._sessions)

    def cut(self) -> None:
        """Close every session."""
        with self._lock:
            for connection, _ in self._sessions:
                with contextlib.suppress(OSError):  # the recorder was quicker
                    connection.shutdown(socket.SHUT_RDWR)
            self._sessions.clear()

    def frames(self, count: int) -> None:
        """Send the next pictures."""
        with self._lock:
            self._send(self._sessions, count)

    def _send(self, sessions: list[tuple[socket.socket, Sender]], count: int) -> None:
        for _ in range(count):
            filling = b"n%05d " % self.number
            key = self.number % GOP == 0
            for connection, sender in sessions:
                nals = [SPS, PPS, idr(filling, 900)] if key else [delta(filling, 300)]
                with contextlib.suppress(OSError):  # the recorder has gone
                    connection.sendall(self.lead + sender.picture(nals, self.number * TICKS))
            self.number += 1

    def wait_for_session(self, count: int) -> None:
        """Until that many sessions have begun in all."""
        with self.joined:
            assert self.joined.wait_for(lambda: self.connections >= count, 10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._welcome, args=(connection,), daemon=True).start()

    def _welcome(self, connection: socket.socket) -> None:
        if self.tls:
            self.tls.sni_callback = lambda _, name, __: self.names.append(name)
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:  # the recorder has gone
                return
        self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        pending = b""
        while True:
            try:
                received = connection.recv(4096)
            except OSError:
                return
            if not received:
                return
            pending += received
            while b"\r\n\r\n" in pending:
                request, _, pending = pending.partition(b"\r\n\r\n")
                with contextlib.suppress(OSError):  # the recorder did not wait for the answer
                    self._answer(connection, request.decode())

    def _answer(self, connection: socket.socket, request: str) -> None:
        method = request.split(" ")[0]
        self.requests.append(method)
        sequence = next(line for line in request.split("\r\n") if line.startswith("CSeq"))
        status, body, more = "200 OK", "", ""
        if method == "DESCRIBE":
            status, more = self._admit(request)
            body = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n"
        elif method == "SETUP":
            if self.held >= self.limit:
                status = "453 Not Enough Bandwidth"
            else:
                self.held += 1
        sender = Sender()
        if method == "PLAY" and self.early:
            self._send([(connection, sender)], self.early)
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: s;timeout=60\r\n"
        head = f"RTSP/1.0 {status}\r\n{sequence}\r\n{transport}{more}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        if method == "PLAY":
            with self._lock:
                self._sessions.append((connection, sender))
            with self.joined:
                self.connections += 1
                self.joined.notify_all()
        elif method == "TEARDOWN":
            self.held -= 1

    def _admit(self, request: str) -> tuple[str, str]:
        """Status of a DESCRIBE and the headers that go with it."""
        if self.redirect:
            return "302 Found", f"Location: {self.redirect}\r\n"
        challenge = 'Digest realm="cam", nonce="n1", qop="auth", algorithm='
        if self.login and f'response="{self._response(request)}"' not in request:
            both = "".join(f"WWW-Authenticate: {challenge}{name}\r\n" for name in ("MD5", "SHA-256"))
            return "401 Unauthorized", both
        return self.refuse or "200 OK", ""

    def _response(self, request: str) -> str:
        """What RFC 7616 demands as the response of this very request."""
        assert self.login
        told = dict(re.findall(r'(\w+)="?([^",\s]+)', request))
        user, password = self.login
        secret = _sha256(f"{user}:cam:{password}")
        middle = f"n1:{told.get('nc')}:{told.get('cnonce')}:auth"
        return _sha256(f"{secret}:{middle}:{_sha256(f'DESCRIBE:{self.url}')}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
