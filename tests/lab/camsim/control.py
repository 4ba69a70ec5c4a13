"""The switches of the simulator: one JSON object per line each way, on 127.0.0.1.

`{"op": "stats"}`, with `"fresh": true` to have `max_late_ms` begin anew, and
`{"op": "fault", "camera": "north1" | "all", "fault": F, "seconds": S}`; the answer has `ok`, and `error` when it is
false. Faults, S being how long (none: until `normal`) where nothing else is said:

=========  ==================================================================================================
stall      connections stay, nothing is sent; afterwards on from the next key frame
refuse     new sessions get 503, running ones go on
cut        every connection of the camera is closed now; it accepts new ones (a single event)
reboot     cut, and no connection to it is answered for S seconds (required); then as after a stall
garbage    bytes that belong to no packet before every key frame
rtp-jump   RTP time jumps by S seconds (required, may be negative) from the next picture on (a single event)
normal     ends every fault; RTP time stays where it jumped to
=========  ==================================================================================================
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camsim.camera import Camera
    from camsim.connection import Connection
    from camsim.server import Simulator

LASTING = ("normal", "stall", "refuse", "reboot", "garbage")
EVENTS = ("cut", "rtp-jump")
#: longest line taken
_MAX_LINE = 4096


async def serve(simulator: Simulator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one control connection until it closes."""
    while line := await reader.readline():
        try:
            answer = {"ok": True, **handle(simulator, json.loads(line[:_MAX_LINE]))}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"ok": False, "error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


def handle(simulator: Simulator, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request says. Raises ValueError with a sentence when it is wrong."""
    if request["op"] == "stats":
        told = {"now_s": simulator.now_s(), "cameras": stats(simulator)}
        for camera in simulator.cameras.values() if request.get("fresh") else ():
            camera.max_late_s = 0.0
        return told
    if request["op"] != "fault":
        raise ValueError(f"op is {request['op']!r}, allowed: stats, fault")
    name, fault, seconds = request["camera"], request["fault"], request.get("seconds")
    if name != "all" and name not in simulator.cameras:
        raise ValueError(f"no camera {name!r}, there are: {', '.join(simulator.cameras)}")
    if fault in ("reboot", "rtp-jump") and seconds is None:
        raise ValueError(f"{fault} needs SECONDS")
    for camera in simulator.cameras.values() if name == "all" else [simulator.cameras[name]]:
        _apply(camera, fault, seconds, simulator.now_s())
    return {}


def _apply(camera: Camera, fault: str, seconds: float | None, now_s: float) -> None:
    if fault == "cut":
        camera.cut()
    elif fault == "rtp-jump":
        camera.jump_s += float(seconds or 0.0)
    elif fault in LASTING:
        camera.set_fault(fault, None if seconds is None else now_s + float(seconds))  # type: ignore[arg-type]
    else:
        raise ValueError(f"fault is {fault!r}, allowed: {', '.join(LASTING + EVENTS)}")


def stats(simulator: Simulator) -> dict[str, Any]:
    """Per camera what it sent and to whom; counters and ranges are of pictures, ends included."""
    return {name: _camera_stats(camera, simulator.connections) for name, camera in simulator.cameras.items()}


def _camera_stats(camera: Camera, connections: set[Connection]) -> dict[str, Any]:
    clients = [each for each in connections if each in camera.clients]
    names = ("fault", "first_sent", "last_sent", "sessions", "dropped_slow", "timed_out", "refused", "silent")
    return {name: getattr(camera, name) for name in names} | {
        "fps": camera.clip.fps,
        "max_late_ms": round(camera.max_late_s * 1000),
        "clients": [
            {"peer": c.peer, "agent": c.agent, "first": c.first_sent, "last": c.last_sent, "pictures": c.pictures}
            for c in clients
        ],
    }


def ask(request: dict[str, Any], port: int) -> dict[str, Any]:
    """Send one request to a running simulator on this machine. Raises OSError, or ValueError with its refusal."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, sock.makefile("rwb") as file:
        file.write(json.dumps(request).encode() + b"\n")
        file.flush()
        answer: dict[str, Any] = json.loads(file.readline())
    if not answer.pop("ok"):
        raise ValueError(answer["error"])
    return answer
