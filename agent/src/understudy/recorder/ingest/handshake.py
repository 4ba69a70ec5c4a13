"""The RTSP conversation with a camera (RFC 2326), without its socket: what to say next after each response. No I/O.

OPTIONS, DESCRIBE, SETUP for each stream we record, PLAY; a 401 repeats the request with an answer to the challenge.
Later keep-alives and TEARDOWN. Refusals are CameraError with a sentence for people.
"""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import unquote, urlsplit

from understudy.recorder.ingest import sdp
from understudy.recorder.ingest.auth import Challenge, Credentials, authorization, parse_challenges
from understudy.recorder.ingest.errors import RETRY_REFUSED_S, CameraError, ProtocolError, Redirected, Unsupported
from understudy.recorder.ingest.message import Response, parameters, request
from understudy.recorder.ingest.sdp import Stream

#: by scheme; 322 is what IANA and ONVIF give RTSP over TLS
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
#: names, addresses (an IPv6 one may have a zone); nothing that a name server or a request line chokes on
_HOST = re.compile(r"[\w.:%-]{1,253}")
_URL = re.compile(r"^(rtsps?://)(?:[^/@]*@)?")
#: RFC 2326 12.37
DEFAULT_TIMEOUT_S = 60.0
_TIMEOUT_LIMITS_S = (4.0, 3600.0)
#: one for the first challenge, one for a nonce that has gone stale meanwhile
_MAX_CHALLENGES = 2
_METHOD_UNKNOWN = (405, 501, 551)

_SENTENCES = {
    401: "the camera refuses the user name or password",
    403: "the camera forbids this user to see the stream",
    404: "the camera knows no stream at this path",
    453: "the camera has no bandwidth or session left for another viewer",
    454: "the camera has forgotten the session",
    461: "the camera does not send over TCP",
    503: "the camera is busy or has no session left",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A stream's URL, taken apart; `uri` holds no credentials."""

    host: str
    port: int
    uri: str
    credentials: Credentials | None
    #: Basic shows the password to whoever asks: not to a host that we were only redirected to, nor outside TLS then
    basic: bool = True

    @property
    def tls(self) -> bool:
        return self.uri.startswith("rtsps:")

    def redirected(self, url: str) -> Target:
        """Where a redirection leads, with the same credentials; CameraError when `url` is none."""
        target = parse_url(url)
        basic = self.basic and target.host == self.host and (target.tls or not self.tls)
        return dataclasses.replace(target, credentials=self.credentials, basic=basic)


def parse_url(url: str, username: str = "", password: str = "") -> Target:
    """Read an RTSP or RTSPS URL; credentials beside it win over those inside it. CameraError when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise CameraError("the camera's URL cannot be read") from error
    if parts.scheme not in DEFAULT_PORTS or not _HOST.fullmatch(parts.hostname or ""):
        raise CameraError("the camera's URL is not of the form rtsp://HOST[:PORT]/PATH or rtsps://HOST[:PORT]/PATH")
    if not username and parts.username:
        username, password = unquote(parts.username), unquote(parts.password or "")
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    uri = f"{parts.scheme}://{shown}:{port}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, uri, Credentials(username, password) if username else None)


class Handshake:
    """One conversation. `begin` gives the first request, `answer` the next one; after PLAY `playing` is set."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._sequence = 0
        self._method = ""
        self._uri = target.uri
        self._headers: dict[str, str] = {}
        self._challenge: Challenge | None = None
        self._challenges = 0
        self._session = ""
        self._aggregate = target.uri
        self._keep_alive_method = "GET_PARAMETER"
        self._waiting: list[Stream] = []
        self._ready: list[Stream] = []
        self._description: sdp.Description | None = None
        self._base = ""
        self.timeout_s = DEFAULT_TIMEOUT_S
        self.playing = False

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that are set up, with their channels."""
        return tuple(self._ready)

    @property
    def play_asked(self) -> bool:
        """Whether the camera may send packets: some do before they answer PLAY."""
        return self._method == "PLAY" or self.playing

    def begin(self) -> bytes:
        return self._ask("OPTIONS", self._target.uri)

    def _ask(self, method: str, uri: str, headers: dict[str, str] | None = None) -> bytes:
        """The bytes of a request; what it was is kept for a repetition with an answer to a challenge."""
        self._method, self._uri, self._headers = method, uri, headers or {}
        return self._encode()

    def _encode(self) -> bytes:
        self._sequence += 1
        headers = dict(self._headers)
        if self._session:
            headers["Session"] = self._session
        if self._challenge and self._target.credentials:
            headers["Authorization"] = authorization(self._challenge, self._target.credentials, self._method, self._uri)
        return request(self._method, self._uri, self._sequence, headers)

    def answer(self, response: Response) -> bytes | None:
        """The next request, or None when there is nothing to say; CameraError or Redirected when it ends here."""
        if response.sequence not in (self._sequence, -1):
            return None
        if response.status == 401:
            return self._authenticate(response)
        self._challenges = 0
        if self.playing:
            return self._kept_alive(response)
        if response.status in (301, 302, 303, 305, 307, 308) and response.header("location"):
            raise Redirected(response.header("location"))
        if not 200 <= response.status < 300 and self._method != "OPTIONS":
            raise _refusal(self._method, response)
        return self._proceed(response)

    def _authenticate(self, response: Response) -> bytes:
        challenge = parse_challenges(value for name, value in response.headers if name == "www-authenticate")
        if self._target.credentials is None:
            raise CameraError("the camera wants a user name and password (401), none is configured", RETRY_REFUSED_S)
        if challenge is None or (challenge.scheme == "basic" and not self._target.basic):
            raise CameraError("the camera wants an authentication that is not supported (401)", RETRY_REFUSED_S)
        self._challenges += 1
        stale = any("stale=true" in value.lower().replace(" ", "") for _, value in response.headers)
        # A second refusal says that the answer was wrong, unless the nonce was only too old.
        if self._challenges > _MAX_CHALLENGES or (self._challenges > 1 and not stale):
            raise CameraError(f"{_SENTENCES[401]} ({response.line})", RETRY_REFUSED_S)
        self._challenge = challenge
        return self._encode()

    def _proceed(self, response: Response) -> bytes | None:
        if self._method == "OPTIONS":
            if "GET_PARAMETER" not in response.header("public").upper():
                self._keep_alive_method = "OPTIONS"
            return self._ask("DESCRIBE", self._target.uri, {"Accept": "application/sdp"})
        if self._method == "DESCRIBE":
            self._described(response)
        elif self._method == "SETUP":
            self._set_up(response)
        else:
            self.playing = True
            return None
        if self._waiting:
            return self._setup_next()
        if not self._ready:
            raise ProtocolError("the camera set up no stream")
        return self._ask("PLAY", self._aggregate, {"Range": "npt=0.000-"})

    def _described(self, response: Response) -> None:
        description = sdp.parse(response.body)
        self._waiting = list(sdp.choose(description))
        base = response.header("content-base") or response.header("content-location") or self._target.uri
        self._base = _without_credentials(base if _URL.match(base) else self._target.uri)
        self._aggregate = _control(self._base, description.control) if description.control else self._base

    def _setup_next(self) -> bytes:
        channel = 2 * len(self._ready)
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        return self._ask("SETUP", _control(self._base, self._waiting[0].control), {"Transport": transport})

    def _set_up(self, response: Response) -> None:
        session, _, rest = response.header("session").partition(";")
        if session and not self._session:
            self._session = session.strip()
            timeout = parameters(rest).get("timeout", "")
            if timeout.isascii() and timeout.isdigit() and int(timeout) > 0:
                self.timeout_s = min(max(float(timeout), _TIMEOUT_LIMITS_S[0]), _TIMEOUT_LIMITS_S[1])
        given = parameters(response.header("transport").split(",")[0]).get("interleaved", "")
        match = re.match(r"(\d{1,3})", given)
        channel = int(match[1]) if match else 2 * len(self._ready)
        if channel > 254 or channel in {stream.channel for stream in self._ready}:
            raise ProtocolError("the camera chose an impossible channel")
        self._ready.append(dataclasses.replace(self._waiting.pop(0), channel=channel))

    def keep_alive(self) -> bytes:
        """To be sent every `timeout_s` / 2 while playing."""
        return self._ask(self._keep_alive_method, self._aggregate)

    def _kept_alive(self, response: Response) -> bytes | None:
        if response.status == 454:
            raise CameraError(f"{_SENTENCES[454]} ({response.line})")
        if response.status in _METHOD_UNKNOWN:
            self._keep_alive_method = "OPTIONS"
        return None

    def teardown(self) -> bytes:
        """Lets the camera free the session at once; b"" before there is one."""
        return self._ask("TEARDOWN", self._aggregate) if self._session else b""


def _refusal(method: str, response: Response) -> CameraError:
    sentence = _SENTENCES.get(response.status, f"the camera refuses {method}")
    if response.status == 461:
        return Unsupported(sentence, "udp")
    retry_s = RETRY_REFUSED_S if response.status == 403 else 0.0
    return CameraError(f"{sentence} ({response.line})", retry_s)


def _without_credentials(url: str) -> str:
    return _URL.sub(r"\1", url)


def _control(base: str, control: str) -> str:
    """The URL of a stream: absolute, `*` for the whole, or below the base (behind its query, as cameras expect)."""
    if _URL.match(control):
        return _without_credentials(control)
    if control in ("", "*"):
        return base
    return base + control if base.endswith("/") or control.startswith("/") else f"{base}/{control}"
