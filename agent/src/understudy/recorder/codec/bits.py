"""Reading a parameter set bit by bit (ITU-T H.264 7.2 and 9.1, H.265 the same). No I/O."""

from __future__ import annotations


class Bits:
    """Reads past the end as ValueError, so that a cut parameter set is an error and never a loop."""

    def __init__(self, unit: bytes) -> None:
        """`unit` is a NAL unit, or a part of one, as it was sent."""
        # Emulation prevention: 00 00 03 stands for 00 00.
        payload = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def read(self, count: int) -> int:
        """The next `count` bits as a number."""
        if count > self._left:
            raise ValueError("parameter set too short")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """An Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 31:
                raise ValueError("Exp-Golomb code too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """A signed Exp-Golomb code, se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
