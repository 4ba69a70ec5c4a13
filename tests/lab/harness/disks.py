"""The hosts' disks: sparse files behind loop devices with ext4, mounted here, seen in the host by a shared mount."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from harness.paths import Paths
from harness.shell import LabError, run
from harness.topology import DISK_LETTERS, DISK_MIB, STATE_DIRECTORIES, STATE_DISK, Host


def ensure_disks(paths: Paths, host: Host) -> bool:
    """Make, check and mount whatever of the host's disks is not there; return whether anything was done."""
    if not host.disks:
        return False
    changed = _ensure_shared(paths.footage(host.name))
    for disk in host.disk_names:
        changed |= ensure_disk(paths, host.name, disk)
    for name in STATE_DIRECTORIES:
        (paths.mountpoint(host.name, STATE_DISK) / name).mkdir(exist_ok=True)
    return changed


def ensure_disk(paths: Paths, host: str, disk: str) -> bool:
    """Make the disk when it does not exist, mount it when it is not mounted; return whether anything was done."""
    image, where = paths.disk_image(host, disk), paths.mountpoint(host, disk)
    if device_of(where) is not None:
        return False
    if not image.exists():
        _format(image, label=f"{host}-{disk}")
    _repair(image)
    # What a host wrote here while the disk was away went to the wrong place; it would come up at the next pull.
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    # A loop device of its own each time: `mount -o loop` would share the device of a file system that was pulled while
    # in use, and that one is dead for good.
    device = run(["losetup", "--find", "--show", str(image)]).stdout.strip()
    try:
        run(["mount", "-t", "ext4", "-o", "errors=remount-ro", device, str(where)])
    finally:
        run(["losetup", "--detach", device], check=False)  # detached by the kernel at the last unmount
    return True


def shutdown(paths: Paths, host: str, disk: str) -> None:
    """Make the disk answer every access with EIO from now on; what was not synced is lost, as when its power goes."""
    run(["xfs_io", "-x", "-c", "shutdown", str(paths.mountpoint(host, disk))])


def detach(paths: Paths, host: str, disk: str) -> None:
    """Unmount the disk here and in the host, even while files on it are open there."""
    where = paths.mountpoint(host, disk)
    device = device_of(where)
    if device is None:
        return
    run(["umount", "--lazy", str(where)])
    # Buffers of a shut-down file system must reach the file now, not after the disk is mounted anew.
    run(["blockdev", "--flushbufs", device], check=False)


def unmount_all(paths: Paths, host: str) -> None:
    """Unmount everything of the host, the shared directory included; thaws what is frozen first."""
    for disk in (*DISK_LETTERS, STATE_DISK):
        thaw(paths.mountpoint(host, disk))
        with contextlib.suppress(LabError):
            detach(paths, host, disk)
    while device_of(paths.footage(host)) is not None:
        run(["umount", "--lazy", str(paths.footage(host))])


def discard(paths: Paths, host: Host) -> None:
    """Throw the host's disks away, with what is on them: a host made anew is a blank machine."""
    unmount_all(paths, host.name)
    for disk in host.disk_names:
        paths.disk_image(host.name, disk).unlink(missing_ok=True)


def thaw(where: Path) -> None:
    """Let a frozen file system go on; does nothing to one that is not frozen."""
    if device_of(where) is not None:
        run(["fsfreeze", "--unfreeze", str(where)], check=False)


def device_of(where: Path) -> str | None:
    """What is mounted at `where` (a loop device), None when nothing is. Bind mounts count, unlike in Path.is_mount."""
    wanted, found = str(where), None
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, right = line.split(" - ")
        mountpoint = left.split()[4].encode("latin-1").decode("unicode_escape")
        if mountpoint == wanted:
            found = right.split()[1]
    return found


def _ensure_shared(where: Path) -> bool:
    """Make `where` a mount of its own that passes later mounts on to the host; return whether it was not."""
    if device_of(where) is not None:
        return False
    where.mkdir(parents=True, exist_ok=True)
    run(["mount", "--bind", str(where), str(where)])
    run(["mount", "--make-shared", str(where)])
    return True


def _format(image: Path, label: str) -> None:
    """A new disk: complete under a temporary name first, so that a cut-off run leaves no half-made one."""
    image.parent.mkdir(parents=True, exist_ok=True)
    new = image.with_suffix(".new")
    with new.open("wb") as file:
        os.truncate(file.fileno(), DISK_MIB * 2**20)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-L", label, str(new)])
    new.rename(image)


def _repair(image: Path) -> None:
    """Replay the journal and mend what a fault left; e2fsck says 0 or 1 when the disk is sound afterwards."""
    if run(["e2fsck", "-p", str(image)], check=False).returncode > 1:
        done = run(["e2fsck", "-y", str(image)], check=False)
        if done.returncode > 1:
            raise LabError(
                f"{image} cannot be repaired: {done.stdout.strip().splitlines()[-1]}; remove it to get a new disk"
            )
