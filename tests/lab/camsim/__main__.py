"""The command: `python3 -m camsim [--config FILE]` serves, `… ctl CAMERA FAULT [SECONDS]` and `… stats` talk to it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import sys
from pathlib import Path

from camsim import config, control
from camsim.server import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 1 with a sentence on standard error."""
    told = _parser().parse_args(arguments)
    try:
        if told.command is None:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(Simulator(_config(told)).run())
        elif told.command == "ctl":
            request = {"op": "fault", "camera": told.camera, "fault": told.fault, "seconds": told.seconds}
            control.ask(request, told.control_port or control_port())
        else:
            answer = control.ask({"op": "stats"}, told.control_port or control_port())
            cameras = answer["cameras"]
            print(json.dumps(cameras[told.camera] if told.camera else cameras, indent=2))
    except (OSError, ValueError, KeyError) as error:
        print(f"camsim: {error}", file=sys.stderr)
        return 1
    return 0


def control_port() -> int:
    """The control port of the lab's configuration."""
    return config.load().control_port


def _config(told: argparse.Namespace) -> config.Config:
    given = {
        "host": told.host,
        "port": told.port,
        "control_port": told.control_port,
        "media_dir": told.media and str(told.media),
    }
    chosen = dataclasses.replace(
        config.load(told.config), **{name: value for name, value in given.items() if value is not None}
    )
    return chosen if told.many is None else config.many(chosen, told.many)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("camsim", description="Camera simulator of the lab.")
    parser.add_argument("--config", type=Path, default=config.LAB_CONFIG, help="default: the lab's cameras")
    parser.add_argument("--media", type=Path, help="directory of the clips that camsim.media made")
    parser.add_argument("--host", help="address to listen on (default: all)")
    parser.add_argument("--port", type=int, help="RTSP port")
    parser.add_argument("--control-port", type=int, help="control port on 127.0.0.1")
    parser.add_argument("--many", type=int, metavar="N", help="serve cam001 to cam…N, which share the cameras' clips")
    commands = parser.add_subparsers(dest="command")
    fault = commands.add_parser("ctl", help="switch a fault on or off")
    fault.add_argument("camera", help="a camera's name, or all")
    fault.add_argument("fault", choices=control.LASTING + control.EVENTS)
    fault.add_argument("seconds", type=float, nargs="?")
    stats = commands.add_parser("stats", help="what each camera sent, and to whom, as JSON")
    stats.add_argument("camera", nargs="?")
    return parser


if __name__ == "__main__":
    sys.exit(main())
