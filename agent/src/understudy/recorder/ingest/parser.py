"""One session with a camera, from packets to access units of all its streams. No I/O.

The same parser takes live batches and, at a takeover, what the pre-roll ring kept of the same session, one after the
other: so nothing can be missing or double where the ring ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from understudy.recorder.codec.frames import FRAME_CODECS, PACKET_CODECS, bare
from understudy.recorder.ingest.aac import AacTrack
from understudy.recorder.ingest.g711 import G711Track
from understudy.recorder.ingest.nal import NalTrack, ParameterSets
from understudy.recorder.ingest.rtp import RtpTrack, SenderReport, parse_sender_report
from understudy.recorder.ingest.sdp import Stream
from understudy.recorder.units import AccessUnit, Format, StreamKind


def new_session_name() -> str:
    """64 random bits: sessions of all recorders and restarts of a site must differ."""
    return secrets.token_hex(8)


@dataclass(slots=True)
class Session:
    """One connection to a camera, as agreed in its handshake."""

    streams: tuple[Stream, ...]
    name: str = field(default_factory=new_session_name)
    #: parameter sets that came in band in packets no longer in the ring
    parameter_sets: list[bytes] = field(default_factory=list)

    video: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.video = next(stream for stream in self.streams if stream.kind == "video")


class Sink(Protocol):
    """Where access units go: the tracks of the camera."""

    def start(self, formats: tuple[Format, ...], session: str) -> None: ...

    def write(self, kind: StreamKind, unit: AccessUnit) -> None: ...


class SessionParser:
    """Feeds `sink`, beginning at the first key frame whose parameter sets are known."""

    def __init__(self, session: Session, sink: Sink) -> None:
        self._sink = sink
        self._name = session.name
        self._sets = ParameterSets(PACKET_CODECS[session.video.codec])
        self._rate = session.video.clock_rate
        self._audio_format: Format | None = None
        self._video_format: Format | None = None
        self._started: tuple[Format, ...] = ()
        self.session = session
        #: whole video frames received, and those of them handed to the sink
        self.arrived = 0
        self.written = 0
        #: the camera's own clock, for its status; never used for time
        self.sender_report: SenderReport | None = None
        self._tracks: dict[int, RtpTrack] = {}
        self._reports: frozenset[int] = frozenset(stream.channel + 1 for stream in session.streams)
        for stream in session.streams:
            self._add(stream)
        for unit in session.parameter_sets:
            self._sets.add(unit)

    def _add(self, stream: Stream) -> None:
        track: RtpTrack
        if stream.kind == "video":
            for unit in stream.parameter_sets:
                self._sets.add(unit)
            emit = self._dressed_video if stream.codec in FRAME_CODECS else self._video
            track = NalTrack(stream.payload_type, stream.clock_rate, self._sets, emit)
        else:
            self._audio_format = Format(
                "audio", stream.codec, stream.clock_rate, stream.parameter_sets, channels=stream.channels
            )
            if stream.codec == "aac":
                track = AacTrack(stream.payload_type, stream.clock_rate, self._audio)
            else:
                track = G711Track(stream.payload_type, stream.clock_rate, stream.channels, self._audio)
        self._tracks[stream.channel] = track

    def feed(self, data: bytes, offsets: Sequence[int], arrival_us: int) -> None:
        """Take the packets of a Batch that arrived at `arrival_us` (microseconds since the epoch)."""
        tracks = self._tracks
        for track in tracks.values():
            track.arrival_us = arrival_us
        index, count = 0, len(offsets)
        while index < count:
            position = offsets[index]
            found = tracks.get(data[position + 1])
            if found is not None:
                index = found.packets(data, offsets, index)
                continue
            index += 1
            if data[position + 1] in self._reports:
                size = data[position + 2] << 8 | data[position + 3]
                report = parse_sender_report(data[position + 4 : position + 4 + min(size, 64)], arrival_us)
                self.sender_report = report or self.sender_report

    @property
    def lost_packets(self) -> int:
        return sum(track.lost_packets for track in self._tracks.values())

    @property
    def damaged(self) -> int:
        return sum(track.damaged for track in self._tracks.values())

    def _video(self, unit: AccessUnit) -> None:
        self.arrived += 1
        if unit.key:
            self._begin()
        if self._started:
            self._sink.write("video", unit)
            self.written += 1

    def _dressed_video(self, unit: AccessUnit) -> None:
        self._video(bare(unit))

    def _audio(self, unit: AccessUnit) -> None:
        if self._started:
            self._sink.write("audio", unit)

    def _begin(self) -> None:
        """At a key frame: tell the sink of a changed format, or of a new session when a clock has jumped."""
        jumped = [track for track in self._tracks.values() if track.broken_time]
        if not jumped and not self._sets.changed:
            return
        self._sets.changed = False
        self._video_format = self._sets.format(self._rate)
        if self._video_format is None:
            self._started = ()
            return
        formats = (self._video_format,) if self._audio_format is None else (self._video_format, self._audio_format)
        if jumped and self._started:
            self._name = new_session_name()
        for track in self._tracks.values():
            if jumped:
                track.new_session()
        if jumped or formats != self._started:
            self._started = formats
            self._sink.start(formats, self._name)
