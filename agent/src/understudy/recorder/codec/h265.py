"""H.265 parameter sets (ITU-T H.265 7.3.2): identifiers, dimensions, and what a decoder configuration repeats. Pure."""

from __future__ import annotations

from typing import NamedTuple

from understudy.recorder.codec.bits import Bits

VPS, SPS, PPS = 32, 33, 34
#: general profile, compatibility and constraint flags, and level: the twelve bytes hvcC repeats
PROFILE_BYTES = 12
#: SubWidthC and SubHeightC by chroma_format_idc
_CHROMA_UNITS = ((1, 1), (2, 2), (2, 1), (1, 1))
_SUB_LAYER_PROFILE_BITS = 88
_SUB_LAYER_LEVEL_BITS = 8


class Sps(NamedTuple):
    """What we read of a sequence parameter set; sizes in pixels, depths in bits."""

    id: int
    profile: bytes
    sub_layers: int
    temporal_nesting: int
    chroma: int
    luma_depth: int
    chroma_depth: int
    width: int
    height: int


def set_id(unit: bytes) -> int:
    """The identifier of a VPS, SPS or PPS NAL unit; -1 when it cannot be read."""
    try:
        kind = unit[0] >> 1 & 0x3F
        if kind == VPS:
            return unit[2] >> 4
        bits = Bits(unit[2:128])
        if kind == SPS:
            _profile(bits)
        return bits.unsigned()
    except (ValueError, IndexError):
        return -1


def dimensions(sps: bytes) -> tuple[int, int]:
    """(width, height) in pixels from an SPS NAL unit; (0, 0) when it cannot be read."""
    try:
        found = read_sps(sps)
    except ValueError:
        return 0, 0
    return found.width, found.height


def read_sps(unit: bytes) -> Sps:
    """Read an SPS NAL unit up to its bit depths; ValueError when it is cut or makes no sense."""
    bits = Bits(unit[2:256])
    profile, sub_layers, nesting = _profile(bits)
    id = bits.unsigned()
    chroma = bits.unsigned()
    if chroma > 3:
        raise ValueError("chroma format out of range")
    if chroma == 3:
        bits.read(1)
    width, height = bits.unsigned(), bits.unsigned()
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        unit_x, unit_y = _CHROMA_UNITS[chroma]
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    luma, chroma_depth = bits.unsigned() + 8, bits.unsigned() + 8
    if not (0 < width <= 65_535 and 0 < height <= 65_535 and luma <= 16 and chroma_depth <= 16):
        raise ValueError("dimensions out of range")
    return Sps(id, profile, sub_layers, nesting, chroma, luma, chroma_depth, width, height)


def _profile(bits: Bits) -> tuple[bytes, int, int]:
    """The start of an SPS up to its identifier: general profile and level, number of sub-layers, temporal nesting."""
    bits.read(4)
    further = bits.read(3)
    nesting = bits.read(1)
    profile = bits.read(8 * PROFILE_BYTES).to_bytes(PROFILE_BYTES, "big")
    present = [(bits.read(1), bits.read(1)) for _ in range(further)]
    if further:
        bits.read(2 * (8 - further))
    for has_profile, has_level in present:
        bits.read(_SUB_LAYER_PROFILE_BITS * has_profile + _SUB_LAYER_LEVEL_BITS * has_level)
    return profile, further + 1, nesting
