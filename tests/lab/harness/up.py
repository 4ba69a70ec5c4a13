"""`./lab up` and `./lab down`: the order of things from an empty machine to a provisioned site, and back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import cams, faults, hosts, platters, power, register, site
from harness.image import ensure_image
from harness.paths import Paths
from harness.podman import podman
from harness.shell import LabError, UsageError, say
from harness.topology import HOSTS, SERVERS

READY = """
The site is up:
  rec1    carries north (4 cameras)     198.18.31.101, fd00:31::101
  rec2    carries south (3 cameras)     198.18.31.102, fd00:31::102
  stby1   standby for both
  cams    the cameras, their clock, the mail box
  client  a viewer's PC
Look:     ./lab status          what the site says of itself
          ./lab run rec1 -- understudy doctor     checks everything, says what to do
          ./lab run stby1 -- journalctl -fu understudy-agent
          ./lab client -- ping 198.18.31.101
Break:    ./lab fault crash rec1      rec1 is silent at once; within seconds stby1 carries north: the address answers
          again, recording goes on without a missing frame, ./lab status says TAKEN_OVER
Mend:     ./lab heal rec1             rec1 boots; after 30 s of health it takes north back, and the footage goes home
"""


def up(paths: Paths, *, hosts_only: bool) -> None:
    """Bring everything up; whatever is there already stays as it is. LabError says what is in the way."""
    with exclusive(paths):
        podman("info", "--format", "{{.Host.OCIRuntime.Name}}")  # fails here, in a sentence, where no container can run
        hosts.refuse_other(paths)
        paths.make()
        image = ensure_image()
        hosts.ensure_networks(paths)  # before any host is started, by healing too
        if register.recorded(paths):
            say("healing the faults that are in force")
            faults.heal(paths, [fault.host for fault in register.recorded(paths)])
        hosts.ensure_ssh(paths)
        if not hosts.ensure_hosts(paths, image):
            say("the hosts are running")
        cams.provision(paths)
        if hosts_only:
            say("the hosts are up; ./lab site provisions them")
            return
        say("provisioning: ansible-playbook site.yml")
        if site.play(paths, "site.yml", []) != 0:
            raise LabError("site.yml failed: the reason is above; `./lab site` runs it again")
        say("done")
    print(READY, end="")


def replace(paths: Paths, name: str) -> None:
    """A host dies silently and for good; a blank machine with its name and addresses is started in its place."""
    host = HOSTS[name]
    if not host.disks:
        raise UsageError(f"{name} is no server of the site; replaceable are {', '.join(SERVERS)}")
    if hosts.require(name).state == "running":
        power.crash(paths, host)
    with register.changing(paths):
        podman("rm", "--force", "--time", "0", name)
        register.forget(paths, name)
        hosts.ensure_hosts(paths, ensure_image(), [host])
    say(f"{name} is a blank machine; ./lab play replace_server -e server={name} makes it the server again")


def down(paths: Paths, *, other: bool) -> None:
    """Stop and remove the hosts with their disks. What takes time to make stays: image, films, tools, the ssh key."""
    if other:
        name = hosts.other_checkout(paths)
        if name is None:
            say("no other checkout has its lab up on this machine")
            return
        if not name.startswith("/"):
            raise LabError(f"will not remove {name}: `podman rm` it by hand if it is not needed")
        paths = Paths(Path(name))
    with exclusive(paths):
        removed = hosts.remove(paths)
        for active in register.recorded(paths):
            platters.dismiss_guard(active.guard_pid)
        paths.faults.unlink(missing_ok=True)
    say(f"removed {', '.join(removed)}" if removed else "nothing was up")


@contextmanager
def exclusive(paths: Paths) -> Iterator[None]:
    """One `up` or `down` at a time in a checkout; the lock goes with the process, however that ends."""
    paths.lab.mkdir(parents=True, exist_ok=True)
    handle = os.open(paths.lab / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise LabError(f"another `./lab up` or `./lab down` is at work in {paths.root}; wait for it") from busy
        yield
    finally:
        os.close(handle)
