"""What somebody at the page sees: logging in, whether pictures move, for how long they stood still."""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.browser import Page
from harness.paths import Paths
from harness.shell import LabError

#: every picture of the view moves
MOVING = """(() => {
  const videos = [...document.querySelectorAll('main video')];
  return videos.length > 0 && videos.every((video) => video.closest('[data-state]')?.dataset.state === 'moving');
})()"""


def password(paths: Paths, user: str = "admin") -> str:
    """The password that site.yml made for a user; LabError when it has not made any."""
    file = paths.lab / "controller" / "users" / f"{user}.password"
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError as missing:
        raise LabError(f"{file} is missing: the lab was provisioned without users; run ./lab site") from missing


def public_key(paths: Paths, logical: str) -> str:
    """Base64 SHA-256 of the public key of a logical server: the only one the browser takes for it (S66)."""
    pem = (paths.lab / "controller" / "pki" / "logical" / f"{logical}.crt").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def log_in(page: Page, name: str, secret: str, limit_s: float = 10) -> None:
    """Fill in the form that the page shows, and wait for what comes behind it."""
    page.wait("document.querySelector('#password')", limit_s, "the login")
    page.fill("#name", name)
    page.evaluate("document.querySelector('#password').value = ''")
    page.fill("#password", secret)
    page.press("Enter")


def watch(page: Page) -> None:
    """Note twenty times a second how far the first picture is."""
    page.evaluate(
        "window.seen = []; clearInterval(window.seeing); window.seeing = setInterval(() =>"
        " seen.push([performance.now(), document.querySelector('main video')?.currentTime ?? -1]), 50)"
    )


def longest_stall_s(page: Page) -> float:
    """The longest time the picture stood still since `watch`, from the first time it moved.

    What the picture moved on by between two looks is taken off: a busy machine looks late, which is no stall.
    """
    seen: list[tuple[float, float]] = [
        (at / 1000, place) for at, place in page.evaluate("clearInterval(window.seeing), window.seen")
    ]
    moved = [after for before, after in pairwise(seen) if after[1] != before[1]]
    if not moved:
        return float("inf")
    stalls = [_stood(before, after) for before, after in pairwise(moved)]
    return max([*stalls, seen[-1][0] - moved[-1][0]])


def _stood(before: tuple[float, float], after: tuple[float, float]) -> float:
    passed_s, played_s = after[0] - before[0], after[1] - before[1]
    return passed_s - played_s if 0 < played_s <= passed_s else passed_s if played_s < 0 else 0.0
