"""Faults of a whole host or one of its processes: power, freeze, kill."""

from __future__ import annotations

import os
import signal

from harness import disks, wires
from harness.hosts import require
from harness.paths import Paths
from harness.podman import container, podman
from harness.shell import UsageError, wait
from harness.topology import Host

DEATH_LIMIT_S = 30.0
"""A killed host is gone in 0.3 s; a loaded machine needs longer to notice."""


def crash(paths: Paths, host: Host) -> None:
    """Silent death: the cables first, so that no peer hears a closing connection, then every process at once."""
    _die(host)
    for disk in host.disk_names:
        disks.thaw(paths.mountpoint(host.name, disk))  # a process that waits for a frozen disk cannot die
    _wait_for_death(host)


def powercut(paths: Paths, host: Host) -> None:
    """Silent death, and what no disk had been told to sync is lost. (The root file system is not on such a disk.)"""
    _die(host)
    for disk in host.disk_names:
        disks.thaw(paths.mountpoint(host.name, disk))
        disks.shutdown(paths, host.name, disk)
    _wait_for_death(host)
    for disk in host.disk_names:
        disks.detach(paths, host.name, disk)


def freeze(host: Host) -> None:
    """Stop every process of the host where it is; its kernel still answers pings, nobody else does."""
    podman("pause", host.name)


def kill(host: Host, unit: str) -> None:
    """kill -9 of the unit's main process; what systemd does then is the unit's business."""
    shown = podman("exec", host.name, "systemctl", "show", "--property=MainPID", "--value", unit, check=False)
    if shown.stdout.strip() in ("", "0"):
        listing = ("systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend")
        running = [line.split()[0] for line in podman("exec", host.name, *listing).stdout.splitlines() if line]
        raise UsageError(f"{unit} does not run on {host.name}; running there: {', '.join(running)}")
    podman("exec", host.name, "systemctl", "kill", "--kill-who=main", "--signal=KILL", unit)


def _die(host: Host) -> None:
    found = require(host.name)
    wires.set_links(wires.outer_ends(found, host.nics), "down")
    if found.state == "paused":
        podman("unpause", host.name)  # frozen processes do not die of kill -9
    os.kill(found.pid, signal.SIGKILL)


def _wait_for_death(host: Host) -> None:
    """Until podman knows: only then can the host be started again."""

    def dead() -> bool:
        found = container(host.name)
        return found is not None and found.state == "exited"

    wait(dead, DEATH_LIMIT_S, f"{host.name} to be dead")
