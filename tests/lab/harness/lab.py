"""The lab as tests see it.

    lab = Lab()                                     # LabError with the remedy when it is not up
    lab.host("rec1").run(["systemctl", "is-active", "etcd"]).stdout
    with lab.watch(["198.18.31.101"]) as watch:     # a client asks every 20 ms, its ARP cache warm
        lab.fault("crash", "rec1")
        lab.wait(watch.all_answer, 20, "north to answer again")
    watch.blackouts()["198.18.31.101"].longest_s
    lab.heal("all")

Commands run inside the hosts by `podman exec`: from outside, something else than the host may answer an address.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness import faults, hosts, shell, site, up
from harness.paths import Paths
from harness.podman import container
from harness.probe import Watch
from harness.shell import LabError
from harness.topology import CLIENT_HOST, HOSTS

RUN_LIMIT_S = 60.0
SITE_LIMIT_S = 900.0
"""A first run on a loaded machine with two cores takes some minutes."""

SAID_CHARACTERS = 2000


class CommandFailed(LabError):
    """A command on a host ended with another exit status than 0; `done` is all of it."""

    def __init__(self, host: str, argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
        said = (done.stderr.strip() or done.stdout.strip())[-SAID_CHARACTERS:]
        super().__init__(f"{host}: `{' '.join(argv)}` ended with {done.returncode}: {said}")
        self.done = done


@dataclass(frozen=True)
class LabHost:
    """One host of the lab."""

    name: str

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = RUN_LIMIT_S, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root; CommandFailed when it fails, unless check=False. `timeout` in seconds.

        A host that is down or frozen is an error too: with check=False its exit status is 125 or above.
        """
        command = ["podman", "exec", *(["--interactive"] if input is not None else []), self.name, *argv]
        done = shell.run(command, check=False, limit_s=timeout, stdin=input)
        if check and done.returncode != 0:
            raise CommandFailed(self.name, argv, done)
        return done

    @property
    def alive(self) -> bool:
        """Whether its init exists (frozen counts as alive)."""
        found = container(self.name)
        return found is not None and found.alive


class Lab:
    """The lab of this checkout, which must be up (`./lab up`)."""

    def __init__(self, paths: Paths | None = None) -> None:
        self.paths = paths or Paths()
        hosts.refuse_other(self.paths)
        if container(CLIENT_HOST) is None:
            raise LabError("the lab is not up: run ./lab up")

    def host(self, name: str) -> LabHost:
        """A host by name: rec1, rec2, stby1, cams, client."""
        if name not in HOSTS:
            raise LabError(f"there is no host {name!r}; the hosts are {', '.join(HOSTS)}")
        return LabHost(name)

    @property
    def client(self) -> LabHost:
        """Where a viewer's PC would be."""
        return LabHost(CLIENT_HOST)

    def fault(self, name: str, host: str, *arguments: str) -> None:
        """Break something, as `./lab fault NAME HOST ARG…` does; it is in force when this returns."""
        faults.inject(self.paths, name, self.host(host).name, list(arguments))

    def heal(self, host: str = "all") -> None:
        """Undo every fault of a host or of all, start what is down; hosts have booted when this returns."""
        faults.heal(self.paths, list(HOSTS) if host == "all" else [self.host(host).name])

    def status(self) -> dict[str, Any]:
        """The status document of the first server that answers; LabError when none does."""
        document: dict[str, Any] = json.loads(site.status_text(as_json=True))
        return document

    def wait(self, condition: Callable[[], bool], limit_s: float, what: str, every_s: float = 0.2) -> float:
        """Wait until `condition()` holds, return the seconds it took; TimeoutError naming `what` after `limit_s`.

        A condition that raises LabError (no server answers, say) does not hold yet.
        """
        last = ""

        def holds() -> bool:
            nonlocal last
            try:
                return condition()
            except LabError as error:
                last = f" (last: {error})"
                return False

        try:
            return shell.wait(holds, limit_s, what, every_s)
        except shell.LabTimeout as late:
            raise shell.LabTimeout(f"{late}{last}") from late

    def watch(self, addresses: Sequence[str], *, warm: bool = True) -> Watch:
        """Watch addresses from the client (`ADDRESS` pings, `ADDRESS@PORT` connects); a context manager.

        With `warm` it first waits until all of them answer, so that the client's ARP cache knows them.
        """
        return Watch(addresses, warm=warm)

    def site(
        self, *arguments: str, check: bool = True, timeout: float = SITE_LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run site.yml against the lab and catch its output; LabError with its end when it fails and `check`."""
        return self._ansible("site.yml", arguments, check=check, timeout=timeout)

    def play(
        self, name: str, *arguments: str, check: bool = True, timeout: float = SITE_LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run another playbook of the collection, as `site` does; hosts that restart come up again meanwhile."""
        with site.powered(self.paths):
            return self._ansible(site.playbook_named(self.paths, name), arguments, check=check, timeout=timeout)

    def replace(self, host: str) -> None:
        """The machine dies for good; a blank one with its addresses stands in its place when this returns."""
        up.replace(self.paths, self.host(host).name)

    def _ansible(
        self, playbook: str, arguments: Sequence[str], *, check: bool, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            site.ansible_command(playbook, arguments),
            cwd=self.paths.root,
            env={**site.ansible_environment(self.paths), "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise LabError(f"{playbook} ended with {done.returncode}: {done.stdout[-SAID_CHARACTERS:]}")
        return done
