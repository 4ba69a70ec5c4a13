# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of the viewer page on the controller: passwords by name, and the file of hashes for servers.

Loader, planner and applier of the module `user_set`. The hashes are read by the agent's `web/users.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

#: of 16 MiB and some 0.1 s each: what OWASP recommends for scrypt with this memory
N, R, P = 16384, 8, 5
MAX_MEMORY_BYTES = 64 * 1024 * 1024
HASH_BYTES = 32
#: 24 characters of 64: 144 bits
PASSWORD_BYTES = 18
FILE_VERSION = 1
SUFFIX = ".password"
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class UserFileError(Exception):
    """A file of the folder cannot be used; the text names it."""


def scrypt_hash(password: str, salt: bytes) -> str:
    """The hash as it is stored: `scrypt$N$R$P$SALT$HASH`."""
    found = hashlib.scrypt(
        password.encode(), salt=salt, n=N, r=R, p=P, maxmem=MAX_MEMORY_BYTES, dklen=HASH_BYTES
    )  # fmt: skip
    return f"scrypt${N}${R}${P}${salt.hex()}${found.hex()}"


def fits(password: str, stored: str) -> bool:
    """Whether `stored` is a hash of `password` with the parameters of today."""
    parts = stored.split("$")
    if len(parts) != 6 or parts[:4] != ["scrypt", str(N), str(R), str(P)]:
        return False
    try:
        salt = bytes.fromhex(parts[4])
    except ValueError:
        return False
    return hmac.compare_digest(scrypt_hash(password, salt), stored)


def reason(found: dict[str, str] | None, role: str, password: str | None) -> str | None:
    """Why the entry of a user has to be made, or None. `found` is the entry, `password` the one in force."""
    if found is None:
        return "is new"
    if password is None or not fits(password, found.get("scrypt", "")):
        return "has another password"
    return None if found.get("role") == role else f"was {found.get('role')}"


class Store:
    """The folder: what is there, what is needed, and making it."""

    def __init__(self, directory: Path, users: dict[str, str], check: bool) -> None:
        self._directory = directory
        self._users = users
        self._check = check
        self._file = directory / "users.json"

    def run(self) -> dict[str, Any]:
        """Make all that is needed; the module's result."""
        for name in self._users:
            if not NAME.fullmatch(name):
                raise UserFileError(f"{name!r} is no name of a user; allowed: small letters, digits and dashes")
        found = self._found()
        made: dict[str, str] = {}
        entries: dict[str, dict[str, str]] = {}
        for name, role in sorted(self._users.items()):
            password = self._password(name)
            why = reason(found.get(name), role, password)
            entries[name] = dict(found.get(name, {}), role=role)
            if why is None:
                continue
            made[name] = why
            if self._check:
                continue
            if password is None:
                password = secrets.token_urlsafe(PASSWORD_BYTES)
                self._write(self._directory / f"{name}{SUFFIX}", password)
            if not fits(password, entries[name].get("scrypt", "")):
                entries[name]["scrypt"] = scrypt_hash(password, secrets.token_bytes(16))
        stale = sorted(path for path in self._directory.glob(f"*{SUFFIX}") if path.stem not in self._users)
        made.update({name: "is gone" for name in [*found, *(path.stem for path in stale)] if name not in self._users})
        if made and not self._check:
            self._write(self._file, json.dumps({"version": FILE_VERSION, "users": entries}, indent=1))
            for path in stale:
                path.unlink(missing_ok=True)
        lines = "".join(f"{name} {why}\n" for name, why in sorted(made.items()))
        return {"changed": bool(made), "made": made, "diff": {"before": "", "after": lines}}

    def _found(self) -> dict[str, dict[str, str]]:
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            users: dict[str, dict[str, str]] = data["users"]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise UserFileError(f"{self._file}: not a file of users; remove it and it is made anew") from error
        return users

    def _password(self, name: str) -> str | None:
        """The password in the user's file; None when there is no file."""
        path = self._directory / f"{name}{SUFFIX}"
        try:
            password = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise UserFileError(f"{path}: not text in UTF-8") from error
        if not password:
            raise UserFileError(f"{path}: is empty; write a password into it, or remove it and one is made")
        return password

    def _write(self, path: Path, text: str) -> None:
        """Write a file so that it is there whole or not at all, and never readable by others."""
        new = path.with_name(path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as writer:
            writer.write(text + "\n")
            writer.flush()
            os.fsync(writer.fileno())
        new.rename(path)
