# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of files should look like against what is there: loader, planner, applier. Standard library only.

`plan` is pure. `apply` stages and validates every file before it renames the first, so a refused file leaves the
whole set as it was; a crash between two renames leaves whole files, old or new, and the next run finishes.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import pwd
import shlex
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: keys whose values never appear in a diff of a secret JSON document
SECRET_KEYS = ("password", "secret", "token", "key")
VALIDATE_TIMEOUT_S = 30


class FilesError(Exception):
    """A file cannot be brought to its desired state; the text names it and the reason."""


@dataclass(frozen=True)
class Desired:
    """One entry of the desired set. None means "leave as it is"."""

    dest: str
    state: str = "file"
    content: bytes = b""
    secret: bool = False
    target: str = ""
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    validate: str | None = None


@dataclass(frozen=True)
class Current:
    """What is at a path now; `kind` is one of absent, file, directory, link, other."""

    kind: str = "absent"
    content: bytes = b""
    target: str = ""
    owner: str = ""
    group: str = ""
    mode: int = 0


@dataclass(frozen=True)
class Change:
    """One thing to do, with the words for the diff."""

    desired: Desired
    current: Current
    replace: bool
    attributes: bool

    @property
    def diff(self) -> dict[str, str]:
        """The entry of Ansible's diff for this change; secrets are masked."""
        path = self.desired.dest
        after_text = _describe(self.desired, self.current)
        before_text = _show(self.current.kind, self.current.content, self.current.target, self.desired)
        if before_text == after_text and self.replace:
            after_text += "(secret values differ)\n"
        before = _attributes(self.current.owner, self.current.group, self.current.mode)
        after = _attributes(
            self.desired.owner or self.current.owner or "root",
            self.desired.group or self.current.group or "root",
            self.desired.mode if self.desired.mode is not None else self.current.mode,
        )
        if self.attributes and self.current.kind != "absent" and self.desired.state != "absent":
            before_text, after_text = before + before_text, after + after_text
        return {"before": before_text, "after": after_text, "before_header": path, "after_header": path}


def _attributes(owner: str, group: str, mode: int) -> str:
    return f"# {owner}:{group} {mode:04o}\n"


def _describe(desired: Desired, current: Current) -> str:
    if desired.state == "absent":
        return ""
    return _show(desired.state, desired.content, desired.target, desired)


def _show(kind: str, content: bytes, target: str, desired: Desired) -> str:
    if kind == "absent":
        return ""
    if kind == "directory":
        return "(directory)\n"
    if kind == "link":
        return f"-> {target}\n"
    if not desired.secret:
        return content.decode("utf-8", "replace")
    return masked(content)


def masked(content: bytes) -> str:
    """The shape of a secret document without its secrets: JSON keeps its structure, all else shows its size."""
    try:
        document = json.loads(content)
    except ValueError:
        return f"({len(content)} bytes, secret)\n"
    if not isinstance(document, (dict, list)):
        return f"({len(content)} bytes, secret)\n"
    return json.dumps(_mask(document), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if item and _is_secret(key, item) else _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return value


def _is_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and any(key == word or key.endswith(f"_{word}") for word in SECRET_KEYS)


def plan(desired: list[Desired], current: dict[str, Current]) -> list[Change]:
    """The changes that turn `current` (path to what is there) into `desired`, in the given order."""
    changes = []
    for item in desired:
        now = current[item.dest]
        replace = _must_replace(item, now)
        attributes = item.state in ("file", "directory") and _attributes_differ(item, now)
        if replace or attributes:
            changes.append(Change(item, now, replace, attributes))
    return changes


def _must_replace(item: Desired, now: Current) -> bool:
    if item.state == "absent":
        return now.kind != "absent"
    if item.state != now.kind:
        return True
    if item.state == "link":
        return str(Path(item.target)) != now.target
    return item.state == "file" and item.content != now.content


def _attributes_differ(item: Desired, now: Current) -> bool:
    pairs = ((item.owner, now.owner), (item.group, now.group), (item.mode, now.mode))
    return any(wanted is not None and wanted != found for wanted, found in pairs)


# --- loader


def load(path: str) -> Current:
    """What is at `path` now, links not followed."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Current()
    owner, group, mode = _user(info.st_uid), _group(info.st_gid), stat.S_IMODE(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return Current("link", target=str(Path(path).readlink()), owner=owner, group=group)
    if stat.S_ISDIR(info.st_mode):
        return Current("directory", owner=owner, group=group, mode=mode)
    if not stat.S_ISREG(info.st_mode):
        return Current("other", owner=owner, group=group, mode=mode)
    return Current("file", Path(path).read_bytes(), "", owner, group, mode)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


# --- applier


def apply(changes: list[Change]) -> None:
    """Carry out `changes`; FilesError when one cannot be, before anything was replaced where that can be known."""
    staged: dict[str, str] = {}
    try:
        for change in changes:
            _refuse_impossible(change)
            if change.desired.state == "directory":
                _directory(change)
            elif change.desired.state == "file" and change.replace:
                staged[change.desired.dest] = _stage(change)
        for change in changes:
            _finish(change, staged)
    except OSError as error:
        raise FilesError(f"{error.filename}: {error.strerror}") from error
    finally:
        for left in staged.values():
            with contextlib.suppress(OSError):
                Path(left).unlink()


def _refuse_impossible(change: Change) -> None:
    kind, state, path = change.current.kind, change.desired.state, change.desired.dest
    if kind in ("directory", "other") and change.replace:
        raise FilesError(f"{path}: is a {kind}, will not be replaced by state {state}; remove it by hand")
    for name, lookup in ((change.desired.owner, pwd.getpwnam), (change.desired.group, grp.getgrnam)):
        if name is not None:
            try:
                lookup(name)
            except KeyError:
                raise FilesError(f"{path}: no user or group {name!r} on this host") from None


def _directory(change: Change) -> None:
    path = change.desired.dest
    if change.current.kind in ("file", "link"):
        raise FilesError(f"{path}: is a {change.current.kind}, will not be replaced by a directory; remove it by hand")
    Path(path).mkdir(parents=True, exist_ok=True)
    _own(path, change)


def _stage(change: Change) -> str:
    path = change.desired.dest
    folder, name = Path(path).parent, Path(path).name
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as writer:
            writer.write(change.desired.content)
            writer.flush()
            os.fsync(writer.fileno())
        _own(temporary, change)
        if change.desired.validate:
            _validate(change.desired.validate, temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise
    return temporary


def _own(path: str, change: Change) -> None:
    owner, group = change.desired.owner or change.current.owner, change.desired.group or change.current.group
    uid = pwd.getpwnam(owner).pw_uid if owner and not owner.isdigit() else -1
    gid = grp.getgrnam(group).gr_gid if group and not group.isdigit() else -1
    os.chown(path, uid, gid)
    mode = change.desired.mode
    if mode is None:
        kept = change.current.mode if change.current.kind in ("file", "directory") else None
        mode = kept if kept is not None else (0o755 if change.desired.state == "directory" else 0o644)
    Path(path).chmod(mode)


def _validate(command: str, temporary: str, path: str) -> None:
    words = [word.replace("%s", temporary) for word in shlex.split(command)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=VALIDATE_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise FilesError(f"{path}: cannot validate with {words[0]}: {error}") from error
    if done.returncode != 0:
        raise FilesError(f"{path}: refused by {words[0]}: {(done.stderr or done.stdout).strip()}")


def _finish(change: Change, staged: dict[str, str]) -> None:
    path, state = change.desired.dest, change.desired.state
    if state == "absent":
        Path(path).unlink()
    elif state == "link":
        point(path, change.desired.target)
    elif path in staged:
        Path(staged.pop(path)).rename(path)
    elif state == "file":
        _own(path, change)


def point(path: str, target: str) -> None:
    """Make `path` a symbolic link to `target` in one step: at every moment it is the old link or the new one."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(f"{path}.{os.getpid()}.new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    temporary.rename(path)


def digest(content: bytes) -> str:
    """SHA-256 of `content` in hex."""
    return hashlib.sha256(content).hexdigest()
