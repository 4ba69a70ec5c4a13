# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk letters: what is mounted where, and what should be. Standard library only.

A letter's path must be a mount point of its own. When its disk is missing, the bare directory on the system disk is
what writers would fill; so that is told as a problem and never prepared for writing.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOUNT_UNIT = """\
# Written by site.yml: disk letter {letter}.
[Unit]
Description=Footage, disk letter {letter}

[Mount]
What={source}
Where={path}
Type={fstype}
Options=noatime,nodev,nosuid,noexec{options}

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Disk:
    """A disk letter as the site file has it. `provided`: the mount is made outside of the collection."""

    letter: str
    path: str
    label: str | None = None
    uuid: str | None = None
    fstype: str = "ext4"
    provided: bool = False

    @property
    def source(self) -> str | None:
        """What to mount, as mount(8) names it."""
        if self.uuid:
            return f"UUID={self.uuid}"
        return f"LABEL={self.label}" if self.label else None


@dataclass(frozen=True)
class Found:
    """What is at a letter's path."""

    exists: bool = False
    mounted: bool = False
    device: str = ""
    fstype: str = ""
    read_only: bool = False
    label: str | None = None
    uuid: str | None = None
    total_bytes: int = 0
    free_bytes: int = 0


def problems(disk: Disk, found: Found) -> list[str]:
    """Why this letter cannot be recorded to, each a sentence with the remedy; empty when it can."""
    where = f"disk letter {disk.letter}: {disk.path}"
    wanted = disk.source or f"the disk of letter {disk.letter}"
    if not found.mounted:
        state = "is not a mount point of its own" if found.exists else "does not exist"
        return [f"{where} {state}; mount {wanted} there"]
    told = []
    if disk.label and found.label and disk.label != found.label:
        told.append(f"{where} holds the disk labelled {found.label!r}, the site file says {disk.label!r}")
    if disk.uuid and found.uuid and disk.uuid != found.uuid:
        told.append(f"{where} holds the disk with UUID {found.uuid}, the site file says {disk.uuid}")
    if found.read_only:
        told.append(f"{where} is mounted read-only; check the disk ({found.device}) and the kernel's log")
    return told


def mount_unit(disk: Disk) -> str:
    """The systemd mount unit of a letter. `nofail` is implied: nothing but the letter itself waits for it."""
    options = ",errors=remount-ro" if disk.fstype in ("ext2", "ext3", "ext4") else ""
    return MOUNT_UNIT.format(
        letter=disk.letter, source=mount_source(disk), path=disk.path, fstype=disk.fstype, options=options
    )


def mount_source(disk: Disk) -> str:
    """The device path systemd waits for."""
    kind, value = ("uuid", disk.uuid) if disk.uuid else ("label", disk.label or "")
    return f"/dev/disk/by-{kind}/{udev_escape(value or '')}"


def udev_escape(text: str) -> str:
    """`text` as udev names it below /dev/disk (blkid_encode_string)."""
    return "".join(c if re.match(r"[A-Za-z0-9#+\-.:=@_]", c) or ord(c) > 127 else f"\\x{ord(c):02x}" for c in text)


def unit_name(path: str) -> str:
    """Name of the mount unit of `path` (systemd-escape --path)."""
    parts = [part for part in path.split("/") if part]
    escaped = ["".join(c if re.match(r"[A-Za-z0-9:_.]", c) else f"\\x{ord(c):02x}" for c in part) for part in parts]
    name = "-".join(escaped)
    return (f"\\x2e{name[1:]}" if name.startswith(".") else name) + ".mount"


# --- loader


def load(path: str) -> Found:
    """What is at `path` now."""
    try:
        info = Path(path).stat()
        above = Path(path).parent.stat()
    except OSError:
        return Found()
    if not stat.S_ISDIR(info.st_mode) or info.st_dev == above.st_dev:
        return Found(exists=True)
    device, fstype, read_only = _mount(path)
    sizes = os.statvfs(path)
    label, uuid = _identity(device)
    return Found(
        exists=True,
        mounted=True,
        device=device,
        fstype=fstype,
        read_only=read_only,
        label=label,
        uuid=uuid,
        total_bytes=sizes.f_blocks * sizes.f_frsize,
        free_bytes=sizes.f_bavail * sizes.f_frsize,
    )


def _mount(path: str) -> tuple[str, str, bool]:
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    rows = [line.split() for line in text.splitlines()]
    # the last one on a path hides the ones below
    for row in reversed(rows):
        if row[4].encode("latin-1", "replace").decode("unicode_escape") == path:
            rest = row[row.index("-") + 1 :]
            options = row[5].split(",") + rest[2].split(",")
            return rest[1], rest[0], "ro" in options
    return "", "", False


def _identity(device: str) -> tuple[str | None, str | None]:
    values = []
    for tag in ("LABEL", "UUID"):
        try:
            done = subprocess.run(
                ["blkid", "-o", "value", "-s", tag, device], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None, None
        values.append(done.stdout.strip() or None)
    return values[0], values[1]


def from_options(item: dict[str, object]) -> Disk:
    """A disk letter from an entry of a module's option `disks`."""
    return Disk(
        letter=str(item["letter"]),
        path=str(item["path"]).rstrip("/"),
        label=str(item["label"]) if item["label"] else None,
        uuid=str(item["uuid"]) if item["uuid"] else None,
        fstype=str(item["fstype"]),
        provided=bool(item["provided"]),
    )


def to_result(disk: Disk, found: Found) -> dict[str, Any]:
    """A disk letter as modules return it."""
    return {
        "letter": disk.letter,
        "path": disk.path,
        "mounted": found.mounted,
        "device": found.device,
        "fstype": found.fstype,
        "label": found.label,
        "uuid": found.uuid,
        "read_only": found.read_only,
        "total_bytes": found.total_bytes,
        "free_bytes": found.free_bytes,
        "problems": problems(disk, found),
    }


#: the option `disks` of every module that has it
OPTIONS = {
    "letter": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "label": {"type": "str"},
    "uuid": {"type": "str"},
    "fstype": {"type": "str", "default": "ext4"},
    "provided": {"type": "bool", "default": False},
}
