"""What the engines of a run have in common: all of them must play all cameras before anything is measured."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.cameras import Cameras
from bench.processes import Group, ProcessError

CONNECTED_S = 60.0


def connected(cameras: Cameras, groups: Sequence[Group]) -> None:
    """Until every engine plays every camera; ProcessError when that takes too long."""
    wanted = len(cameras.names) * len(groups)
    deadline_s = time.monotonic() + CONNECTED_S
    while (playing := cameras.kept().clients) < wanted:
        for group in groups:
            group.check()
        if time.monotonic() > deadline_s:
            raise ProcessError(f"only {playing} of {wanted} sessions play")
        time.sleep(0.5)
