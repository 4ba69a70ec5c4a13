"""podman, as the lab uses it: one way to call it and one look at all containers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from harness.shell import DEFAULT_LIMIT_S, LabError, LabTimeout, run, wait

STARTABLE = ("exited", "stopped", "created", "configured")
TOLD_LIMIT_S = 5.0
"""A monitor reports the end of its container within 0.1 s."""

EXITS = Path("/run/libpod/exits")

os.environ["CONTAINERS_CONF"] = str(Path(__file__).with_name("containers.conf"))


@dataclass(frozen=True)
class Container:
    """What podman says about a container. `state` is podman's word: running, paused, exited, created …"""

    name: str
    identity: str
    state: str
    pid: int
    labels: dict[str, str]

    @property
    def alive(self) -> bool:
        """Whether its init really exists: podman's own record may be older than the machine's last start."""
        if self.state not in ("running", "paused") or self.pid <= 0:
            return False
        try:
            return b"init" in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False


def podman(
    *arguments: str, check: bool = True, limit_s: float = DEFAULT_LIMIT_S, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run podman with the lab's settings."""
    return run(["podman", *arguments], check=check, limit_s=limit_s, stdin=stdin)


def containers() -> dict[str, Container]:
    """All containers of this machine by name, the lab's and others'."""
    listed = json.loads(podman("ps", "--all", "--format", "json").stdout or "[]")
    found = [
        Container(
            entry["Names"][0],
            entry["Id"],
            entry["State"].lower(),
            int(entry.get("Pid") or 0),
            entry.get("Labels") or {},
        )
        for entry in listed
    ]
    return {container.name: container for container in found}


def container(name: str) -> Container | None:
    """One container, or None."""
    return containers().get(name)


def start_again(dead: Container) -> None:
    """Start a container whose init is gone, also when podman was not told (its monitor died, the machine restarted)."""
    try:
        wait(lambda: _state(dead.name) in STARTABLE, TOLD_LIMIT_S, f"podman to notice that {dead.name} is down")
    except LabTimeout:
        # What the monitor would have written; without it podman waits for the end of this container for ever.
        (EXITS / dead.identity).write_text("137", encoding="ascii")
    podman("start", dead.name)


def _state(name: str) -> str:
    found = container(name)
    return "" if found is None else found.state


def send_files(name: str, files: dict[str, bytes]) -> None:
    """Put files into a running container, by absolute path, owned by root; directories come with them."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    command = ["podman", "exec", "--interactive", name, "tar", "--extract", "--no-same-owner", "--directory", "/"]
    done = subprocess.run(command, input=archive.getvalue(), capture_output=True, timeout=DEFAULT_LIMIT_S, check=False)
    if done.returncode != 0:
        raise LabError(f"{name} does not take files: {done.stderr.decode(errors='replace').strip()}")
