"""Makes the kernel's addresses what the step wants: added with what is left of the deadline, announced, deleted."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from understudy.clock import boottime_s
from understudy.failover import model
from understudy.network.addresses import AddressError, Addresses, Held
from understudy.network.announce import Announcer, Place, place_of
from understudy.network.netlink import Link
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

#: a lifetime is set again when that moves its end by at least this much: a few changes per second, not ten
STRETCH_S = 0.25
#: addresses of which is remembered whose they are: reading their text is dear, and they are looked at with every step
MAX_KNOWN = 1024


@dataclass(frozen=True)
class Table:
    """Links and addresses of this machine at one moment."""

    links: dict[str, Link]
    held: tuple[Held, ...]


@dataclass(frozen=True)
class _Logical:
    """A logical address of the plan; only ever on `nic` and with this prefix."""

    part: str
    nic: str
    address: str


class Keeper:
    """Holds logical addresses. Blocking calls are a few netlink messages of about 0.01 ms each."""

    def __init__(
        self, plan: Plan, kernel: Addresses, announcer: Announcer, clock: Callable[[], float] = boottime_s
    ) -> None:
        self._kernel = kernel
        self._announcer = announcer
        self._clock = clock
        self._logical = [
            _Logical(part.name, a.nic, str(ipaddress.ip_interface(a.address)))
            for part in plan.logical
            for a in part.addresses
        ]
        self._places = {a: place_of(a.nic, a.address) for a in self._logical}
        self._parts = {place[1]: a.part for a, place in self._places.items()}
        self._part_of = lru_cache(MAX_KNOWN)(self._look_up)
        #: address -> when the kernel removes it, as last set by us
        self._ends_s: dict[_Logical, float] = {}
        self._running: dict[str, bool] = {}
        #: address -> why it could not be set, so that the journal says it once
        self._broken: dict[str, str] = {}

    def read(self) -> Table:
        """What the kernel has now; AddressError when it does not tell."""
        links, held = self._kernel.table()
        return Table(links, held)

    def parts_in(self, table: Table) -> frozenset[str]:
        """Parts of which at least one address is on this machine."""
        return frozenset(part for held in table.held if (part := self._part_of(held.address)) is not None)

    def apply(self, wanted: model.Addresses, table: Table) -> None:
        """Make it so; `table` is what the kernel had a moment ago."""
        self._delete_others(wanted, table)
        present = {(held.nic, held.address) for held in table.held}
        for logical in self._logical:
            if logical.part in wanted.hold:
                self._hold(logical, wanted.hold[logical.part], (logical.nic, logical.address) in present)
            else:
                self._ends_s.pop(logical, None)
        stay = wanted.hold.keys() | wanted.leave
        self._announcer.keep(self._places[logical] for logical in self._logical if logical.part in stay)
        self._announce_after_link_up(table, wanted.hold)

    def announce(self, part: str) -> None:
        """Begin the announcements of a part that has just moved here."""
        self._announcer.start(self.places(part), self._clock())

    def places(self, part: str) -> list[Place]:
        """Where the part's addresses belong."""
        return [self._places[a] for a in self._logical if a.part == part]

    def _look_up(self, address: str) -> str | None:
        """The part that an address in CIDR form belongs to, with whatever prefix."""
        return self._parts.get(ipaddress.ip_interface(address).ip)

    def _hold(self, logical: _Logical, deadline_s: float, present: bool) -> None:
        now_s = self._clock()
        lifetime_s = int(deadline_s - now_s)
        if lifetime_s < 1 or (present and now_s + lifetime_s < self._ends_s.get(logical, 0.0) + STRETCH_S):
            return
        if self._try(logical, partial(self._kernel.replace, logical.nic, logical.address, lifetime_s)):
            self._ends_s[logical] = now_s + lifetime_s
        if self._clock() >= deadline_s:
            # This process was stopped between reading the clock and here: the lifetime began too late.
            self._try(logical, partial(self._kernel.delete, logical.nic, logical.address))

    def _delete_others(self, wanted: model.Addresses, table: Table) -> None:
        proper = {(a.nic, a.address) for a in self._logical if a.part in wanted.hold}
        for held in table.held:
            part = self._part_of(held.address)
            if part is None or part in wanted.leave or (held.nic, held.address) in proper:
                continue
            found = _Logical(part, held.nic, held.address)
            if self._try(found, partial(self._kernel.delete, held.nic, held.address)):
                log.info("removed %s of %s from %s", held.address, part, held.nic)

    def _announce_after_link_up(self, table: Table, hold: Iterable[str]) -> None:
        up = {nic for nic, link in table.links.items() if link.running and not self._running.get(nic, True)}
        self._running = {nic: link.running for nic, link in table.links.items()}
        again = [self._places[a] for a in self._logical if a.nic in up and a.part in hold]
        if again:
            log.info("link up on %s: announcing again", ", ".join(sorted(up)))
            self._announcer.start(again, self._clock())

    def _try(self, logical: _Logical, change: Callable[[], None]) -> bool:
        key = f"{logical.address} on {logical.nic}"
        try:
            change()
        except AddressError as error:
            if self._broken.get(key) != str(error):
                log.error("%s: %s", logical.part, error)
            self._broken[key] = str(error)
            return False
        self._broken.pop(key, None)
        return True
