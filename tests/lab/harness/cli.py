"""The lab's commands as people type them: reads the words, refuses wrong ones in a sentence, calls the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from harness import faults, hosts, site, stages, up
from harness.paths import Paths
from harness.shell import LabError, UsageError
from harness.topology import CLIENT_HOST, HOSTS

HELP = f"""\
The lab: a site of two recording servers and one standby, with cameras and a viewer's PC, on this machine.

  ./lab up [--hosts-only]           install, start and provision everything; safe to repeat
  ./lab down [--other]              remove it; --other: the lab of another checkout on this machine
  ./lab status [--json]             what `understudy status` says on the first server that answers
  ./lab run HOST -- CMD...          a command on a host, as root
  ./lab client -- CMD...            a command where a viewer's PC would be
  ./lab fault NAME HOST [ARG...]    break something; ./lab fault lists what and how
  ./lab heal HOST|all               undo every fault; start hosts that are down
  ./lab site [ANSIBLE ARGS...]      ansible-playbook site.yml against the lab, e.g. ./lab site --check --diff
  ./lab play NAME [ANSIBLE ARGS...]  another playbook, e.g. ./lab play maintenance -e servers=rec1
  ./lab replace HOST                its machine dies and a blank one stands in its place
  ./lab test [SELECTION...]         lint types unit sanity molecule lab, or pytest paths and options; all without any

Hosts: {" ".join(HOSTS)}
"""


def main(words: list[str]) -> int:
    """Run one command; the exit status is its own, 1 after a failure, 2 for a wrong command line."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if words else 2
    name, rest = words[0], words[1:]
    try:
        command = COMMANDS.get(name)
        if command is None:
            raise UsageError(f"there is no command {name!r}; the commands are {', '.join(COMMANDS)}")
        if rest in (["-h"], ["--help"]) and name not in ("run", "client", "site", "play"):
            print(HELP, end="")
            return 0
        if name in ON_THE_HOSTS:
            hosts.refuse_other(Paths())
        return command(rest)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def host_named(name: str) -> str:
    """The name, if it is a host's."""
    if name not in HOSTS:
        raise UsageError(f"there is no host {name!r}; the hosts are {', '.join(HOSTS)}")
    return name


def _up(words: list[str]) -> int:
    _only(words, "--hosts-only")
    up.up(Paths(), hosts_only="--hosts-only" in words)
    return 0


def _down(words: list[str]) -> int:
    _only(words, "--other")
    up.down(Paths(), other="--other" in words)
    return 0


def _status(words: list[str]) -> int:
    _only(words, "--json")
    print(site.status_text(as_json="--json" in words), end="")
    return 0


def _run(words: list[str]) -> int:
    if not words:
        raise UsageError("./lab run HOST -- CMD...: which host?")
    return _enter(host_named(words[0]), words[1:], f"./lab run {words[0]} -- CMD...")


def _client(words: list[str]) -> int:
    return _enter(CLIENT_HOST, words, "./lab client -- CMD...")


def _enter(host: str, words: list[str], usage: str) -> int:
    """Become the command inside the host: standard streams and exit status are its own."""
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise UsageError(f"{usage}: which command?")
    found = hosts.require(host)
    if found.state == "paused":
        raise LabError(f"{host} is frozen; ./lab heal {host} lets it go on")
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    sys.stdout.flush()
    os.execvp("podman", ["podman", "exec", "--interactive", *terminal, host, *command])


def _fault(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(faults.list_text())
        return 0 if words else 2
    if len(words) < 2:
        raise UsageError(f"./lab fault {words[0]} HOST: which host?")
    faults.inject(Paths(), words[0], host_named(words[1]), words[2:])
    return 0


def _heal(words: list[str]) -> int:
    if len(words) != 1:
        raise UsageError(f"./lab heal HOST|all: one of {', '.join(HOSTS)}, all")
    faults.heal(Paths(), list(HOSTS) if words[0] == "all" else [host_named(words[0])])
    return 0


def _site(words: list[str]) -> int:
    return site.play(Paths(), "site.yml", words)


def _play(words: list[str]) -> int:
    if not words:
        raise UsageError("./lab play NAME [ANSIBLE ARGS...]: which playbook?")
    paths = Paths()
    return site.play(paths, site.playbook_named(paths, words[0]), words[1:])


def _replace(words: list[str]) -> int:
    if len(words) != 1:
        raise UsageError("./lab replace HOST: which host?")
    up.replace(Paths(), host_named(words[0]))
    return 0


def _test(words: list[str]) -> int:
    return stages.main(Paths(), words)


def _only(words: list[str], *allowed: str) -> None:
    wrong = [word for word in words if word not in allowed]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is not an option here; allowed: {' '.join(allowed)}")


ON_THE_HOSTS = ("status", "run", "client", "fault", "heal", "site", "play", "replace")
"""Commands that must not reach another checkout's lab by mistake."""

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "run": _run,
    "client": _client,
    "fault": _fault,
    "heal": _heal,
    "site": _site,
    "play": _play,
    "replace": _replace,
    "test": _test,
}
