"""Login throttling: after a few wrong passwords every further try waits, longer each time. Pure; seconds given in.

Counted by the address it comes from and by the user it is for. A user's own wait stays short, so that nobody can lock
another out by typing nonsense.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

#: wrong passwords before the first wait
FREE_TRIES = 5
#: the first wait; each further wrong password doubles it
FIRST_WAIT_S = 2.0
MAX_WAIT_S = {"address": 300.0, "user": 15.0}
#: without a try for so long everything is forgotten
FORGET_S = 900.0
#: addresses and users remembered; the oldest are dropped
MAX_REMEMBERED = 4096

Key = tuple[str, str]


@dataclass
class _Count:
    failures: int
    last_s: float


class Throttle:
    """Counts wrong passwords."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def wait_s(self, address: str, user: str, now_s: float) -> float:
        """How long this login has to wait; 0 when it may be tried now."""
        return max(self._wait_s(key, now_s) for key in _keys(address, user))

    def failed(self, address: str, user: str, now_s: float) -> None:
        """Note a wrong password."""
        for key in _keys(address, user):
            count = self._counts.pop(key, None)
            if count is None or now_s - count.last_s > FORGET_S:
                count = _Count(0, now_s)
            self._counts[key] = _Count(count.failures + 1, now_s)
        while len(self._counts) > MAX_REMEMBERED:
            self._counts.popitem(last=False)

    def succeeded(self, address: str, user: str) -> None:
        """Forget the failures of both."""
        for key in _keys(address, user):
            self._counts.pop(key, None)

    def _wait_s(self, key: Key, now_s: float) -> float:
        count = self._counts.get(key)
        if count is None or count.failures < FREE_TRIES or now_s - count.last_s > FORGET_S:
            return 0.0
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(count.failures - FREE_TRIES, 16), MAX_WAIT_S[key[0]])
        return max(0.0, count.last_s + wait_s - now_s)


def _keys(address: str, user: str) -> tuple[Key, Key]:
    return ("address", address), ("user", user)
