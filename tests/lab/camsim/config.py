"""What the simulator serves, from one JSON file; `lab.json` beside this file is the lab's.

Unknown keys and values are refused with a ValueError that names file and key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

Authentication = Literal["digest", "digest-qop", "basic"]
Start = Literal["now", "key"]
Transport = Literal["tcp", "udp", "http"]
LAB_CONFIG = Path(__file__).with_name("lab.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraConfig:
    """One camera: `rtsp://HOST:PORT<path>` plays the clip file `media`. The rest are habits of real cameras."""

    name: str
    path: str
    media: str
    #: digest: RFC 2069, as most cameras ask; digest-qop: RFC 2617 with qop=auth; basic
    auth: Authentication = "digest"
    #: now: the first picture sent is the next one, mid-GOP as a rule; key: the next key frame
    start: Start = "now"
    #: the only one that the camera has; http: Motion JPEG as multipart, on `http_port`, with Basic
    transport: Transport = "tcp"
    #: parameter sets and SEI share one packet (STAP-A)
    aggregate: bool = False
    sdp_parameter_sets: bool = True
    inband_parameter_sets: bool = True
    #: how far the camera's clock, and so its sender reports, is ahead of this machine's
    clock_offset_s: float = 0.0
    #: further clients get 503
    max_sessions: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole simulator."""

    user: str
    password: str
    cameras: tuple[CameraConfig, ...]
    #: None: every address, IPv4 and IPv6
    host: str | None = None
    port: int = 554
    control_port: int = 8555
    #: for cameras whose transport is http; nobody listens when there are none
    http_port: int = 8080
    #: where the clips are
    media_dir: str = "/var/lib/camsim"
    #: a session that sends nothing for so long is closed
    session_timeout_s: int = 60
    #: A client that leaves more than this unread, besides `socket_buffer_bytes` in the kernel, is dropped.
    backlog_bytes: int = 1 << 20
    socket_buffer_bytes: int = 256 * 1024
    report_interval_s: float = 5.0


def load(path: Path = LAB_CONFIG) -> Config:
    """Read and check a configuration. Raises OSError or ValueError."""
    try:
        raw = json.loads(path.read_text())
        cameras = tuple(_camera(name, told) for name, told in raw.pop("cameras").items())
        _known(Config, raw, "simulator")
        return Config(cameras=cameras, **raw)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def many(config: Config, count: int) -> Config:
    """`count` cameras cam001, cam002, … that have the habits and share the clips of the configured ones, in turn."""
    kinds = config.cameras
    names = [f"cam{number:03}" for number in range(1, count + 1)]
    cameras = [replace(kinds[at % len(kinds)], name=name, path=f"/{name}") for at, name in enumerate(names)]
    return replace(config, cameras=tuple(cameras))


def _camera(name: str, told: dict[str, Any]) -> CameraConfig:
    _known(CameraConfig, told, name)
    camera = CameraConfig(name=name, **told)
    if camera.auth not in get_args(Authentication):
        raise ValueError(f"{name}: auth is {camera.auth!r}, allowed: {', '.join(get_args(Authentication))}")
    if camera.start not in get_args(Start):
        raise ValueError(f"{name}: start is {camera.start!r}, allowed: {', '.join(get_args(Start))}")
    if camera.transport not in get_args(Transport):
        raise ValueError(f"{name}: transport is {camera.transport!r}, allowed: {', '.join(get_args(Transport))}")
    if not camera.path.startswith("/") or camera.path.endswith("/"):
        raise ValueError(f"{name}: path is {camera.path!r}, it starts with / and does not end with it")
    return camera


def _known(kind: type, told: dict[str, Any], where: str) -> None:
    allowed = {field.name for field in fields(kind)} - {"name", "cameras"}
    if unknown := sorted(told.keys() - allowed):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}, allowed: {', '.join(sorted(allowed))}")
