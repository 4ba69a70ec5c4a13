"""The site on the hosts: provisioning it with ansible-playbook, and asking its servers how they are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import hosts, register
from harness.paths import Paths
from harness.podman import containers, podman, start_again
from harness.shell import LabError, UsageError, say
from harness.topology import HOSTS, SERVERS

CONTROL_SOCKETS = Path("/run/understudy-lab")
"""Sockets of ssh connections kept open, a directory per checkout: a connection to another lab's host of the same name
must not be taken for ours. A short path, since a socket's name is limited to 107 bytes."""

STATUS_LIMIT_S = 15.0
POWER_EVERY_S = 0.5
"""How often a restarting host is looked for."""
CHECK = ["test", "-x", "/usr/local/bin/understudy"]


def ansible_command(playbook: str, arguments: Sequence[str]) -> list[str]:
    """`ansible-playbook PLAYBOOK` against the lab, with the tools of this checkout."""
    return [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory/lab", playbook, *arguments]


def playbook_named(paths: Paths, name: str) -> str:
    """The path of one of the collection's playbooks; UsageError with their names when there is none of this name."""
    known = sorted(path.stem for path in (paths.root / "playbooks").glob("*.yml"))
    if name not in known:
        raise UsageError(f"there is no playbook {name!r}; the playbooks are {', '.join(known)}")
    return f"playbooks/{name}.yml"


def ansible_environment(paths: Paths) -> Mapping[str, str]:
    """How Ansible reaches the hosts: ssh through `podman exec`, so that no fault of a network is in its way."""
    sockets = CONTROL_SOCKETS / hashlib.sha256(str(paths.root).encode()).hexdigest()[:12]
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(paths.root / "ansible.cfg"),
        "ANSIBLE_REMOTE_USER": "root",
        "ANSIBLE_SSH_COMMON_ARGS": f"-F '{paths.ssh_config}'",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "PYTHONUNBUFFERED": "1",
    }


def play(paths: Paths, playbook: str, arguments: Sequence[str]) -> int:
    """Run a playbook, output straight through; return Ansible's exit status."""
    if not (paths.root / playbook).exists():
        raise LabError(f"there is no {playbook} in {paths.root}")
    command = ansible_command(playbook, arguments)
    with powered(paths):
        done = subprocess.run(
            command, cwd=paths.root, env=ansible_environment(paths), stdin=subprocess.DEVNULL, check=False
        )
    return done.returncode


@contextmanager
def powered(paths: Paths) -> Iterator[None]:
    """Meanwhile a server that restarts comes up again, for a container only ends; what a fault took stays down."""
    over = threading.Event()
    thread = threading.Thread(target=_start_what_restarts, args=(paths, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _start_what_restarts(paths: Paths, over: threading.Event) -> None:
    while not over.wait(POWER_EVERY_S):
        taken = {active.host for active in register.recorded(paths)}
        for name, found in containers().items():
            if name in SERVERS and name not in taken and found.state == "exited":
                say(f"{name} restarts")
                start_again(found)
                hosts.wait_for_boot(paths, HOSTS[name])


def status_text(*, as_json: bool) -> str:
    """What `understudy status` prints on the first server that answers; LabError when none does."""
    command = ["understudy", "status", *(["--json"] if as_json else [])]
    running = containers()
    said = []
    for name in SERVERS:
        found = running.get(name)
        if found is None or not found.alive or found.state != "running":
            said.append(f"{name} is {'down' if found is None or found.state != 'paused' else 'frozen'}")
            continue
        if podman("exec", name, *CHECK, check=False).returncode != 0:
            said.append(f"{name} is not provisioned yet")
            continue
        done = podman("exec", name, *command, check=False, limit_s=STATUS_LIMIT_S)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout
        lines = (done.stderr.strip() or "no answer").splitlines()
        said.append(f"{name} says: {lines[-1]}")
    raise LabError(f"no server answers: {'; '.join(said)}")
