"""`./lab fault` and `./lab heal`: the table of faults, what each may be applied to, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness import disks, hosts, platters, power, wires
from harness.image import ensure_image
from harness.paths import Paths
from harness.podman import container, podman
from harness.register import Active, changing, forget, record, recorded, withdraw
from harness.shell import LabError, UsageError, say
from harness.topology import DISK_LETTERS, HOSTS, Host

Inject = Callable[[Paths, Host, list[str]], int | None]
"""Does the damage; may return the id of a process that undoes it in the end."""


@dataclass(frozen=True)
class Fault:
    """One row of the table. `arguments` names what follows the host; `lasting` faults stay until healed."""

    name: str
    arguments: tuple[str, ...]
    does: str
    inject: Inject
    lasting: bool = True


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("crash", (), "dies silently", lambda p, h, a: power.crash(p, h)),
        Fault(
            "powercut", (), "dies silently; unsynced data on its disks are lost", lambda p, h, a: power.powercut(p, h)
        ),
        Fault("freeze", (), "every process stops; its kernel still answers pings", lambda p, h, a: power.freeze(h)),
        Fault("cable-out", ("NIC",), "the cable is pulled", lambda p, h, a: wires.cable_out(h, a[0])),
        Fault("drop-in", ("NIC",), "sends but hears nothing", lambda p, h, a: wires.drop_in(h, a[0])),
        Fault(
            "drop-to", ("NIC", "PEER"), "nothing it sends reaches PEER", lambda p, h, a: wires.drop_to(h, a[0], a[1])
        ),
        Fault("drop-out", ("NIC",), "hears everything, sends nothing", lambda p, h, a: wires.drop_out(h, a[0])),
        Fault("drop-from", ("NIC", "PEER"), "hears nothing from PEER", lambda p, h, a: wires.drop_from(h, a[0], a[1])),
        Fault(
            "drop-port",
            ("NIC", "PORT"),
            "no TCP or UDP to or from PORT",
            lambda p, h, a: wires.drop_port(h, a[0], int(a[1])),
        ),
        Fault(
            "no-announce",
            ("NIC",),
            "gratuitous ARP and NA do not get out",
            lambda p, h, a: wires.drop_announcements(h, a[0]),
        ),
        Fault(
            "loss", ("NIC", "PCT"), "loses PCT % of packets each way", lambda p, h, a: wires.loss(h, a[0], int(a[1]))
        ),
        Fault("disk-full", ("L",), "no space left", lambda p, h, a: platters.fill(p, h, a[0])),
        Fault("disk-dead", ("L",), "input/output errors", lambda p, h, a: platters.kill(p, h, a[0])),
        Fault("disk-readonly", ("L",), "remounted read-only", lambda p, h, a: platters.make_read_only(p, h, a[0])),
        Fault("disk-hang", ("DISK",), "writes do not return", lambda p, h, a: platters.hang(p, h, a[0])),
        Fault("disk-pull", ("L",), "gone, its mount point empty", lambda p, h, a: platters.pull(p, h, a[0])),
        Fault("kill", ("UNIT",), "kill -9 of its main process", lambda p, h, a: power.kill(h, a[0]), lasting=False),
    )
}
REPLACED = ("disk-dead", "disk-readonly", "disk-pull")
"""Faults after which the disk must be repaired and mounted anew."""


def list_text() -> str:
    """The table, as `./lab fault` prints it."""
    rows = [f"  {' '.join((fault.name, 'HOST', *fault.arguments)):<24}{fault.does}" for fault in FAULTS.values()]
    return "\n".join(
        [
            "./lab fault NAME HOST [ARG...]",
            *rows,
            "NIC: cam0, cli0; L: C, D, E; DISK: L or state; PEER: a host; PCT: 1 to 100",
        ]
    )


def inject(paths: Paths, name: str, host_name: str, arguments: list[str]) -> None:
    """Break something; UsageError (nothing done) when the words make no sense, LabError when it cannot be done now."""
    host = HOSTS[host_name]
    fault = check(name, host, arguments)
    with changing(paths):
        if any(active.words == " ".join((name, host_name, *arguments)) for active in recorded(paths)):
            say(f"{name} {host_name} is in force already")
            return
        found = hosts.require(host_name)
        if found.state == "paused" and name in ("freeze", "kill"):
            raise LabError(f"{host_name} is frozen; ./lab heal {host_name} lets it go on")
        if {"L", "DISK"} & set(fault.arguments) and disks.device_of(paths.mountpoint(host_name, arguments[0])) is None:
            raise LabError(f"disk {arguments[0]} of {host_name} is not there; ./lab heal {host_name} puts it back")
        active = Active(host_name, name, tuple(arguments), time.time())
        if fault.lasting:
            record(paths, active)
        try:
            guard = fault.inject(paths, host, arguments)
        except LabError:
            withdraw(paths, active)
            raise
        if guard:
            record(paths, replace(active, guard_pid=guard))


def check(name: str, host: Host, arguments: list[str]) -> Fault:
    """The fault meant, after looking at every word of it."""
    fault = FAULTS.get(name)
    if fault is None:
        raise UsageError(f"there is no fault {name!r}; the faults are {', '.join(FAULTS)}")
    if len(arguments) != len(fault.arguments):
        raise UsageError(f"the words are: ./lab fault {name} {' '.join(('HOST', *fault.arguments))}")
    for kind, value in zip(fault.arguments, arguments, strict=True):
        allowed = _allowed(kind, host, arguments)
        if allowed is not None and value not in allowed:
            ranges = {"PCT": "1 to 100", "PORT": "1 to 65535"}
            told = ranges.get(kind) or ", ".join(allowed) or "none"
            raise UsageError(f"{value!r} is not possible as {kind} of {name} on {host.name}; allowed: {told}")
    return fault


def heal(paths: Paths, names: list[str]) -> None:
    """Undo every fault of these hosts and start those that are down; returns when they have booted."""
    image = ensure_image()
    with changing(paths):
        known = [HOSTS[name] for name in dict.fromkeys(names)]
        missing = [host.name for host in known if container(host.name) is None]
        if missing:
            raise LabError(f"{', '.join(missing)} does not exist: run ./lab up")
        for host in known:
            _heal_parts(paths, host)
        hosts.ensure_hosts(paths, image, known)
        for host in known:
            forget(paths, host.name)


def _heal_parts(paths: Paths, host: Host) -> None:
    """Everything but starting it: process, wires, disks."""
    found = container(host.name)
    assert found is not None, "heal looked before"
    mine = [active for active in recorded(paths) if active.host == host.name]
    if found.alive and found.state == "paused":
        podman("unpause", host.name)
    if found.alive:
        wires.heal(found, host)
    platters.heal(paths, host, replace={disk for active in mine for disk in _disks_to_replace(host, active)})
    for active in mine:
        platters.dismiss_guard(active.guard_pid)
        say(f"healed: {active.words}")


def _disks_to_replace(host: Host, active: Active) -> tuple[str, ...]:
    """The disks that a fault leaves unusable, even when it was cut off half-way."""
    if active.name == "powercut":
        return host.disk_names
    return active.arguments[:1] if active.name in REPLACED else ()


def _allowed(kind: str, host: Host, arguments: list[str]) -> tuple[str, ...] | None:
    """The words possible at this place, None when any is (it is looked at later). A PEER shares the NIC before it."""
    peers = tuple(other.name for other in HOSTS.values() if other is not host and arguments[0] in other.nics)
    numbers = tuple(str(number) for number in range(1, 101))
    letters = DISK_LETTERS if host.disks else ()
    ports = tuple(str(number) for number in range(1, 65536))
    told = {"NIC": host.nics, "PEER": peers, "L": letters, "DISK": host.disk_names, "PCT": numbers, "PORT": ports}
    return told.get(kind)
