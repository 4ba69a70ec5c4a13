"""A throw-away certificate authority, by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def authority(directory: Path) -> None:
    """Make `ca.key` and `ca.crt` in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    key, certificate = directory / "ca.key", directory / "ca.crt"
    _openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=site", "-keyout", key, "-out", certificate)


def identity(directory: Path, name: str, address: str, target: Path) -> None:
    """Make `ca.crt`, `node.crt` and `node.key` for the server `name` in `target`, signed by the one in `directory`."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "ca.crt").write_bytes((directory / "ca.crt").read_bytes())
    key, request, extensions = target / "node.key", target / "node.csr", target / "node.ext"
    extensions.write_text(f"subjectAltName=DNS:{name},IP:{address}\nextendedKeyUsage=serverAuth,clientAuth\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    ca = ("-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial", "-days", "2")
    _openssl("x509", "-req", "-in", request, *ca, "-extfile", extensions, "-out", target / "node.crt")
