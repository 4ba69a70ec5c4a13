"""Disks and the machine: loop mounts in the benchmark's own mount namespace, and what this machine is."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: how children run Python: without the user's own packages
PYTHON = (sys.executable, "-s")
CACHE = Path(os.environ.get("BENCHMARK_CACHE", "/var/tmp/understudy-benchmarks"))


def run(*command: str) -> str:
    """Run a command to its end; its output. CalledProcessError when it fails."""
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    ).stdout


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory for a run, gone after it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=CACHE, ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextlib.contextmanager
def disk(image: Path, size_bytes: int) -> Iterator[Path]:
    """A new ext4 file system of its own beside its sparse `image`, mounted; a disk letter must be a mount point."""
    place = image.with_suffix("")
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(size_bytes)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", str(image))
    mount(image, place)
    try:
        yield place
    finally:
        unmount(place)
        image.unlink()


def mount(image: Path, place: Path) -> None:
    run("mount", "-o", "loop", str(image), str(place))


def unmount(place: Path) -> None:
    run("umount", str(place))


@contextlib.contextmanager
def memory_disk(place: Path) -> Iterator[Path]:
    """A tmpfs, as pre-roll in files needs one."""
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=80%", "benchmark", str(place))
    try:
        yield place
    finally:
        unmount(place)


def used_bytes(place: Path) -> int:
    """What the file system at `place` holds."""
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def machine() -> dict[str, object]:
    """What the figures were measured on, and when."""
    model = next(
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ffmpeg": run("ffmpeg", "-version").split()[2],
    }


def busy_s() -> float:
    """CPU seconds that this whole machine has worked since it was started, all cores together."""
    user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
