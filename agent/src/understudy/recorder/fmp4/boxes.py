"""ISO base media boxes: making them, and reading their headers within bounds. Pure functions on bytes, no I/O."""

from __future__ import annotations

import struct
from typing import NamedTuple

#: the user types of our `uuid` boxes: 16 bytes that a hex dump spells out
HEADER_UUID = b"UNDERSTUDYSEGHDR"
INDEX_UUID = b"UNDERSTUDYFRAMES"

BOX_HEADER = struct.Struct(">I4s")


class Box(NamedTuple):
    """A box found in a buffer: its type, where its content begins and where the box ends, as offsets in the buffer."""

    kind: bytes
    body: int
    end: int


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of the four-letter type `kind` around `content`; at most 4 GiB, which no part comes near."""
    return BOX_HEADER.pack(8 + sum(map(len, content)), kind) + b"".join(content)


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box whose content begins with a version (8 bits) and flags (24 bits)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def read_box(data: bytes, offset: int, kind: bytes) -> Box:
    """The box at `offset` in `data`, which must be of type `kind` and lie wholly inside; ValueError otherwise."""
    if offset + 8 > len(data):
        raise ValueError(f"no {kind.decode()} box: the data end at {len(data)}")
    size, found = BOX_HEADER.unpack_from(data, offset)
    if found != kind:
        raise ValueError(f"expected a {kind.decode()} box, found {found!r}")
    if size < 8 or offset + size > len(data):
        raise ValueError(f"a {kind.decode()} box of {size} bytes does not fit")
    return Box(kind, offset + 8, offset + size)


def read_full_box(data: bytes, offset: int, kind: bytes, version: int, flags: int, body: struct.Struct) -> Box:
    """`read_box` for a box of this version and flags with room for `body`; its body is behind version and flags."""
    found = read_box(data, offset, kind)
    if found.end - found.body < 4 + body.size:
        raise ValueError(f"a {kind.decode()} box is too short")
    if struct.unpack_from(">I", data, found.body)[0] != version << 24 | flags:
        raise ValueError(f"a {kind.decode()} box is not of the kind we write")
    return Box(kind, found.body + 4, found.end)
