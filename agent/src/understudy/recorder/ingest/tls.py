"""TLS towards a camera (`rtsps://`), without its socket: ciphertext in, plain bytes out, and back. No I/O.

A camera's certificate is not verified: cameras come with self-signed ones that change with every reset, and refusing
them would lose footage. So TLS keeps listeners out; it does not prove which camera answers.
"""

from __future__ import annotations

import ipaddress
import ssl

from understudy.recorder.ingest.errors import CameraError


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_CONTEXT = _context()


class Tls:
    """One connection's TLS. Every method raises CameraError when it cannot go on."""

    def __init__(self, host: str) -> None:
        """`host` is told to the camera (SNI) when it is a name; an address is not allowed there (RFC 6066 3)."""
        self._host = host
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        try:
            self._tls = _CONTEXT.wrap_bio(self._incoming, self._outgoing, server_hostname=_name(host))
        except ValueError as error:
            raise CameraError(f"{host} is no name that TLS can ask for") from error
        #: the handshake is done: requests may be encrypted
        self.established = False

    def begin(self) -> bytes:
        """The first bytes to send."""
        self._shake()
        return self.outgoing()

    def outgoing(self) -> bytes:
        """What is to be sent now; b"" when nothing is."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """The bytes to send for `data`."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise self._failure(error) from error
        return self.outgoing()

    def receive(self, data: bytes, view: memoryview) -> int:
        """Take bytes of the camera; how many plain ones are in `view` now, which has room for all of them.

        Nothing is held back but a record that is not whole (at most 16 KiB). See `outgoing` afterwards.
        """
        self._incoming.write(data)
        if not self.established:
            self._shake()
            if not self.established:
                return 0
        count = 0
        while self._incoming.pending:
            piece = self._read(len(view) - count)
            if piece is None:
                break
            if not piece and not count:
                raise CameraError(f"the camera closed the connection ({self._host}, TLS)")
            if not piece:
                break  # the next call says so
            view[count : count + len(piece)] = piece
            count += len(piece)
        return count

    def _read(self, size: int) -> bytes | None:
        """Plain bytes of one record; b"" behind the camera's goodbye, None when no whole record is here."""
        try:
            return self._tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            raise self._failure(error) from error

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
            self.established = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise self._failure(error) from error

    def _failure(self, error: ssl.SSLError) -> CameraError:
        reason = (error.reason or "unknown").lower().replace("_", " ")
        return CameraError(f"TLS with {self._host} failed: {reason}")


def _name(host: str) -> str | None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None
