# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the agent: what identifies one, where it is installed, which ones are kept. Standard library only.

A release is identified by a digest of everything that goes into it, so two controllers with the same checkout agree and
a host knows without a transfer whether it has it. On a host a release is whole or it is not there: the marker is
written last.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

#: raised when the way of building changes the result for the same inputs
BUILD_FORMAT = "1"
DIGEST_LENGTH = 16
MARKER = ".complete"
#: the parts of the source folder that make the distribution; all else (tests, caches) is not shipped
SHIPPED = ("pyproject.toml", "src")
LEFT_OUT_FOLDERS = ("__pycache__",)
LEFT_OUT_SUFFIXES = (".pyc", ".egg-info")


class ReleaseError(Exception):
    """A release cannot be built or installed; the text says why and what to do."""


def shipped_files(source: str) -> list[str]:
    """Paths below `source` that go into a release, relative and sorted."""
    top = Path(source)
    if not (top / "pyproject.toml").is_file():
        raise ReleaseError(f"{source}: no pyproject.toml; not the source of the agent")
    paths = [path for name in SHIPPED for path in (top / name, *(top / name).rglob("*")) if path.is_file()]
    return sorted(str(path.relative_to(top)) for path in paths if _is_shipped(path.relative_to(top)))


def _is_shipped(path: Path) -> bool:
    return not any(part in LEFT_OUT_FOLDERS or part.endswith(LEFT_OUT_SUFFIXES) for part in path.parts)


def inputs_digest(contents: dict[str, bytes], constraints: bytes, platforms: list[str]) -> str:
    """What identifies a release: every shipped file's name and content, pinned dependencies, target platforms."""
    total = hashlib.sha256(f"{BUILD_FORMAT}\n{sorted(platforms)}\n".encode())
    total.update(hashlib.sha256(constraints).digest())
    for name in sorted(contents):
        total.update(name.encode() + b"\0" + hashlib.sha256(contents[name]).digest())
    return total.hexdigest()[:DIGEST_LENGTH]


def version_of(pyproject: str) -> str:
    """The version in a pyproject.toml (read without a TOML parser: older Pythons have none)."""
    project = re.search(r"^\[project\]$(.*?)(?=^\[|\Z)", pyproject, re.MULTILINE | re.DOTALL)
    version = re.search(r'^version\s*=\s*"([^"]+)"', project.group(1) if project else "", re.MULTILINE)
    if not version:
        raise ReleaseError("pyproject.toml: no version in [project]")
    return version.group(1)


def file_name(version: str, digest: str) -> str:
    """Name of the one file of a release."""
    return f"understudy-{version}-{digest}.pex"


@dataclass(frozen=True)
class Installed:
    """The releases on a host: `releases` newest first and whole; `broken` are left-overs of a cut installation."""

    releases: tuple[str, ...] = ()
    current: str | None = None
    broken: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True)
class Steps:
    """What has to be done to run a release; `install` says whether its file is needed."""

    install: bool
    switch: bool
    link: bool
    remove: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether anything has to be done."""
        return self.install or self.switch or self.link or bool(self.remove)


def plan(installed: Installed, digest: str, keep: int, command: str) -> Steps:
    """The steps that make `digest` current and keep `keep` releases: it, the one before, the newest others."""
    order = [digest]
    order += [installed.current] if installed.current in installed.releases and installed.current != digest else []
    order += [name for name in installed.releases if name not in order]
    surplus = tuple(order[keep:]) + tuple(name for name in installed.broken if name != digest)
    return Steps(
        install=digest not in installed.releases,
        switch=installed.current != digest,
        link=installed.command != command,
        remove=surplus,
    )


def load(base: str, command_link: str) -> Installed:
    """What is installed below `base` (usually /opt/understudy)."""
    folder = Path(base) / "releases"
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    whole = [path for path in paths if (path / MARKER).exists()]
    whole.sort(key=lambda path: (path / MARKER).stat().st_mtime, reverse=True)
    current = _link(Path(base) / "current")
    return Installed(
        releases=tuple(path.name for path in whole),
        current=Path(current).name if current else None,
        broken=tuple(path.name for path in paths if path not in whole),
        command=_link(Path(command_link)),
    )


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None
