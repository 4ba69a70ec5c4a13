"""Checks Digest (MD5, RFC 2069 and RFC 2617 qop=auth) and Basic credentials as a camera does. Pure but for nonces."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from camsim.config import Authentication

REALM = "camsim"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Gate:
    """Decides on the requests of one connection. Each connection has a nonce of its own, as many cameras do."""

    def __init__(self, kind: Authentication, user: str, password: str) -> None:
        self._kind = kind
        self._user = user
        self._password = password
        self._nonce = secrets.token_hex(16)

    def challenge(self) -> str:
        """The WWW-Authenticate header that goes with a 401."""
        if self._kind == "basic":
            return f'Basic realm="{REALM}"'
        qop = ', qop="auth"' if self._kind == "digest-qop" else ""
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm=MD5{qop}'

    def admits(self, method: str, uri: str, authorization: str) -> bool:
        """Whether the Authorization header proves the password for this very request."""
        scheme, _, rest = authorization.partition(" ")
        if self._kind == "basic":
            wanted = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
            return scheme.lower() == "basic" and hmac.compare_digest(rest.strip(), wanted)
        if scheme.lower() != "digest":
            return False
        told = {key.lower(): quoted or plain for key, quoted, plain in _FIELD.findall(rest)}
        expected = {"username": self._user, "realm": REALM, "nonce": self._nonce, "uri": uri}
        if any(told.get(key) != value for key, value in expected.items()):
            return False
        return hmac.compare_digest(told.get("response", "").encode(), self._response(method, uri, told).encode())

    def _response(self, method: str, uri: str, told: dict[str, str]) -> str:
        secret = _md5(f"{self._user}:{REALM}:{self._password}")
        request = _md5(f"{method}:{uri}")
        if self._kind == "digest-qop":
            middle = f"{self._nonce}:{told.get('nc', '')}:{told.get('cnonce', '')}:{told.get('qop', '')}"
            return _md5(f"{secret}:{middle}:{request}") if told.get("qop") == "auth" else ""
        return _md5(f"{secret}:{self._nonce}:{request}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
