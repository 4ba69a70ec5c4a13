# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of a site needs of a standby, and what every standby has (F06). Pure.

Of a camera only what a standby records counts: `failover: full`, not analogue, with a track. A track of mode `event`
counts like a continuous one, for there are days on which events do not end.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .site_plan import may_carry

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: a camera whose bit rate nobody told: what 4 megapixels in H.264 need at most settings. It alone makes nothing red.
ASSUMED_KBIT = 8000
_BYTES_S = 1000 / 8


@dataclass(frozen=True)
class Rate:
    """Bytes per second: `told` of cameras whose bit rate the site file gives, `all` with what is assumed of others."""

    told: float = 0.0
    all: float = 0.0

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.told + other.told, self.all + other.all)


@dataclass(frozen=True)
class Need:
    """What parts need together: channels, and by letter and days of retention the rate at which they write."""

    channels: int
    rates: dict[str, dict[float, Rate]]


@dataclass(frozen=True)
class CameraNetwork:
    """A network in which the home reaches cameras without a router; `camera` is the name of one of them."""

    nic: str
    network: Network
    camera: str


@dataclass(frozen=True)
class Part:
    """A logical server: its order of rescue, the standbys that may take it with their choice (0 first), its needs."""

    name: str
    home: str
    priority: int
    choices: dict[str, int]
    need: Need
    networks: tuple[CameraNetwork, ...]
    client_nics: tuple[str, ...]
    #: the camera that allows the fewest sessions, and how many; None: no camera says
    scarcest: tuple[str, int] | None
    assumed: bool


@dataclass(frozen=True)
class Letter:
    """A disk letter of a standby: bytes that footage may fill, bytes per second it can write; None: not known."""

    usable: float | None
    write: float | None


@dataclass(frozen=True)
class Standby:
    name: str
    limit: int
    channels: int
    edition: str
    expires: str | None
    letters: dict[str, Letter]
    nics: dict[str, tuple[Network, ...]]


def capacity(data: Any) -> dict[str, Any]:
    """What a checked site file says of disks and cameras that only the fit check reads; servers are not told."""
    return {
        "disks": {
            letter: {"size_gb": disk["size_gb"], "write_mb_s": disk["write_mb_s"]}
            for letter, disk in data["disks"].items()
        },
        "cameras": [
            {"logical": name, **{key: camera[key] for key in ("number", "bit_rate_kbit", "sessions")}}
            for name, logical in data["logical"].items()
            for camera in logical["cameras"]
            if camera["bit_rate_kbit"] is not None or camera["sessions"] is not None
        ],
    }


def parts(plan: Any, said: Any) -> list[Part]:
    """The parts of a plan in their order of rescue; `said` is what `capacity` returned."""
    servers = {server["name"]: server for server in plan["servers"]}
    standbys = [server for server in plan["servers"] if server["kind"] == "standby"]
    cameras = {(camera["logical"], camera["number"]): camera for camera in said["cameras"]}
    found = [_part(part, servers[part["home"]], standbys, cameras) for part in plan["logical"]]
    return sorted(found, key=lambda part: (part.priority, part.name))


def _part(part: Any, home: Any, standbys: list[Any], said: Any) -> Part:
    recorded = [(camera, said.get((part["name"], camera["number"]), {})) for camera in part["cameras"] if _goes(camera)]
    sessions = [(told["sessions"], camera["name"]) for camera, told in recorded if told.get("sessions") is not None]
    few = min(sessions, default=None)
    return Part(
        name=part["name"],
        home=part["home"],
        priority=part["priority"],
        choices={
            standby["name"]: part["groups"].index(standby["group"]) if part["groups"] else 0
            for standby in standbys
            if may_carry(standby, part)
        },
        need=_need(recorded),
        networks=_networks(home, [camera for camera, _told in recorded]),
        client_nics=tuple(dict.fromkeys(address["nic"] for address in part["addresses"])),
        scarcest=few and (few[1], few[0]),
        assumed=any(told.get("bit_rate_kbit") is None for _camera, told in recorded),
    )


def _goes(camera: Any) -> bool:
    return bool(camera["source"]["type"] != "analogue" and camera["failover"] == "full" and camera["tracks"])


def _need(recorded: list[Any]) -> Need:
    rates: dict[str, dict[float, Rate]] = {}
    for camera, told in recorded:
        known = told.get("bit_rate_kbit")
        rate = Rate(known * _BYTES_S, known * _BYTES_S) if known is not None else Rate(0.0, ASSUMED_KBIT * _BYTES_S)
        for track in camera["tracks"]:
            if track["mode"] != "off":
                by_days = rates.setdefault(track["disk"], {})
                by_days[track["days"]] = by_days.get(track["days"], Rate()) + rate
    return Need(len(recorded), rates)


def together(needs: list[Need]) -> Need:
    """What several parts on one standby need."""
    rates: dict[str, dict[float, Rate]] = {}
    for need in needs:
        for letter, by_days in need.rates.items():
            into = rates.setdefault(letter, {})
            for days, rate in by_days.items():
                into[days] = into.get(days, Rate()) + rate
    return Need(sum(need.channels for need in needs), rates)


def _networks(home: Any, cameras: list[Any]) -> tuple[CameraNetwork, ...]:
    """The networks of the home in which the cameras are; one behind a router or known by name is in none."""
    nics = networks(home)
    found: dict[Network, CameraNetwork] = {}
    for camera in cameras:
        try:
            address = ipaddress.ip_address(urlsplit(camera["source"]["url"]).hostname or "")
        except ValueError:
            continue
        near = next(((nic, net) for nic, nets in nics.items() for net in nets if address in net), None)
        if near is not None:
            found.setdefault(near[1], CameraNetwork(*near, camera["name"]))
    return tuple(found.values())


def networks(server: Any) -> dict[str, tuple[Network, ...]]:
    """The networks a server of the plan is in, by NIC; a NIC without addresses is left out."""
    found = {
        nic["name"]: tuple(ipaddress.ip_interface(text).network for text in nic["addresses"]) for nic in server["nics"]
    }
    return {nic: nets for nic, nets in found.items() if nets}


def standbys(plan: Any, said: Any, measured: Any) -> list[Standby]:
    """The standbys of a plan, first in line first.

    `measured` gives what `understudy.nvr.disk_info` found, by standby; it counts before what the site file says.
    """
    found = sorted((s for s in plan["servers"] if s["kind"] == "standby"), key=lambda s: s["rank"])
    return [_standby(server, said, measured.get(server["name"]) or []) for server in found]


def _standby(server: Any, said: Any, measured: list[Any]) -> Standby:
    sizes = {disk["letter"]: disk["total_bytes"] for disk in measured if not disk["problems"] and disk["total_bytes"]}
    letters = {}
    for disk in server["disks"]:
        told = said["disks"].get(disk["letter"], {})
        size_gb, write_mb_s = told.get("size_gb"), told.get("write_mb_s")
        size = sizes.get(disk["letter"], None if size_gb is None else size_gb * 1e9)
        letters[disk["letter"]] = Letter(
            None if size is None else max(0.0, size - disk["free_floor_bytes"]),
            None if write_mb_s is None else write_mb_s * 1e6,
        )
    licence = server["licence"]
    return Standby(
        name=server["name"],
        limit=server["takeover_limit"],
        channels=licence["channels"],
        edition=licence["edition"],
        expires=licence["expires"],
        letters=letters,
        nics=networks(server),
    )
