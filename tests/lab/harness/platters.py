"""Faults of one disk letter, done to the real file system under it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from harness import disks
from harness.paths import Paths
from harness.shell import run
from harness.topology import Host

FILL_FILE = ".lab-fill"
HANG_LIMIT_S = 600
"""A hung disk is let go after this time even when nobody heals: `sync` on the whole machine waits for it."""


def fill(paths: Paths, host: Host, letter: str) -> None:
    """Take all the space that is left, to the last block."""
    where = paths.mountpoint(host.name, letter)
    handle = os.open(where / FILL_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        size, step = os.fstat(handle).st_size, shutil.disk_usage(where).free
        while step >= 4096:
            try:
                os.posix_fallocate(handle, size, step)
                size += step
            except OSError:
                step //= 2
    finally:
        os.close(handle)


def kill(paths: Paths, host: Host, letter: str) -> None:
    """The disk dies: EIO from now on."""
    disks.shutdown(paths, host.name, letter)


def make_read_only(paths: Paths, host: Host, letter: str) -> None:
    """The file system finds itself damaged and goes read-only, as ext4 does after an error."""
    run(["mount", "-o", "remount,abort", str(paths.mountpoint(host.name, letter))])


def hang(paths: Paths, host: Host, letter: str) -> int:
    """Writes to the disk do not come back. Returns the process that lets it go after HANG_LIMIT_S."""
    where = paths.mountpoint(host.name, letter)
    guard = subprocess.Popen(
        ["sh", "-c", 'sleep "$1"; fsfreeze --unfreeze "$2"', "understudy-lab-thaw", str(HANG_LIMIT_S), str(where)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    run(["fsfreeze", "--freeze", str(where)])
    return guard.pid


def pull(paths: Paths, host: Host, letter: str) -> None:
    """The disk is pulled: open files give EIO, the mount point is an empty directory."""
    disks.shutdown(paths, host.name, letter)
    disks.detach(paths, host.name, letter)


def heal(paths: Paths, host: Host, *, replace: set[str]) -> None:
    """Free what was filled, thaw what hangs, repair and mount anew the disks in `replace` and those that are away."""
    for disk in host.disk_names:
        where = paths.mountpoint(host.name, disk)
        disks.thaw(where)
        if disk in replace:
            disks.detach(paths, host.name, disk)
    disks.ensure_disks(paths, host)
    for disk in host.disk_names:
        (paths.mountpoint(host.name, disk) / FILL_FILE).unlink(missing_ok=True)


def dismiss_guard(pid: int) -> None:
    """End the process that `hang` left behind, if it is still that one."""
    with contextlib.suppress(OSError):
        if b"understudy-lab-thaw" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.killpg(pid, signal.SIGKILL)
