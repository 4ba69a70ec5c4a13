# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold between the parts of a site file: references, addresses, licences, votes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from .site_events import check_events
from .site_yaml import Document, Path, path_text

MACHINE_KINDS = ("servers", "standbys", "witnesses")

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def machines(data: Any) -> Iterator[tuple[str, str, Any]]:
    """(section, name, machine) of every machine, in file order."""
    for kind in MACHINE_KINDS:
        for name, machine in data[kind].items():
            yield kind, name, machine


def check_rules(document: Document, data: Any, credentials: Any, secrets_file: str) -> None:
    """Add to `document` what is wrong between the parts of `data`; `credentials` is that key of the secrets file."""
    _standbys(document, data)
    _handback(document, data)
    _users(document, data)
    _names(document, data)
    _addresses(document, data)
    _logical(document, data)
    _tracks(document, data)
    _cameras(document, data, credentials, secrets_file)
    _licences(document, data)
    _votes(document, data)
    check_events(document, data, credentials, secrets_file)


def _standbys(document: Document, data: Any) -> None:
    if not data["standbys"]:
        document.problem((), "standbys: nobody could take over; allowed: one or more standbys")


def _handback(document: Document, data: Any) -> None:
    handback = data["site"]["handback"]
    if handback["mode"] == "window" and handback["window"] is None:
        document.problem(("site", "handback"), "mode is window and there is no window; allowed: HH:MM-HH:MM")
    if handback["mode"] != "window" and handback["window"] is not None:
        document.problem(("site", "handback", "window"), f"mode is {handback['mode']}; a window needs mode: window")


def _users(document: Document, data: Any) -> None:
    if data["users"] and all(user["role"] != "admin" for user in data["users"].values()):
        document.problem(
            ("users",), f"{', '.join(data['users'])}: nobody is admin; allowed: one or more with role: admin"
        )


def _names(document: Document, data: Any) -> None:
    seen: dict[str, str] = {}
    for kind, name, _machine in machines(data):
        if name in seen:
            document.problem((kind, name), f"'{name}' is also in {seen[name]}; a machine has one kind")
        seen[name] = kind


def parse(document: Document, text: str, path: Path, *, need_prefix: bool) -> Address | None:
    """The address `text`, or None after adding the problem."""
    if need_prefix and "/" not in text:
        document.problem(path, f"'{text}' has no prefix; allowed: ADDRESS/PREFIX, e.g. 192.0.2.11/24")
        return None
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        document.problem(path, f"'{text}' is no IPv4 or IPv6 address")
        return None


def _addresses(document: Document, data: Any) -> None:
    taken: dict[Any, Path] = {}
    for kind, name, machine in machines(data):
        _address_map(document, data, machine["addresses"], (kind, name, "addresses"), taken, need_prefix=True)
        if not any(machine["addresses"].values()):
            document.problem((kind, name, "addresses"), "no address at all; every machine needs its physical addresses")
    for name, logical in data["logical"].items():
        _address_map(document, data, logical["addresses"], ("logical", name, "addresses"), taken, need_prefix=False)


def _address_map(
    document: Document, data: Any, addresses: Any, path: Path, taken: dict[Any, Path], *, need_prefix: bool
) -> None:
    for nic, texts in addresses.items():
        if nic not in data["nics"]:
            document.problem((*path, nic), f"NIC '{nic}' is not in nics; allowed: {', '.join(data['nics'])}")
        for index, text in enumerate(texts):
            where = (*path, nic, index)
            address = parse(document, text, where, need_prefix=need_prefix)
            if address is None:
                continue
            if address.ip in taken:
                first = taken[address.ip]
                line = document.line(first)
                document.problem(
                    where, f"{address.ip} is already {path_text(first)} on line {line}; addresses are unique"
                )
            taken.setdefault(address.ip, where)


def subnets(machine: Any, nic: str) -> list[Any]:
    """The subnets of a machine's physical addresses on `nic`; addresses that do not parse are left out."""
    found = []
    for text in machine["addresses"].get(nic, []):
        try:
            found.append(ipaddress.ip_interface(text).network)
        except ValueError:
            continue
    return found


def _logical(document: Document, data: Any) -> None:
    homes: dict[str, str] = {}
    for name, logical in data["logical"].items():
        home = logical["home"]
        if home not in data["servers"]:
            document.problem(
                ("logical", name, "home"), f"'{home}' is not in servers; allowed: {', '.join(data['servers'])}"
            )
            continue
        if home in homes:
            document.problem(("logical", name, "home"), f"{home} is already the home of {homes[home]}; one each")
        homes[home] = name
        _logical_prefixes(document, data, name, logical)
        _choices(document, data, name, logical)


def _choices(document: Document, data: Any, name: str, logical: Any) -> None:
    """Groups and locations must be those of standbys, and leave at least one that may take it."""
    standbys = data["standbys"].values()
    for key, of in (("groups", "group"), ("locations", "location")):
        known = sorted({standby[of] for standby in standbys if standby[of]})
        for index, wanted in enumerate(logical[key]):
            path = ("logical", name, key, index)
            if wanted not in known:
                document.problem(path, f"no standby has {of} '{wanted}'; allowed: {', '.join(known) or 'none'}")
            if wanted in logical[key][:index]:
                document.problem(path, f"'{wanted}' is there twice; each {of} once")
    if (logical["groups"] or logical["locations"]) and not any(_may_take(standby, logical) for standby in standbys):
        document.problem(("logical", name), "no standby is both in one of its groups and at one of its locations")


def _may_take(standby: Any, logical: Any) -> bool:
    in_group = not logical["groups"] or standby["group"] in logical["groups"]
    return in_group and (not logical["locations"] or standby["location"] in logical["locations"])


def _logical_prefixes(document: Document, data: Any, name: str, logical: Any) -> None:
    carriers = [logical["home"], *(other for other, found in data["standbys"].items() if _may_take(found, logical))]
    for nic, texts in logical["addresses"].items():
        for index, text in enumerate(texts):
            try:
                address = ipaddress.ip_interface(text)
            except ValueError:
                continue
            if "/" in text:
                continue
            for carrier in carriers:
                machine = data["servers"].get(carrier) or data["standbys"][carrier]
                if not any(address.ip in net for net in subnets(machine, nic)):
                    document.problem(
                        ("logical", name, "addresses", nic, index),
                        f"'{text}' is in no subnet of {carrier} on {nic}; give it a prefix, or {carrier} an address",
                    )


def _tracks(document: Document, data: Any) -> None:
    for name, track in data["tracks"].items():
        if track["disk"] not in data["disks"]:
            document.problem(
                ("tracks", name, "disk"),
                f"disk letter '{track['disk']}' does not exist; allowed: {', '.join(data['disks'])}",
            )


def _cameras(document: Document, data: Any, credentials: Any, secrets_file: str) -> None:
    for name, logical in data["logical"].items():
        numbers: dict[int, int] = {}
        for index, camera in enumerate(logical["cameras"]):
            path: Path = ("logical", name, "cameras", index)
            number = camera.get("number")
            if number in numbers:
                document.problem((*path, "number"), f"{number} is already cameras[{numbers[number]}]; one camera each")
            numbers.setdefault(number, index)
            _camera(document, data, camera, path, credentials, secrets_file)


def _camera(document: Document, data: Any, camera: Any, path: Path, credentials: Any, secrets_file: str) -> None:
    for index, track in enumerate(camera["tracks"]):
        where = (*path, "tracks", index) if (*path, "tracks") in document.lines else path
        if track not in data["tracks"]:
            document.problem(where, f"track '{track}' is not in tracks; allowed: {', '.join(data['tracks'])}")
    if camera["capture"] != "rtsp":
        return
    if not camera["url"]:
        document.problem(path, "url is missing (capture rtsp needs it); allowed: rtsp[s] or http[s]://HOST[:PORT]/PATH")
    _credentials(document, camera, path, credentials, secrets_file)


def _credentials(document: Document, camera: Any, path: Path, credentials: Any, secrets_file: str) -> None:
    entry = camera["credentials"]
    if entry is None:
        return
    where = (*path, "credentials")
    if entry not in credentials:
        known = ", ".join(credentials) or "none is there"
        document.problem(where, f"'{entry}' is not in understudy_credentials of {secrets_file}; allowed: {known}")
        return
    for key in ("username", "password"):
        if not isinstance(credentials[entry], dict) or not credentials[entry].get(key):
            document.problem(
                where, f"'{entry}' has no {key} in {secrets_file}; give understudy_credentials.{entry}.{key}"
            )


def _licences(document: Document, data: Any) -> None:
    recorders = [(kind, name, machine) for kind, name, machine in machines(data) if kind != "witnesses"]
    for kind, name, machine in recorders:
        edition = machine["licence"].get("edition")
        if edition == "standard":
            document.problem(
                (kind, name, "licence", "edition"),
                f"'{edition}' refuses failover for the site; allowed: enterprise on all",
            )
    need = {
        logical["home"]: sum(camera["capture"] != "analogue" for camera in logical["cameras"])
        for logical in data["logical"].values()
    }
    for kind, name, machine in recorders:
        channels = machine["licence"].get("channels", 0)
        if kind == "standbys":
            largest = sorted(need.values(), reverse=True)[: int(machine["takeover_limit"])]
            needed, why = sum(largest), "the largest parts it may carry"
        else:
            needed, why = need.get(name, 0), "its cameras"
        if channels < needed:
            document.problem(
                (kind, name, "licence", "channels"), f"{channels} channels are too few; at least {needed} for {why}"
            )


def _votes(document: Document, data: Any) -> None:
    voters = [name for kind, name, machine in machines(data) if kind == "witnesses" or machine["etcd"]]
    if len(voters) not in (3, 5):
        shown = ", ".join(voters) or "none"
        document.problem(
            ("servers",),
            f"{len(voters)} machines vote ({shown}); allowed: 3 or 5. Set etcd: true on servers or standbys "
            "of different power and switches, or add a witness",
        )
