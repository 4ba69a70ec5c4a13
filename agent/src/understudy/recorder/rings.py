"""Rings of all cameras and the service manager that keeps their memory while the recorder restarts.

systemd holds a second descriptor of each ring's memfd (FileDescriptorStoreMax= in the unit) and hands it to the next
process, after a crash as after an upgrade. What no camera in pre-roll claims is let go.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Set

from understudy import systemd
from understudy.recorder.camera import Feed
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Memory

log = logging.getLogger(__name__)

_PREFIX = "ring."


class Rings:
    """Opens rings; `stored` is what systemd kept: descriptors by name."""

    def __init__(self, stored: Mapping[str, int]) -> None:
        self._stored = {name: number for name, number in stored.items() if name.startswith(_PREFIX)}
        #: names under which systemd keeps a ring of this process
        self._kept: set[str] = set()

    def open(self, feed: Feed) -> Ring:
        """The camera's ring: with what it held before the process was started, if there is any."""
        name = _PREFIX + feed.label
        seconds, source = feed.camera.preroll_s, feed.camera.source.url
        descriptor = self._stored.pop(name, None)
        restored = Memory.restore(descriptor, source) if descriptor is not None else None
        if restored is not None:
            self._kept.add(name)
            ring = Ring(seconds, memory=restored[0], held=restored[1])
            log.info("%s: %.1f s of pre-roll from before the restart", feed.label, ring.seconds)
            return ring
        if name in self._kept or descriptor is not None:
            systemd.forget(name)
        memory = Memory(source)
        systemd.keep(name, memory.descriptor)
        self._kept.add(name)
        return Ring(seconds, memory=memory)

    def let_go_but(self, labels: Set[str]) -> None:
        """Have systemd keep the rings of these cameras only."""
        wanted = {_PREFIX + label for label in labels}
        for name in (self._kept | self._stored.keys()) - wanted:
            systemd.forget(name)
            self._kept.discard(name)
            descriptor = self._stored.pop(name, None)
            if descriptor is not None:
                os.close(descriptor)
