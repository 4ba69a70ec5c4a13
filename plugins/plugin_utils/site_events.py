# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event rules and notifications of a site file: what must hold around them, and their part of the plan. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .site_yaml import Document, Path

ACTIONS = ("failover", "mail", "webhook", "syslog", "arm")
_WAYS = ("mail", "webhook", "syslog")
_PORTS = {"tls": 465, "starttls": 587, "none": 25}


@dataclass(frozen=True)
class Cause:
    """What a rule may say about a cause (the agent's `events/causes.py` judges it)."""

    #: lowest and highest `limit`, and its unit
    limit: tuple[float, float, str] | None = None
    #: keys that belong to this cause alone
    keys: tuple[str, ...] = ()
    #: about the site and not about a machine, so that no machine can be FAILED for it
    of_site: bool = False


_SHARE = (1.0, 100.0, "percent of the cameras")
CAUSES = {
    "disk-fault": Cause(keys=("disk",)),
    "disk-read-only": Cause(keys=("disk",)),
    "disk-full": Cause(keys=("disk",)),
    "disk-hung": Cause(keys=("disk",)),
    "disk-pulled": Cause(keys=("disk",)),
    "not-recording": Cause(limit=_SHARE),
    "camera-loss": Cause(limit=_SHARE),
    "nic": Cause(keys=("nic",)),
    "crash-loop": Cause(limit=(1.0, 100.0, "starts in 300 s")),
    "clock": Cause(limit=(0.01, 3600.0, "seconds")),
    "temperature": Cause(limit=(1.0, 150.0, "°C")),
    "memory": Cause(limit=(0.1, 99.0, "percent that is available")),
    "script": Cause(keys=("command",)),
    "unprotected": Cause(of_site=True),
    "quorum": Cause(of_site=True),
    "standby-busy": Cause(of_site=True),
    "standby-unfit": Cause(),
    "certificate": Cause(limit=(1.0, 3650.0, "days")),
    "licence": Cause(limit=(1.0, 3650.0, "days")),
    "version": Cause(of_site=True),
    "preroll": Cause(),
}


def check_events(document: Document, data: Any, credentials: Any, secrets_file: str) -> None:
    """Add to `document` what is wrong between rules, notifications and the rest of the site file."""
    for name, rule in data["rules"].items():
        if rule["cause"] in CAUSES:  # else it has been told already
            _rule(document, data, rule, ("rules", name))
    mail, webhook = data["notify"]["mail"], data["notify"]["webhook"]
    if mail is not None:
        if not mail["to"]:
            document.problem(("notify", "mail", "to"), "is empty; give at least one recipient")
        if mail["security"] == "none" and mail["credentials"] is not None:
            document.problem(
                ("notify", "mail", "security"),
                "'none' would send the password in the clear; allowed with credentials: starttls, tls",
            )
        _secret(document, mail, ("notify", "mail"), credentials, secrets_file, ("username", "password"))
    if webhook is not None:
        _secret(document, webhook, ("notify", "webhook"), credentials, secrets_file, ("password",))


def _rule(document: Document, data: Any, rule: Any, path: Path) -> None:
    cause = CAUSES[rule["cause"]]
    for key in ("disk", "nic", "command"):
        if rule[key] is not None and key not in cause.keys:
            owners = ", ".join(name for name, known in CAUSES.items() if key in known.keys)
            document.problem((*path, key), f"cause {rule['cause']} has no {key}; it belongs to: {owners}")
    if cause.of_site and rule["where"]:
        document.problem((*path, "cause"), f"'{rule['cause']}' concerns the site: where does not apply")
    _limit(document, rule, cause, path)
    if "command" in cause.keys and rule["command"] is None:
        document.problem(path, "command is missing (cause script needs it); allowed: an absolute path and arguments")
    if rule["disk"] is not None and rule["disk"] not in data["disks"]:
        known = ", ".join(data["disks"])
        document.problem((*path, "disk"), f"disk letter '{rule['disk']}' does not exist; allowed: {known}")
    if rule["nic"] is not None and rule["nic"] not in data["nics"]:
        document.problem((*path, "nic"), f"NIC '{rule['nic']}' is not in nics; allowed: {', '.join(data['nics'])}")
    able = [*data["servers"], *data["standbys"], *data["logical"]]
    for index, name in enumerate(rule["where"]):
        if name not in able:
            document.problem((*path, "where", index), f"'{name}' is no server; allowed: {', '.join(able)}")
    _actions(document, data, rule, cause, path)


def _limit(document: Document, rule: Any, cause: Cause, path: Path) -> None:
    if rule["limit"] is None:
        return
    if cause.limit is None:
        able = ", ".join(name for name, known in CAUSES.items() if known.limit)
        document.problem((*path, "limit"), f"cause {rule['cause']} has no limit; it belongs to: {able}")
        return
    low, high, unit = cause.limit
    if not low <= rule["limit"] <= high:
        document.problem((*path, "limit"), f"{rule['limit']:g} is out of range; allowed: {low:g} to {high:g} {unit}")


def _actions(document: Document, data: Any, rule: Any, cause: Cause, path: Path) -> None:
    for index, action in enumerate(rule["actions"]):
        where = (*path, "actions", index)
        if action in _WAYS and data["notify"][action] is None:
            configured = ", ".join(way for way in _WAYS if data["notify"][way] is not None) or "none"
            document.problem(where, f"'{action}' is not configured in notify; configured: {configured}")
        if action == "arm" and not rule["arm"]:
            document.problem(where, "arm needs cameras; give arm: [LOGICAL/NUMBER, ...]")
    if cause.of_site and "failover" in actions_of(rule):
        key = "script" if rule["script"] is not None else "actions"
        document.problem((*path, key), f"cause {rule['cause']} concerns the site: no machine can be FAILED for it")
    if rule["script"] is None and (rule["parameter"] is not None or rule["text"] is not None):
        document.problem(path, "parameter and text belong to script: 99")
    if rule["arm"] and "arm" not in rule["actions"]:
        document.problem((*path, "arm"), "is of no use without the action arm")
    modes = {
        f"{name}/{camera.get('number')}": [data["tracks"].get(track, {}).get("mode") for track in camera["tracks"]]
        for name, logical in data["logical"].items()
        for camera in logical["cameras"]
    }
    for index, camera in enumerate(rule["arm"]):
        if "event" not in modes.get(camera, ()):
            able = ", ".join(name for name, found in modes.items() if "event" in found) or "none"
            document.problem((*path, "arm", index), f"'{camera}' has no track of mode event; allowed: {able}")


def _secret(
    document: Document, of: Any, path: Path, credentials: Any, secrets_file: str, needed: tuple[str, ...]
) -> None:
    entry = of["credentials"]
    if entry is None:
        return
    if entry not in credentials:
        known = ", ".join(credentials) or "none is there"
        document.problem(
            (*path, "credentials"),
            f"'{entry}' is not in understudy_credentials of {secrets_file}; allowed: {known}",
        )
        return
    for key in needed:
        if not isinstance(credentials[entry], dict) or not credentials[entry].get(key):
            document.problem(
                (*path, "credentials"),
                f"'{entry}' has no {key} in {secrets_file}; give understudy_credentials.{entry}.{key}",
            )


def actions_of(rule: Any) -> list[str]:
    """The actions of a rule: script 99 is the failover (S58)."""
    return [
        *(["failover"] if rule["script"] is not None and "failover" not in rule["actions"] else []),
        *rule["actions"],
    ]


def plan_rules(data: Any) -> list[dict[str, Any]]:
    """The rules as the agent's plan has them (site/event_rules.py)."""
    kept = ("cause", "where", "limit", "every_s", "for_s", "clear_s", "window", "arm", "arm_s")
    return [
        {
            "name": name,
            **{key: rule[key] for key in kept},
            **{key: rule[key] or "" for key in ("disk", "nic", "command")},
            "actions": actions_of(rule),
        }
        for name, rule in data["rules"].items()
    ]


def plan_notify(data: Any, credentials: Any) -> dict[str, Any]:
    """Who is told, with the logins for it."""
    notify = data["notify"]
    mail, webhook = notify["mail"], notify["webhook"]
    found: dict[str, Any] = {"mail": None, "webhook": None, "syslog": notify["syslog"], "per_hour": notify["per_hour"]}
    if mail is not None:
        login = credentials.get(mail["credentials"]) or {}
        found["mail"] = {
            "host": mail["host"],
            "port": mail["port"] or _PORTS[mail["security"]],
            "security": mail["security"],
            "sender": mail["from"],
            "to": mail["to"],
            "username": login.get("username", ""),
            "password": login.get("password", ""),
            "ca_file": mail["ca_file"] or "",
        }
    if webhook is not None:
        found["webhook"] = {"url": webhook["url"], "secret": credentials[webhook["credentials"]]["password"]}
    return found
