"""The head of a segment file: ftyp, our header box, moov. Pure functions, no I/O.

One track, id 1, its timescale the RTP clock rate. `moov` carries what a decoder needs (avcC, hvcC or esds): a file
plays by itself, and these bytes are the initialisation section of an HLS byte-range playlist.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from understudy.footage.model import SegmentHeader
from understudy.recorder.codec.frames import config_of
from understudy.recorder.codec.h265 import read_sps
from understudy.recorder.codec.nal import H264, H265, NalCodec
from understudy.recorder.fmp4.boxes import HEADER_UUID, box, full_box
from understudy.recorder.units import Codec, Format

TRACK_ID = 1
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LANGUAGE_UNDEFINED = 0x55C4


def init_section(header: SegmentHeader, format: Format) -> bytes:
    """The first bytes of a segment: ftyp, header box, moov. ValueError when no decoder could use `format`."""
    return b"".join(
        (
            box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"iso5", b"mp41"),
            box(b"uuid", HEADER_UUID, msgspec.json.encode(header)),
            box(b"moov", _mvhd(), _trak(format), box(b"mvex", _trex())),
        )
    )


def _mvhd() -> bytes:
    """Movie header: timescale 1000, duration 0 (it grows by fragments), next track 2."""
    return full_box(
        b"mvhd", 0, 0, struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100), _UNITY_MATRIX, struct.pack(">24xI", 2)
    )


def _trex() -> bytes:
    return full_box(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, 1, 0, 0, 0))


def _trak(format: Format) -> bytes:
    video = format.kind == "video"
    tkhd = full_box(
        b"tkhd",
        0,
        3,  # enabled, in the movie
        struct.pack(">IIIII8xHHHH", 0, 0, TRACK_ID, 0, 0, 0, 0, 0 if video else 0x100, 0),
        _UNITY_MATRIX,
        struct.pack(">II", format.width << 16, format.height << 16),
    )
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, format.clock_rate, 0, _LANGUAGE_UNDEFINED, 0))
    handler = (b"vide", b"video\0") if video else (b"soun", b"audio\0")
    hdlr = full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler[0]), handler[1])
    media_header = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
    data_here = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", media_header, data_here, _stbl(format))))


def _stbl(format: Format) -> bytes:
    """Sample table: the sample description, and the tables that fragments leave empty."""
    entry = _ENTRIES[format.codec](format)
    return box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )


def _visual(kind: bytes, format: Format, configuration: bytes) -> bytes:
    """A VisualSampleEntry; `configuration` is the codec's own box."""
    return box(
        kind,
        struct.pack(">6xH16xHHIIIH32sHh", 1, format.width, format.height, 0x480000, 0x480000, 0, 1, bytes(32), 24, -1),
        configuration,
    )


def _avc1(format: Format) -> bytes:
    return _visual(b"avc1", format, box(b"avcC", _avc_configuration(format.parameter_sets)))


def _avc_configuration(parameter_sets: tuple[bytes, ...]) -> bytes:
    """AVCDecoderConfigurationRecord (ISO 14496-15 5.3.3) for 4-byte NAL unit lengths."""
    sps, pps = _by_kind(H264, parameter_sets)
    if not sps or not pps or len(sps) > 31 or len(pps) > 255 or len(sps[0]) < 4:
        raise ValueError(f"H.264 needs 1-31 SPS and 1-255 PPS; there are {len(sps)} and {len(pps)}")
    return bytes((1, *sps[0][1:4], 0xFF, 0xE0 | len(sps))) + _listed(sps) + bytes((len(pps),)) + _listed(pps)


def _hvc1(format: Format) -> bytes:
    return _visual(b"hvc1", format, box(b"hvcC", _hevc_configuration(format.parameter_sets)))


def _hevc_configuration(parameter_sets: tuple[bytes, ...]) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO 14496-15 8.3.3) for 4-byte NAL unit lengths; all sets are in it (`hvc1`)."""
    groups = _by_kind(H265, parameter_sets)
    if not all(groups):
        raise ValueError("H.265 needs a VPS, an SPS and a PPS")
    sps = read_sps(groups[1][0])
    # Reserved bits are ones; segmentation, parallelism and frame rate are not known: zero.
    record = struct.pack(
        ">B12sHBBBBHB",
        1,
        sps.profile,
        0xF000,
        0xFC,
        0xFC | sps.chroma,
        0xF8 | sps.luma_depth - 8,
        0xF8 | sps.chroma_depth - 8,
        0,
        sps.sub_layers << 3 | sps.temporal_nesting << 2 | 3,
    )
    arrays = [struct.pack(">BH", 0x80 | kind, len(units)) for kind, units in zip(H265.sets, groups, strict=True)]
    lists = [head + _listed(units) for head, units in zip(arrays, groups, strict=True)]
    return record + bytes((len(lists),)) + b"".join(lists)


def _by_kind(codec: NalCodec, parameter_sets: tuple[bytes, ...]) -> list[list[bytes]]:
    """The sets that fit behind a 16-bit length, one list per kind of the codec."""
    usable = [unit for unit in parameter_sets if 0 < len(unit) <= 0xFFFF]
    return [[unit for unit in usable if codec.kinds[unit[0]] == kind] for kind in codec.sets]


def _listed(units: list[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def _audio(kind: bytes, format: Format, *configuration: bytes) -> bytes:
    """An AudioSampleEntry of 16 bits, which is what G.711 and AAC unpack to."""
    # The field is 16.16 bits: a rate that does not fit is left to the decoder configuration.
    rate = format.clock_rate << 16 if format.clock_rate < 0x10000 else 0
    return box(kind, struct.pack(">6xH8xHHHHI", 1, format.channels or 1, 16, 0, 0, rate), *configuration)


def _mp4a(format: Format) -> bytes:
    return _audio(b"mp4a", format, full_box(b"esds", 0, 0, _elementary_stream(format.parameter_sets)))


def _ulaw(format: Format) -> bytes:
    return _audio(b"ulaw", format)


def _alaw(format: Format) -> bytes:
    return _audio(b"alaw", format)


def _elementary_stream(parameter_sets: tuple[bytes, ...]) -> bytes:
    """ES_Descriptor (ISO 14496-1) of MPEG-4 AAC around the AudioSpecificConfig."""
    if len(parameter_sets) != 1 or not 2 <= len(parameter_sets[0]) <= 64:
        raise ValueError("AAC needs one AudioSpecificConfig of 2-64 bytes")
    return _es_descriptor(0x40, 5, parameter_sets[0])


def _mp4v(format: Format) -> bytes:
    """MPEG-4 part 2, or Motion JPEG as QuickTime, VLC and ffmpeg know it."""
    config = config_of(format.parameter_sets)
    if len(config) > 90:
        raise ValueError(f"the decoder configuration of MPEG-4 is at most 90 bytes long; there are {len(config)}")
    described = _es_descriptor(0x20 if format.codec == "mpeg4" else 0x6C, 4, config)
    return _visual(b"mp4v", format, full_box(b"esds", 0, 0, described))


def _es_descriptor(object_type: int, stream_type: int, config: bytes) -> bytes:
    """Object types: 0x40 MPEG-4 audio, 0x20 MPEG-4 visual, 0x6C JPEG; stream types: 4 visual, 5 audio."""
    specific = _descriptor(5, config) if config else b""
    # behind the stream type a reserved bit that is set; buffer size and bit rates unknown
    decoder = _descriptor(4, struct.pack(">BB11x", object_type, stream_type << 2 | 1) + specific)
    return _descriptor(3, struct.pack(">HB", TRACK_ID, 0) + decoder + _descriptor(6, b"\x02"))


def _descriptor(tag: int, content: bytes) -> bytes:
    assert len(content) < 128, "one length byte"
    return bytes((tag, len(content))) + content


_ENTRIES: dict[Codec, Callable[[Format], bytes]] = {
    "h264": _avc1,
    "h265": _hvc1,
    "mjpeg": _mp4v,
    "mpeg4": _mp4v,
    "aac": _mp4a,
    "pcmu": _ulaw,
    "pcma": _alaw,
}
