"""A camera by PyAV: opens the stream, tells what is in it, gives its frames as encoded. Runs in the camera's process.

libav looks into the first frames to know the stream; nothing of what is recorded is decoded or converted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer

from understudy.recorder.codec.frames import FRAME_CODECS, dress, parameter_sets
from understudy.recorder.codec.nal import NAL_CODECS
from understudy.recorder.fallback import packets
from understudy.recorder.fallback.times import Times
from understudy.recorder.fallback.wire import Described, Order
from understudy.recorder.ingest.errors import RETRY_REFUSED_S, CameraError
from understudy.recorder.ingest.sdp import Stream
from understudy.recorder.units import Codec

#: a camera that says nothing for so long is given up
TIMEOUT_S = 10.0
VIDEO_CLOCK_HZ = 90_000
#: libav's name of a codec -> ours; docs/reference/cameras.md shows both tables
VIDEO: dict[str, Codec] = {"h264": "h264", "hevc": "h265", "mjpeg": "mjpeg", "mpeg4": "mpeg4"}
AUDIO: dict[str, Codec] = {"aac": "aac", "pcm_mulaw": "pcmu", "pcm_alaw": "pcma"}
#: URLs that make sense for a camera; a playlist of a hostile one must not name this server's files
_PROTOCOLS = "rtsp,rtp,rtcp,udp,tcp,http,https,tls,crypto,httpproxy"
#: formats without times of their own, or with invented ones: arrival is all there is
_WITHOUT_TIMES = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "m4v"})
_ADTS_HEAD, _ADTS_CRC = 7, 2

if TYPE_CHECKING:  # at run time it is no generic
    Packet = av.Packet[Any]


class Frame(NamedTuple):
    """One frame, ready to be sent."""

    stream: Stream
    payloads: list[bytes]
    timestamp: int


class Source:
    """An open stream. CameraError from `__init__` and `frames`; none of them shows the login."""

    def __init__(self, order: Order) -> None:
        try:
            self._container: InputContainer = av.open(
                _with_login(order), "r", options=_options(order), timeout=(TIMEOUT_S, TIMEOUT_S)
            )
        except (av.error.FFmpegError, OSError) as error:
            raise _failure(error) from None
        self._by_arrival = bool(_WITHOUT_TIMES & set(self._container.format.name.split(",")))
        video = _video(self._container)
        audio, note = _audio(self._container)
        self._takes: dict[int, Callable[[Packet], list[Frame]]] = {video.index: self._video_taker(video)}
        self._streams = [self._video]
        if audio is not None:
            self._takes[audio.index] = self._audio_taker(audio)
            self._streams.append(self._audio)
        self.described = Described(tuple(self._streams), note)

    def frames(self) -> Iterator[Frame]:
        """Every frame as it comes, until the camera ends the stream."""
        wanted = [stream for stream in self._container.streams if stream.index in self._takes]
        try:
            for packet in self._container.demux(wanted):
                if packet.size:
                    yield from self._takes[packet.stream.index](packet)
        except (av.error.FFmpegError, OSError) as error:
            raise _failure(error) from None

    def _video_taker(self, stream: av.VideoStream) -> Callable[[Packet], list[Frame]]:
        codec = VIDEO[stream.codec_context.name]
        extra = bytes(stream.codec_context.extradata or b"")
        if codec in FRAME_CODECS:
            config = extra if codec == "mpeg4" else b""
            sets = parameter_sets(stream.codec_context.width, stream.codec_context.height, config)
        else:
            sets = tuple(unit for unit in packets.annex_b(extra) if _is_set(codec, unit))
        self._video = told = Stream("video", codec, 96, VIDEO_CLOCK_HZ, 0, sets, "", 0)
        in_mp4_form = codec in NAL_CODECS and extra[:1] == b"\x01"
        unpack = BitStreamFilterContext(f"{stream.codec_context.name}_mp4toannexb", stream) if in_mp4_form else None

        timestamp = self._times(told.clock_rate)

        def take(packet: Packet) -> list[Frame]:
            return [
                self._picture(told, each, timestamp(each))
                for each in (unpack.filter(packet) if unpack else [packet])
                if each.size
            ]

        return take

    def _picture(self, told: Stream, packet: Packet, timestamp: int) -> Frame:
        data = bytes(packet)
        key = told.codec == "mjpeg" or packet.is_keyframe
        units = [dress(data, key)] if told.codec in FRAME_CODECS else packets.annex_b(data)
        return Frame(told, packets.nal_payloads(told.codec, units), timestamp)

    def _audio_taker(self, stream: av.AudioStream) -> Callable[[Packet], list[Frame]]:
        codec = AUDIO[stream.codec_context.name]
        config = bytes(stream.codec_context.extradata or b"")
        channels, rate = stream.codec_context.layout.nb_channels, stream.codec_context.sample_rate
        adts = codec == "aac" and not config
        if adts:
            config = _aac_config(stream)
        sets = (config,) if codec == "aac" else ()
        timestamp = self._times(rate)
        self._audio = told = Stream("audio", codec, 97, rate, channels, sets, "", 2)

        def take(packet: Packet) -> list[Frame]:
            data = bytes(packet)
            if adts:
                data = data[_ADTS_HEAD + (0 if data[1:2] and data[1] & 1 else _ADTS_CRC) :]
            if not data or len(data) > (packets.MAX_AAC if codec == "aac" else packets.MAX_PAYLOAD):
                return []
            payload = packets.aac_payload(data) if codec == "aac" else data
            return [Frame(told, [payload], timestamp(packet))]

        return take

    def _times(self, rate: int) -> Callable[[Packet], int]:
        """Gives the packets of one stream their RTP times."""
        times = Times(rate, by_arrival=self._by_arrival)

        def timestamp(packet: Packet) -> int:
            pts = packet.pts if packet.pts is not None else packet.dts
            return times.timestamp(None if pts is None else pts * packet.time_base, time.monotonic_ns())

        return timestamp


def _options(order: Order) -> dict[str, str]:
    micros = str(int(TIMEOUT_S * 1e6))
    options = {"protocol_whitelist": _PROTOCOLS, "analyzeduration": "2000000", "probesize": "2000000"}
    if urlsplit(order.url).scheme in ("rtsp", "rtsps"):
        return options | {"rtsp_transport": order.transport, "timeout": micros, "buffer_size": "2097152"}
    return options | {"rw_timeout": micros, "fpsprobesize": "0"}


def _with_login(order: Order) -> str:
    """The URL as libav wants it: the login inside, percent-encoded."""
    parts = urlsplit(order.url)
    username, password = order.username, order.password
    if not username and parts.username:
        username, password = unquote(parts.username), unquote(parts.password or "")
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username else ""
    return urlunsplit(parts._replace(netloc=login + host))


def _failure(error: Exception) -> CameraError:
    """What libav says, without the URL that it likes to add."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return CameraError("the camera refuses the user name or password", RETRY_REFUSED_S)
    if isinstance(error, av.error.ExitError | TimeoutError):
        return CameraError(f"the camera says nothing for {TIMEOUT_S:g} s")
    said = getattr(error, "strerror", None) or "unknown error"
    return CameraError(f"the stream cannot be read: {said}")


def _video(container: InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise CameraError("the camera offers no video at this path")
    for stream in container.streams.video:
        if stream.codec_context.name in VIDEO:
            if not stream.codec_context.width:
                raise CameraError("the camera sends no picture whose size can be told")
            return stream
    name = container.streams.video[0].codec_context.name
    raise CameraError(f"video codec {name} cannot be recorded, set the camera to H.264 or H.265", RETRY_REFUSED_S)


def _audio(container: InputContainer) -> tuple[av.AudioStream | None, str]:
    """The first sound that can be recorded; else what is left out, if anything."""
    for stream in container.streams.audio:
        if stream.codec_context.name in AUDIO and stream.codec_context.sample_rate:
            return stream, ""
    names = ", ".join(stream.codec_context.name for stream in container.streams.audio)
    return None, f"sound in {names} is not recorded" if names else ""


def _is_set(codec: str, unit: bytes) -> bool:
    nal = NAL_CODECS[codec]
    return len(unit) > nal.header_bytes and nal.kinds[unit[0]] in nal.sets


#: ISO 14496-3 table 1.18
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def _aac_config(stream: av.AudioStream) -> bytes:
    """AudioSpecificConfig of AAC-LC, for sound that says it in every frame (ADTS)."""
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels
    if rate not in _AAC_RATES:
        raise CameraError(f"sound in AAC with {rate} samples per second is not supported")
    return (2 << 11 | _AAC_RATES.index(rate) << 7 | channels << 3).to_bytes(2, "big")
