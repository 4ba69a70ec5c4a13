"""The lab's mail server: takes every mail over SMTP and keeps it as a file. Standard library only, no relaying.

`python3 mailsink.py [--port 25] [--directory /var/lib/mailsink]`. A mail is DIRECTORY/<nanoseconds>-<number>.eml, put
there by a rename, so that a file that can be seen is whole; its first lines are `X-Mailsink-From` and, for each
recipient, `X-Mailsink-To`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

#: larger mails are refused with 552
MAX_MAIL = 10 * 1024 * 1024
#: a client that says nothing for so long is cut off
IDLE_S = 60.0
_NUMBERS = itertools.count(1)


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


async def serve(directory: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk SMTP to one client until it quits, breaks off or falls silent."""
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await _talk(directory, reader, writer)
    writer.close()


async def _talk(directory: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    envelope = Envelope()
    writer.write(b"220 mailsink ESMTP\r\n")
    while line := await asyncio.wait_for(reader.readline(), IDLE_S):
        command = line.decode("utf-8", "replace").strip()
        verb = command[:4].upper()
        if verb == "QUIT":
            writer.write(b"221 bye\r\n")
            await writer.drain()
            return
        if verb == "DATA" and envelope.recipients:
            writer.write(b"354 go on\r\n")
            content = await _content(reader)
            if content is None:
                writer.write(b"552 too large\r\n")
            else:
                writer.write(f"250 kept as {keep(directory, envelope, content).name}\r\n".encode())
            envelope = Envelope()
        else:
            envelope, answer = _answer(verb, command, envelope)
            writer.write(answer.encode() + b"\r\n")
        await writer.drain()


def _answer(verb: str, command: str, envelope: Envelope) -> tuple[Envelope, str]:
    """The envelope after a command, and what to say."""
    if verb == "EHLO":
        return Envelope(), f"250-mailsink\r\n250-SIZE {MAX_MAIL}\r\n250 8BITMIME"
    if verb in ("HELO", "RSET"):
        return Envelope(), "250 ok"
    if verb == "NOOP":
        return envelope, "250 ok"
    address = command.partition(":")[2].strip().partition(" ")[0].strip("<>")
    if verb == "MAIL":
        return Envelope(address), "250 ok"
    if verb == "RCPT" and address:
        return Envelope(envelope.sender, [*envelope.recipients, address]), "250 ok"
    if verb in ("RCPT", "DATA"):
        return envelope, "503 recipients first"
    return envelope, "502 not implemented"


async def _content(reader: asyncio.StreamReader) -> bytes | None:
    """The mail up to the line with a single dot; None when it is too large, and then all of it is read too."""
    lines: list[bytes] = []
    size = 0
    while (line := await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_S)) not in (b".\r\n", b".\n"):
        size += len(line)
        if size <= MAX_MAIL:
            lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines) if size <= MAX_MAIL else None


async def main(host: str | None, port: int, directory: Path) -> None:
    """Serve until cancelled; prints one line when mails are welcome."""
    directory.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_server(functools.partial(serve, directory), host, port)
    print(f"mailsink: port {server.sockets[0].getsockname()[1]}, mails in {directory}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("mailsink", description="Takes every mail and keeps it as a file.")
    parser.add_argument("--host", help="address to listen on (default: all)")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--directory", type=Path, default=Path("/var/lib/mailsink"))
    told = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(told.host, told.port, told.directory))
