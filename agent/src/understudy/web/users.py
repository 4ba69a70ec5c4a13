"""The people of the site: who may log in, in which role. Reads `/etc/understudy/users.json`, never writes it.

A password is known here by its scrypt hash only: `scrypt$N$R$P$SALT$HASH`, salt and hash in hex. The file is read again
when it changes, so a user who is taken out of it is out at the next request.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Literal

import msgspec

Role = Literal["viewer", "admin"]

#: what scrypt may take; the hashes of the site take 16 MiB
_MAX_MEMORY_BYTES = 64 * 1024 * 1024
_HASH_BYTES = 32
#: hashed in place of a user that does not exist, so that the answer takes as long
_NOBODY = f"scrypt$16384$8$5${'00' * 16}${'00' * _HASH_BYTES}"


class UsersError(Exception):
    """The users cannot be read; the text is one sentence that names the file."""


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person: what they may do, and the hash of the password."""

    role: Role
    scrypt: str

    @property
    def mark(self) -> str:
        """Changes with the password; a session carries it, so that a new password ends the sessions of the old one."""
        return hashlib.sha256(self.scrypt.encode()).hexdigest()[:16]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    users: dict[str, User]


class Users:
    """The users in the file `path`, as they are now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], dict[str, User]] | None = None

    def all(self) -> dict[str, User]:
        """Users by name; UsersError when the file is missing or wrong: then nobody is let in."""
        try:
            state = self._path.stat()
            version = (state.st_mtime_ns, state.st_ino, state.st_size)
            if self._read is None or self._read[0] != version:
                self._read = version, msgspec.json.decode(self._path.read_bytes(), type=_File).users
        except OSError as error:
            raise UsersError(f"{self._path}: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise UsersError(f"{self._path}: {error}") from error
        return self._read[1]

    def log_in(self, name: str, password: str) -> User | None:
        """The user if the password is theirs. Takes some 0.1 s of a core, whether there is such a user or not."""
        user = self.all().get(name)
        fits = verify(password, user.scrypt if user else _NOBODY)
        return user if fits and user else None


def verify(password: str, stored: str) -> bool:
    """Whether `password` is the one that `stored` is the hash of; UsersError when that is no hash of ours."""
    try:
        kind, n, r, p, salt, wanted = stored.split("$")
        found = hashlib.scrypt(
            password.encode(),
            salt=bytes.fromhex(salt),
            n=int(n),
            r=int(r),
            p=int(p),
            maxmem=_MAX_MEMORY_BYTES,
            dklen=_HASH_BYTES,
        )
        expected = bytes.fromhex(wanted)
    except (ValueError, MemoryError) as error:
        raise UsersError("the hash of a password is not understood; run site.yml again") from error
    if kind != "scrypt":
        raise UsersError(f"the hash of a password is {kind!r}; this release knows scrypt")
    return hmac.compare_digest(found, expected)
