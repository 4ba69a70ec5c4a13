"""stby1 of the depot as the doctor sees it when everything is well."""

from __future__ import annotations

from typing import Any

import answers
import depot
from msgspec.structs import replace
from understudy.doctor import machine
from understudy.doctor.seen import Certificate, Seen, Space, Unit
from understudy.site.plan import Disk, Plan

RUNS = Unit("active", "enabled")


def plan(node: str = "stby1") -> Plan:
    made = depot.plan(node)
    servers = (
        replace(s, disks=(Disk(letter="C", path="/srv/footage/C", free_floor_bytes=2**30),)) for s in made.servers
    )
    return replace(made, servers=tuple(servers))


def seen(**changes: Any) -> Seen:
    """stby1 with everything well."""
    well: dict[str, Any] = {
        "plan": plan(),
        "units": dict.fromkeys(machine.units_of(plan().me), RUNS),
        "sockets": dict.fromkeys(("agent", "recorder", "events", "web"), ""),
        "status": answers.status(),
        "orders": depot.orders(),
        "progress": answers.progress(),
        "alarms": [],
        "release": "cafe",
        "running": "cafe",
        "certificates": {"node.crt": Certificate(400.0)},
        "served_days": 400.0,
        "clock_offset_s": 0.002,
        "links": {"eno1": ""},
        "memory_percent": 40.0,
        "temperature_c": 50.0,
        "system_disk": Space(20 * 2**30, 30 * 2**30),
    }
    return Seen(**{**well, **changes})
