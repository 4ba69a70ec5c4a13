"""What people want of a server: standing orders, and what they mean for one step. Pure.

Standing orders outlive the agent and the machine (`orderbook` keeps them on disk); moves and a shutdown do not.
"""

from __future__ import annotations

import msgspec


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Level: what people want of this server now, as one step sees it."""

    #: why this server is FAILED (S59-S62); stays until the machine has been restarted after the fault was cleared
    failed: str = ""
    #: the fault is cleared, and the machine has not been restarted since (S63-S65)
    cleared: bool = False
    #: maintenance in words, e.g. "until 2026-11-23T12:00:00Z"; empty: none
    maintenance: str = ""
    #: the machine is shutting down
    leaving: bool = False
    #: removed from failover for good (S56)
    detached: bool = False
    #: part -> the server an operator wants it moved to; stays set until it has left or the operator withdraws
    moves: dict[str, str] = {}

    @property
    def must_go(self) -> str:
        """Why every part has to leave, whoever can take it; "" when none has to."""
        if self.detached:
            return "removed from failover"
        if self.failed:
            return f"FAILED: {self.failed}"
        return "the machine shuts down" if self.leaving else ""

    @property
    def withdrawn(self) -> str:
        """Why this server takes no part now, and gives away what others can take; "" when it is available."""
        if self.must_go:
            return self.must_go
        return f"in maintenance {self.maintenance}" if self.maintenance else ""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The latch of FAILED (99)."""

    reason: str
    since_wall_s: float
    #: the boot in which the fault was cleared; "": it lasts
    cleared_boot: str = ""


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """Maintenance of this server; ends by itself at `until_wall_s` (seconds since the epoch), if that is given."""

    since_wall_s: float
    until_wall_s: float | None = None
    #: the end as people typed it
    until: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Orders on disk, `/var/lib/understudy/agent/orders.json`."""

    fault: Fault | None = None
    maintenance: Maintenance | None = None
    detached: bool = False


def at_start(standing: Standing, boot: str) -> Standing:
    """What is left of the orders when the agent starts: a cleared fault is over once the machine was restarted."""
    fault = standing.fault
    if fault is not None and fault.cleared_boot and fault.cleared_boot != boot:
        return msgspec.structs.replace(standing, fault=None)
    return standing


def at_time(standing: Standing, wall_s: float) -> Standing:
    """The orders without maintenance whose time is over."""
    maintenance = standing.maintenance
    if maintenance is None or maintenance.until_wall_s is None or wall_s < maintenance.until_wall_s:
        return standing
    return msgspec.structs.replace(standing, maintenance=None)


def orders_of(standing: Standing, *, leaving: bool, moves: dict[str, str]) -> Orders:
    """What the orders mean for one step."""
    fault, maintenance = standing.fault, standing.maintenance
    words = ""
    if maintenance is not None:
        words = f"until {maintenance.until}" if maintenance.until else "until it is switched off"
    return Orders(
        failed=fault.reason if fault else "",
        cleared=fault is not None and bool(fault.cleared_boot),
        maintenance=words,
        leaving=leaving,
        detached=standing.detached,
        moves=dict(moves),
    )
