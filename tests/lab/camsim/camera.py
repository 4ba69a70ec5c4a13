"""One simulated camera: its clock, its faults, and what it sends to whom. No sockets of its own.

A picture is due at counter / fps seconds after the epoch, by this machine's clock at start-up plus monotonic time, so
that a stepped clock moves no picture. What the camera did not produce because of a fault is kept in `silent`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal, Protocol

from camsim.clip import VIDEO_CLOCK_HZ, Clip
from camsim.config import CameraConfig
from camsim.rtp import audio_payload, video_payloads
from camsim.stamp import is_key, stamp

VIDEO, AUDIO = 0, 1
Fault = Literal["normal", "stall", "refuse", "reboot", "garbage"]
#: What fell due while the simulator itself did not run is sent late up to here, and beyond it is not produced at all.
MAX_LATE_S = 5.0
#: ranges kept in `silent`; older ones are forgotten
MAX_SILENT_RANGES = 1000
_GARBAGE_BYTES = 300


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit, ready for any session: RTP payloads, and its media time in ticks of its track's clock."""

    track: int
    payloads: list[bytes]
    ticks: int
    counter: int
    key: bool


class Client(Protocol):
    """A session that plays."""

    def send(self, units: list[Unit], noise: bytes, now_s: float) -> None: ...

    def drop(self) -> None: ...


@dataclass
class Camera:
    """The camera's state. `tick` is called at least once per picture."""

    config: CameraConfig
    clip: Clip
    start_s: float
    clients: set[Client] = field(default_factory=set)
    fault: Fault = "normal"
    fault_until_s: float | None = None
    #: added to RTP time, seconds
    jump_s: float = 0.0
    #: counters of the first and the last picture that went to any client
    first_sent: int | None = None
    last_sent: int | None = None
    #: ranges of counters that were never produced, ends included
    silent: list[tuple[int, int]] = field(default_factory=list)
    sessions: int = 0
    dropped_slow: int = 0
    timed_out: int = 0
    refused: int = 0
    max_late_s: float = 0.0

    def __post_init__(self) -> None:
        self._next_picture = int(self.start_s * self.clip.fps) + 1
        self._next_sound = self._sound_at(self.start_s) + 1
        self._needs_key = False

    def next_due_s(self) -> float:
        """When the next picture is due."""
        return self._next_picture / self.clip.fps

    def accepts(self) -> bool:
        """Whether a new session is welcome."""
        return self.fault not in ("refuse", "reboot") and len(self.clients) < self.config.max_sessions

    def set_fault(self, fault: Fault, until_s: float | None = None) -> None:
        """Switch to a fault until a time, or until told otherwise; a reboot closes every session."""
        self.fault, self.fault_until_s = fault, until_s
        if fault == "reboot":
            self.cut()

    def cut(self) -> None:
        """Close every session at once; new ones are welcome."""
        for client in list(self.clients):
            client.drop()

    def tick(self, now_s: float) -> None:
        """Send all that is due."""
        if self.fault_until_s is not None and now_s >= self.fault_until_s:
            self.set_fault("normal")
        newest = int(now_s * self.clip.fps)
        late_s = now_s - self.next_due_s()
        if self.fault in ("stall", "reboot") or late_s > MAX_LATE_S:
            self._skip(newest, now_s)
            return
        self.max_late_s = max(self.max_late_s, late_s)
        units, noise = self._produce(newest, now_s)
        for client in list(self.clients) if units else ():
            client.send(units, noise, now_s)

    def media_ticks(self, wall_s: float, track: int) -> int:
        """Media time in ticks of a track's clock at a wall clock time."""
        return int((wall_s + self.jump_s) * (VIDEO_CLOCK_HZ if track == VIDEO or not self.clip.sound else self.rate_hz))

    @property
    def rate_hz(self) -> int:
        """Clock rate of the sound; only for clips that have some."""
        assert self.clip.sound
        return self.clip.sound.rate_hz

    def _produce(self, newest: int, now_s: float) -> tuple[list[Unit], bytes]:
        units: list[Unit] = []
        noise = b""
        while self._next_picture <= newest:
            counter = self._next_picture
            self._next_picture += 1
            key = is_key(self.clip, counter)
            if self._needs_key and not key:
                self._note_silent(counter, counter)
                continue
            self._needs_key = False
            if self.clients:
                units.append(self._picture(counter))
                noise = _noise() if key and self.fault == "garbage" else noise
        while self.clip.sound and (index := self._next_sound) <= self._sound_at(now_s):
            self._next_sound += 1
            if self.clients and not self._needs_key:
                units.append(self._sound(index))
        return units, noise

    def _picture(self, counter: int) -> Unit:
        picture = stamp(self.clip, self.config.name, counter, inband_parameter_sets=self.config.inband_parameter_sets)
        payloads = video_payloads(picture.nals, codec=self.clip.codec, aggregate=self.config.aggregate)
        ticks = counter * VIDEO_CLOCK_HZ // self.clip.fps + int(self.jump_s * VIDEO_CLOCK_HZ)
        return Unit(VIDEO, payloads, ticks, counter, picture.key)

    def _sound(self, index: int) -> Unit:
        assert self.clip.sound
        sound = self.clip.sound
        frame = sound.frames[index % len(sound.frames)]
        payload = audio_payload(frame) if sound.codec == "aac" else frame
        return Unit(AUDIO, [payload], index * sound.samples + int(self.jump_s * self.rate_hz), index, True)

    def _sound_at(self, wall_s: float) -> int:
        return int(wall_s * self.rate_hz) // self.clip.sound.samples if self.clip.sound else 0

    def note_sent(self, counter: int) -> None:
        """A picture went to a client."""
        self.first_sent = counter if self.first_sent is None else self.first_sent
        self.last_sent = counter if self.last_sent is None else max(counter, self.last_sent)

    def _skip(self, newest: int, now_s: float) -> None:
        self._needs_key = True
        if newest >= self._next_picture:
            self._note_silent(self._next_picture, newest)
            self._next_picture = newest + 1
        self._next_sound = self._sound_at(now_s) + 1

    def _note_silent(self, first: int, last: int) -> None:
        if self.silent and self.silent[-1][1] == first - 1:
            self.silent[-1] = (self.silent[-1][0], last)
        else:
            self.silent.append((first, last))
            del self.silent[:-MAX_SILENT_RANGES]


def _noise() -> bytes:
    """Bytes that belong to no packet; without `$`, so that a reader that looks for the next packet can lose nothing."""
    return secrets.token_bytes(_GARBAGE_BYTES).replace(b"$", b"%")
