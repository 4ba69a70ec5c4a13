"""Small changes to an input, as data: drawn by a random generator or by hypothesis, applied the same way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["flip", "set", "cut", "insert", "repeat", "end"]
KINDS: tuple[Kind, ...] = ("flip", "set", "cut", "insert", "repeat", "end")
#: values that decide something: ends of ranges, type fields, `$`
BYTES = (0x00, 0x01, 0x02, 0x0D, 0x1C, 0x24, 0x62, 0x7C, 0x7F, 0x80, 0x85, 0xFE, 0xFF)
#: an input never grows beyond this, so that a slow one is slow for a reason
MAX_INPUT_BYTES = 256 * 1024
MAX_REPEATS = 2000


@dataclass(frozen=True)
class Edit:
    """One change at `place` (taken modulo the length); what `value` and `token` mean depends on the kind."""

    kind: Kind
    place: int
    value: int
    token: bytes


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The changed input, at most `MAX_INPUT_BYTES`."""
    for edit in edits:
        data = _apply(data, edit)[:MAX_INPUT_BYTES]
    return data


def _apply(data: bytes, edit: Edit) -> bytes:
    place = edit.place % (len(data) + 1)
    head, tail = data[:place], data[place:]
    if edit.kind == "flip":
        return head + bytes((tail[0] ^ 1 << edit.value % 8,)) + tail[1:] if tail else data
    if edit.kind == "set":
        return head + bytes((BYTES[edit.value % len(BYTES)],)) + tail[1:]
    if edit.kind == "cut":
        return head + tail[edit.value % 64 :]
    if edit.kind == "insert":
        return head + edit.token + tail
    if edit.kind == "repeat":
        piece = tail[: 1 + len(edit.token)]
        return head + piece * (edit.value % MAX_REPEATS) + tail
    return head


def draw(random: Random, tokens: Sequence[bytes]) -> list[Edit]:
    """A few edits; few are better: most of the input should still be what the reader expects."""
    return [
        Edit(random.choice(KINDS), random.randrange(1 << 16), random.randrange(1 << 12), random.choice(tokens))
        for _ in range(random.choice((1, 1, 2, 3, 5)))
    ]
