"""The peers: how others do the same work. Each is a set of processes that write below a directory of their own."""

from __future__ import annotations

from pathlib import Path

from bench.cameras import Cameras
from bench.processes import Group
from bench.tools import PYTHON

SEGMENT_S = 10
#: pre-roll in files: so many seconds each, and as many as hold 15 s whole at any time, with the one being written
TS_SEGMENT_S, TS_SEGMENTS = 2, 9
FMP4 = "movflags=frag_keyframe+empty_moov+default_base_moof"
_FFMPEG = ("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-rtsp_transport", "tcp", "-timeout", "10000000")


def ffmpeg_recording(cameras: Cameras, directory: Path, log: Path) -> Group:
    """`ffmpeg -c copy` per camera to fragmented MP4 of 10 s."""
    group = Group("ffmpeg", log)
    for name in cameras.names:
        place = directory / name
        place.mkdir()
        output = [
            "-f",
            "segment",
            "-segment_time",
            str(SEGMENT_S),
            "-segment_format",
            "mp4",
            "-segment_format_options",
            FMP4,
        ]
        group.start([*_FFMPEG, "-i", cameras.url(name, credentials=True), "-c", "copy", *output, f"{place}/%04d.mp4"])
    return group


def ffmpeg_preroll(cameras: Cameras, directory: Path, log: Path) -> Group:
    """`ffmpeg -c copy` per camera to MPEG-TS of 2 s, the oldest overwritten: the usual pre-roll in files."""
    group = Group("ffmpeg", log)
    for name in cameras.names:
        place = directory / name
        place.mkdir()
        output = [
            "-f",
            "segment",
            "-segment_time",
            str(TS_SEGMENT_S),
            "-segment_wrap",
            str(TS_SEGMENTS),
            "-segment_format",
            "mpegts",
        ]
        group.start([*_FFMPEG, "-i", cameras.url(name, credentials=True), "-c", "copy", *output, f"{place}/%02d.ts"])
    return group


def pyav_recording(cameras: Cameras, directory: Path, log: Path) -> Group:
    """PyAV: one process, a thread per camera, the same files as ffmpeg's."""
    group = Group("PyAV", log)
    urls = [cameras.url(name, credentials=True) for name in cameras.names]
    group.start([*PYTHON, "-m", "bench.pyav_recorder", str(directory), *urls])
    return group


def recorded(directory: Path, name: str) -> list[Path]:
    """The files that ffmpeg or PyAV made of a camera."""
    return sorted((directory / name).iterdir())
