"""The command line: `understudy …`. Parses, calls, prints; everything else lives in the parts it calls.

What a command needs is imported when it runs, so that `understudy version` and the services start at once. Errors are
one sentence on standard error: exit status 1, or 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from types import TracebackType

from understudy.cli.arguments import camera, count, duration, instant

Command = Callable[[argparse.Namespace], int]


class CommandError(Exception):
    """The command cannot be done; the text is one sentence for people."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    sys.excepthook = _internal_error
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(words)
    run: Command = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit would complain once more
        return 1
    except _expected() as error:
        print(f"understudy: {error}", file=sys.stderr)
        return 1


def _expected() -> tuple[type[Exception], ...]:
    """Errors whose text is meant for people, of the modules that are loaded: others cannot have raised any."""
    names = {
        "understudy.control": "ControlError",
        "understudy.site.plan": "PlanError",
        "understudy.footage.catalogue": "CatalogueError",
        "understudy.footage.disks": "FootageError",
        "understudy.footage.holds": "HoldError",
        "understudy.footage.peers": "PeerError",
        "understudy.web.status": "NoStatus",
        "sqlite3": "Error",
    }
    loaded = [getattr(sys.modules[module], name) for module, name in names.items() if module in sys.modules]
    return (CommandError, OSError, *loaded)


def _internal_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A fault of ours, in one sentence too; UNDERSTUDY_TRACEBACK=1 shows where."""
    if os.environ.get("UNDERSTUDY_TRACEBACK"):
        sys.__excepthook__(kind, error, trace)
    print(f"understudy: internal error, please report it: {kind.__name__}: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="understudy", description="Automatic failover for IP-video recording servers.", allow_abbrev=False
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_footage(commands)
    _add_keeping(commands)
    _add_operating(commands)
    _add_orders(commands)
    _add_events(commands)
    _add_services(commands)
    return parser


_Commands = argparse._SubParsersAction  # argparse gives it no public name


def _add(commands: _Commands[argparse.ArgumentParser], name: str, run: Command, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _add_span(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    for name in ("from", "to"):
        text = "ISO 8601 with zone, e.g. 2026-11-23T10:00:00Z"
        parser.add_argument(f"--{name}", dest=f"{name}_us", type=instant, required=required, metavar="TIME", help=text)


def _add_track(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--track", help="the track, where a camera has several (default: its first)")


def _lazily(module: str) -> Callable[[str], Command]:
    """Commands of a module that is imported when one of them runs."""

    def command(name: str) -> Command:
        def run(options: argparse.Namespace) -> int:
            wanted: Command = getattr(importlib.import_module(module), name)
            return wanted(options)

        return run

    return command


def _add_footage(commands: _Commands[argparse.ArgumentParser]) -> None:
    lazily = _lazily("understudy.cli.footage")

    timeline = _add(commands, "timeline", lazily("timeline"), "Show the footage of a camera: who holds it, and gaps.")
    timeline.add_argument("camera", type=camera, metavar="CAMERA", help="LOGICAL/NUMBER, e.g. north/1")
    _add_span(timeline)
    _add_track(timeline)
    timeline.add_argument("--json", action="store_true", help="print a JSON document")

    gaps = _add(commands, "gaps", lazily("gaps"), "Show where footage is missing, computed from the recordings.")
    gaps.add_argument("camera", type=camera, nargs="?", metavar="CAMERA", help="LOGICAL/NUMBER; all without it")
    _add_span(gaps)
    gaps.add_argument("--json", action="store_true", help="print a JSON document")

    export = _add(commands, "export", lazily("export"), "Write the footage of a camera to one MP4 file.")
    export.add_argument("camera", type=camera, metavar="CAMERA", help="LOGICAL/NUMBER, e.g. north/1")
    _add_span(export, required=True)
    _add_track(export)
    export.add_argument("--json", action="store_true", help="print the manifest as JSON")
    export.add_argument("file", metavar="FILE.mp4")


def _add_keeping(commands: _Commands[argparse.ArgumentParser]) -> None:
    lazily = _lazily("understudy.cli.keeping")

    event = _add(commands, "event", lazily("event"), "Have a camera's event tracks record, from before now on.")
    event.add_argument("camera", type=camera, metavar="CAMERA", help="LOGICAL/NUMBER, e.g. north/1")
    how = event.add_mutually_exclusive_group(required=True)
    how.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="how long the event lasts")
    how.add_argument("--webhook", action="store_true", help="print the path of the URL that begins an event")
    event.add_argument("--text", default="", help="what it is, for people")

    retention = _add(commands, "retention", lazily("retention"), "Show how far back each track reaches, and its holes.")
    retention.add_argument("camera", type=camera, nargs="?", metavar="CAMERA", help="LOGICAL/NUMBER; all without it")
    retention.add_argument("--json", action="store_true", help="print a JSON document")

    clock = _add(commands, "clock", lazily("clock"), "Confirm this server's clock after a jump that is not believed.")
    clock.add_argument("action", choices=("confirm",))

    hold = _add(commands, "hold", lazily("hold"), "Keep footage from being deleted, or list and release such holds.")
    hold.add_argument("what", metavar="CAMERA | list | release", help="LOGICAL/NUMBER: hold a span of its footage")
    hold.add_argument("id", nargs="?", metavar="ID", help="which hold to release")
    _add_span(hold)
    hold.add_argument("--reason", metavar="TEXT", help="why, for whoever reads it later")
    until = "ends by itself then; without it when it is released"
    hold.add_argument("--until", dest="until_us", type=instant, metavar="TIME", help=until)
    hold.add_argument("--all", action="store_true", help="list those that have ended too")
    hold.add_argument("--json", action="store_true", help="print a JSON document")


def _add_operating(commands: _Commands[argparse.ArgumentParser]) -> None:
    lazily = _lazily("understudy.cli.operate")

    status = _add(commands, "status", lazily("status"), "Show who carries what, and whether the site is protected.")
    status.add_argument("--json", action="store_true", help="print the status document")
    explain = _add(commands, "explain", lazily("explain"), "Show what this server's agent decided, and why.")
    explain.add_argument("--since", type=float, metavar="SECONDS", help="how far back (default: all it remembers)")
    explain.add_argument("--json", action="store_true", help="print a JSON document")
    text = "Check everything on this server and say what to do; 1 when something asks for attention, 2 when it fails."
    doctor = _add(commands, "doctor", _lazily("understudy.cli.doctor")("doctor"), text)
    doctor.add_argument("--json", action="store_true", help="print a JSON document")
    catalogue = _add(commands, "catalogue", lazily("catalogue"), "Compare catalogue and disks of this server.")
    catalogue.add_argument("action", choices=("check", "rebuild"), help="check: only tell; rebuild: put right")
    text = "Look for ONVIF cameras, or test one and print it as a piece of the site file."
    cameras = _add(commands, "cameras", _lazily("understudy.cli.cameras")("cameras"), text)
    cameras.add_argument("action", choices=("discover", "test"))
    cameras.add_argument("host", nargs="?", metavar="HOST[:PORT]", help="the camera to test, or its device URL")
    cameras.add_argument("--from", dest="source", metavar="ADDRESS", help="address of this server to look from")
    cameras.add_argument("--user", help="user name; the password is asked for, or UNDERSTUDY_CAMERA_PASSWORD")
    cameras.add_argument("--number", type=int, default=1, help="slot of the camera in the site file")
    _add(commands, "version", _version, "Show the version.")


def _add_orders(commands: _Commands[argparse.ArgumentParser]) -> None:
    lazily = _lazily("understudy.cli.orders")

    handback = _add(commands, "handback", lazily("handback"), "Send a logical server home now.")
    handback.add_argument("logical", metavar="LOGICAL")
    move = _add(commands, "move", lazily("move"), "Have another server carry a logical server, without losing a frame.")
    move.add_argument("logical", metavar="LOGICAL")
    move.add_argument("server", metavar="SERVER", help="a standby, or its home")
    text = "Drain this server without losing a frame and keep it out of failover, or take it back in."
    maintenance = _add(commands, "maintenance", lazily("maintenance"), text)
    maintenance.add_argument("switch", choices=("on", "off"))
    until = "ends by itself then; ISO 8601 with zone"
    maintenance.add_argument("--until", dest="until_us", type=instant, metavar="TIME", help=until)
    fail = _add(commands, "fail", lazily("fail"), "Declare this server FAILED (99): others carry its part.")
    fail.add_argument("--reason", required=True, metavar="TEXT", help="a sentence for status, journal and report")
    _add(commands, "clear", lazily("clear"), "The fault of this server is repaired; it works again after a restart.")
    text = "Write a lost or restored arbitration register anew; without --yes only say what would be written."
    register = _add(commands, "register", lazily("register"), text)
    register.add_argument("action", choices=("recreate",))
    off = "a server that is switched off and stays so meanwhile; may be repeated"
    register.add_argument("--without", action="append", default=[], metavar="SERVER", help=off)
    register.add_argument("--yes", action="store_true", help="write it: no better copy of the register can be had")
    delete = _add(commands, "failover-delete", lazily("failover_delete"), "Remove this server from failover for good.")
    delete.add_argument("--force", action="store_true", help="although it carries another server's part")


def _add_events(commands: _Commands[argparse.ArgumentParser]) -> None:
    lazily = _lazily("understudy.cli.events")

    rules = _add(commands, "rules", lazily("rules"), "Show the event rules of this server and what they measure.")
    text = "try the rules on the facts of the last days; nothing is done"
    rules.add_argument("action", nargs="?", choices=("test",), help=text)
    rules.add_argument("--since", dest="since_s", type=duration, default=7 * 86400.0, metavar="7d", help="how far back")
    rules.add_argument("--json", action="store_true", help="print a JSON document")
    alarms = _add(commands, "alarms", lazily("alarms"), "Show what happened at the site, or acknowledge it.")
    alarms.add_argument("action", nargs="?", choices=("ack",))
    alarms.add_argument("id", nargs="?", metavar="ID", help="which alarm to acknowledge")
    alarms.add_argument("--all", action="store_true", help="those that are over and acknowledged too")
    alarms.add_argument("--json", action="store_true", help="print a JSON document")


def _add_services(commands: _Commands[argparse.ArgumentParser]) -> None:
    _add(commands, "agent", _agent, "Run the failover agent (what its unit starts).")
    _add(
        commands, "agent-stopping", _agent_stopping, "Hand over if the machine shuts down (what the agent's unit runs)."
    )
    _add(commands, "recorder", _recorder, "Run the recorder (what its unit starts).")
    _add(commands, "web", _web, "Run the web part (what its unit starts).")
    _add(commands, "events", _events, "Watch the event rules and tell people (what its unit starts).")
    _add_simulate(commands)


def _add_simulate(commands: _Commands[argparse.ArgumentParser]) -> None:
    text = "Play random fault schedules against the failover logic; 1 when an invariant does not hold in one of them."
    simulate = _add(commands, "simulate", _simulate, text)
    simulate.add_argument("--schedules", type=count, default=200, metavar="N", help="how many (default 200)")
    simulate.add_argument("--seed", type=count, default=1, metavar="S", help="seed of the first (default 1)")
    simulate.add_argument("--workers", type=count, default=os.cpu_count() or 1, metavar="W", help="processes")
    simulate.add_argument("--takeover", choices=("certain", "early"), help="the site option (default: certain)")
    mistake = "leave out a safety mechanism, to see that the simulation notices; `list` names them"
    simulate.add_argument("--mutation", default="none", metavar="NAME", help=mistake)


def _version(options: argparse.Namespace) -> int:
    from importlib import metadata

    try:
        print(f"understudy {metadata.version('understudy')}")
    except metadata.PackageNotFoundError:
        raise CommandError("not installed as a package: this tree has no version") from None
    return 0


def _agent(options: argparse.Namespace) -> int:
    from understudy.failover.loop import main as run

    return run()


def _agent_stopping(options: argparse.Namespace) -> int:
    from understudy.cli.orders import agent_stopping as run

    return run(options)


def _recorder(options: argparse.Namespace) -> int:
    from understudy.recorder.service import main as run

    return run()


def _web(options: argparse.Namespace) -> int:
    from understudy.web.app import main as run

    return run()


def _events(options: argparse.Namespace) -> int:
    from understudy.events.service import main as run

    return run()


def _simulate(options: argparse.Namespace) -> int:
    from understudy.cli.simulate import simulate as run

    return run(options)
