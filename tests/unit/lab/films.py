"""Recordings made for the audit to judge: pictures of a clip with their stamps, put into MP4 by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from camsim.clip import AAC_FRAME, Clip
from camsim.stamp import stamp

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def annex_b(clip: Clip, name: str, counter: int) -> bytes:
    """One stamped picture with start codes."""
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in stamp(clip, name, counter).nals)


def write(path: Path, clip: Clip, counters: Iterable[int], *, name: str = "gate", fragmented: bool = True) -> Path:
    """A recording of just these pictures, in this order, shown at 25 pictures a second from the first on."""
    with av.open(str(path), "w", format="mp4", options=FRAGMENTED if fragmented else {}) as file:
        stream = file.add_stream("libx264", rate=clip.fps)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.extradata = b"".join(b"\x00\x00\x00\x01" + nal for nal in (clip.sps, clip.pps))
        for index, counter in enumerate(counters):
            packet = av.Packet(annex_b(clip, name, counter))
            packet.stream = stream
            packet.pts = packet.dts = index
            packet.duration = 1
            packet.time_base = Fraction(1, clip.fps)
            packet.is_keyframe = clip.pictures[counter % len(clip.pictures)].key
            file.mux(packet)
    return path


def write_sound(path: Path, clip: Clip) -> Path:
    """A recording of the sound of a clip alone."""
    assert clip.sound
    with av.open(str(path), "w", format="mp4", options=FRAGMENTED) as file:
        stream = file.add_stream("aac", rate=clip.sound.rate_hz, layout="mono")
        stream.codec_context.extradata = clip.sound.config
        for index, frame in enumerate(clip.sound.frames):
            packet = av.Packet(frame)
            packet.stream = stream
            packet.pts = packet.dts = index * AAC_FRAME
            packet.time_base = Fraction(1, clip.sound.rate_hz)
            file.mux(packet)
    return path
