"""The ways to people: SMTP, webhook, syslog. Thin; whatever goes wrong is a DeliveryError with a sentence."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from email.message import EmailMessage

import aiohttp

from understudy.events import message
from understudy.events.message import Note
from understudy.site.event_rules import Mail, Syslog, Webhook
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: for each answer of the mail server
SMTP_S = 20.0
WEBHOOK_S = 10.0


class DeliveryError(Exception):
    """Nobody took it. `refused`: this message is at fault, the way as such works."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


async def deliver(channel: str, notes: Sequence[Note], plan: Plan) -> None:
    """Tell of `notes` by `channel`; DeliveryError unless they were taken."""
    notify = plan.notify
    if channel == "mail" and notify.mail is not None:
        await asyncio.to_thread(send_mail, notify.mail, message.mail(notes, plan, notify.mail))
    elif channel == "webhook" and notify.webhook is not None:
        for note in notes:
            await post(notify.webhook, note.name, message.signed_body(note, plan))
    elif channel == "syslog" and notify.syslog is not None:
        for note in notes:
            send_syslog(notify.syslog, message.syslog_line(note, plan, time.time_ns() // 1000))


def send_mail(to: Mail, mail: EmailMessage) -> None:
    """Hand a mail over to the site's mail server; blocks for some `SMTP_S`. DeliveryError unless it is taken."""
    where = f"mail server {to.host}:{to.port}"
    try:
        with _connected(to) as smtp:
            if to.username:
                smtp.login(to.username, to.password)
            lost = smtp.send_message(mail, to.sender, list(to.to))
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryError(f"{where} refuses the login: {_said(error)}") from error
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        text = f"{where} refuses every recipient: {code} {said.decode(errors='replace')}"
        raise DeliveryError(text, refused=True) from error
    except smtplib.SMTPResponseException as error:
        refused = error.smtp_code >= 500 and isinstance(error, smtplib.SMTPDataError | smtplib.SMTPSenderRefused)
        raise DeliveryError(f"{where}: {_said(error)}", refused=refused) from error
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryError(f"{where}: {error}") from error
    for recipient, (code, said) in lost.items():
        log.error("%s refuses %s: %d %s", where, recipient, code, said.decode(errors="replace"))


def _connected(to: Mail) -> smtplib.SMTP:
    """A connection as `security` says; the mail server's certificate and name are always checked."""
    if to.security == "none":
        return smtplib.SMTP(to.host, to.port, timeout=SMTP_S)
    context = ssl.create_default_context(cafile=to.ca_file or None)
    if to.security == "tls":
        return smtplib.SMTP_SSL(to.host, to.port, timeout=SMTP_S, context=context)
    smtp = smtplib.SMTP(to.host, to.port, timeout=SMTP_S)
    try:
        smtp.starttls(context=context)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _said(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error
    return f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `X-Understudy-Signature` holds: HMAC-SHA-256 over time and body, so that neither can be exchanged."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def post(to: Webhook, name: str, body: bytes) -> None:
    """Send one webhook; DeliveryError unless it is answered with 2xx."""
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": name,
        "X-Understudy-Timestamp": timestamp,
        "X-Understudy-Signature": signature(to.secret, timestamp, body),
    }
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(to.url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DeliveryError(f"webhook {to.url}: {error or 'no answer in time'}") from error
    if not 200 <= status < 300:
        raise DeliveryError(f"webhook {to.url}: HTTP {status}", refused=400 <= status < 500 and status != 429)


def send_syslog(to: Syslog, line: bytes) -> None:
    """Send one datagram; DeliveryError when it cannot even be sent. Nobody confirms it: that is syslog over UDP."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, number) as channel:
            channel.sendto(line, address)
    except OSError as error:
        raise DeliveryError(f"syslog {to.host}:{to.port}: {error}") from error
