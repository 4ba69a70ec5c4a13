"""One ONVIF device over HTTP: its clock, its identity, its profiles and their streams. Blocks, but not for ever."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from understudy.onvif import soap
from understudy.onvif.soap import OnvifError, RefusedError
from understudy.recorder.ingest.auth import Challenge, Credentials, authorization, parse_challenges

TIMEOUT_S = 5.0
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"


@dataclass(frozen=True, slots=True)
class Profile:
    """One way the camera encodes its picture."""

    token: str
    name: str
    encoding: str
    width: int
    height: int


class Device:
    """Asks one device. OnvifError with a sentence when it does not answer as a camera should."""

    def __init__(self, url: str, credentials: Credentials | None = None) -> None:
        self._url = url if "://" in url else f"http://{url}/onvif/device_service"
        if urlsplit(self._url).scheme != "http" or not urlsplit(self._url).hostname:
            raise OnvifError(f"{url!r} is no device; write HOST[:PORT] or http://HOST[:PORT]/PATH")
        self._credentials = credentials
        self._challenge: Challenge | None = None
        self._media = ""
        #: how far the device's clock is ahead of ours; None until `clock_offset_s` was asked
        self._ahead_s: float | None = None

    def clock_offset_s(self) -> float:
        """How far the camera's clock is ahead of ours; needs no login (ONVIF core 8.3.2.5)."""
        before_s = time.time()
        body = self._post(self._url, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', None)
        ours_s = (before_s + time.time()) / 2
        moment = soap.find(body, "UTCDateTime")
        if moment is None:
            raise OnvifError("the device does not tell its time")
        try:
            fields = [int(soap.text(moment, name)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
            theirs_s = datetime(*fields, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
        except ValueError as error:
            raise OnvifError("the device's time cannot be read") from error
        # It tells whole seconds: in the middle of one is the best guess.
        self._ahead_s = theirs_s + 0.5 - ours_s
        return self._ahead_s

    def model(self) -> str:
        """Maker, model and firmware: what only a user may ask, so the credentials are tested."""
        body = self._ask(self._url, f'<GetDeviceInformation xmlns="{_DEVICE}"/>')
        return " ".join(filter(None, (soap.text(body, name) for name in ("Manufacturer", "Model", "FirmwareVersion"))))

    def profiles(self) -> list[Profile]:
        """In the camera's order: the first is the main stream as a rule."""
        body = self._ask(self._media_url(), f'<GetProfiles xmlns="{_MEDIA}"/>')
        found = [_profile(each) for each in body.iter() if each.tag.rpartition("}")[2] == "Profiles"]
        return [profile for profile in found if profile.token]

    def stream_url(self, profile: Profile) -> str:
        """The RTSP URL of a profile, for RTSP over TCP."""
        setup = (
            f'<StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
            f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
        )
        token = f"<ProfileToken>{_text(profile.token)}</ProfileToken>"
        body = self._ask(self._media_url(), f'<GetStreamUri xmlns="{_MEDIA}">{setup}{token}</GetStreamUri>')
        url = soap.text(body, "Uri")
        if not url.startswith(("rtsp://", "rtsps://")) or any(c.isspace() for c in url):
            raise OnvifError(f"the device gives no RTSP URL for profile {profile.name or profile.token}")
        return url

    def ask_for_key_frame(self, profile: Profile) -> None:
        """SetSynchronizationPoint: the next picture of the profile is to be a key frame."""
        token = f"<ProfileToken>{_text(profile.token)}</ProfileToken>"
        self._ask(self._media_url(), f'<SetSynchronizationPoint xmlns="{_MEDIA}">{token}</SetSynchronizationPoint>')

    def _media_url(self) -> str:
        if not self._media:
            body = self._ask(
                self._url, f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
            )
            self._media = soap.text(body, "Media", "XAddr")
            if urlsplit(self._media).hostname != urlsplit(self._url).hostname:
                # An address that we cannot reach, or somebody else's: the login goes to this host only.
                self._media = urlsplit(self._url)._replace(path=urlsplit(self._media).path or "/onvif/media").geturl()
        return self._media

    def _ask(self, url: str, body: str) -> ElementTree.Element:
        if self._credentials is not None and self._ahead_s is None:
            self.clock_offset_s()
        return self._post(url, body, self._credentials)

    def _post(self, url: str, body: str, credentials: Credentials | None) -> ElementTree.Element:
        """Ask with WS-UsernameToken; and again with HTTP Digest when the device wants that."""
        status, challenges, document = self._send(url, body, credentials)
        if status == 401 and credentials is not None:
            self._challenge = parse_challenges(challenges)
            if self._challenge is None or self._challenge.scheme == "basic":
                raise RefusedError("the device refuses the user name or password")
            status, _, document = self._send(url, body, credentials)
        if status == 401:
            raise RefusedError("the device refuses the user name or password")
        if status not in (200, 400, 500):
            raise OnvifError(f"the device answers {status} to ONVIF")
        return soap.read(document)

    def _send(self, url: str, body: str, credentials: Credentials | None) -> tuple[int, list[str], bytes]:
        parts = urlsplit(url)
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        if self._challenge is not None and credentials is not None:
            headers["Authorization"] = authorization(self._challenge, credentials, "POST", parts.path or "/")
        document = soap.envelope(body, credentials, time.time() + (self._ahead_s or 0.0))
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
        try:
            connection.request("POST", parts.path or "/", document, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get_all("WWW-Authenticate", []), answer.read(soap.MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise OnvifError(f"{parts.hostname} does not answer ONVIF: {error}") from error
        finally:
            connection.close()


def _profile(element: ElementTree.Element) -> Profile:
    encoder = soap.find(element, "VideoEncoderConfiguration")
    numbers = [soap.text(encoder, "Resolution", name) if encoder is not None else "" for name in ("Width", "Height")]
    width, height = (int(number) if number.isascii() and number.isdigit() else 0 for number in numbers)
    encoding = soap.text(encoder, "Encoding") if encoder is not None else ""
    return Profile(element.get("token", ""), soap.text(element, "Name"), encoding, width, height)


def _text(value: str) -> str:
    return quoteattr(value)[1:-1]
