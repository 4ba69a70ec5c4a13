"""Our recorder as a process, with a plan for the simulated cameras and disk C on a mount of its own.

As a program (`python -m bench.recorder_process DIRECTORY`): what `understudy recorder` runs, with the files and the
socket in DIRECTORY instead of `/etc`, `/var/lib` and `/run`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from understudy import control
from understudy.recorder import service
from understudy.recorder.service import Places
from understudy.site.plan import Camera, Disk, Logical, Nic, Plan, Server, Source, Track

from bench.cameras import Cameras
from bench.processes import Group, ProcessError
from bench.tools import PYTHON

PART = "north"
_STARTED_S = 60.0


def plan(node: Literal["rec1", "stby1"], disk: Path, cameras: Cameras, preroll_s: float) -> Plan:
    """A site of rec1 and its standby stby1, as `node` sees it."""
    nics = (Nic(name="lo", role="cameras", addresses=("127.0.0.1/8",)),)
    disks = (Disk(letter="C", path=str(disk)),)
    track = Track(name="main", disk="C", days=1)
    return Plan(
        version=1,
        site="benchmark",
        node=node,
        servers=(
            Server(name="rec1", kind="server", nics=nics, disks=disks),
            Server(name="stby1", kind="standby", rank=0, nics=nics, disks=disks),
        ),
        logical=(
            Logical(
                name=PART,
                home="rec1",
                cameras=tuple(
                    Camera(
                        number=number,
                        name=name,
                        source=Source(
                            type="rtsp", url=cameras.url(name), username=cameras.user, password=cameras.password
                        ),
                        preroll_s=preroll_s,
                        tracks=(track,),
                    )
                    for number, name in enumerate(cameras.names, 1)
                ),
            ),
        ),
    )


class Recorder:
    """One recorder process. `directory` holds its plan, state and socket; `group` measures and stops it."""

    def __init__(self, directory: Path, of: Plan) -> None:
        self.group = Group("understudy", directory / "recorder.log")
        self.disk = Path(of.me.disks[0].path)
        self._directory = directory
        (directory / "state").mkdir(parents=True, exist_ok=True)
        (directory / "plan.json").write_bytes(msgspec.json.encode(of))

    def __enter__(self) -> Recorder:
        self.group.start([*PYTHON, "-m", "bench.recorder_process", str(self._directory)])
        socket = self._directory / "control.sock"
        self._until(socket.exists, "does not open its control socket")
        return self

    def __exit__(self, *_: object) -> None:
        self.group.stop()

    def assign(self, mode: Literal["record", "preroll", "off"]) -> None:
        """Have all cameras recorded, held in pre-roll, or let go."""
        control.call(self._directory / "control.sock", "assign", parts={PART: {"mode": mode}})

    def idle_bytes(self) -> int:
        """PSS as long as nothing is assigned, beside whatever else runs."""
        time.sleep(1)
        return self.group.cost().pss_bytes

    def cameras(self) -> list[dict[str, Any]]:
        """Progress of every camera."""
        told: list[dict[str, Any]] = control.call(self._directory / "control.sock", "progress")["parts"][PART][
            "cameras"
        ]
        return told

    def wait_for_frames(self) -> None:
        """Until every camera has frames on disk or in its ring."""
        self._until(lambda: all(camera["frames"] for camera in self.cameras()), "gets no frames of some camera")

    def wait_until_recording(self) -> None:
        """Until every camera has a frame on disk since it was told to record."""
        self._until(
            lambda: all(camera["first_frame_wall_s"] for camera in self.cameras()), "does not write some camera"
        )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(int(_STARTED_S / 0.05)):
            if condition():
                return
            self.group.check()
            time.sleep(0.05)
        raise ProcessError(f"our recorder {what} within {_STARTED_S:g} s")

    def files(self, number: int) -> list[Path]:
        """The video files of camera `number`."""
        return sorted(self.disk.glob(f"{PART}/{number:03d}/main/*/*.v.mp4"))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(service.main(Places(place / "plan.json", place / "state", place / "control.sock")))
