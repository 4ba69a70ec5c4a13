"""H.264 parameter sets (ITU-T H.264 7.3.2): dimensions and identifiers. Pure, no I/O."""

from __future__ import annotations

from understudy.recorder.codec.bits import Bits

SPS, PPS = 7, 8
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def set_id(unit: bytes) -> int:
    """The identifier of an SPS or PPS NAL unit; -1 when it cannot be read."""
    try:
        return Bits(unit[4:12] if unit[0] & 0x1F == SPS else unit[1:9]).unsigned()
    except (ValueError, IndexError):
        return -1


def dimensions(sps: bytes) -> tuple[int, int]:
    """(width, height) in pixels from an SPS NAL unit; (0, 0) when it cannot be read."""
    try:
        return _dimensions(Bits(sps[1:256]))
    except ValueError:
        return 0, 0


def _dimensions(bits: Bits) -> tuple[int, int]:
    profile = bits.read(8)
    bits.read(16)
    bits.unsigned()
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = _skip_high(bits)
    bits.unsigned()
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 256)):
            bits.signed()
    bits.unsigned()
    bits.read(1)
    width = (bits.unsigned() + 1) * 16
    height = (bits.unsigned() + 1) * 16
    frames_only = bits.read(1)
    if not frames_only:
        height *= 2
        bits.read(1)
    bits.read(1)
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    return (width, height) if 0 < width <= 65_535 and 0 < height <= 65_535 else (0, 0)


def _skip_high(bits: Bits) -> int:
    """The fields of the high profiles; returns chroma_format_idc."""
    chroma = bits.unsigned()
    if chroma == 3:
        bits.read(1)
    bits.unsigned()
    bits.unsigned()
    bits.read(1)
    if bits.read(1):
        for index in range(8 if chroma != 3 else 12):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) & 0xFF
        last = following or last
