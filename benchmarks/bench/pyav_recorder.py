"""A peer: `python -m bench.pyav_recorder DIRECTORY URL…` records with PyAV, a thread per camera, until SIGTERM.

Demultiplexes with libavformat and writes fragmented MP4 of 10 s that begin at key frames, as ffmpeg's segments do.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from bench.peers import FMP4, SEGMENT_S

_INPUT = {"rtsp_transport": "tcp", "timeout": "10000000"}
_OUTPUT = dict([FMP4.split("=", 1)])


class Output:
    """The segments of a camera, one behind the other."""

    def __init__(self, directory: Path, streams: Sequence[Any]) -> None:
        directory.mkdir()
        self._directory = directory
        self._streams = streams
        self._count = 0
        self._began_s = 0.0
        self._file: Any = None
        self._outputs: dict[int, Any] = {}

    def write(self, packet: Packet[Any]) -> None:
        """Write a packet; what comes before the first key frame is left out."""
        assert packet.dts is not None
        assert packet.time_base is not None
        video = packet.stream.type == "video"
        now_s = float(packet.dts * packet.time_base)
        if video and packet.is_keyframe and (self._file is None or now_s - self._began_s >= SEGMENT_S):
            self._begin(now_s)
        if self._file is not None:
            packet.stream = self._outputs[packet.stream.index]
            self._file.mux(packet)

    def _begin(self, now_s: float) -> None:
        self.close()
        self._file = av.open(str(self._directory / f"{self._count:04}.mp4"), "w", options=_OUTPUT)
        self._outputs = {stream.index: self._file.add_stream_from_template(stream) for stream in self._streams}
        self._count += 1
        self._began_s = now_s

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def record(url: str, directory: Path, stopped: threading.Event) -> None:
    """Record one camera until told to stop."""
    with av.open(url, options=_INPUT) as source:
        output = Output(directory, list(source.streams))
        for packet in source.demux():
            if stopped.is_set():
                break
            if packet.dts is not None:
                output.write(packet)
        output.close()


def main(directory: Path, urls: Sequence[str]) -> int:
    """Record all cameras; 1 when one of them ended by itself."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    threads = [
        threading.Thread(target=record, args=(url, directory / url.rpartition("/")[2], stopped), daemon=True)
        for url in urls
    ]
    for thread in threads:
        thread.start()
    while not stopped.wait(1.0):
        if not all(thread.is_alive() for thread in threads):
            return 1
    for thread in threads:
        thread.join(5)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
