"""A recorder in miniature: which stretches of a camera's time it has, with pre-roll, unsynced tails and slow starts.

Times are true time of the simulated world in seconds.
"""

from __future__ import annotations

from understudy.failover.model import Mode

#: what a standby's ring holds
PREROLL_S = 15.0
#: from connecting to the first frame
CONNECT_S = 0.5
#: from the assignment to first frames of all cameras written
READY_S = 1.0
#: a crash loses what was not synced yet
UNSYNCED_S = 2.0
#: an orderly end loses nothing
UNSYNCED_NONE_S = 0.0


class Recorder:
    """One machine's recorder: survives its agent, not its machine; resumes its assignment by itself."""

    def __init__(self) -> None:
        self.running = True
        self.assignment: dict[str, Mode] = {}
        #: part -> since when frames are being written / the ring holds frames
        self._writing: dict[str, float] = {}
        self._ring: dict[str, float] = {}
        #: part -> since when it is in mode record
        self.recording_since: dict[str, float] = {}
        #: part -> finished stretches
        self.footage: dict[str, list[tuple[float, float]]] = {}

    def assign(self, parts: dict[str, Mode], now: float) -> None:
        """Take over a whole assignment; idempotent."""
        if parts == self.assignment:
            return
        for name, mode in parts.items():
            if self.assignment.get(name) != mode:
                self._change(name, mode, now)
        self.assignment = dict(parts)

    def _change(self, name: str, mode: Mode, now: float) -> None:
        if name in self._writing:
            self._close(name, now)
            self._ring[name] = now
        if mode == "off":
            self._ring.pop(name, None)
        if mode == "record":
            ring = self._ring.pop(name, now + CONNECT_S)
            self._writing[name] = max(ring, now - PREROLL_S)
            self.recording_since[name] = now
        elif mode == "preroll":
            self._ring.setdefault(name, now + CONNECT_S)

    def _close(self, name: str, end: float) -> None:
        start = self._writing.pop(name)
        self.recording_since.pop(name, None)
        if end > start:
            self.footage.setdefault(name, []).append((start, end))

    def crash(self, now: float, unsynced_s: float = UNSYNCED_S) -> None:
        """Power cut: the ring is gone, and so is what was not synced."""
        for name in list(self._writing):
            self._close(name, now - unsynced_s)
        self._ring.clear()
        self.running = False

    def boot(self, now: float) -> None:
        """Start again with the assignment on disk."""
        self.running = True
        assignment, self.assignment = self.assignment, {}
        self.assign(assignment, now)

    def stretches(self, name: str, now: float) -> list[tuple[float, float]]:
        """All footage of a part up to now."""
        found = list(self.footage.get(name, ()))
        if name in self._writing and self._writing[name] < now:
            found.append((self._writing[name], now))
        return found

    def ready(self, name: str, now: float) -> bool:
        """Every camera's first frame is written."""
        return name in self.recording_since and now - self.recording_since[name] >= READY_S
