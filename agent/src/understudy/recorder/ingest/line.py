"""The line to one camera, over all its connections: attempts and their pauses, redirections, keep-alive, stalls.

Level-triggered: `timer` looks at what is and does the next thing. The owner calls `ended` with what a method raised.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from understudy.recorder.fallback.relay import Relay
from understudy.recorder.fallback.wire import Order
from understudy.recorder.ingest.connection import Connection
from understudy.recorder.ingest.errors import RETRY_CAP_S, RETRY_FIRST_S, CameraError, Redirected, Unsupported
from understudy.recorder.ingest.framing import Batch
from understudy.recorder.ingest.handshake import Target, parse_url
from understudy.recorder.ingest.loop import Feed, Loop
from understudy.recorder.ingest.parser import Session
from understudy.site.plan import Source

log = logging.getLogger(__name__)

#: a camera that is connected but shows no frames for so long is connected anew (frozen encoders keep TCP alive)
STALL_S = 10.0
#: a session that lasted so long was a good one: the next retry is immediate again
_GOOD_SESSION_S = 5.0
_MAX_REDIRECTS = 3
_JITTER = 0.2
#: names are rare on camera networks; a name server that does not answer delays only cameras given by name
_resolver = ThreadPoolExecutor(2, thread_name_prefix="resolve")


def source_address(camera: str, own: Sequence[str]) -> str | None:
    """Which of this server's `own` addresses (CIDR) to reach the address `camera` from: one that shares its network,
    else the first of its family; None (the system chooses) when there is none. Physical addresses are given, so
    recording never depends on a logical address."""
    target = ipaddress.ip_address(camera)
    found = [interface for text in own if (interface := ipaddress.ip_interface(text)).version == target.version]
    near = [interface for interface in found if target in interface.network]
    return str((near or found)[0].ip) if found else None


def _own_target(source: Source) -> Target:
    """What our own ingest would connect to; Unsupported when it speaks nothing of the kind."""
    scheme = source.url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        raise Unsupported(f"a stream over {scheme.upper()}")
    return parse_url(source.url, source.username, source.password)


def _resolve(target: Target) -> str:
    """Blocks: runs in the resolver's threads."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: the name is none
        raise CameraError(f"the name {target.host} cannot be resolved: {error}") from error
    return str(found[0][4][0])


@dataclass(slots=True)
class _Attempts:
    """How often it failed since the last good session."""

    failed: int = 0
    next_s: float = 0.0

    def failure(self, now_s: float, least_s: float) -> None:
        """At once, then 0.5 s doubling up to 2 s, each a little different so that 64 cameras do not come together."""
        pause_s = 0.0 if not self.failed else min(RETRY_CAP_S, RETRY_FIRST_S * 2.0 ** min(self.failed - 1, 8))
        self.failed += 1
        self.next_s = now_s + max(pause_s, least_s) * random.uniform(1 - _JITTER, 1)


class Line:
    """Owned by one camera feed; all calls from the loop's thread."""

    def __init__(self, label: str, source: Source, own: Sequence[str], loop: Loop) -> None:
        self._label = label
        self._source = source
        self._own = tuple(own)
        self._loop = loop
        self._owner: Feed | None = None
        self._target: Target | None = None
        self._redirects = 0
        self._attempts = _Attempts()
        self._connection: Connection | Relay | None = None
        #: why our own ingest is of no use, as long as nothing else is known
        self._unsupported: Unsupported | None = None
        #: the next attempt is PyAV's
        self._relaying = False
        self._resolving: Future[str] | None = None
        self._live = False
        self._calm = False
        self._playing_since_s = 0.0
        self._frames_s = 0.0
        #: sentences of failures already in the journal since the last good session
        self._told: set[str] = set()
        self.error: str | None = "not connected yet"

    def open(self, owner: Feed, now_s: float) -> None:
        """Start to connect; `owner` gets the socket's events."""
        self._owner = owner
        self._attempts = _Attempts()
        self._attempt(now_s)

    def close(self) -> None:
        """Say goodbye to the camera and stop trying."""
        self._drop()
        self._owner = None
        self.error = None

    def set_calm(self, calm: bool) -> None:
        """Whether what arrives may wait a little: in pre-roll."""
        self._calm = calm
        if self._connection is not None and self._live:
            self._loop.watch_live(self._connection.socket.fileno(), calm)

    @property
    def session(self) -> Session | None:
        return self._connection.session if self._connection else None

    @property
    def engine_reason(self) -> str | None:
        """Why the camera is PyAV's, and what is left out; None when our own ingest is right for it."""
        if self._unsupported is None:
            return None
        note = self._connection.note if isinstance(self._connection, Relay) else ""
        return "; ".join(filter(None, (str(self._unsupported), note)))

    def _attempt(self, now_s: float) -> None:
        try:
            if self._relaying and self._unsupported is not None:
                self._relay(self._unsupported.transport, now_s)
                return
            target = self._target = self._target or _own_target(self._source)
            try:
                address = str(ipaddress.ip_address(target.host))
            except ValueError:
                if self._resolving is None:
                    self._resolving = _resolver.submit(_resolve, target)
                if not self._resolving.done():
                    return
                resolved, self._resolving = self._resolving, None
                address = resolved.result()
            self._connect(target, address, now_s)
        except CameraError as error:
            self.ended(error, now_s)

    def _connect(self, target: Target, address: str, now_s: float) -> None:
        assert self._owner is not None
        self._connection = Connection(target, address, source_address(address, self._own), now_s)
        self._live = False
        self._loop.watch_handshake(self._connection.socket.fileno(), self._owner)

    def _relay(self, transport: str, now_s: float) -> None:
        assert self._owner is not None
        source = self._source
        self._connection = Relay(Order(source.url, source.username, source.password, transport), now_s)
        self._live = False
        self._loop.watch_handshake(self._connection.socket.fileno(), self._owner)

    def writable(self, now_s: float) -> None:
        """The connection attempt has ended, well or not."""
        if self._connection is not None and not self._live:
            self._connection.writable(now_s)
            self._loop.connected(self._connection.socket.fileno())

    def read(self, buffer: bytearray, view: memoryview, now_s: float) -> tuple[Batch, bool]:
        """One large read; see Connection.read."""
        connection = self._connection
        if connection is None:
            return Batch(b"", [], []), False
        result = connection.read(buffer, view)
        if connection.session is not None and not self._live:
            self._live = True
            if isinstance(connection, Connection):
                self._unsupported = None
            self._playing_since_s = self._frames_s = now_s
            self._loop.watch_live(connection.socket.fileno(), self._calm)
        return result

    def frames_came(self, now_s: float) -> None:
        """Video frames arrived: the only sign of life that counts."""
        self._frames_s = now_s
        if self.error is not None:
            self.error = None
            log.info("%s: frames arrive", self._label)

    def timer(self, now_s: float) -> None:
        """Whatever is due: the next attempt, a keep-alive, the end of a connection without frames."""
        if self._connection is None:
            if self._owner is not None and now_s >= self._attempts.next_s:
                self._attempt(now_s)
            return
        self._connection.tick(now_s)
        if self._live:
            if now_s - self._frames_s > STALL_S:
                raise CameraError(f"the camera is connected but has sent no frames for {STALL_S:g} s")
            if self._attempts.failed and now_s - self._playing_since_s > _GOOD_SESSION_S:
                self._attempts = _Attempts()
                self._told.clear()

    def ended(self, reason: CameraError | Redirected, now_s: float) -> None:
        """The connection is over: close it, remember why, plan the next attempt."""
        self._drop()
        if isinstance(reason, Redirected):
            try:
                self._redirect(reason, now_s)
            except CameraError as error:
                reason = error
            else:
                return
        self._target, self._redirects = None, 0
        # After an attempt of PyAV's, ours are asked again: the camera may have been set to something better.
        self._relaying = isinstance(reason, Unsupported)
        if isinstance(reason, Unsupported):
            if self._unsupported is None:
                log.info("%s: recorded by PyAV: %s", self._label, reason)
            self._unsupported, self._attempts.next_s = reason, now_s
            return
        self.error = str(reason)
        if self.error not in self._told and len(self._told) < 20:
            self._told.add(self.error)
            log.warning("%s: %s", self._label, self.error)
        self._attempts.failure(now_s, reason.retry_s)

    def _redirect(self, reason: Redirected, now_s: float) -> None:
        assert self._target is not None
        self._redirects += 1
        if self._redirects > _MAX_REDIRECTS:
            raise CameraError("the camera redirects in a circle")
        self._target = self._target.redirected(reason.url)
        self._attempts.next_s = now_s

    def _drop(self) -> None:
        if self._connection is not None:
            self._loop.forget(self._connection.socket.fileno())
            self._connection.close()
        self._connection = None
        self._live = False
