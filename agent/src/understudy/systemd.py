"""The service manager: notifications (sd_notify(3)) and the file descriptors it keeps for us (sd_listen_fds(3))."""

from __future__ import annotations

import contextlib
import logging
import os
import socket

log = logging.getLogger(__name__)

#: how long systemd may take to make room for a descriptor
_KEEP_S = 1.0
_FIRST_PASSED = 3


def notify(*fields: str) -> None:
    """Tell systemd `fields` such as "READY=1"; does nothing when not started by systemd.

    Never waits: what systemd has no room for is dropped, for it is busy with earlier ones of the same kind.
    """
    with contextlib.suppress(BlockingIOError):
        _send(fields, (), 0.0)


def keep(name: str, descriptor: int) -> None:
    """Have systemd keep a descriptor for the next process of this service; one it cannot take is told and not kept."""
    try:
        _send(("FDSTORE=1", f"FDNAME={name}"), (descriptor,), _KEEP_S)
    except TimeoutError:
        log.warning("systemd does not take %s: a restart would lose it", name)


def forget(name: str) -> None:
    """Have systemd close what it keeps under `name`."""
    with contextlib.suppress(TimeoutError):
        _send(("FDSTOREREMOVE=1", f"FDNAME={name}"), (), _KEEP_S)


def kept() -> dict[str, int]:
    """The descriptors that systemd kept for this process, by name, once: whoever is called takes them over."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found = dict(zip(names, range(_FIRST_PASSED, _FIRST_PASSED + count), strict=False))
    for descriptor in range(_FIRST_PASSED, _FIRST_PASSED + count):
        os.set_inheritable(descriptor, False)
    return found


def _send(fields: tuple[str, ...], descriptors: tuple[int, ...], wait_s: float) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(wait_s)
        channel.connect(address)
        message = "\n".join(fields).encode()
        if descriptors:
            socket.send_fds(channel, [message], list(descriptors))
        else:
            channel.send(message)
