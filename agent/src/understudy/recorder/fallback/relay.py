"""The recorder's end of a camera's own process: what `ingest/connection.py` is for a camera that speaks with us.

The process gets its order, login included, by standard input, so that no process list shows it, and writes packets
to a pipe. `close` kills it: it holds nothing that would be lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading

import msgspec

from understudy.recorder.fallback import wire
from understudy.recorder.ingest.connection import MAX_MESSAGES, MAX_RESYNCS, READ_BYTES
from understudy.recorder.ingest.errors import CameraError, ProtocolError
from understudy.recorder.ingest.framing import Batch, Framer
from understudy.recorder.ingest.parser import Session

#: from the start of the process to the description: it connects, and waits for the first frames
START_TIMEOUT_S = 20.0
#: what waits between two looks of the loop; the most that a process without privileges may ask for
_PIPE_BYTES = 1024 * 1024
_NOTHING = Batch(b"", [], [])


class Relay:
    """One attempt at a camera. Every method raises CameraError when it has ended; then `close` it."""

    def __init__(self, order: wire.Order, now_s: float) -> None:
        self._framer = Framer()
        self._deadline_s = now_s + START_TIMEOUT_S
        #: set once the camera plays
        self.session: Session | None = None
        #: what of the camera is not recorded, a sentence
        self.note = ""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self.socket = os.fdopen(reading, "rb", buffering=0)
        try:
            os.set_blocking(reading, False)
            with contextlib.suppress(OSError):  # the limit of all pipes of this user is reached: a smaller one will do
                fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._process = _start(order, writing)
        except BaseException:
            self.socket.close()
            raise
        finally:
            os.close(writing)

    def writable(self, now_s: float) -> None:
        """A pipe that is read from never is."""

    def read(self, buffer: bytearray, view: memoryview) -> tuple[Batch, bool]:
        """Read once into the shared `buffer`; the packets in it, and whether there may be more to read."""
        framer = self._framer
        kept = len(framer.tail)
        buffer[:kept] = framer.tail
        count = self.socket.readinto(view[kept : kept + READ_BYTES])
        if count is None:
            return _NOTHING, False
        if not count:
            raise CameraError("the camera's own process ended, connecting anew; see the journal")
        batch = framer.split(buffer, kept + count)
        if framer.resyncs > MAX_RESYNCS or framer.garbage_bytes or len(batch.messages) > MAX_MESSAGES:
            raise ProtocolError("the camera's own process sends garbage")
        for message in batch.messages:
            described = wire.read(message)
            self.session = Session(described.streams)
            self.note = described.note
            framer.channels = frozenset(stream.channel for stream in described.streams)
        return batch, count == READ_BYTES

    def tick(self, now_s: float) -> None:
        """Watch over the start; later frames are the only sign of life that counts."""
        if self.session is None and now_s > self._deadline_s:
            raise CameraError("the camera's own process does not get the stream to run")

    def close(self) -> None:
        self._process.kill()
        self.socket.close()
        # Waiting takes a moment, or for ever when the kernel does not let the process go: not in the loop.
        threading.Thread(target=self._process.wait, name="reap", daemon=True).start()


def _start(order: wire.Order, writing: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "understudy.recorder.fallback", str(writing)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(writing,))
    except OSError as error:
        raise CameraError(f"a process for the camera cannot be started: {error.strerror}") from error
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(msgspec.json.encode(order))  # far below a pipe's size: it does not wait
    return process
