# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask agent and recorder over their control sockets, and say what is wrong with the answers. Standard library only."""

from __future__ import annotations

import json
import socket
from typing import Any

MAX_LINE_BYTES = 8 * 1024 * 1024
#: a camera of one frame per second is alive; one that is silent for longer is not
SILENT_S = 3.0


class AgentError(Exception):
    """The process is not there, refused, or did not answer in time; the text is meant for people."""


def call(path: str, op: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
    """The answer to `op` (one JSON object per line each way)."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            connection.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as reader:
                line = reader.readline(MAX_LINE_BYTES)
        answer = json.loads(line or b"{}")
    except (OSError, ValueError) as error:
        raise AgentError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise AgentError(f"{path}: {answer.get('error', 'refused without a reason') if line else 'no answer'}")
    return answer


def problems(status: dict[str, Any], carried: bool, primary_standby: bool) -> list[str]:
    """What is missing in a status document, one sentence each: a logical server nobody carries, no PRIMARY STANDBY."""
    told = []
    if carried:
        told += [
            f"logical server {part['name']} is {part['state']}" for part in status["logical"] if not part["carrier"]
        ]
    standbys = [server for server in status["servers"] if server["kind"] == "standby"]
    if primary_standby and standbys and not any(server["state"] == "PRIMARY STANDBY" for server in standbys):
        states = ", ".join(f"{s['name']} is {s['state']} ({s.get('reason') or 'no reason given'})" for s in standbys)
        told.append(f"no server is PRIMARY STANDBY: {states}")
    return told


def short_of_whole(status: dict[str, Any]) -> list[str]:
    """What keeps a site from being whole, one sentence each: parts away from home, silent servers, no protection."""
    told = [f"logical server {name} is carried by {carrier}, away from home" for name, carrier in moved(status).items()]
    told += [f"{server['name']} is silent" for server in status["servers"] if not server["reachable"]]
    protection = status["protection"]
    if protection["state"] != "PROTECTED":
        told.append(f"the site is {protection['state']}: {protection['reason'] or 'no reason given'}")
    return told


def moved(status: dict[str, Any]) -> dict[str, str]:
    """Logical servers that are away from home, and who carries them."""
    return {p["name"]: p["carrier"] for p in status["logical"] if p["carrier"] and p["carrier"] != p["home"]}


def recording_problems(progress: dict[str, Any], preroll_s: float) -> list[str]:
    """What is missing in a recorder's progress, one sentence each: silent cameras, pre-roll that is not filled yet."""
    told = []
    for name, part in progress["parts"].items():
        for camera in part["cameras"]:
            title = f"{name}/{camera['number']} {camera['name']}"
            age = camera["last_frame_age_s"]
            if camera["mode"] == "off":
                continue
            if age is None or age > SILENT_S:
                told.append(f"{title} delivers no frames" + (f": {camera['error']}" if camera["error"] else ""))
            elif camera["mode"] == "pre-roll" and camera["ring_s"] < preroll_s:
                told.append(f"{title} has {camera['ring_s']:.1f} s of pre-roll, {preroll_s:g} s are asked for")
    return told
