"""The failover view of a plan: what of it decisions need. Pure."""

from __future__ import annotations

from understudy.failover.model import PartInfo, Site
from understudy.site.plan import Logical, Plan, Server


def site_of(plan: Plan) -> Site:
    """The failover view of a plan."""
    parts = sorted(plan.logical, key=lambda part: (part.priority, part.name))
    return Site(
        name=plan.site,
        node=plan.node,
        parts=tuple(
            PartInfo(name=p.name, home=p.home, priority=p.priority, choice=choices(p, plan.standbys)) for p in parts
        ),
        standbys=tuple(server.name for server in plan.standbys),
        takeover_limit=plan.me.takeover_limit,
        timing=plan.timing,
        handback=plan.handback,
        arbitration_lost=plan.arbitration_lost,
        takeover=plan.takeover,
    )


def choices(part: Logical, standbys: tuple[Server, ...]) -> dict[str, int] | None:
    """Which choice each standby is for the part (F05): by its group, and only where its location allows it."""
    if not part.groups and not part.locations:
        return None
    return {
        standby.name: part.groups.index(standby.group) if part.groups else 0
        for standby in standbys
        if (not part.groups or standby.group in part.groups)
        and (not part.locations or standby.location in part.locations)
    }
