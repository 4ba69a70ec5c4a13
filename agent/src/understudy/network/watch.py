"""Tells at once when an address or a link changes on this machine (RTNLGRP_*), before the next tick."""

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
#: messages kept for `take`; more are as good as lost, for whoever takes them reads the whole table then
_KEPT = 256


class Watch:
    """Calls `changed` when an address has gone or a link has changed, and keeps what was told for `take`.

    The call carries nothing: whoever acts reads the table again, so a lost or doubled message does no harm. New and
    refreshed addresses do not wake anybody: they are this process's own doing twice a second.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._told: list[netlink.Message] = []
        self._lost = False

    def start(self) -> None:
        """Subscribe; must run inside the event loop."""
        self._socket.bind((0, netlink.GROUPS_LINK_AND_ADDRESS))
        asyncio.get_running_loop().add_reader(self._socket, self.drain)

    def close(self) -> None:
        """Unsubscribe."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def take(self) -> list[netlink.Message] | None:
        """What has changed up to this moment and was not taken yet; None when it was too much to tell."""
        more = self.drain()
        told, lost = self._told, self._lost
        self._told, self._lost = [], False
        return None if lost or more else told

    def drain(self) -> bool:
        """Take in what the kernel has told, at most `_BATCH` datagrams; whether there may be more."""
        worth_telling = more = False
        for number in range(_BATCH):
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                # ENOBUFS: the kernel dropped messages because we were slow; reading the table again makes up for it
                log.warning("address watcher: %s", error.strerror)
                worth_telling = self._lost = True
                break
            messages = list(netlink.messages(data))
            worth_telling |= any(message.kind != netlink.RTM_NEWADDR for message in messages)
            self._keep(messages)
            more = number == _BATCH - 1
        if worth_telling:
            self._changed()
        return more

    def _keep(self, messages: list[netlink.Message]) -> None:
        self._lost |= len(self._told) + len(messages) > _KEPT
        self._told = [] if self._lost else [*self._told, *messages]
