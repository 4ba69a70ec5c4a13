"""Paints the pictures of a clip: moving stripes, the camera's name and the time in the loop. Bytes only, no codec."""

from __future__ import annotations

import random
import zlib

WIDTH, HEIGHT = 640, 360
_DARK, _LIGHT = 16, 235
#: pixels a letter dot is wide and high
_DOT = 8
#: all letters a camera's name may have: rows of three dots, top to bottom, one octal digit each
_FONT = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71111",
    "8": "75757", "9": "75717", "a": "06357", "b": "44757", "c": "07447", "d": "11757", "e": "07747", "f": "34644",
    "g": "75716", "h": "44755", "i": "20222", "j": "10152", "k": "45655", "l": "22223", "m": "05755", "n": "06555",
    "o": "07557", "p": "07574", "q": "07571", "r": "05644", "s": "07427", "t": "27223", "u": "05557", "v": "05552",
    "w": "05575", "x": "05225", "y": "05716", "z": "07347", "-": "00700", ".": "00002", " ": "00000",
}  # fmt: skip
_TOP, _LEFT = 16, 16


class Painter:
    """Pictures of one camera as planes of yuv420p; each camera has colours and a grain of its own."""

    def __init__(self, name: str, fps: int) -> None:
        self._name = name
        self._fps = fps
        seed = zlib.crc32(name.encode())
        grain = random.Random(seed)
        self._period = 256
        wave = [abs(at - 128) for at in range(self._period)]
        wave = [60 + level + grain.randrange(24) for level in wave]
        self._texture = bytes(wave) * (WIDTH // self._period + 2)
        chroma = (WIDTH // 2) * (HEIGHT // 2)
        self._chroma = (bytes([96 + seed % 64]) * chroma, bytes([96 + seed // 64 % 64]) * chroma)

    def paint(self, index: int) -> tuple[bytes, bytes, bytes]:
        """The Y, U and V planes of a picture, without padding."""
        starts = ((row // 2 + 3 * index) % self._period for row in range(HEIGHT))
        rows = [self._texture[start : start + WIDTH] for start in starts]
        second, picture = divmod(index, self._fps)
        text = f"{self._name} {second:02}.{picture:02}"
        for dot_row in range(5):
            line = b"".join(_letter_row(letter, dot_row) for letter in text)
            for row in range(_TOP + dot_row * _DOT, _TOP + (dot_row + 1) * _DOT):
                rows[row] = rows[row][:_LEFT] + line + rows[row][_LEFT + len(line) :]
        return (b"".join(rows), *self._chroma)


def _letter_row(letter: str, dot_row: int) -> bytes:
    dots = int(_FONT[letter][dot_row])
    shades = (_LIGHT if dots & bit else _DARK for bit in (4, 2, 1))
    return b"".join(bytes([shade]) * _DOT for shade in shades) + bytes([_DARK]) * _DOT
