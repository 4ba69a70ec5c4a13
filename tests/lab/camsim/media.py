"""Makes the clips the simulator plays: `python -m camsim.media OUTDIR`. Needs PyAV (x264, x265); not for the lab hosts.

Clips are 64 s: a whole number of GOPs of 25 and 50 pictures and of AAC frames at 16 kHz, so that loops join without a
seam. Encoding is single-threaded and so gives the same bytes each time. A clip whose recipe is unchanged is left alone.
"""

from __future__ import annotations

import array
import hashlib
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

from camsim import clip, painting
from camsim.clip import Clip, Picture, Sound

WIDTH, HEIGHT, FPS = painting.WIDTH, painting.HEIGHT, 25
LOOP_S = 64
SOUND_HZ, G711_HZ = 16_000, 8_000
G711 = Literal["pcmu", "pcma"]
#: the names PyAV knows them by
_G711_ENCODERS: dict[G711, str] = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}
#: change it when the code below makes other bytes from the same recipe
_VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """How one camera's clip is made; `gop` in pictures."""

    name: str
    gop: int
    #: True: AAC
    sound: bool | G711 = False
    bit_rate: int = 500_000
    slices: int = 1
    #: None: H.264
    video: Literal["h265", "mjpeg"] | None = None

    def digest(self, loop_s: int) -> str:
        """What the clip is made from; what is None does not count, so that clips from before it existed stay."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return hashlib.sha256(repr((_VERSION, loop_s, av.__version__, told)).encode()).hexdigest()


RECIPES = (
    Recipe("north1", gop=50, sound=True),
    Recipe("north2", gop=25),
    Recipe("north3", gop=25, sound=True),
    Recipe("north4", gop=50, slices=2),
    Recipe("south1", gop=50, sound=True),
    Recipe("south2", gop=25, slices=2),
    Recipe("south3", gop=50),
)


def make(recipe: Recipe, directory: Path, *, loop_s: int = LOOP_S) -> Path:
    """Make a camera's clip unless it is there already; returns its file."""
    path = directory / f"{recipe.name}.clip"
    digest = recipe.digest(loop_s)
    if clip.read_recipe(path) != digest:
        sound = _encode_sound(recipe, loop_s) if recipe.sound else None
        if recipe.video == "h265":
            (vps, sps, pps), pictures = _encode_video(_x265(recipe), _H265, recipe, loop_s)
            made = Clip(digest, WIDTH, HEIGHT, FPS, sps, pps, pictures, sound, "h265", vps)
        elif recipe.video == "mjpeg":
            made = Clip(digest, WIDTH, HEIGHT, FPS, b"", b"", _encode_images(recipe, loop_s), None, "mjpeg")
        else:
            (sps, pps), pictures = _encode_video(_x264(recipe), _H264, recipe, loop_s)
            made = Clip(digest, WIDTH, HEIGHT, FPS, sps, pps, pictures, sound)
        clip.write(made, path)
    return path


def _encoder(name: str, recipe: Recipe) -> av.VideoCodecContext:
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate = recipe.bit_rate
    encoder.thread_count = 1
    return encoder


def _x264(recipe: Recipe) -> av.VideoCodecContext:
    encoder = _encoder("libx264", recipe)
    x264 = f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0:bframes=0:slices={recipe.slices}:cabac=1"
    x264 += ":threads=1:repeat-headers=1:rc-lookahead=0:sync-lookahead=0"
    encoder.options = {"preset": "superfast", "profile": "main", "x264-params": x264}
    return encoder


def _x265(recipe: Recipe) -> av.VideoCodecContext:
    """IDR pictures as keys: a loop ends within nothing that its first pictures refer to. One slice per picture: asked
    for more, the x265 of PyAV 18 crashes."""
    assert recipe.slices == 1, "x265 makes one slice per picture here"
    encoder = _encoder("libx265", recipe)
    x265 = f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0:bframes=0:open-gop=0"
    x265 += ":frame-threads=1:pools=none:repeat-headers=1:rc-lookahead=0:info=0:log-level=none"
    encoder.options = {"preset": "ultrafast", "x265-params": x265}
    return encoder


@dataclass(frozen=True)
class _Nals:
    """What to look for in an encoder's output: the type of a NAL unit, its parameter sets, slices and key slices."""

    shift: int
    mask: int
    sets: tuple[int, ...]
    slices: range
    keys: range


_H264 = _Nals(0, 0x1F, (7, 8), range(1, 6), range(5, 6))
_H265 = _Nals(1, 0x3F, (32, 33, 34), range(32), range(16, 24))


def _encode_video(
    encoder: av.VideoCodecContext, types: _Nals, recipe: Recipe, loop_s: int
) -> tuple[list[bytes], tuple[Picture, ...]]:
    """Parameter sets in the order of `types`, and the pictures."""
    painter = painting.Painter(recipe.name, FPS)
    sets: dict[int, bytes] = {}
    pictures: list[Picture] = []
    for packet in _packets(encoder, painter, loop_s * FPS):
        nals = [(nal[0] >> types.shift & types.mask, nal) for nal in _split(packet)]
        sets |= {kind: nal for kind, nal in nals if kind in types.sets}
        slices = [(kind, nal) for kind, nal in nals if kind in types.slices]
        pictures.append(Picture(slices[0][0] in types.keys, tuple(nal for _, nal in slices)))
    keys = [index for index, picture in enumerate(pictures) if picture.key]
    assert keys == list(range(0, loop_s * FPS, recipe.gop)), "the encoder put key frames elsewhere"
    return [sets[kind] for kind in types.sets], tuple(pictures)


def _encode_images(recipe: Recipe, loop_s: int) -> tuple[Picture, ...]:
    encoder = _encoder("mjpeg", recipe)
    encoder.pix_fmt = "yuvj420p"
    painter = painting.Painter(recipe.name, FPS)
    return tuple(Picture(True, (image,)) for image in _packets(encoder, painter, loop_s * FPS))


def _packets(encoder: av.VideoCodecContext, painter: painting.Painter, count: int) -> Iterator[bytes]:
    for index in range(count):
        frame = av.VideoFrame(WIDTH, HEIGHT, encoder.pix_fmt or "yuv420p")
        for plane, data in zip(frame.planes, painter.paint(index), strict=True):
            plane.update(data)
        frame.pts = index
        for packet in encoder.encode(frame):
            yield bytes(packet)
    for packet in encoder.encode(None):
        yield bytes(packet)


def _split(annex_b: bytes) -> list[bytes]:
    """NAL units between start codes; a NAL unit never ends with a zero byte, a start code may begin with one."""
    return [nal.rstrip(b"\x00") for nal in annex_b.split(b"\x00\x00\x01") if nal.rstrip(b"\x00")]


def _encode_sound(recipe: Recipe, loop_s: int) -> Sound:
    pitch_hz = 200 + 40 * RECIPES.index(recipe) if recipe in RECIPES else 200
    if isinstance(recipe.sound, str):
        return _encode_g711(recipe.sound, pitch_hz, loop_s)
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = SOUND_HZ, av.AudioFormat("fltp"), av.AudioLayout("mono")
    encoder.bit_rate = 32_000
    encoder.thread_count = 1
    count = loop_s * SOUND_HZ // clip.AAC_FRAME
    frames: list[bytes] = []
    for index in range(count + 1):
        frame = av.AudioFrame("fltp", "mono", clip.AAC_FRAME)
        frame.sample_rate, frame.pts = SOUND_HZ, index * clip.AAC_FRAME
        frame.planes[0].update(_samples(index, pitch_hz))
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    frames += [bytes(packet) for packet in encoder.encode(None)]
    config = encoder.extradata
    assert config
    return Sound(SOUND_HZ, 1, config[:2], tuple(frames[1 : count + 1]))


def _encode_g711(law: G711, pitch_hz: int, loop_s: int) -> Sound:
    encoder = av.CodecContext.create(_G711_ENCODERS[law], "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = G711_HZ, av.AudioFormat("s16"), av.AudioLayout("mono")
    frames: list[bytes] = []
    for index in range(loop_s * G711_HZ // clip.G711_FRAME):
        frame = av.AudioFrame("s16", "mono", clip.G711_FRAME)
        frame.sample_rate, frame.pts = G711_HZ, index * clip.G711_FRAME
        tone = _tone(range(index * clip.G711_FRAME, (index + 1) * clip.G711_FRAME), G711_HZ, pitch_hz)
        frame.planes[0].update(array.array("h", (int(32_767 * value) for value in tone)).tobytes())
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    return Sound(G711_HZ, 1, b"", tuple(frames), law)


def _samples(index: int, pitch_hz: int) -> bytes:
    samples = range(index * clip.AAC_FRAME, (index + 1) * clip.AAC_FRAME)
    return array.array("f", _tone(samples, SOUND_HZ, pitch_hz)).tobytes()


def _tone(samples: range, rate_hz: int, pitch_hz: int) -> Iterator[float]:
    """A tone that beeps once a second, so that seconds can be heard."""
    for at in samples:
        loud = 0.4 if at % rate_hz < rate_hz // 10 else 0.05
        yield loud * math.sin(2 * math.pi * pitch_hz * at / rate_hz)


def main(arguments: list[str]) -> int:
    """Make every clip of the lab in the directory given."""
    if len(arguments) != 1:
        print("usage: python -m camsim.media OUTDIR", file=sys.stderr)
        return 2
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        make(recipe, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
