"""`python -m understudy.recorder.fallback FD`: one camera, from its URL to packets on the descriptor FD.

Started by `relay.py`. The order is read from standard input; a failure is written like the rest, as a message. Ends
when the camera ends, when the recorder does, and when it is killed: whatever happens here costs this camera only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from understudy.recorder.fallback import wire
from understudy.recorder.fallback.packets import Sender
from understudy.recorder.ingest.errors import CameraError

_PR_SET_PDEATHSIG = 1
#: libav needs 60 MB for a 4K camera; one that leaks must not take the recorder's memory
_MAX_MEMORY_BYTES = 2 * 1024**3


def _step_back() -> None:
    """Die with the recorder, and before it where memory runs out."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def run(order: wire.Order, out: BinaryIO) -> None:
    """Send what the camera sends until one of both ends; CameraError when the camera does."""
    try:
        from understudy.recorder.fallback.source import Source
    except ImportError as error:
        raise CameraError(f"PyAV is not part of this release: {error}", 10.0) from error
    source = Source(order)
    senders = {stream.channel: Sender(stream) for stream in source.described.streams}
    out.write(wire.description(source.described))
    out.flush()
    for frame in source.frames():
        out.write(senders[frame.stream.channel].packets(frame.payloads, frame.timestamp))
        out.flush()
    raise CameraError("the camera ended the stream")


def main() -> int:
    _step_back()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=wire.Order)
    with contextlib.suppress(BrokenPipeError), os.fdopen(int(sys.argv[1]), "wb") as out:
        try:
            run(order, out)
        except CameraError as error:
            out.write(wire.failure(str(error), error.retry_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
