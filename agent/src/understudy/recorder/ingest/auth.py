"""Authentication towards a camera: Digest (MD5, SHA-256) and Basic (RFC 7616, 7617). No I/O, nothing is logged."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
#: real ones are below 300 characters; what is longer is no challenge and is not taken apart
_MAX_CHALLENGE = 4096
#: begins only where a name does: a search from every letter of a long word takes minutes
_PARAMETER = re.compile(r'(?<![A-Za-z-])([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)


@dataclass(slots=True)
class Challenge:
    """What the camera demands. A nonce is used with a counter, so an answer is never sent twice."""

    scheme: str
    algorithm: str
    realm: str
    nonce: str
    opaque: str | None
    qop: bool
    count: int = 0

    @property
    def strength(self) -> int:
        """Order of preference: SHA-256, MD5, Basic."""
        return 0 if self.scheme == "basic" else 1 + self.algorithm.startswith("SHA-256")


def parse_challenges(values: Iterable[str]) -> Challenge | None:
    """The strongest challenge we can answer among WWW-Authenticate `values`; None when there is none."""
    usable = [value for value in values if len(value) <= _MAX_CHALLENGE]
    found = [challenge for value in usable for part in _schemes(value) if (challenge := _challenge(*part))]
    return max(found, key=lambda challenge: challenge.strength, default=None)


def _schemes(value: str) -> list[tuple[str, str]]:
    """Several challenges may share one header line."""
    parts = re.split(r"(?:^|,)\s*(Digest|Basic)\b", value, flags=re.IGNORECASE)
    return [(parts[i].lower(), parts[i + 1]) for i in range(1, len(parts) - 1, 2)]


def _challenge(scheme: str, text: str) -> Challenge | None:
    given = {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in _PARAMETER.findall(text)}
    algorithm = given.get("algorithm", "MD5").upper()
    if scheme == "digest" and (algorithm.removesuffix("-SESS") not in _HASHES or not given.get("nonce")):
        return None
    qop = "auth" in [word.strip().lower() for word in given.get("qop", "").split(",")]
    return Challenge(scheme, algorithm, given.get("realm", ""), given.get("nonce", ""), given.get("opaque"), qop)


def authorization(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, client_nonce: str | None = None
) -> str:
    """The Authorization header for one request; `client_nonce` is for tests."""
    if challenge.scheme == "basic":
        pair = f"{credentials.username}:{credentials.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()
    digest = _HASHES[challenge.algorithm.removesuffix("-SESS")]

    def hashed(text: str) -> str:
        return digest(text.encode()).hexdigest()

    client_nonce = client_nonce or secrets.token_hex(8)
    challenge.count += 1
    count = f"{challenge.count:08x}"
    secret = hashed(f"{credentials.username}:{challenge.realm}:{credentials.password}")
    if challenge.algorithm.endswith("-SESS"):
        secret = hashed(f"{secret}:{challenge.nonce}:{client_nonce}")
    demand = hashed(f"{method}:{uri}")
    middle = f"{challenge.nonce}:{count}:{client_nonce}:auth" if challenge.qop else challenge.nonce
    fields = {
        "username": credentials.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": hashed(f"{secret}:{middle}:{demand}"),
    }
    if challenge.opaque is not None:
        fields["opaque"] = challenge.opaque
    text = ", ".join(f'{name}="{_quoted(value)}"' for name, value in fields.items())
    if challenge.algorithm != "MD5":
        text += f", algorithm={challenge.algorithm}"
    if challenge.qop or challenge.algorithm.endswith("-SESS"):
        text += f', cnonce="{client_nonce}"'
    if challenge.qop:
        text += f", qop=auth, nc={count}"
    return "Digest " + text


def _quoted(value: str) -> str:
    """Backslash and quote escaped; a line break would end the header and is left out."""
    return re.sub(r'([\\"])', r"\\\1", re.sub(r"[\r\n]", "", value))
