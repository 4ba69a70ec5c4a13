"""Tells the loop at once when an address goes or a link changes on this machine (RTNLGRP_*), before the next tick."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from understudy.network import netlink

log = logging.getLogger(__name__)

_RECEIVE_BYTES = 64 * 1024
#: datagrams taken per wake-up, so that a storm of changes cannot hold the event loop
_BATCH = 64


class Watch:
    """Calls `changed` when an address has gone or a link has changed.

    The call carries nothing: whoever acts reads the table again, so a lost or doubled message does no harm. New and
    refreshed addresses are left out: they are this process's own doing twice a second.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)

    def start(self) -> None:
        """Subscribe; must run inside the event loop."""
        self._socket.bind((0, netlink.GROUPS_LINK_AND_ADDRESS))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Unsubscribe."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        worth_telling = False
        for _ in range(_BATCH):
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                # ENOBUFS: the kernel dropped messages because we were slow; reading the table again makes up for it
                log.warning("address watcher: %s", error.strerror)
                worth_telling = True
                break
            worth_telling |= any(message.kind != netlink.RTM_NEWADDR for message in netlink.messages(data))
        if worth_telling:
            self._changed()
