# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X.509 for the site: what is there, what is needed and why, and making it. Runs on the controller.

Loader, planner and applier of the module `certificate_set`; needs `cryptography`, which comes with ansible-core.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    CRYPTOGRAPHY_ERROR = None
except ImportError:
    CRYPTOGRAPHY_ERROR = traceback.format_exc()

#: a server whose clock is behind by less than this accepts a fresh certificate
BACKDATE = datetime.timedelta(days=7)
CA = "ca"


@dataclass(frozen=True)
class Facts:
    """What the planner looks at in a certificate that is there."""

    common_name: str
    sans: frozenset[str]
    client: bool
    expires: datetime.datetime
    key_fits: bool
    ours: bool


@dataclass(frozen=True)
class Wanted:
    """One certificate as it should be."""

    path: str
    common_name: str
    sans: frozenset[str]
    client: bool


def wanted_certificates(sets: list[Any]) -> list[Any]:
    """The option `sets` as the planner wants it."""
    return [
        Wanted(
            f"{group['folder']}/{member['name']}",
            member["name"],
            frozenset(canonical(san) for san in member["sans"]),
            group["client"],
        )
        for group in sets
        for member in group["members"]
    ]


def reason(wanted: Wanted, found: Facts | None, now: datetime.datetime, renew: datetime.timedelta) -> str | None:
    """Why a certificate has to be made, or None."""
    if found is None:
        return "is missing"
    rows = (
        (not found.key_fits, "its key is missing or another one"),
        (not found.ours, "was signed by another authority"),
        (found.common_name != wanted.common_name, f"is for {found.common_name!r}"),
        (found.sans != wanted.sans, "is for other names or addresses"),
        (found.client != wanted.client, "is for another use"),
        (found.expires - renew <= now, f"expires {found.expires:%Y-%m-%d}"),
    )
    return next((text for applies, text in rows if applies), None)


def canonical(name: str) -> str:
    """A name or an address in the one form it is compared in."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


# --- loader


def beside(path: Path, suffix: str) -> Path:
    """`path` with `suffix` added; names with dots (host names) keep them."""
    return path.with_name(path.name + suffix)


def read(path: Path) -> bytes:
    """The content of a file, empty when it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def load_pair(stem: Path) -> tuple[Any, ...]:
    """(certificate, key) of `stem`, None for what is missing or broken."""
    try:
        certificate = x509.load_pem_x509_certificate(read(beside(stem, ".crt")))
    except ValueError:
        certificate = None
    try:
        key = serialization.load_pem_private_key(read(beside(stem, ".key")), None)
    except ValueError:
        key = None
    return certificate, key


def facts(stem: Path, authority: tuple[Any, ...]) -> Facts | None:
    """What is at `stem`, judged against the authority's (certificate, key); None when there is no certificate."""
    certificate, key = load_pair(stem)
    if certificate is None:
        return None
    return Facts(
        common_name=_common_name(certificate),
        sans=_sans(certificate),
        client=_is_client(certificate),
        expires=certificate.not_valid_after_utc,
        key_fits=key is not None and _public(key) == _public(certificate),
        ours=authority[0] is not None and _signed_by(certificate, authority[0]),
    )


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _sans(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(canonical(str(name.value)) for name in names)


def _is_client(certificate: x509.Certificate) -> bool:
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in uses


def _public(holder: Any) -> bytes:
    public: bytes = holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


# --- applier


def write(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that it is there whole or not at all, and never readable by others meanwhile."""
    temporary = beside(path, ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as writer:
        writer.write(content)
        writer.flush()
        os.fsync(writer.fileno())
    temporary.chmod(mode)
    temporary.rename(path)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as it is stored."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def store(stem: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write key and certificate; the key first, so that a cut run leaves a pair that does not fit and is made anew."""
    stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(beside(stem, ".key"), pem(key), 0o600)
    write(beside(stem, ".crt"), certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def builder(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    """What every certificate has."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def key_usage(**used: bool) -> x509.KeyUsage:
    """The key usage extension with `used` set."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


def make_authority(name: str, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, days: int) -> x509.Certificate:
    """A self-signed authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        builder(name, key, subject, now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_certificate(
    wanted: Wanted, key: ec.EllipticCurvePrivateKey, authority: tuple[Any, ...], now: datetime.datetime, days: int
) -> x509.Certificate:
    """A certificate of the authority's (certificate, key)."""
    uses = [ExtendedKeyUsageOID.SERVER_AUTH] + ([ExtendedKeyUsageOID.CLIENT_AUTH] if wanted.client else [])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[1].public_key())
    return (
        builder(wanted.common_name, key, authority[0].subject, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(wanted.sans)), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority[1], hashes.SHA256())
    )


def _general_names(sans: frozenset[str]) -> list[Any]:
    names: list[Any] = []
    for san in sorted(sans):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(san)))
        except ValueError:
            names.append(x509.DNSName(san))
    return names


class Store:
    """The folder: what is there, what is needed, and making it."""

    def __init__(self, params: dict[str, Any], now: datetime.datetime, check: bool) -> None:
        self.params = params
        self.now = now
        self.check = check
        self.issued: dict[str, Any] = {}
        self.expires: dict[str, Any] = {}

    def stem(self, path: str) -> Path:
        """Where `path` is, without suffix."""
        return Path(self.params["directory"]) / path

    def authority(self) -> tuple[Any, ...]:
        """The authority's (certificate, key), made or renewed when needed; (None, None) in check mode without one."""
        certificate, key = load_pair(self.stem(CA))
        wanted = Wanted(CA, self.params["authority"], frozenset(), False)
        found = facts(self.stem(CA), (certificate, key))
        why = reason(wanted, found, self.now, datetime.timedelta(days=self.params["renew_days"]))
        if why:
            self.issued[CA] = why
            if self.check:
                return certificate, key
            key = key or ec.generate_private_key(ec.SECP256R1())
            certificate = make_authority(self.params["authority"], key, self.now, self.params["authority_days"])
            store(self.stem(CA), certificate, key)
        self.expires[CA] = f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        return certificate, key

    def certificate(self, wanted: Wanted, authority: tuple[Any, ...]) -> None:
        """Make one certificate when needed."""
        found = facts(self.stem(wanted.path), authority)
        why = reason(wanted, found, self.now, datetime.timedelta(days=self.params["renew_days"]))
        if why:
            self.issued[wanted.path] = why
            if self.check:
                return
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = make_certificate(wanted, key, authority, self.now, self.params["days"])
            store(self.stem(wanted.path), certificate, key)
            found = facts(self.stem(wanted.path), authority)
        if found is not None:
            self.expires[wanted.path] = f"{found.expires:%Y-%m-%dT%H:%M:%SZ}"

    def random_key(self, path: str) -> None:
        """Make one random key when it is missing."""
        if not read(self.stem(path)):
            self.issued[path] = "is missing"
            if not self.check:
                write(self.stem(path), secrets.token_hex(32).encode() + b"\n", 0o600)

    def run(self) -> dict[str, Any]:
        """Make all that is needed; the module's result."""
        authority = self.authority()
        for wanted in wanted_certificates(self.params["sets"]):
            self.certificate(wanted, authority)
        for path in self.params["random_keys"]:
            self.random_key(path)
        lines = "".join(f"{path}: new, the old one {why}\n" for path, why in self.issued.items())
        return {
            "changed": bool(self.issued),
            "issued": self.issued,
            "expires": self.expires,
            "diff": {"before": "", "after": lines},
        }
