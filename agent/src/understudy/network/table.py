"""The kernel's table of addresses, read when it may have changed and not with every step.

A step decides on what the kernel says, not on what this process believes to have set. The kernel tells every change,
also that a lifetime has ended, before the call that made it returns; so a table of which nothing was told since it
was read is the table of this moment. It is read again at least every `READ_S` all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from understudy.clock import boottime_s
from understudy.network import netlink
from understudy.network.addresses import Addresses, Held
from understudy.network.watch import Watch

READ_S = 0.5


class WatchedAddresses(Addresses):
    """`Addresses` whose table is kept until `watch` tells of a change, or this process adds or deletes an address.

    `Held.valid_s` is as of the reading, at most `READ_S` ago, and an address that is refreshed keeps its old one.
    """

    def __init__(self, watch: Watch, clock: Callable[[], float] = boottime_s) -> None:
        super().__init__()
        self._watch = watch
        self._clock = clock
        self._read_s = 0.0
        self._table: tuple[dict[str, netlink.Link], tuple[Held, ...]] | None = None
        self._present: frozenset[tuple[str, str]] = frozenset()

    def table(self) -> tuple[dict[str, netlink.Link], tuple[Held, ...]]:
        """Every interface by name, and every address of every interface."""
        now_s = self._clock()
        # First what was told, then the table: what changes in between is told next time.
        told = self._watch.take()
        if self._table is None or told is None or now_s - self._read_s >= READ_S or self._news(told):
            self._table = None  # in case the kernel does not answer
            links, held = super().table()
            self._table, self._read_s = (links, held), now_s
            self._present = frozenset((one.nic, one.address) for one in held)
        return self._table

    def replace(self, nic: str, address: str, valid_s: int) -> None:
        """Add `address` (CIDR) to `nic`, or refresh it, to live `valid_s` whole seconds from now."""
        if (nic, address) not in self._present:
            self._table = None
        super().replace(nic, address, valid_s)
        # The kernel has told of it already; taken here, it does not wake the loop.
        self._watch.drain()

    def delete(self, nic: str, address: str) -> None:
        """Remove `address` from `nic`; that it (or the interface) is gone already is success."""
        self._table = None
        super().delete(nic, address)

    def _news(self, told: list[netlink.Message]) -> bool:
        """Whether any of it is more than a refresh of an address that is in the table."""
        return bool(told) and not all(self._refresh(message) for message in told)

    def _refresh(self, message: netlink.Message) -> bool:
        if message.kind != netlink.RTM_NEWADDR or self._table is None:
            return False
        found, links = netlink.read_address(message), self._table[0]
        if found is None:
            return True  # neither IPv4 nor IPv6: not in the table anyway
        nics = [name for name, link in links.items() if link.index == found.index]
        return bool(nics) and (nics[0], found.address) in self._present
