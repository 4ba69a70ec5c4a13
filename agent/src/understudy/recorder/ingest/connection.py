"""The socket to one camera: connects from the right address, speaks the handshake, then reads packets. Never blocks.

With `rtsps://` all of it goes through TLS (`tls.py`); nothing else is different then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from understudy.recorder.ingest.errors import CameraError, ProtocolError
from understudy.recorder.ingest.framing import MAX_TAIL_BYTES, Batch, Framer, walk
from understudy.recorder.ingest.handshake import Handshake, Target
from understudy.recorder.ingest.message import parse_response
from understudy.recorder.ingest.parser import Session
from understudy.recorder.ingest.tls import Tls

#: one read takes at most this much; 100 ms of 64 Mbit/s are 800 kB
READ_BYTES = 1024 * 1024
#: of TLS: what it decrypts to, with a record left over from the read before, fits into READ_BYTES
TLS_READ_BYTES = READ_BYTES - 64 * 1024
#: what the loop's shared buffer must hold
BUFFER_BYTES = READ_BYTES + MAX_TAIL_BYTES
#: from connect to PLAY
HANDSHAKE_TIMEOUT_S = 10.0
#: a session in which garbage outweighs this much is not worth keeping
MAX_GARBAGE_BYTES = 8 * 1024 * 1024
#: garbage that begins so often, or so many answers, in one read are an attack on the loop: each costs Python's time
MAX_RESYNCS, MAX_MESSAGES = 1000, 100
#: packets that arrive before the answer to PLAY are kept up to this much; an answer takes milliseconds
MAX_EARLY_BYTES = 1024 * 1024
_NOTHING = Batch(b"", [], [])
_NOT_YET = (errno.EINPROGRESS, errno.EAGAIN, errno.EWOULDBLOCK)


class Connection:
    """One attempt at a camera. Every method raises CameraError when it has ended; then `close` it."""

    def __init__(self, target: Target, address: str, bind: str | None, now_s: float) -> None:
        self._handshake = Handshake(target)
        self._framer = Framer()
        self._tls = Tls(target.host) if target.tls else None
        self._connected = False
        #: whole packets that came between PLAY and its answer
        self._early = b""
        self._deadline_s = now_s + HANDSHAKE_TIMEOUT_S
        self._keep_alive_s = 0.0
        self._where = f"{target.host}:{target.port}"
        #: set once the camera plays
        self.session: Session | None = None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if bind is not None:
                self._bind(bind)
            result = self.socket.connect_ex((address, target.port))
            if result not in (0, *_NOT_YET):
                raise CameraError(f"cannot connect to {self._where}: {os.strerror(result)}")
        except BaseException:
            self.socket.close()
            raise

    def _bind(self, address: str) -> None:
        try:
            self.socket.bind((address, 0))
        except OSError as error:
            raise CameraError(f"cannot connect from this server's address {address}: {error.strerror}") from error

    @property
    def playing(self) -> bool:
        return self.session is not None

    @property
    def garbage_bytes(self) -> int:
        return self._framer.garbage_bytes

    def writable(self, now_s: float) -> None:
        """The connection attempt has ended: begin to talk."""
        if self._connected:
            return
        failure = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise CameraError(f"cannot connect to {self._where}: {os.strerror(failure)}")
        self._connected = True
        if self._tls is None:
            self._send(self._handshake.begin())
        else:
            self._transmit(self._tls.begin())

    def read(self, buffer: bytearray, view: memoryview) -> tuple[Batch, bool]:
        """Read once into the shared `buffer`; the packets in it, and whether there may be more to read.

        There are no packets before `session` is set.
        """
        framer = self._framer
        kept = len(framer.tail)
        buffer[:kept] = framer.tail
        try:
            count, more = self._receive(view[kept : kept + READ_BYTES])
        except (BlockingIOError, InterruptedError):
            return _NOTHING, False
        except OSError as error:
            raise CameraError(f"lost the connection to {self._where}: {error.strerror}") from error
        if not count:
            return _NOTHING, more
        batch = framer.split(buffer, kept + count)
        if framer.resyncs > MAX_RESYNCS or len(batch.messages) > MAX_MESSAGES:
            raise ProtocolError("the camera floods the connection with garbage")
        for message in batch.messages:
            self._message(message)
        if framer.garbage_bytes > MAX_GARBAGE_BYTES:
            raise ProtocolError("the camera sends garbage")
        if self.session is None or self._early:
            batch = self._with_early(batch)
        return batch, more

    def _receive(self, view: memoryview) -> tuple[int, bool]:
        """Bytes read into `view`, and whether there may be more; none are an end without TLS, and may be with it."""
        if self._tls is None:
            count = self.socket.recv_into(view)
            if not count:
                raise CameraError(f"the camera closed the connection ({self._where})")
            return count, count == len(view)
        data = self.socket.recv(TLS_READ_BYTES)
        if not data:
            raise CameraError(f"the camera closed the connection ({self._where})")
        was_established = self._tls.established
        count = self._tls.receive(data, view)
        self._transmit(self._tls.outgoing())
        if self._tls.established and not was_established:
            self._send(self._handshake.begin())
        return count, len(data) == TLS_READ_BYTES

    def _with_early(self, batch: Batch) -> Batch:
        """Keep the packets that come before the answer to PLAY; hand them out in front of those behind it."""
        early = self._early + batch.data if self._handshake.play_asked else b""
        if self.session is None:
            self._early = early if len(early) <= MAX_EARLY_BYTES else b""
            return Batch(b"", [], batch.messages)
        self._early = b""
        return Batch(early, walk(early), batch.messages)

    def _message(self, message: bytes) -> None:
        try:
            response = parse_response(message)
        except ProtocolError:
            # A request of the camera, for example; there is none that needs an answer.
            return
        asked = self._handshake.answer(response)
        if asked:
            self._send(asked)
        self._framer.channels = frozenset(
            channel for stream in self._handshake.streams for channel in (stream.channel, stream.channel + 1)
        )
        if self._handshake.playing and self.session is None:
            self.session = Session(self._handshake.streams)

    def tick(self, now_s: float) -> None:
        """Watch the handshake's deadline, keep the session alive."""
        if self.session is None:
            if now_s > self._deadline_s:
                raise CameraError(f"the camera does not answer ({self._where})")
            return
        if not self._keep_alive_s:
            self._keep_alive_s = now_s + self._handshake.timeout_s / 2
        elif now_s >= self._keep_alive_s:
            self._keep_alive_s = now_s + self._handshake.timeout_s / 2
            self._send(self._handshake.keep_alive())

    def _send(self, data: bytes) -> None:
        """Send a request."""
        self._transmit(data if self._tls is None else self._tls.encrypt(data))

    def _transmit(self, data: bytes) -> None:
        """What we send is far smaller than a socket's buffer: what does not fit means a dead connection."""
        if not data:
            return
        try:
            sent = self.socket.send(data)
        except OSError as error:
            raise CameraError(f"lost the connection to {self._where}: {error.strerror}") from error
        if sent < len(data):
            raise CameraError(f"the camera reads no more requests ({self._where})")

    def close(self) -> None:
        """Say TEARDOWN, so that the camera's session does not linger, and close; a dead one needs no farewell."""
        with contextlib.suppress(CameraError):
            farewell = self._handshake.teardown()
            if farewell:
                self._send(farewell)
        self.socket.close()
