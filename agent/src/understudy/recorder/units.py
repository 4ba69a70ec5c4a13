"""What flows through the recorder: access units, from ingest to ring and segments. Pure data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StreamKind = Literal["video", "audio"]
#: pcmu and pcma are G.711 µ-law and A-law; mjpeg and mpeg4 (part 2) come by `recorder/fallback` only
Codec = Literal["h264", "h265", "mjpeg", "mpeg4", "aac", "pcmu", "pcma"]


@dataclass(frozen=True, slots=True)
class Format:
    """What a decoder needs before the first frame of an elementary stream. A change of format starts a new segment."""

    kind: StreamKind
    codec: Codec
    #: RTP clock rate, Hz; also the media timescale of the segment
    clock_rate: int
    #: H.264: SPS and PPS, H.265: VPS, SPS and PPS NAL units, without start codes; AAC: the AudioSpecificConfig as the
    #: only item; G.711: none; Motion JPEG, MPEG-4: see `codec/frames.py`
    parameter_sets: tuple[bytes, ...]
    width: int = 0
    height: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One frame of video, one AAC frame or one packet of G.711, as the camera encoded it."""

    #: presentation time in ticks of the format's clock rate, 64 bit, continuous within one session
    pts: int
    #: when it was captured, as well as this server can tell: microseconds since the epoch, UTC
    wall_us: int
    #: a decoder can begin here: IDR (H.264), IRAP (H.265), every unit of sound
    key: bool
    #: video: NAL units in 4-byte length form (as in MP4), parameter sets and AUD left out; AAC: the raw frame;
    #: G.711: one byte per sample and channel
    payload: bytes
    #: video: CRC-32 of the slice NAL units only (H.264 types 1-5, H.265 types 0-31), so that two recorders agree;
    #: sound: of the payload
    crc: int
