"""The loop a simulated camera plays, and the file it is kept in. No codec knowledge.

File: the magic, a 32-bit big-endian length, that much JSON (what a decoder needs), then records of one byte kind, one
byte flags (1 = key frame), a 32-bit big-endian length and the bytes: for a picture its slice NAL units, each behind a
32-bit length; for a sound one unit of `Sound`.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MAGIC = b"CAMSIM1\n"
VIDEO_CLOCK_HZ = 90_000
#: samples in one AAC-LC frame, and in one packet of G.711 (40 ms)
AAC_FRAME, G711_FRAME = 1024, 320
VideoCodec = Literal["h264", "h265", "mjpeg"]
SoundCodec = Literal["aac", "pcmu", "pcma"]
_PICTURE, _SOUND = 0, 1
_KEY = 1
_RECORD = struct.Struct(">BBI")
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as encoded: its slice NAL units only, without lengths or start codes; or one JPEG image."""

    key: bool
    slices: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a clip: units of `samples` each; `config` is the AudioSpecificConfig, empty for G.711."""

    rate_hz: int
    channels: int
    config: bytes
    frames: tuple[bytes, ...]
    codec: SoundCodec = "aac"

    @property
    def samples(self) -> int:
        """Samples in one unit."""
        return AAC_FRAME if self.codec == "aac" else G711_FRAME


@dataclass(frozen=True, slots=True)
class Clip:
    """A loop: it starts with a key frame, and its last picture can be followed by its first."""

    recipe: str
    width: int
    height: int
    fps: int
    sps: bytes
    pps: bytes
    pictures: tuple[Picture, ...]
    sound: Sound | None = None
    codec: VideoCodec = "h264"
    #: H.265 only
    vps: bytes = b""

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """In the order a decoder needs them."""
        return (self.vps, self.sps, self.pps) if self.vps else (self.sps, self.pps)


def write(clip: Clip, path: Path) -> None:
    """Write the file whole or not at all: into a temporary file that is then renamed."""
    meta: dict[str, object] = {name: getattr(clip, name) for name in ("recipe", "width", "height", "fps", "codec")}
    meta |= {"sps": clip.sps.hex(), "pps": clip.pps.hex(), "vps": clip.vps.hex(), "sound": None}
    if clip.sound:
        sound = clip.sound
        told = {"rate_hz": sound.rate_hz, "channels": sound.channels, "codec": sound.codec}
        meta["sound"] = {**told, "config": sound.config.hex()}
    header = json.dumps(meta).encode()
    parts = [MAGIC, _LENGTH.pack(len(header)), header]
    for picture in clip.pictures:
        body = b"".join(_LENGTH.pack(len(nal)) + nal for nal in picture.slices)
        parts += [_RECORD.pack(_PICTURE, _KEY if picture.key else 0, len(body)), body]
    for frame in clip.sound.frames if clip.sound else ():
        parts += [_RECORD.pack(_SOUND, _KEY, len(frame)), frame]
    fresh = path.with_suffix(".new")
    fresh.write_bytes(b"".join(parts))
    fresh.replace(path)


def read_recipe(path: Path) -> str | None:
    """What the file was made from; None when there is no such file or it is none of ours."""
    try:
        with path.open("rb") as file:
            return str(_read_meta(file.read(64 * 1024), path)[0]["recipe"])
    except (OSError, ValueError):
        return None


def read(path: Path) -> Clip:
    """Read the whole clip into memory. Raises OSError, or ValueError when it is no clip."""
    data = path.read_bytes()
    meta, offset = _read_meta(data, path)
    pictures: list[Picture] = []
    sounds: list[bytes] = []
    while offset < len(data):
        kind, flags, size = _RECORD.unpack_from(data, offset)
        offset += _RECORD.size
        body = data[offset : offset + size]
        offset += size
        if kind == _PICTURE:
            pictures.append(Picture(bool(flags & _KEY), _split(body)))
        else:
            sounds.append(body)
    # Clips made before there were H.265 and G.711 name no codec.
    sound = meta["sound"] and _sound(meta["sound"], sounds)
    vps, sps, pps = (bytes.fromhex(meta.get(name, "")) for name in ("vps", "sps", "pps"))
    size = (meta["width"], meta["height"], meta["fps"])
    return Clip(meta["recipe"], *size, sps, pps, tuple(pictures), sound, meta.get("codec", "h264"), vps)


def _sound(told: dict[str, Any], frames: list[bytes]) -> Sound:
    config = bytes.fromhex(told["config"])
    return Sound(told["rate_hz"], told["channels"], config, tuple(frames), told.get("codec", "aac"))


def _read_meta(data: bytes, path: Path) -> tuple[dict[str, Any], int]:
    if not data.startswith(MAGIC):
        raise ValueError(f"{path}: not a clip of the camera simulator")
    start = len(MAGIC) + _LENGTH.size
    end = start + int(_LENGTH.unpack_from(data, len(MAGIC))[0])
    return json.loads(data[start:end]), end


def _split(body: bytes) -> tuple[bytes, ...]:
    nals, offset = [], 0
    while offset < len(body):
        size = _LENGTH.unpack_from(body, offset)[0]
        nals.append(body[offset + 4 : offset + 4 + size])
        offset += 4 + size
    return tuple(nals)
