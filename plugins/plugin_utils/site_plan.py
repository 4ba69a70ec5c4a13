# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute what every machine of a site is told: its plan and its host variables. Pure; the data have been checked."""

from __future__ import annotations

import ipaddress
from typing import Any

from .site_events import plan_notify, plan_rules
from .site_mirror import mirror
from .site_rules import machines

PLAN_VERSION = 1


def site_plan(data: Any, credentials: Any) -> dict[str, Any]:
    """The plan of the whole site, without `node` (see the agent's site/plan.py for its shape)."""
    site = data["site"]
    logical = [_logical(data, name, credentials) for name in data["logical"]]
    servers = [_server(data, kind, name) for kind, name, _machine in machines(data)]
    return {
        "version": PLAN_VERSION,
        "site": site["name"],
        "timezone": site["timezone"],
        "heartbeat_port": site["heartbeat_port"],
        "arbitration_lost": site["arbitration_lost"],
        "takeover": site["takeover"],
        "handback": site["handback"],
        "servers": servers,
        "logical": logical,
        "mirror": {server["name"]: _slots(server, logical) for server in servers if server["kind"] == "standby"},
        "ntp_servers": site["ntp_servers"],
        "rules": plan_rules(data),
        "notify": plan_notify(data, credentials),
    }


def _slots(standby: dict[str, Any], logical: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The backup capture devices of a standby: for the logical servers it may carry, not for those of other groups."""
    return mirror({part["name"]: part["cameras"] for part in logical if may_carry(standby, part)})


def _server(data: Any, kind: str, name: str) -> dict[str, Any]:
    machine = data[kind][name]
    standby = kind == "standbys"
    return {
        "name": name,
        "kind": kind[:-1] if kind != "witnesses" else "witness",
        "rank": list(data["standbys"]).index(name) if standby else None,
        "takeover_limit": machine.get("takeover_limit", 1),
        "group": machine.get("group") or "",
        "location": machine.get("location") or "",
        "licence": machine.get("licence", {}),
        "nics": [
            {"name": nic, "role": role, "addresses": machine["addresses"][nic]}
            for nic, role in data["nics"].items()
            if nic in machine["addresses"]
        ],
        "disks": [] if kind == "witnesses" else [_disk(letter, disk) for letter, disk in sorted(data["disks"].items())],
        "etcd_voter": votes(kind, machine),
        "peer_address": peer_address(data, machine),
    }


def votes(kind: str, machine: Any) -> bool:
    """Whether a machine is a member of the arbitration cluster."""
    return kind == "witnesses" or bool(machine["etcd"])


def peer_address(data: Any, machine: Any) -> str:
    """The address other servers use: management network first, then clients, then cameras; IPv4 before IPv6."""
    for wanted in ("management", "clients", "cameras"):
        for nic, role in data["nics"].items():
            found = [ipaddress.ip_interface(text).ip for text in machine["addresses"].get(nic, ())]
            if role == wanted and found:
                return str(min(found, key=lambda ip: ip.version))
    raise AssertionError("checked before: every machine has an address")


def _disk(letter: str, disk: Any) -> dict[str, Any]:
    return {"letter": letter, "path": disk["path"], "free_floor_bytes": int(disk["free_floor_mb"] * 1024 * 1024)}


def _logical(data: Any, name: str, credentials: Any) -> dict[str, Any]:
    logical = data["logical"][name]
    return {
        "name": name,
        "home": logical["home"],
        "priority": logical["priority"],
        "groups": logical["groups"],
        "locations": logical["locations"],
        "addresses": [
            {"nic": nic, "address": str(ipaddress.ip_interface(text))}
            for nic, texts in logical["addresses"].items()
            for text in texts
        ],
        "cameras": [_camera(data, camera, credentials) for camera in sorted(logical["cameras"], key=_number)],
    }


def _number(camera: Any) -> int:
    return int(camera["number"])


def _camera(data: Any, camera: Any, credentials: Any) -> dict[str, Any]:
    login = credentials.get(camera["credentials"]) or {}
    return {
        "number": camera["number"],
        "name": camera["name"],
        "source": {
            "type": camera["capture"],
            "url": camera["url"],
            "username": login.get("username", ""),
            "password": login.get("password", ""),
        },
        "failover": camera["failover"],
        "preroll_s": camera["preroll_s"],
        "tracks": [{"name": track, **data["tracks"][track]} for track in camera["tracks"]],
    }


def host_variables(data: Any, plan: dict[str, Any], name: str, controller_dir: str) -> dict[str, Any]:
    """What roles get for the machine `name`; documented in docs/reference/site-file.md."""
    server = next(server for server in plan["servers"] if server["name"] == name)
    kind = next(kind for kind, other, _machine in machines(data) if other == name)
    machine = data[kind][name]
    first = plan["logical"][0]["addresses"] if plan["logical"] else []
    known = [_known_to(server, part) for part in plan["logical"]]
    members = [{"name": s["name"], "peer_address": s["peer_address"]} for s in plan["servers"] if s["etcd_voter"]]
    return {
        "ansible_host": machine["management"] or server["peer_address"],
        "understudy_plan": {**plan, "node": name, "logical": known, **({"notify": {}} if kind == "witnesses" else {})},
        "understudy_site": {
            "name": plan["site"],
            "timezone": plan["timezone"],
            "ntp_servers": data["site"]["ntp_servers"],
            "ntp_fallback": first[0]["address"].split("/")[0] if first else "",
            "controller_dir": controller_dir,
        },
        "understudy_etcd": {"name": name, "peer_address": server["peer_address"], "members": members},
        "understudy_disks": [] if kind == "witnesses" else _host_disks(data, name),
        "understudy_users": _users(data),
        "understudy_pki": {"node": _identity(name, server["nics"]), "logical": _logical_identities(plan, server)},
    }


def _users(data: Any) -> list[dict[str, str]]:
    """The users of the viewer page; a site that names none has one that may do everything."""
    users = data["users"] or {"admin": {"role": "admin"}}
    return [{"name": name, "role": user["role"]} for name, user in users.items()]


def may_carry(server: Any, part: Any) -> bool:
    """Whether a server of the plan may ever carry a logical server of it: its home, and a standby that its groups and
    locations allow (F05; the agent's `Site.choice` decides the same)."""
    if server["kind"] != "standby":
        return bool(part["home"] == server["name"])
    in_group = not part["groups"] or server["group"] in part["groups"]
    return in_group and (not part["locations"] or server["location"] in part["locations"])


def _known_to(server: Any, part: Any) -> Any:
    """The part as the server may know it: without the cameras' logins where it will never record them."""
    if may_carry(server, part):
        return part
    no_login = {"username": "", "password": ""}
    cameras = [{**camera, "source": {**camera["source"], **no_login}} for camera in part["cameras"]]
    return {**part, "cameras": cameras}


def _host_disks(data: Any, name: str) -> list[dict[str, Any]]:
    return [
        {
            "letter": letter,
            "path": disk["path"],
            "label": disk["label"].replace("{server}", name) if disk["label"] else None,
            "uuid": disk["uuid"],
            "fstype": disk["fstype"],
            "provided": disk["provided"],
        }
        for letter, disk in sorted(data["disks"].items())
    ]


def _identity(name: str, holders: Any) -> dict[str, Any]:
    addresses = [address.split("/")[0] for nic in holders for address in nic["addresses"]]
    return {"name": name, "sans": [name, *addresses]}


def _logical_identities(plan: dict[str, Any], server: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": part["name"], "sans": [part["name"], *(a["address"].split("/")[0] for a in part["addresses"])]}
        for part in plan["logical"]
        if may_carry(server, part)
    ]
