"""The mix of cameras: four kinds by bit rate, GOP and sound; makes their clips once.

The lab's clips are too easy to encode for a camera's bit rate: here a fifth of each picture is fresh noise, which gives
the rates asked for, and key frames some five times as large as the others. Pictures are 640 x 360 whatever the rate: a
recorder that copies sees bytes, packets and key frames, not pixels.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from camsim import clip
from camsim.clip import Clip, Picture
from camsim.media import FPS, HEIGHT, WIDTH, Recipe, make

KINDS = (
    Recipe("kind1", gop=50, sound=True, bit_rate=2_000_000),
    Recipe("kind2", gop=25, bit_rate=3_000_000),
    Recipe("kind3", gop=50, sound=True, bit_rate=4_000_000),
    Recipe("kind4", gop=50, bit_rate=2_000_000),
)
_VERSION = "noise 1"
_NOISE_ROWS = HEIGHT // 5


def prepare(cache: Path) -> Path:
    """The directory with the clips of all kinds; the first time takes a minute of CPU."""
    directory = cache / "clips"
    directory.mkdir(parents=True, exist_ok=True)
    for recipe in KINDS:
        path = directory / f"{recipe.name}.clip"
        wanted = f"{_VERSION} {av.__version__} {recipe}"
        if clip.read_recipe(path) != wanted:
            easy = clip.read(make(recipe, directory))
            clip.write(dataclasses.replace(_noisy(easy, recipe), recipe=wanted), path)
    return directory


def read(directory: Path) -> list[Clip]:
    """The clips in the order of the kinds: camera n (from 0) plays clip n modulo their number."""
    return [clip.read(directory / f"{recipe.name}.clip") for recipe in KINDS]


def _noisy(easy: Clip, recipe: Recipe) -> Clip:
    """The clip with pictures of the recipe's bit rate."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate, encoder.thread_count = recipe.bit_rate, 1
    x264 = (
        f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0:bframes=0:slices=1:cabac=1:threads=1:repeat-headers=1"
    )
    encoder.options = {"preset": "superfast", "profile": "main", "x264-params": x264}
    sps = pps = b""
    pictures = []
    for packet in _packets(encoder, len(easy.pictures), recipe.name):
        nals = {nal[0] & 0x1F: nal for nal in packet.split(b"\x00\x00\x01") if nal}
        sps, pps = nals.get(7, sps).rstrip(b"\x00"), nals.get(8, pps).rstrip(b"\x00")
        pictures.append(Picture(5 in nals, ((nals.get(5) or nals[1]).rstrip(b"\x00"),)))
    assert [at for at, picture in enumerate(pictures) if picture.key] == list(range(0, len(pictures), recipe.gop))
    return dataclasses.replace(easy, sps=sps, pps=pps, pictures=tuple(pictures))


def _packets(encoder: av.VideoCodecContext, count: int, seed: str) -> Iterator[bytes]:
    grain = random.Random(seed)
    noise = bytes(60 + value // 2 for value in grain.randbytes(2 * WIDTH * HEIGHT))
    grey = bytes([128]) * (WIDTH * HEIGHT // 4)
    for index in range(count):
        start, top = grain.randrange(WIDTH * HEIGHT), grain.randrange(HEIGHT - _NOISE_ROWS) * WIDTH
        fresh = noise[start : start + _NOISE_ROWS * WIDTH]
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, data in zip(
            frame.planes, (noise[:top] + fresh + noise[top + len(fresh) : WIDTH * HEIGHT], grey, grey), strict=True
        ):
            plane.update(data)
        frame.pts = index
        yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))
