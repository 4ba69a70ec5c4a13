"""The recorder's own parts around one simulated camera: loop, feed and store, in a thread, on a plain directory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understudy.footage.access import Footage
from understudy.footage.disks import Disks
from understudy.footage.export import Manifest, export
from understudy.footage.peers import Peers
from understudy.recorder.camera import CameraFeed, Feed, Mode
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.preroll import Ring
from understudy.recorder.segments import Store, TrackWriter
from understudy.recorder.tracks import Tracks
from understudy.site.plan import PLAN_VERSION, Camera, Disk, Logical, Plan, Server, Source, Track

TRACK = Track(name="main", disk="C", days=3650)


class Recording:
    """Records one camera between `with` and the end of the block; then the files are whole."""

    def __init__(self, root: Path, url: str, *, login: tuple[str, str] = ("", "")) -> None:
        self.letter = root / "C"
        self.letter.mkdir()
        self.plan = _plan(self.letter, url, login)
        self._store = Store(self.plan, root / "state", require_mount=False)
        self._loop = Loop(tick_s=0.01)
        self._thread = threading.Thread(target=self._loop.run, args=(lambda _: None,))
        camera = self.plan.logical[0].cameras[0]
        feed = Feed("north", camera, ("127.0.0.1/8",), (TRACK,))
        self._feed = CameraFeed(feed, self._loop, self._open, lambda feed: Ring(feed.camera.preroll_s))

    def _open(self, feed: Feed) -> Tracks:
        writer = TrackWriter(store=self._store, logical="north", camera=1, track="main", disk="C", recorder="rec1")
        return Tracks([writer])

    def __enter__(self) -> Recording:
        self._store.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mode("off")
        self._loop.call(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()

    def mode(self, mode: Mode) -> None:
        done = threading.Event()
        self._loop.call(lambda: (self._feed.set_mode(mode, time.monotonic()), done.set())[1])
        assert done.wait(5)

    def progress(self) -> dict[str, Any]:
        """What the recorder tells of the camera."""
        return self._feed.progress(time.monotonic())

    def until_frames(self, count: int) -> None:
        """Wait for so many pictures, written or in the ring."""
        self._until(lambda: self._feed.frames >= count)

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline_s, self._feed.progress(time.monotonic())
            threading.Event().wait(0.01)

    def files(self, stream: str) -> list[Path]:
        """The segment files of a stream, `v` or `a`, in order."""
        return sorted(self.letter.rglob(f"*.{stream}.mp4"))

    def export(self, root: Path, target: Path) -> Manifest:
        """Export all of it, after the block."""
        store = Store(self.plan, root / "state", require_mount=False)
        try:
            disks = Disks(self.plan.me, mounted=lambda path: path.is_dir())
            footage = Footage(self.plan, store.catalogue, disks, Peers(self.plan, None))
            rows = footage.local_rows("north", 1)
            first, last = min(row.start_us for row in rows), max(row.end_us for row in rows)
            return asyncio.run(export(footage, rows, first, last + 1, target))
        finally:
            store.catalogue.close()


def _plan(letter: Path, url: str, login: tuple[str, str]) -> Plan:
    disk = Disk(letter="C", path=str(letter), free_floor_bytes=0)
    camera = Camera(
        number=1,
        name="Gate",
        source=Source(type="rtsp", url=url, username=login[0], password=login[1]),
        tracks=(TRACK,),
    )
    return Plan(
        version=PLAN_VERSION,
        site="lab",
        node="rec1",
        servers=(Server(name="rec1", kind="server", disks=(disk,)),),
        logical=(Logical(name="north", home="rec1", cameras=(camera,)),),
    )
