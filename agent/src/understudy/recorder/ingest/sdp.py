"""Session descriptions (RFC 4566) of cameras: which streams there are and which of them we record. No I/O.

Tolerant on purpose: an unreadable line costs what it says, never the description.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from understudy.recorder.codec.nal import NAL_CODECS
from understudy.recorder.ingest.errors import CameraError, Unsupported
from understudy.recorder.ingest.message import parameters
from understudy.recorder.units import Codec, StreamKind

_MAX_MEDIA = 32
#: payload types that need no rtpmap (RFC 3551 table 4): encoding and clock rate
_STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000)}
_VIDEO: dict[str, Codec] = {"H264": "h264", "H265": "h265"}
_G711: dict[str, Codec] = {"PCMU": "pcmu", "PCMA": "pcma"}
_CLOCK_RATES = range(1_000, 1_000_001)


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section."""

    kind: str
    payload_type: int
    encoding: str
    clock_rate: int
    channels: int
    format: dict[str, str]
    control: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream we record."""

    kind: StreamKind
    codec: Codec
    payload_type: int
    clock_rate: int
    channels: int
    #: video: the parameter sets of the description, if any; AAC: the AudioSpecificConfig; G.711: none
    parameter_sets: tuple[bytes, ...]
    control: str
    #: interleaved channel of its RTP packets; RTCP is on the next one. Known after SETUP
    channel: int = -1


@dataclass(frozen=True, slots=True)
class Description:
    media: tuple[Media, ...]
    #: session-level `a=control`
    control: str


def parse(document: bytes) -> Description:
    """Read an SDP document; what is not understood is left out."""
    session_control = ""
    sections: list[tuple[str, dict[str, str]]] = []
    for line in document.decode("utf-8", "replace").splitlines():
        key, _, value = line.strip().partition("=")
        if key == "m" and len(sections) < _MAX_MEDIA:
            sections.append((value, {}))
        elif key == "a":
            name, _, text = value.partition(":")
            if name in ("rtpmap", "fmtp"):
                payload_type, _, text = text.partition(" ")
                name = f"{name} {payload_type}"
            if sections:
                sections[-1][1].setdefault(name, text.strip())
            elif name == "control":
                session_control = text.strip()
    media = [found for first, attributes in sections if (found := _media(first, attributes))]
    return Description(tuple(media), session_control)


def _media(first: str, attributes: dict[str, str]) -> Media | None:
    match = re.match(r"(\S+)\s+\S+\s+RTP/\S+\s+(\d{1,3})\b", first)
    if not match:
        return None
    encoding, clock_rate = _STATIC.get(match[2], ("", 0))
    channels = 1
    mapped = re.match(r"([^\s/]+)/(\d{1,9})(?:/(\d{1,2}))?", attributes.get(f"rtpmap {match[2]}", ""))
    if mapped:
        encoding, clock_rate, channels = mapped[1].upper(), int(mapped[2]), int(mapped[3] or 1)
    return Media(
        kind=match[1].lower(),
        payload_type=int(match[2]),
        encoding=encoding,
        clock_rate=clock_rate,
        channels=channels,
        format=parameters(attributes.get(f"fmtp {match[2]}", "")),
        control=attributes.get("control", ""),
    )


def choose(description: Description) -> tuple[Stream, ...]:
    """The streams to record: the first H.264 or H.265 video, and the first AAC or G.711 audio.

    CameraError when there is no video or its codec is not supported; other media are ignored.
    """
    videos = [media for media in description.media if media.kind == "video"]
    if not videos:
        raise CameraError("the camera offers no video at this path")
    video = next((media for media in videos if media.encoding in _VIDEO), None)
    if video is None:
        name = "".join(c for c in videos[0].encoding if c.isalnum() or c in "-.")[:20]
        raise Unsupported(f"video codec {name or 'unknown'} is not supported, set the camera to H.264 or H.265")
    if video.format.get("sprop-max-don-diff", "0") != "0":
        raise CameraError("the camera sends its video out of order (sprop-max-don-diff), which is not supported")
    rate = video.clock_rate if video.clock_rate in _CLOCK_RATES else 90_000
    codec = _VIDEO[video.encoding]
    found = Stream("video", codec, video.payload_type, rate, 0, _sets(codec, video.format), video.control)
    sound = next((stream for media in description.media if (stream := _audio(media))), None)
    return (found, sound) if sound else (found,)


def _sets(codec: Codec, given: dict[str, str]) -> tuple[bytes, ...]:
    """The parameter sets of a description (RFC 6184 8.1, RFC 7798 7.1); those that cannot be read are left out."""
    names = ("sprop-parameter-sets",) if codec == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    nal = NAL_CODECS[codec]
    sets = []
    for text in ",".join(given.get(name, "") for name in names).split(","):
        try:
            unit = base64.b64decode(text.strip() + "==")
        except (binascii.Error, ValueError):
            continue
        if len(unit) > nal.header_bytes and nal.kinds[unit[0]] in nal.sets:
            sets.append(unit)
    return tuple(sets)


def _audio(media: Media) -> Stream | None:
    """The stream of a medium whose sound we record; None for any other."""
    if media.kind != "audio" or media.clock_rate not in _CLOCK_RATES:
        return None
    codec = _G711.get(media.encoding)
    sets: tuple[bytes, ...] = ()
    if codec is None:
        codec, sets = "aac", _aac_config(media)
        if not sets:
            return None
    elif not 1 <= media.channels <= 2:
        return None
    return Stream("audio", codec, media.payload_type, media.clock_rate, media.channels, sets, media.control)


def _aac_config(media: Media) -> tuple[bytes, ...]:
    """AudioSpecificConfig of an AAC-hbr stream (RFC 3640 3.3.6), as the only item; () for any other."""
    given = media.format
    if media.encoding != "MPEG4-GENERIC":
        return ()
    if given.get("mode", "").lower() != "aac-hbr" or given.get("sizelength", "13") != "13":
        return ()
    try:
        config = bytes.fromhex(given.get("config", ""))
    except ValueError:
        return ()
    return (config,) if 2 <= len(config) <= 64 else ()
