"""A disk letter: a writer thread, a sync thread, and its state. It never blocks another letter, nor who submits work.

Work is queued in memory, bounded in bytes; what does not fit is refused and counted. Everything is reached through
a descriptor of the verified mount point (`root`), so nothing is ever written into a bare directory a disk was
pulled from. What a crash leaves: all writes up to the last `syncfs` (every `SYNC_S`) survive a power cut, all
submitted work that has run survives the death of the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

State = Literal["ok", "missing", "full", "read-only", "error", "hung"]

#: the loss window of a power cut: measured 2.4 s of video at 2 s, at a tenth of the cost of a sync per part
SYNC_S = 2.0
#: a disk that spins up or remaps sectors answers within this
HUNG_S = 5.0
#: 10 s of 64 cameras at 3 Mbit/s; a takeover writes 15 s of each at once and paces itself by `room_bytes`
QUEUE_BYTES = 256 * 1024 * 1024
#: the parts of all cameras of a tick are written in one go, when the ingest loop is through with it: the two threads
#: would stop each other at every part
GATHER_S = 0.02
#: a full disk is in use again from here on
_ROOM_AGAIN_BYTES = 4 * 1024 * 1024
_PROBE = ".understudy-probe"
_FIRST_LOOK_S = 1.0

Job = Callable[[], None]
Clock = Callable[[], float]

_libc = ctypes.CDLL(None, use_errno=True)


class DiskMissingError(OSError):
    """There is no disk at the letter's place: no directory, or one that is no mount point of its own."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """A letter as `Store.disks` tells it; sizes in bytes as of the last look (at most `SYNC_S` ago when it is ok)."""

    state: State
    free_bytes: int
    total_bytes: int
    #: a sentence, None when the state is ok
    error: str | None


def syncfs(descriptor: int) -> None:
    """Write all of the file system of `descriptor` to the disk; OSError when some of it could not be written."""
    if _libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Volume:
    """The disk letter `letter` mounted at `path`. `require_mount=False` takes a plain directory (tests)."""

    def __init__(
        self,
        letter: str,
        path: Path,
        *,
        require_mount: bool = True,
        queue_bytes: int = QUEUE_BYTES,
        sync_s: float = SYNC_S,
        clock_s: Clock = time.monotonic,
    ) -> None:
        self.letter = letter
        self.path = path
        #: counts the times the disk failed or went; files begun under an older number are not written any more
        self.generation = 0
        #: counts what may leave the disk other than the catalogue says: its coming into use, files ended by an error
        self.doubts = 0
        #: paths being written, added before the file exists and dropped after its last row was told
        self.live: set[str] = set()
        #: work refused because the queue was full
        self.refused = 0
        self._require_mount = require_mount
        self._limit = queue_bytes
        self._sync_s = sync_s
        self._clock_s = clock_s
        self._queue: deque[tuple[Job, int]] = deque()
        self._queued_bytes = 0
        self._wakeup = threading.Condition()
        self._closing = False
        self._looked = threading.Event()
        self._stop = threading.Event()
        #: guards what follows
        self._lock = threading.Lock()
        self._fault: tuple[State, str] | None = ("missing", f"{path} has not been looked at yet")
        self._device: int | None = None
        self._free_bytes = self._total_bytes = 0
        #: thread -> when its present system call may have begun
        self._busy: dict[str, float] = {}
        self._writer = threading.Thread(target=self._write_loop, name=f"write-{letter}", daemon=True)
        self._syncer = threading.Thread(target=self._sync_loop, name=f"sync-{letter}", daemon=True)

    def start(self) -> None:
        """Start the threads and give the disk a moment to be seen."""
        self._writer.start()
        self._syncer.start()
        self._looked.wait(_FIRST_LOOK_S)

    def close(self, timeout_s: float = HUNG_S) -> None:
        """Run what is queued, sync, and stop; a hung disk is left behind after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._wakeup:
            self._closing = True
            self._wakeup.notify()
        self._writer.join(timeout_s)
        self._stop.set()
        self._syncer.join(max(0.0, deadline - time.monotonic()))
        if self._writer.is_alive() or self._syncer.is_alive():
            log.error("disk %s: hung at shutdown; what was not written is lost", self.letter)

    def submit(self, job: Job, size: int) -> bool:
        """Have the writer thread run `job`, which holds `size` bytes; False, and counted, when the queue is full.

        Work of size 0 always fits. A job may raise OSError: that is the disk's fault and its state from then on.
        """
        with self._wakeup:
            if self._closing or (size and self._queued_bytes + size > self._limit):
                self.refused += 1
                return False
            if not self._queue:
                self._wakeup.notify()
            self._queue.append((job, size))
            self._queued_bytes += size
        return True

    @property
    def room_bytes(self) -> int:
        """How much may be submitted now."""
        return max(0, self._limit - self._queued_bytes)

    @property
    def usable(self) -> bool:
        """Whether beginning a file makes sense; a hung disk may come round, so work for it waits in the queue."""
        return self._fault is None

    def state(self) -> DiskState:
        """The letter's state now; never blocks on the disk."""
        now_s = self._clock_s()
        with self._lock:
            longest_s = max((now_s - since_s for since_s in self._busy.values()), default=0.0)
            state, error = self._fault or ("ok", None)
            if longest_s > HUNG_S:
                state, error = "hung", f"has not answered for {longest_s:.0f} s"
            return DiskState(state, self._free_bytes, self._total_bytes, error)

    @contextlib.contextmanager
    def root(self) -> Iterator[int]:
        """A descriptor of the mount point, checked to be one; DiskMissingError otherwise. For use with `dir_fd`."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DiskMissingError(error.errno, "there is no such directory", str(self.path)) from error
        try:
            above = os.stat("..", dir_fd=descriptor).st_dev
            if self._require_mount and os.fstat(descriptor).st_dev == above:
                raise DiskMissingError(errno.ENODEV, "no disk is mounted there", str(self.path))
            yield descriptor
        finally:
            os.close(descriptor)

    def doubt(self) -> None:
        """Note that a file here may hold other than its row says: recovery is to look."""
        with self._lock:
            self.doubts += 1

    def fault(self, error: OSError) -> None:
        """Note that the disk failed with `error`; it is out of use until the sync thread finds it well again."""
        state = _state_of(error)
        text = f"{error.strerror or error}"
        with self._lock:
            known = self._fault == (state, text)
            self._fault = (state, text)
            if not known and state != "full":
                self.generation += 1
        if not known:
            log.error("disk %s: %s: %s", self.letter, state, text)

    @contextlib.contextmanager
    def _timed(self, who: str) -> Iterator[None]:
        with self._lock:
            self._busy[who] = self._clock_s()
        try:
            yield
        finally:
            with self._lock:
                del self._busy[who]

    def _write_loop(self) -> None:
        while (found := self._next()) is not None:
            job, size = found
            try:
                with self._timed("write"):
                    job()
            except OSError as error:
                self.fault(error)
            except Exception:
                log.exception("disk %s: a write job failed; the letter goes on", self.letter)
            with self._wakeup:
                self._queued_bytes -= size

    def _next(self) -> tuple[Job, int] | None:
        """The next job, waited for; None when there will be no more."""
        with self._wakeup:
            if not self._queue and not self._closing:
                self._wakeup.wait_for(lambda: self._queue or self._closing)
                self._wakeup.wait_for(lambda: self._closing, GATHER_S)
            return self._queue.popleft() if self._queue else None

    def _sync_loop(self) -> None:
        while True:
            stopping = self._stop.wait(self._sync_s if self._looked.is_set() else 0)
            try:
                with self._timed("sync"):
                    self._look()
            except OSError as error:
                self.fault(error)
            self._looked.set()
            if stopping:
                return

    def _look(self) -> None:
        """Check the mount, sync, measure; bring the letter back into use when what was wrong with it is over."""
        with self.root() as root:
            space = os.fstatvfs(root)
            device = os.fstat(root).st_dev
            free_bytes = space.f_bavail * space.f_frsize
            with self._lock:
                self._free_bytes, self._total_bytes = free_bytes, space.f_blocks * space.f_frsize
                fault, same = self._fault, self._device == device
            if space.f_flag & os.ST_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            syncfs(root)
            full = fault is not None and fault[0] == "full"
            if (fault is None and same) or (full and free_bytes < _ROOM_AGAIN_BYTES):
                return
            _probe(root)
        with self._lock:
            if self._fault is not fault:
                return  # it failed again meanwhile
            if not same and self._device is not None:
                self.generation += 1  # exchanged between two looks
            self._fault = None
            self._device = device
            if not (full and same):
                self.doubts += 1
        log.info("disk %s: in use, %d MiB free", self.letter, free_bytes >> 20)


def _state_of(error: OSError) -> State:
    if isinstance(error, DiskMissingError):
        return "missing"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "full"
    return "read-only" if error.errno == errno.EROFS else "error"


def _probe(root: int) -> None:
    """Write, sync and delete a block; OSError when the disk does not take it."""
    descriptor = os.open(_PROBE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640, dir_fd=root)
    try:
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
        os.unlink(_PROBE, dir_fd=root)
