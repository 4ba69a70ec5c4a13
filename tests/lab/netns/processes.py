"""What runs on a machine in miniature, each started as
`python -m netns.processes agent|recorder DIRECTORY CAMERAS`.

Every machine has a directory in place of `/`; the agent is the real one.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from pathlib import Path
from typing import Any

from understudy import control, paths
from understudy.failover import loop
from understudy.site import plan as site_plan

#: how long this recorder's cameras take to deliver their first frame
FIRST_FRAME_S = 0.3


def move_paths(root: Path) -> None:
    """Make everything that is under `/` for a server be under `root`."""
    for name, value in vars(paths).items():
        if isinstance(value, Path):
            setattr(paths, name, root / value.relative_to("/"))
    site_plan.load = functools.partial(site_plan.load, root / site_plan.PLAN_PATH.relative_to("/"))


class Recorder:
    """Answers like the recorder, with a number of cameras for each part and no pictures."""

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        #: part -> mode, and since when (wall clock)
        self.parts: dict[str, tuple[str, float]] = {}

    async def assign(self, request: dict[str, Any]) -> dict[str, Any]:
        now_s = time.time()
        wanted = {name: part["mode"] for name, part in request["parts"].items()}
        kept = {name: self.parts.get(name) for name in wanted}
        self.parts = {
            name: (mode, old[1] if (old := kept[name]) and old[0] == mode else now_s) for name, mode in wanted.items()
        }
        return {}

    async def progress(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"node": "", "disks": {}, "parts": {name: self._part(*part) for name, part in self.parts.items()}}

    def _part(self, mode: str, since_s: float) -> dict[str, Any]:
        age_s = time.time() - since_s
        recording = mode == "record" and age_s > FIRST_FRAME_S
        cameras = [self._camera(number, mode, since_s, age_s, recording) for number in range(1, self._cameras + 1)]
        return {"mode": mode, "cameras": cameras}

    @staticmethod
    def _camera(number: int, mode: str, since_s: float, age_s: float, recording: bool) -> dict[str, Any]:
        return {
            "number": number,
            "name": f"Camera {number}",
            "mode": {"record": "recording", "preroll": "pre-roll"}.get(mode, "off"),
            "frames": int(age_s * 25),
            "last_frame_age_s": 0.04,
            "first_frame_wall_s": since_s + FIRST_FRAME_S if recording else None,
            "engine": "native",
            "error": None,
        }


async def record(cameras: int) -> None:
    """Serve the recorder's control socket for ever."""
    recorder = Recorder(cameras)
    server = await control.serve(paths.RECORDER_SOCKET, {"assign": recorder.assign, "progress": recorder.progress})
    await server.serve_forever()


if __name__ == "__main__":
    move_paths(Path(sys.argv[2]))
    if sys.argv[1] == "recorder":
        asyncio.run(record(int(sys.argv[3])))
    sys.exit(loop.main())
