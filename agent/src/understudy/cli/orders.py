"""Orders to the agent of this server: moves and maintenance, faults, `failover-delete`, `register recreate`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

from understudy import control, paths
from understudy.cli import CommandError

#: the agent answers when nothing is carried any more, within 15 s
PATIENT_S = 20.0
#: the service manager answers at once, or is busy with something else than a shutdown
SYSTEMCTL_S = 3.0


def handback(options: argparse.Namespace) -> int:
    """Ask the agent here, which has to be the carrier's, to hand back now."""
    answer = _ask_carrier("handback", options.logical)
    print(f"{answer['logical']} is going home to {answer['home']}")
    return 0


def move(options: argparse.Namespace) -> int:
    """Ask the agent here, which has to be the carrier's, to have another server carry a part."""
    answer = _ask_carrier("move", options.logical, server=options.server)
    print(f"{answer['logical']} is moving to {answer['server']}, and stays there until it is sent home")
    return 0


def maintenance(options: argparse.Namespace) -> int:
    """Drain this server and keep it out of failover, or take it back in."""
    if options.switch == "off":
        if options.until_us is not None:
            raise CommandError("--until belongs to `maintenance on`")
        control.call(paths.AGENT_SOCKET, "maintenance", on=False)
        print("maintenance is over")
        return 0
    arguments: dict[str, Any] = {"on": True}
    if options.until_us is not None:
        until = datetime.fromtimestamp(options.until_us / 1e6, UTC)
        arguments |= {"until_wall_s": until.timestamp(), "until": until.isoformat().replace("+00:00", "Z")}
    answer = control.call(paths.AGENT_SOCKET, "maintenance", **arguments)
    end = f" until {arguments['until']}" if "until" in arguments else ""
    carries = ", ".join(answer["carries"])
    print(f"in maintenance{end}" + (f"; {carries} leaves as soon as another server records it" if carries else ""))
    return 0


def fail(options: argparse.Namespace) -> int:
    """Declare this server FAILED."""
    control.call(paths.AGENT_SOCKET, "fail", reason=options.reason)
    print(f"FAILED: {options.reason}; when it is repaired: `understudy clear`, then restart this machine")
    return 0


def clear(options: argparse.Namespace) -> int:
    """Clear the fault of this server."""
    answer = control.call(paths.AGENT_SOCKET, "clear")
    print(f"cleared: {answer['cleared']}; restart this machine, then it works again")
    return 0


def failover_delete(options: argparse.Namespace) -> int:
    """Remove this server from failover for good, and what it knows of the logical servers with it."""
    answer = control.call(paths.AGENT_SOCKET, "detach", timeout_s=PATIENT_S, force=options.force)
    if not answer["detached"]:
        carried = ", ".join(answer["carries"])
        raise CommandError(f"removed, but {carried} could not be handed over yet; it is retried until it is")
    identities = paths.PKI / "logical"
    if identities.exists():
        shutil.rmtree(identities)
    print("removed from failover; take this server out of the site file as well")
    return 0


def register(options: argparse.Namespace) -> int:
    """Have the agent here write a lost or restored register anew; it finds out that this is needed."""
    answer = control.call(paths.AGENT_SOCKET, "recreate", timeout_s=PATIENT_S, without=options.without, yes=options.yes)
    for part, fault in answer["faults"].items():
        print(f"{part}: {fault}; {_owned(answer['owners'][part])}")
    if not answer["written"]:
        raise CommandError("nothing was written; if no better copy of the register can be brought back, add --yes")
    print("the register is written anew")
    return 0


def _owned(owner: dict[str, Any]) -> str:
    if owner["state"] == "held":
        return f"{owner['node']} keeps it under epoch {owner['epoch']}"
    first = f", {owner['to']} first" if owner["to"] else ""
    return f"released under epoch {owner['epoch']}{first}: nobody carries it"


def agent_stopping(options: argparse.Namespace) -> int:
    """What the agent's unit runs before it stops: hand everything over if the machine is shutting down.

    A mere stop or restart of the agent leaves the addresses where they are. Never fails: nothing here may hold up a
    shutdown.
    """
    if not _shutting_down():
        return 0
    try:
        control.call(paths.AGENT_SOCKET, "leave", timeout_s=PATIENT_S)
    except control.ControlError as error:
        print(f"understudy: {error}")
    return 0


def _shutting_down() -> bool:
    try:
        asked = subprocess.run(
            ["systemctl", "is-system-running"], capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.strip() == "stopping"


def _ask_carrier(op: str, logical: str, **arguments: Any) -> dict[str, Any]:
    try:
        return control.call(paths.AGENT_SOCKET, op, logical=logical, **arguments)
    except control.ControlError as error:
        raise CommandError(f"{error}{_where_to_ask(logical, op)}") from error


def _where_to_ask(logical: str, op: str) -> str:
    """Names the carrier, where the agent here knows it and is not it."""
    try:
        document = control.call(paths.AGENT_SOCKET, "status")["status"]
    except control.ControlError:
        return ""
    for part in document["logical"]:
        if part["name"] != logical or part["carrier"] in (None, document["node"]):
            continue
        if op == "handback" and part["carrier"] == part["home"]:
            return f"; {logical} is at home on {part['home']}"
        return f"; {part['carrier']} carries it: run this command there"
    return ""
