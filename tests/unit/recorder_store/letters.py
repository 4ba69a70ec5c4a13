"""A site of one server with its letters in a temporary directory, and writers for its camera."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from understudy.recorder.segments import Store, TrackWriter
from understudy.recorder.units import AccessUnit, StreamKind
from understudy.site.plan import Camera, Disk, Logical, Plan, Server, Source, Track


def plan(root: Path, *, letters: str = "C", home: str = "rec1", days: float = 3650, floor_bytes: int = 0) -> Plan:
    # Ten years: the footage of these tests has fixed dates, and retention goes by today's.
    disks = tuple(Disk(letter=letter, path=str(root / letter), free_floor_bytes=floor_bytes) for letter in letters)
    camera = Camera(
        number=1, name="Gate", source=Source(type="rtsp"), tracks=(Track(name="main", disk="C", days=days),)
    )
    return Plan(
        version=1,
        site="lab",
        node="rec1",
        servers=(Server(name="rec1", kind="server", disks=disks), Server(name="rec2", kind="server")),
        logical=(Logical(name="north", home=home, cameras=(camera,)),),
    )


def store(root: Path, sync_s: float = 2, **options: object) -> Store:
    """A store on plain directories below `root`, made if need be."""
    made = plan(root, **options)
    for disk in made.me.disks:
        Path(disk.path).mkdir(parents=True, exist_ok=True)
    return Store(made, root / "state", require_mount=False, sync_s=sync_s)


def writer(store: Store, disk: str = "C") -> TrackWriter:
    track = "main" if disk == "C" else f"main-{disk}"
    return TrackWriter(store=store, logical="north", camera=1, track=track, disk=disk, recorder="rec1")


def feed(writer: TrackWriter, *streams: tuple[StreamKind, Iterable[AccessUnit]]) -> None:
    """Give the writer all units in the order of their capture, with ticks between."""
    units = [(unit.wall_us, kind, unit) for kind, stream in streams for unit in stream]
    for wall_us, kind, unit in sorted(units, key=lambda item: item[0]):
        writer.write(kind, unit)
        writer.tick(wall_us)


def later(units: Iterable[AccessUnit], seconds: float, rate: int = 90_000) -> list[AccessUnit]:
    """The same units as if captured `seconds` later in the same session."""
    return [
        dataclasses.replace(unit, pts=unit.pts + int(seconds * rate), wall_us=unit.wall_us + int(seconds * 1e6))
        for unit in units
    ]


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 10) -> None:
    """Poll for what another thread brings about; AssertionError with `what` when it does not."""
    deadline = time.monotonic() + timeout_s
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        tick.wait(0.01)
