"""Between servers: only the site's CA, only the server that was meant, only with a certificate of our own."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from recordings import plan
from understudy import paths
from understudy.footage.peers import PeerError, Peers, https_url, node_tls
from understudy.web.status import NodeAnswer


class Authority:
    """A site CA that makes certificates into `directory`."""

    def __init__(self, directory: Path, name: str = "site CA") -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = self._builder(self._name, self._key.public_key(), [])
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(usage, critical=True)
        self._write("ca.crt", made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, hosts: list[str]) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        names = [x509.DNSName(host) for host in hosts] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _write(self, name: str, data: bytes) -> Path:
        (self.directory / name).write_bytes(data)
        return self.directory / name

    def server(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of the server `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key.public_key(), [name]).sign(self._key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._write(f"{name}.crt", made.public_bytes(pem)), self._write(f"{name}.key", secret)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The CA of the site; this server is rec1."""
    made = Authority(tmp_path)
    certificate, key = made.server("rec1")
    monkeypatch.setattr(paths, "CA_CERTIFICATE", tmp_path / "ca.crt")
    monkeypatch.setattr(paths, "NODE_CERTIFICATE", certificate)
    monkeypatch.setattr(paths, "NODE_KEY", key)
    return made


def ask(authority: Authority, tmp_path: Path, certificate: Path, key: Path) -> list[str]:
    """Ask stby1 for its state; returns the name in the certificate each request came with."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.directory / "ca.crt")
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[str] = []

    async def node(request: web.Request) -> web.Response:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        seen.append(dict(pair for part in subject for pair in part)["commonName"])
        return web.json_response({})

    async def story() -> None:
        app = web.Application()
        app.router.add_get("/api/v1/node", node)
        server = TestServer(app, scheme="https")
        await server.start_server(ssl=context)
        try:
            async with Peers(plan(tmp_path, "rec1"), node_tls(), lambda _: f"https://127.0.0.1:{server.port}") as peers:
                await peers.get("stby1", "/api/v1/node", NodeAnswer)
        finally:
            await server.close()

    asyncio.run(story())
    return seen


def test_both_sides_show_their_certificate(authority: Authority, tmp_path: Path) -> None:
    assert ask(authority, tmp_path, *authority.server("stby1")) == ["rec1"]


def test_another_server_of_the_site_at_that_address_is_refused(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="stby1 does not answer"):
        ask(authority, tmp_path, *authority.server("rec2"))


def test_a_server_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    with pytest.raises(PeerError, match="stby1 does not answer"):
        ask(stranger, tmp_path, *stranger.server("stby1"))


def test_the_address_of_a_server_may_be_ipv6(tmp_path: Path) -> None:
    server = plan(tmp_path, "rec1").server("stby1")
    assert https_url(server) == "https://198.18.30.21"
    assert https_url(msgspec.structs.replace(server, peer_address="fd00:31::21")) == "https://[fd00:31::21]"
