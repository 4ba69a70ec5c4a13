"""The simulator of a run: many cameras of the four kinds, whether it kept time, and how many bytes it sends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from camsim import config, control, rtp, stamp
from camsim.clip import AAC_FRAME, Clip

from bench import clips
from bench.processes import Group, ProcessError
from bench.tools import PYTHON

CONFIG = Path(__file__).parents[1] / "cameras.json"
#: later than this, and its clients are not fed as cameras would feed them
MAX_LATE_MS = 1000
#: `$`, channel, length, RTP header
_PACKET_BYTES = 16

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """How the simulator kept time since it was last asked."""

    late_ms: int
    #: clients that it cut off because they did not read
    dropped: int
    #: per camera, counters that it never produced
    silent: dict[str, list[Range]]
    now_s: float
    clients: int

    def faults(self, before: Kept) -> list[str]:
        """Why what was measured since `before` is not valid; empty when it is."""
        found = []
        if self.late_ms > MAX_LATE_MS:
            found.append(f"the simulator was {self.late_ms / 1000:.1f} s late")
        if self.dropped > before.dropped:
            found.append(f"the simulator cut off {self.dropped - before.dropped} clients that did not keep up")
        if self.silent != before.silent:
            found.append("the simulator left out pictures")
        return found


class Cameras:
    """`count` cameras, in a process of their own that `group` measures. Use as a context."""

    def __init__(self, count: int, cache: Path, scratch: Path) -> None:
        self.names = [f"cam{number:03}" for number in range(1, count + 1)]
        self.group = Group("simulator", scratch / "simulator.log")
        self._count = count
        self._media = clips.prepare(cache)
        self._clips = clips.read(self._media)
        self._port = self._control_port = 0
        told = config.load(CONFIG)
        self.user, self.password = told.user, told.password

    def __enter__(self) -> Cameras:
        command = [
            *PYTHON,
            "-m",
            "camsim",
            "--config",
            str(CONFIG),
            "--media",
            str(self._media),
            "--many",
            str(self._count),
        ]
        process = self.group.start(command, talks=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        ports = re.search(r"port (\d+), control on port (\d+)", line)
        if ports is None:
            self.group.check()
            raise ProcessError(f"the simulator says {line!r}")
        self._port, self._control_port = int(ports[1]), int(ports[2])
        return self

    def __exit__(self, *_: object) -> None:
        self.group.stop()

    def url(self, name: str, *, credentials: bool = False) -> str:
        """Where a camera is."""
        login = f"{self.user}:{quote(self.password, safe='')}@" if credentials else ""
        return f"rtsp://{login}127.0.0.1:{self._port}/{name}"

    def kept(self) -> Kept:
        """How it kept time; what is asked for once is not told again."""
        told = control.ask({"op": "stats", "fresh": True}, self._control_port)
        cameras: dict[str, Any] = told["cameras"]
        return Kept(
            max(camera["max_late_ms"] for camera in cameras.values()),
            sum(camera["dropped_slow"] + camera["timed_out"] for camera in cameras.values()),
            {name: [(first, last) for first, last in camera["silent"]] for name, camera in cameras.items()},
            told["now_s"],
            sum(len(camera["clients"]) for camera in cameras.values()),
        )

    def bytes_to_hold(self, now_s: float, seconds: float) -> int:
        """What all cameras have sent since their last key frame that was at least `seconds` old at `now_s`, with packet
        headers: the least that a pre-roll of so many seconds must hold."""
        return sum(
            _sent_since_key(self._clips[at % len(self._clips)], name, now_s, seconds)
            for at, name in enumerate(self.names)
        )


def _sent_since_key(clip: Clip, name: str, now_s: float, seconds: float) -> int:
    newest = int(now_s * clip.fps)
    first = int((now_s - seconds) * clip.fps)
    while not stamp.is_key(clip, first):
        first -= 1
    size = sum(
        _size(rtp.video_payloads(stamp.stamp(clip, name, c).nals, aggregate=False)) for c in range(first, newest + 1)
    )
    if clip.sound:
        mean = sum(map(len, clip.sound.frames)) / len(clip.sound.frames) + 4 + _PACKET_BYTES
        size += int(mean * (newest + 1 - first) / clip.fps * clip.sound.rate_hz / AAC_FRAME)
    return size


def _size(payloads: Sequence[bytes]) -> int:
    return sum(map(len, payloads)) + _PACKET_BYTES * len(payloads)
