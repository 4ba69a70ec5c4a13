"""Sessions: signed tokens that every server of the site believes, so that a login survives a takeover. Pure.

Nothing is stored: the token says who, until when, and is signed with a key that is derived from the site's. Times are
wall time in seconds; the servers of a site agree on it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import msgspec

from understudy.web.users import Role, User

#: a login lasts so long after it was last used
LIFETIME_S = 12 * 3600.0
#: a token older than this is replaced by a new one when the page asks who it is
RENEW_S = 3600.0
#: nobody stays logged in for longer without the password
LONGEST_S = 7 * 86400.0
_MAX_TOKEN = 1024


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    name: str
    #: `User.mark` at the time
    mark: str
    #: when the password was given, and when this token ends
    login_s: float
    until_s: float
    id: str


class Session(msgspec.Struct, frozen=True):
    """Somebody who is logged in."""

    name: str
    role: Role
    claims: Claims
    #: to be sent back in `X-CSRF-Token` with every request that changes something
    csrf: str


class Sessions:
    """Makes and checks tokens under the site's key."""

    def __init__(self, site_key: bytes) -> None:
        self._key = hmac.new(site_key, b"understudy sessions", hashlib.sha256).digest()

    def issue(self, name: str, user: User, now_s: float, *, login_s: float | None = None) -> str:
        """A token for the user; `login_s` is when the password was given, now unless a token is renewed."""
        login_s = now_s if login_s is None else login_s
        until_s = min(now_s + LIFETIME_S, login_s + LONGEST_S)
        claims = Claims(name, user.mark, login_s, until_s, secrets.token_hex(16))
        body = _text(msgspec.json.encode(claims))
        return f"{body}.{_text(self._sign('token', body))}"

    def check(self, token: str, users: Mapping[str, User], now_s: float) -> Session | None:
        """Who the token is of; None when it is not ours, has ended, or the user is gone or has another password."""
        body, _, signature = token.partition(".")
        if len(token) > _MAX_TOKEN or not token.isascii():
            return None
        try:
            if not hmac.compare_digest(self._sign("token", body), _bytes(signature)):
                return None
            claims = msgspec.json.decode(_bytes(body), type=Claims)
        except (ValueError, msgspec.DecodeError):
            return None
        user = users.get(claims.name)
        if user is None or not hmac.compare_digest(user.mark, claims.mark) or not now_s < claims.until_s:
            return None
        return Session(claims.name, user.role, claims, self._sign("csrf", claims.id).hex()[:32])

    def _sign(self, use: str, text: str) -> bytes:
        return hmac.new(self._key, f"{use}:{text}".encode(), hashlib.sha256).digest()


def worn(session: Session, now_s: float) -> bool:
    """Whether the session's token is to be replaced by a new one."""
    return session.claims.until_s - now_s < LIFETIME_S - RENEW_S and now_s < session.claims.login_s + LONGEST_S


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
