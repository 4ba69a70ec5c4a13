"""A site of two servers and a standby, and what its agents and recorders would answer."""

from __future__ import annotations

from typing import Any

from understudy.events.facts import Facts
from understudy.events.watch import Look
from understudy.site.event_rules import Mail, Notify, Rule
from understudy.site.plan import Camera, Logical, Nic, Plan, Server, Source, Track

#: 2026-11-23T10:00:00Z
WALL_S = 1_795_428_000.0
MAIL = Mail(host="mail.depot.test", port=587, security="starttls", sender="nvr@depot.test", to=("ops@depot.test",))


def plan(node: str = "rec1", *rules: Rule, notify: Notify | None = None) -> Plan:
    """The plan of `node`."""
    nics = (Nic(name="eno1", role="clients", addresses=()),)
    source = Source(type="rtsp", url="rtsp://camera/1")
    track = Track(name="continuous", disk="C", days=7)

    def part(name: str, home: str) -> Logical:
        cameras = (Camera(number=n, name=f"{name} {n}", source=source, tracks=(track,)) for n in (1, 2))
        return Logical(name=name, home=home, cameras=tuple(cameras))

    return Plan(
        version=1,
        site="depot",
        node=node,
        timezone="Europe/Zurich",
        servers=(
            Server(name="rec1", kind="server", nics=nics),
            Server(name="rec2", kind="server", nics=nics),
            Server(name="stby1", kind="standby", rank=0, nics=nics),
        ),
        logical=(part("north", "rec1"), part("south", "rec2")),
        rules=rules,
        notify=notify or Notify(mail=MAIL),
    )


def status(
    node: str = "rec1",
    *,
    north: str | None = "rec1",
    south: str | None = "rec2",
    away: tuple[str, ...] = (),
    reasons: dict[str, str] | None = None,
    unprotected: str = "",
) -> dict[str, Any]:
    """What the agent of `node` would tell, as far as events look at it."""
    carried = {"north": north, "south": south}
    busy = "stby1" in carried.values() or "stby1" in away
    servers = [
        {
            "name": name,
            "kind": "standby" if name == "stby1" else "server",
            "state": "STANDBY" if name == "stby1" else "SERVING",
            "rank": 0 if name == "stby1" and not busy else None,
            "reason": (reasons or {}).get(name, ""),
            "reachable": name not in away,
        }
        for name in ("rec1", "rec2", "stby1")
    ]
    logical = [
        {
            "name": name,
            "home": home,
            "carrier": carried[name],
            "standbys": [{"name": "stby1", "in_line": not busy}],
            "why": {"reason": f"nobody heard {home} for 3.6 s"},
        }
        for name, home in (("north", "rec1"), ("south", "rec2"))
    ]
    protection = {"state": "UNPROTECTED" if unprotected else "PROTECTED", "reason": unprotected}
    return {"node": node, "protection": protection, "servers": servers, "logical": logical}


def orders(failed: str = "", *, cleared: bool = False, maintenance: bool = False) -> dict[str, Any]:
    """Standing orders of a server."""
    return {
        "failed": failed,
        "cleared": cleared,
        "maintenance": {"until": ""} if maintenance else None,
        "detached": False,
        "moves": {},
    }


def look(now_s: float, facts: Facts, told: dict[str, Any] | None = None, ordered: dict[str, Any] | None = None) -> Look:
    """A look at second `now_s`."""
    return Look(facts, told or status(), ordered or orders(), now_s, WALL_S + now_s)


def progress(
    *,
    north: str = "record",
    disk: str = "ok",
    error: str | None = None,
    ages_s: tuple[float | None, ...] = (0.04, 0.04),
) -> dict[str, Any]:
    """What the recorder of rec1 would tell; `ages_s`: age of the newest frame of each camera."""
    mode = {"record": "recording", "preroll": "pre-roll", "off": "off"}[north]
    cameras = [
        {
            "number": number,
            "name": f"north {number}",
            "mode": mode,
            "last_frame_age_s": age,
            "ring_s": 15.0,
            "error": None,
        }
        for number, age in enumerate(ages_s, 1)
    ]
    return {
        "node": "rec1",
        "pid": 4711,
        "disks": {"C": {"state": disk, "free_bytes": 1, "total_bytes": 2, "error": error}},
        "parts": {"north": {"mode": north, "cameras": cameras}, "south": {"mode": "off", "cameras": []}},
    }
