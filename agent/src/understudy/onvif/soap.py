"""SOAP 1.2 as ONVIF devices speak it: requests as bytes, answers as elements. Pure, no I/O.

WS-UsernameToken (digest) goes with a request; HTTP Digest is the transport's. An answer with a document type is
refused: no device needs one, and entities are how XML is used against its reader.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from understudy.recorder.ingest.auth import Credentials

#: a list of profiles is some 50 kB
MAX_ANSWER = 2 * 1024 * 1024
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity"
_TOKEN = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"


class OnvifError(Exception):
    """The device cannot be used for this; a sentence that holds no password."""


class RefusedError(OnvifError):
    """The device refuses user name or password."""


def envelope(body: str, credentials: Credentials | None = None, created_s: float = 0.0) -> bytes:
    """A request; with credentials, whose token says `created_s` (the device's clock, seconds since the epoch)."""
    header = f"<s:Header>{_security(credentials, created_s)}</s:Header>" if credentials else ""
    start = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    return f'<?xml version="1.0" encoding="utf-8"?>{start}{header}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def _security(credentials: Credentials, created_s: float) -> str:
    nonce = secrets.token_bytes(16)
    created = datetime.fromtimestamp(created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    secret = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False).digest()
    return (
        f'<Security s:mustUnderstand="1" xmlns="{_WSSE}-secext-1.0.xsd"><UsernameToken>'
        f"<Username>{escape(credentials.username)}</Username>"
        f'<Password Type="{_TOKEN}">{base64.b64encode(secret).decode()}</Password>'
        f"<Nonce>{base64.b64encode(nonce).decode()}</Nonce>"
        f'<Created xmlns="{_WSSE}-utility-1.0.xsd">{created}</Created></UsernameToken></Security>'
    )


def read(document: bytes) -> ElementTree.Element:
    """The body of an answer; OnvifError when it is a fault or none at all, RefusedError when it is about the login."""
    if len(document) > MAX_ANSWER or b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise OnvifError("the device's answer is not one of ONVIF")
    try:
        body = find(ElementTree.fromstring(document), "Body")
    except ElementTree.ParseError as error:
        raise OnvifError("the device's answer is not one of ONVIF") from error
    if body is None:
        raise OnvifError("the device's answer is not one of ONVIF")
    fault = find(body, "Fault")
    if fault is not None:
        words = " ".join(text.strip() for text in fault.itertext() if text.strip())
        if "NotAuthorized" in words or "FailedAuthentication" in words:
            raise RefusedError("the device refuses the user name or password")
        raise OnvifError("the device refuses: " + "".join(c for c in words if c.isprintable())[:200])
    return body


def find(element: ElementTree.Element, *names: str) -> ElementTree.Element | None:
    """The first element below, by local names from outside to inside; prefixes and namespaces differ by maker."""
    for name in names:
        found = next((each for each in element.iter() if each.tag.rpartition("}")[2] == name), None)
        if found is None:
            return None
        element = found
    return element


def text(element: ElementTree.Element, *names: str) -> str:
    """The text of the first such element below, "" when there is none."""
    found = find(element, *names)
    return (found.text or "").strip() if found is not None else ""
