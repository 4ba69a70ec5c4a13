"""`understudy recorder`: the process. Ingest runs in the main thread, the control socket in another.

SIGTERM closes the segments and ends; SIGHUP reads the plan again. What a crash leaves is told in `segment_file.py`; the
next start reads the saved assignment and records within moments, whether or not the agent is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from understudy import control, journal, paths, systemd
from understudy.footage.catalogue import CatalogueError
from understudy.recorder import assignment, event_control
from understudy.recorder.camera import Feed
from understudy.recorder.event_track import EventTrack
from understudy.recorder.events import Events
from understudy.recorder.fleet import Fleet
from understudy.recorder.healing import Span
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.rings import Rings
from understudy.recorder.segments import Store, TrackWriter
from understudy.recorder.tracks import Tracks, Writer
from understudy.site.plan import PLAN_PATH, Plan, PlanError, Track, load

log = logging.getLogger(__name__)

#: without WatchdogSec= there is nobody to tell
_NO_WATCHDOG_S = 3600.0
#: how long the loop may take to answer a control request; it is never busy for longer than some ms
_ANSWER_S = 4.0
#: new objects between two collections; the default is 700
_GC_THRESHOLD = 50_000

Answer = TypeVar("Answer")


class HealRequest(msgspec.Struct, frozen=True):
    """What is missing elsewhere: times in microseconds since the epoch."""

    logical: str
    camera: int
    from_us: int
    to_us: int


@dataclass(frozen=True)
class Places:
    """Files and sockets; tests use their own."""

    plan: Path = PLAN_PATH
    state: Path = paths.RECORDER_STATE
    socket: Path = paths.RECORDER_SOCKET


class Service:
    """Owns store, loop and fleet. `run` returns after `stop`."""

    def __init__(self, plan: Plan, store: Store, places: Places) -> None:
        self._places = places
        self._store = store
        self._assignment_file = places.state / "assignment.json"
        self._events = Events(places.state / "events.json")
        self._loop = Loop()
        self._fleet = Fleet(plan, self._loop, self._open_tracks, Rings(systemd.kept()))
        #: one assign after the other: the file and the fleet must end up with the same one
        self._assigning = asyncio.Lock()
        self._watchdog_s = int(os.environ.get("WATCHDOG_USEC", 0)) / 2e6 or _NO_WATCHDOG_S
        self._next_watchdog_s = 0.0
        self._reload = False

    def _open_tracks(self, feed: Feed) -> Tracks:
        return Tracks([self._open_track(feed, track) for track in feed.tracks])

    def _open_track(self, feed: Feed, track: Track) -> Writer:
        logical, number = feed.logical, feed.camera.number
        writer = TrackWriter(
            store=self._store,
            logical=logical,
            camera=number,
            track=track.name,
            disk=track.disk,
            recorder=self._fleet.plan.node,
        )
        if track.mode == "event":
            return EventTrack(writer, lambda: self._events.of(logical, number), track.pre_s, track.post_s)
        return writer

    def stop(self, *_: object) -> None:
        """From a signal handler in the main thread, or from within the loop."""
        self._loop.stop()

    def reload(self, *_: object) -> None:
        """Read the plan again, at the next tick; from a signal handler."""
        self._reload = True

    def run(self) -> None:
        """Resume the saved assignment and serve until `stop`."""
        try:
            saved = assignment.load(self._assignment_file)
        except assignment.AssignmentError as error:
            log.error("%s; recording nothing until the agent assigns anew", error)
            saved = {}
        self._fleet.apply(self._fleet.plan, saved, time.monotonic())
        try:
            with self._control():
                systemd.notify("READY=1")
                self._loop.run(self._every_tick)
                systemd.notify("STOPPING=1")
        finally:
            self._fleet.close(time.monotonic())
            self._loop.close()

    def _every_tick(self, now_s: float) -> None:
        if now_s >= self._next_watchdog_s:
            self._next_watchdog_s = now_s + self._watchdog_s
            systemd.notify("WATCHDOG=1")
        if self._reload:
            self._reload = False
            self._read_plan(now_s)

    def _read_plan(self, now_s: float) -> None:
        try:
            plan = load(self._places.plan)
        except PlanError as error:
            log.error("%s; going on with the plan as it was", error)
            return
        if _stored(plan) != _stored(self._fleet.plan):
            log.warning("disk letters, lengths of tracks or homes changed: the disks follow when the recorder restarts")
        self._fleet.apply(plan, self._fleet.assignment, now_s)
        log.info("plan read again")

    @contextlib.contextmanager
    def _control(self) -> Iterator[None]:
        """Serve the control socket in a thread of its own while the block runs."""
        serving: Future[Callable[[], object]] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(serving)), name="control", daemon=True)
        thread.start()
        stop = serving.result()
        try:
            yield
        finally:
            stop()
            thread.join()

    async def _serve(self, serving: Future[Callable[[], object]]) -> None:
        """Answer requests until what `serving` is given is called."""
        handlers: dict[str, control.Handler] = {
            "assign": self._assign,
            "progress": self._progress,
            "heal": self._heal,
            "confirm-clock": self._confirm_clock,
            **event_control.handlers(lambda: self._fleet.plan, self._events),
        }
        stopped = asyncio.Event()
        try:
            server = await control.serve(self._places.socket, handlers)
        except BaseException as error:
            serving.set_exception(error)
            raise
        loop = asyncio.get_running_loop()
        serving.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
        await stopped.wait()
        server.close()

    async def _in_loop(self, action: Callable[[], Answer]) -> Answer:
        """Have `action` run in the ingest loop's thread; ControlError when the loop does not answer."""
        future: Future[Answer] = Future()

        def run() -> None:
            try:
                future.set_result(action())
            except Exception as error:
                future.set_exception(error)
                raise

        self._loop.call(run)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), _ANSWER_S)
        except TimeoutError as error:
            raise control.ControlError("the recorder's ingest loop does not answer") from error

    async def _assign(self, request: control.Document) -> control.Document:
        async with self._assigning:
            plan = self._fleet.plan
            try:
                wanted = assignment.decode(request.get("parts"), plan)
            except assignment.AssignmentError as error:
                raise control.ControlError(str(error)) from error
            # Recording does not wait for the system disk, whose sync takes seconds when it is busy, nor for its repair.
            saved, applied = await asyncio.gather(
                asyncio.to_thread(assignment.save, self._assignment_file, wanted),
                self._in_loop(lambda: self._fleet.apply(self._fleet.plan, wanted, time.monotonic())),
                return_exceptions=True,
            )
            if isinstance(saved, OSError):
                raise control.ControlError(f"assigned, but it cannot be saved: {saved}") from saved
            for failure in (saved, applied):
                if isinstance(failure, BaseException):
                    raise failure
        log.info("assigned: %s", ", ".join(f"{name} {mode}" for name, mode in sorted(wanted.items())) or "nothing")
        return {}

    async def _progress(self, _: control.Document) -> control.Document:
        progress = await self._in_loop(lambda: self._fleet.progress(self._store.disks(), time.monotonic()))
        return {**progress, "clock": self._store.clock.problem, "pid": os.getpid()}

    async def _confirm_clock(self, _: control.Document) -> control.Document:
        await asyncio.to_thread(self._store.clock.confirm)
        return {}

    async def _heal(self, request: control.Document) -> control.Document:
        try:
            wanted = msgspec.convert(request, HealRequest)
        except msgspec.ValidationError as error:
            raise control.ControlError(f"heal: {error}") from error
        if wanted.from_us >= wanted.to_us:
            raise control.ControlError("heal: from_us must be before to_us")
        span = Span(wanted.from_us, wanted.to_us)
        healing = await self._in_loop(lambda: self._fleet.heal(wanted.logical, wanted.camera, span))
        if isinstance(healing, str):
            return {"frames": 0, "reason": healing}
        # Not wait_for: that would cancel what goes on, and whoever asks again gets its result.
        done, _ = await asyncio.wait([asyncio.wrap_future(healing.frames)], timeout=_ANSWER_S)
        if not done:
            raise control.ControlError("the pre-roll is still being written")
        frames = healing.frames.result()
        return {"frames": frames, "reason": "" if frames else "the pre-roll holds no key frame of it"}


def _stored(plan: Plan) -> object:
    """What of the plan the store was made with."""
    lengths = {
        (logical.name, logical.home, camera.number, track.name): track.days
        for logical in plan.logical
        for camera in logical.cameras
        for track in camera.tracks
    }
    return plan.me.disks, lengths


def main(places: Places | None = None) -> int:
    """Run the recorder; 1 when the plan or the catalogue cannot be used."""
    journal.setup()
    # Rings are hundreds of thousands of small tuples without cycles: looking through them often would find nothing.
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
    places = places or Places()
    try:
        plan = load(places.plan)
        store = Store(plan, places.state)
    except (PlanError, CatalogueError) as error:
        log.critical("%s", error)
        return 1
    store.start()
    service = Service(plan, store, places)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.stop)
    signal.signal(signal.SIGHUP, service.reload)
    try:
        service.run()
    finally:
        store.close()
    return 0
