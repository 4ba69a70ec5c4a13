"""The arbitration register and its members, by etcd's own tools: who owns what, who leads, what the members say."""

from __future__ import annotations

import json
from typing import Any

import story
from harness.lab import Lab
from harness.shell import LabError
from harness.topology import CLIENTS, HOSTS, SERVERS

SITE = "/understudy/lab/"
PREFIX = f"{SITE}owner/"
_PKI = "/etc/understudy/pki"
#: options of etcdctl and of curl alike
_LOGIN = ("--cacert", f"{_PKI}/ca.crt", "--cert", f"{_PKI}/node.crt", "--key", f"{_PKI}/node.key")


def endpoint(server: str) -> str:
    """The client URL of a member."""
    return f"https://{HOSTS[server].address4(CLIENTS)}:2379"


def ask(lab: Lab, *words: str, members: tuple[str, ...] = SERVERS, check: bool = True) -> str:
    """etcdctl on the first server where it succeeds; LabError when it does nowhere and `check`."""
    endpoints = ",".join(endpoint(name) for name in members)
    said, out = "", ""
    for name in SERVERS:
        if not lab.host(name).alive:
            continue
        command = ["etcdctl", "--endpoints", endpoints, *_LOGIN, "--command-timeout", "3s", *words]
        done = lab.host(name).run(command, check=False)
        if done.returncode == 0:
            return done.stdout
        said, out = done.stderr.strip(), out or done.stdout
    if check:
        raise LabError(f"etcdctl {' '.join(words)}: {said or 'no server is up'}")
    return out


def owners(lab: Lab) -> dict[str, dict[str, Any]]:
    """Logical server -> its owner as the register has it: node, epoch, state."""
    lines = ask(lab, "get", "--prefix", PREFIX).splitlines()
    keys, values = lines[::2], lines[1::2]
    return {key.removeprefix(PREFIX): json.loads(value) for key, value in zip(keys, values, strict=True)}


def leader(lab: Lab) -> str:
    """The server whose member leads; LabError when none does."""
    text = ask(lab, "endpoint", "status", "--write-out", "json", check=False)
    for found in json.loads(text or "[]"):
        if found["Status"]["leader"] == found["Status"]["header"]["member_id"]:
            return next(name for name in SERVERS if endpoint(name) == found["Endpoint"])
    raise LabError("no member of the register leads")


def lead(lab: Lab, server: str) -> None:
    """Make the member on `server` the leader."""
    status = json.loads(ask(lab, "endpoint", "status", "--write-out", "json"))
    member = next(f["Status"]["header"]["member_id"] for f in status if f["Endpoint"] == endpoint(server))
    now = leader(lab)
    if now != server:
        ask(lab, "move-leader", f"{member:x}", members=(now,))
    lab.wait(lambda: leader(lab) == server, 10, f"{server} to lead the register")


def put_owner(lab: Lab, part: str, owner: dict[str, Any]) -> None:
    """Write an owner as a register that was restored from a backup would have it."""
    ask(lab, "put", PREFIX + part, json.dumps(owner))


def lose(lab: Lab) -> None:
    """Delete everything the site has in the register: it is there, and empty."""
    ask(lab, "del", "--prefix", SITE)


def answers(lab: Lab) -> bool:
    """Whether the register executes a read that needs its majority."""
    return bool(ask(lab, "get", PREFIX + next(iter(story.HOMES)), check=False))


def alarm(lab: Lab, server: str, action: str) -> None:
    """Raise (ACTIVATE) or end (DEACTIVATE) the alarm that a member ran out of space; all members obey it."""
    member = json.loads(ask(lab, "endpoint", "status", "--write-out", "json", members=(server,)))[0]
    body = {"action": action, "memberID": str(member["Status"]["header"]["member_id"]), "alarm": "NOSPACE"}
    url = f"{endpoint(server)}/v3/maintenance/alarm"
    lab.host(server).run(["curl", "-sf", "--max-time", "5", *_LOGIN, "-d", json.dumps(body), url])
