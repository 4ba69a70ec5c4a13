"""The lab's mail server keeps what it is given, whole."""

from __future__ import annotations

import re
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import mailsink
import pytest


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    command = [sys.executable, mailsink.__file__, "--host", "127.0.0.1", "--port", "0", "--directory", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = re.search(r"port (\d+)", process.stdout.readline())
    assert told
    yield int(told[1])
    process.terminate()
    process.communicate(timeout=10)


def test_a_mail_is_kept_with_its_envelope(port: int, tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "north: taken over", "rec1@site", "ops@site"
    mail.set_content("..dots\n.\nand ümlauts\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.send_message(mail, "rec1@site", ["ops@site", "second@site"])
        smtp.send_message(mail, "rec1@site", ["ops@site"])
    kept = sorted(tmp_path.glob("*.eml"))
    assert len(kept) == 2
    assert not list(tmp_path.glob(".*"))
    found = message_from_bytes(kept[0].read_bytes())
    assert found["X-Mailsink-From"] == "rec1@site"
    assert found.get_all("X-Mailsink-To") == ["ops@site", "second@site"]
    assert found["Subject"] == "north: taken over"
    body = found.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == ["..dots", ".", "and ümlauts"]


def test_commands_out_of_order_are_refused_and_the_connection_goes_on(port: int, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        assert smtp.docmd("DATA")[0] == 503
        assert smtp.docmd("VRFY someone")[0] == 502
        assert smtp.noop()[0] == 250
        smtp.sendmail("a@b", ["c@d"], b"Subject: x\r\n\r\nlast line without an end")
    (kept,) = tmp_path.glob("*.eml")
    assert kept.read_bytes().endswith(b"last line without an end\r\n")
