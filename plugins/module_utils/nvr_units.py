# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd units should be doing against what they do: loader, planner, applier. Standard library only.

Whether a unit must be restarted is read from the host, not remembered by a run: a unit whose process started before one
of its files was last replaced runs with old settings. So a run that was cut short between writing a file and restarting
is finished by the next one.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass

PROPERTIES = (
    "Id",
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "SubState",
    "NeedDaemonReload",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
    "StateChangeTimestampMonotonic",
    "MainPID",
    "NRestarts",
    "Result",
)
#: Type=notify units answer within seconds; a stop may wait for a recorder that closes its segments
SYSTEMCTL_TIMEOUT_S = 180
JOURNAL_LINES = 20
#: order in which actions are carried out on one unit
ORDER = ("unmask", "enable", "disable", "stop", "start", "reload", "restart")


class UnitsError(Exception):
    """A unit did not do what it was told; the text names it and carries the end of its journal."""


@dataclass(frozen=True)
class Wanted:
    """One unit as it should be."""

    name: str
    enabled: bool = True
    started: bool = True
    restart_paths: tuple[str, ...] = ()
    reload_paths: tuple[str, ...] = ()
    wait: bool = True


@dataclass(frozen=True)
class Unit:
    """One unit as systemd shows it; times are seconds of the monotonic clock, 0 for never."""

    load_state: str = "not-found"
    file_state: str = ""
    active_state: str = "inactive"
    sub_state: str = "dead"
    needs_daemon_reload: bool = False
    started_at: float = 0.0
    changed_at: float = 0.0
    pid: int = 0
    restarts: int = 0
    result: str = ""

    @property
    def running(self) -> bool:
        """Whether it is up or on its way."""
        return self.active_state in ("active", "activating", "reloading")


@dataclass(frozen=True)
class Action:
    """One systemctl verb on one unit, and why."""

    unit: str
    verb: str
    reason: str


def plan(wanted: list[Wanted], units: dict[str, Unit], changed_at: dict[str, float]) -> list[Action]:
    """The actions that bring `units` to `wanted`; `changed_at` has the monotonic time each path was last replaced."""
    actions = []
    for item in wanted:
        actions += _plan_unit(item, units.get(item.name, Unit()), changed_at)
    return actions


def _plan_unit(item: Wanted, unit: Unit, changed_at: dict[str, float]) -> list[Action]:
    found = []
    if unit.load_state == "masked":
        found.append(("unmask", "is masked"))
    if item.enabled and unit.file_state not in ("enabled", "static", "generated", "indirect", "alias"):
        found.append(("enable", f"is {unit.file_state or 'not there'}"))
    if not item.enabled and unit.file_state == "enabled":
        found.append(("disable", "is enabled"))
    if not item.started:
        if unit.running:
            found.append(("stop", f"is {unit.active_state}"))
    elif not unit.running:
        found.append(("start", f"is {unit.active_state}"))
    else:
        found += _refresh(item, unit, changed_at)
    return [Action(item.name, verb, reason) for verb, reason in sorted(found, key=lambda pair: ORDER.index(pair[0]))]


def _refresh(item: Wanted, unit: Unit, changed_at: dict[str, float]) -> list[tuple[str, str]]:
    newer = [path for path in item.restart_paths if changed_at.get(path, 0.0) > unit.started_at]
    if newer:
        return [("restart", f"started before {newer[0]} was replaced")]
    newer = [path for path in item.reload_paths if changed_at.get(path, 0.0) > max(unit.changed_at, unit.started_at)]
    if newer:
        return [("reload", f"last read its settings before {newer[0]} was replaced")]
    return []


def describe(wanted: list[Wanted], units: dict[str, Unit], actions: list[Action]) -> dict[str, str]:
    """Ansible's diff: one line per unit that changes."""
    before, after = [], []
    for item in wanted:
        mine = [action for action in actions if action.unit == item.name]
        if mine:
            unit = units.get(item.name, Unit())
            before.append(f"{item.name}: {unit.file_state or 'not there'}, {unit.active_state}")
            after.append(f"{item.name}: " + ", ".join(f"{action.verb} ({action.reason})" for action in mine))
    return {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}


# --- loader


def parse(text: str) -> dict[str, Unit]:
    """The units of `systemctl show` output, by name."""
    units = {}
    for block in text.strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in fields:
            units[fields["Id"]] = _unit(fields)
    return units


def _unit(fields: dict[str, str]) -> Unit:
    started = _seconds(fields, "ExecMainStartTimestampMonotonic") or _seconds(fields, "ActiveEnterTimestampMonotonic")
    return Unit(
        load_state=fields.get("LoadState", "not-found"),
        file_state=fields.get("UnitFileState", ""),
        active_state=fields.get("ActiveState", "inactive"),
        sub_state=fields.get("SubState", "dead"),
        needs_daemon_reload=fields.get("NeedDaemonReload") == "yes",
        started_at=started,
        changed_at=_seconds(fields, "StateChangeTimestampMonotonic"),
        pid=int(fields.get("MainPID") or 0),
        restarts=int(fields.get("NRestarts") or 0),
        result=fields.get("Result", ""),
    )


def _seconds(fields: dict[str, str], name: str) -> float:
    text = fields.get(name, "")
    return int(text) / 1e6 if text.isdigit() else 0.0


def load(names: list[str]) -> dict[str, Unit]:
    """What systemd knows of `names`; a unit it does not know is shown as not-found."""
    text = _systemctl(["show", "--property", ",".join(PROPERTIES), *names])
    units = parse(text)
    # an alias (sshd.service) is shown under its real name: keep the asked order
    by_order = list(units.values())
    return {
        name: units.get(name, by_order[index] if index < len(by_order) else Unit()) for index, name in enumerate(names)
    }


def load_paths(paths: set[str]) -> dict[str, float]:
    """When each path that exists was last replaced, on the monotonic clock; links are not followed."""
    offset = time.time() - time.monotonic()
    found = {}
    for path in paths:
        try:
            found[path] = os.lstat(path).st_mtime - offset
        except OSError:
            continue
    return found


# --- applier


def _systemctl(words: list[str]) -> str:
    command = ["systemctl", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnitsError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise UnitsError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def daemon_reload() -> None:
    """Let systemd read its unit files again."""
    _systemctl(["daemon-reload"])


def apply(actions: list[Action], wanted: list[Wanted]) -> None:
    """Carry out `actions`; UnitsError with the journal's end when a unit does not come up."""
    patient = {item.name: item.wait for item in wanted}
    for action in actions:
        words = [action.verb, action.unit]
        if action.verb in ("start", "restart"):
            _quietly(["reset-failed", action.unit])
            words = words if patient.get(action.unit, True) else [action.verb, "--no-block", action.unit]
        try:
            _systemctl(words)
        except UnitsError as error:
            raise UnitsError(f"{error}\n{journal(action.unit)}") from error


def _quietly(words: list[str]) -> None:
    try:
        _systemctl(words)
    except UnitsError:
        return


def journal(unit: str) -> str:
    """The last lines the journal has of `unit`."""
    command = ["journalctl", "--unit", unit, "--lines", str(JOURNAL_LINES), "--no-pager", "--output", "cat"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def wait_active(names: list[str], limit_s: float) -> dict[str, Unit]:
    """The units `names` when all of them are active, or as they are after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while True:
        units = load(names)
        if all(unit.active_state == "active" for unit in units.values()) or time.monotonic() >= deadline:
            return units
        time.sleep(0.5)
