"""The lab's mail server: takes every mail over SMTP and keeps it as a file. Standard library only, no relaying.

`python3 mailsink.py [--port 25] [--directory /var/lib/mailsink]`; with `--certificate` and `--key` it wants STARTTLS
before a mail, with `--login NAME:PASSWORD` that login (AUTH PLAIN). A mail is DIRECTORY/<nanoseconds>-<number>.eml, put
there by a rename, so that a file that can be seen is whole; its first lines are `X-Mailsink-From` and, for each
recipient, `X-Mailsink-To`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import itertools
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

#: larger mails are refused with 552
MAX_MAIL = 10 * 1024 * 1024
#: a client that says nothing for so long is cut off
IDLE_S = 60.0
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Demands:
    """What a client has to do before it may hand over a mail."""

    tls: ssl.SSLContext | None = None
    #: NAME:PASSWORD
    login: str = ""


@dataclass
class Envelope:
    """The mail a client is about to hand over."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)


def keep(directory: Path, envelope: Envelope, content: bytes) -> Path:
    """Store a mail; when this returns it is there whole. Raises OSError."""
    name = f"{time.time_ns()}-{next(_NUMBERS)}"
    lines = [f"X-Mailsink-From: {envelope.sender}", *(f"X-Mailsink-To: {to}" for to in envelope.recipients)]
    fresh = directory / f".{name}.new"
    fresh.write_bytes("".join(line + "\r\n" for line in lines).encode() + content)
    return fresh.rename(directory / f"{name}.eml")


async def serve(directory: Path, demands: Demands, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk SMTP to one client until it quits, breaks off or falls silent."""
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await _Talk(directory, demands, reader, writer).run()
    writer.close()


class _Talk:
    """One connection."""

    def __init__(
        self, directory: Path, demands: Demands, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._directory, self._demands = directory, demands
        self._reader, self._writer = reader, writer
        self._envelope = Envelope()
        self._to_be_secured = demands.tls is not None
        self._to_log_in = bool(demands.login)

    async def run(self) -> None:
        await self._say("220 mailsink ESMTP")
        while line := await asyncio.wait_for(self._reader.readline(), IDLE_S):
            command = line.decode("utf-8", "replace").strip()
            verb = command.partition(" ")[0].upper()
            if verb == "QUIT":
                await self._say("221 bye")
                return
            if verb == "STARTTLS" and self._to_be_secured and self._demands.tls is not None:
                await self._say("220 go on")
                await self._writer.start_tls(self._demands.tls)
                self._to_be_secured = False
            elif verb == "DATA" and self._envelope.recipients:
                await self._take()
            else:
                await self._say(self._answer(verb, command))

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    async def _take(self) -> None:
        await self._say("354 go on")
        content = await _content(self._reader)
        if content is None:
            await self._say("552 too large")
        else:
            await self._say(f"250 kept as {keep(self._directory, self._envelope, content).name}")
        self._envelope = Envelope()

    def _answer(self, verb: str, command: str) -> str:
        """What to say to a command; it may change the envelope."""
        if verb in ("EHLO", "HELO", "RSET"):
            self._envelope = Envelope()
            return self._offer() if verb == "EHLO" else "250 ok"
        if verb == "NOOP":
            return "250 ok"
        if verb == "AUTH":
            return self._log_in(command)
        address = command.partition(":")[2].strip().partition(" ")[0].strip("<>")
        if verb == "MAIL":
            if self._to_be_secured or self._to_log_in:
                return "530 STARTTLS first" if self._to_be_secured else "530 a login is needed"
            self._envelope = Envelope(address)
            return "250 ok"
        if verb == "RCPT" and address:
            self._envelope.recipients.append(address)
            return "250 ok"
        return "503 recipients first" if verb in ("RCPT", "DATA") else "502 not implemented"

    def _offer(self) -> str:
        lines = ["mailsink", f"SIZE {MAX_MAIL}", "8BITMIME"]
        lines += ["STARTTLS"] if self._to_be_secured else ["AUTH PLAIN"] if self._to_log_in else []
        return "\r\n".join(f"250{'-' if line != lines[-1] else ' '}{line}" for line in lines)

    def _log_in(self, command: str) -> str:
        words = command.split()
        try:
            said = base64.b64decode(words[2]).decode().lstrip("\0").replace("\0", ":", 1)
        except (IndexError, ValueError):
            return "504 AUTH PLAIN with its answer"
        if self._to_be_secured or said != self._demands.login:
            return "535 wrong name or password"
        self._to_log_in = False
        return "235 ok"


async def _content(reader: asyncio.StreamReader) -> bytes | None:
    """The mail up to the line with a single dot; None when it is too large, and then all of it is read too."""
    lines: list[bytes] = []
    size = 0
    while (line := await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_S)) not in (b".\r\n", b".\n"):
        size += len(line)
        if size <= MAX_MAIL:
            lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines) if size <= MAX_MAIL else None


async def main(host: str | None, port: int, directory: Path, demands: Demands) -> None:
    """Serve until cancelled; prints one line when mails are welcome."""
    directory.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_server(functools.partial(serve, directory, demands), host, port)
    print(f"mailsink: port {server.sockets[0].getsockname()[1]}, mails in {directory}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("mailsink", description="Takes every mail and keeps it as a file.")
    parser.add_argument("--host", help="address to listen on (default: all)")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--directory", type=Path, default=Path("/var/lib/mailsink"))
    parser.add_argument("--certificate", type=Path, help="PEM file: STARTTLS is offered, and wanted")
    parser.add_argument("--key", type=Path, help="PEM file of its key")
    parser.add_argument("--login", default="", help="NAME:PASSWORD, without which no mail is taken")
    told = parser.parse_args()
    tls = None
    if told.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(told.certificate, told.key)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(told.host, told.port, told.directory, Demands(tls, told.login)))
