"""The agent's side of the recorder's control socket: what it records, and what it shall record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from understudy.clock import boottime_s
from understudy.control import ControlError, acall
from understudy.failover.model import Mode, PartProgress

log = logging.getLogger(__name__)

POLL_S = 0.5
ANSWER_S = 1.0
#: a recorder that restarts (0.3 s) is not yet one that does not answer
SILENT_S = 3.0
#: when the recorder reports other modes than it acknowledged, the assignment is sent again after this long
REPEAT_S = 3.0


def read_progress(answer: Mapping[str, Any]) -> dict[str, PartProgress]:
    """The parts of a `progress` answer (docs/reference/interfaces.md); ControlError when it is not one.

    A part is ready when every camera has its first frame since the part became `record`, or says why it cannot.
    """
    try:
        return {name: _part(part) for name, part in answer["parts"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"the recorder's progress cannot be read: {error!r}") from error


def _part(part: Mapping[str, Any]) -> PartProgress:
    mode = part["mode"]
    if mode not in ("record", "preroll", "off"):
        raise KeyError(f"mode {mode!r}")
    cameras = [camera for camera in part["cameras"] if camera["mode"] != "off"]
    ready = all(camera["first_frame_wall_s"] is not None or camera["error"] is not None for camera in cameras)
    return PartProgress(mode=mode, ready=mode == "record" and ready)


def disk_faults(answer: Mapping[str, Any]) -> list[str]:
    """Sentences about disk letters on which nothing can be recorded; a full one is the business of retention."""
    disks = answer.get("disks", {})
    return [
        f"disk letter {letter} is {disk.get('state')}"
        for letter, disk in sorted(disks.items())
        if disk.get("state") not in ("ok", "full")
    ]


class RecorderLink:
    """Polls progress, and sends the assignment whenever the recorder has another. Calls `changed` after news."""

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._wanted: dict[str, Mode] | None = None
        self._acknowledged: dict[str, Mode] | None = None
        self._acknowledged_s = 0.0
        self._wake = asyncio.Event()
        self._answered_s = boottime_s()
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None
        #: the newest answer to `progress`, empty before the first
        self.answer: dict[str, Any] = {}
        self._parts: dict[str, PartProgress] | None = None

    def start(self) -> None:
        """Begin polling; must run inside the event loop."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    def close(self) -> None:
        """Stop; the recorder goes on with its last assignment."""
        if self._task is not None:
            self._task.cancel()

    def assign(self, parts: dict[str, Mode]) -> None:
        """What the recorder shall do from now on; sent at once if it differs."""
        if parts != self._wanted:
            self._wanted = dict(parts)
            self._wake.set()

    def parts(self, now_s: float) -> dict[str, PartProgress] | None:
        """What the recorder does; None before its first answer and after `SILENT_S` without one."""
        return self._parts if now_s - self._answered_s < SILENT_S else None

    def limitation(self, now_s: float) -> str | None:
        """Why the recorder cannot take another part; None when it can."""
        if self.parts(now_s) is None:
            return self._trouble or "the recorder has not answered yet"
        return "; ".join(disk_faults(self.answer)) or None

    async def _run(self) -> None:
        while True:
            try:
                await self._exchange()
                if self._trouble:
                    log.info("the recorder answers again")
                self._trouble = ""
            except ControlError as error:
                self._acknowledged = None  # it may be another process by the time it answers
                if not self._trouble:
                    log.warning("recorder: %s", error)
                self._trouble = str(error)
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _exchange(self) -> None:
        self._wake.clear()
        if self._wanted is not None and self._wanted != self._acknowledged:
            await self._send(self._wanted)
        answer = await acall(self._path, "progress", timeout_s=ANSWER_S)
        parts = read_progress(answer)
        news = parts != self._parts
        self.answer, self._parts, self._answered_s = answer, parts, boottime_s()
        if self._differs(parts):
            self._acknowledged = None
        if news:
            self._changed()

    async def _send(self, wanted: dict[str, Mode]) -> None:
        parts = {name: {"mode": mode} for name, mode in wanted.items()}
        await acall(self._path, "assign", timeout_s=ANSWER_S, parts=parts)
        self._acknowledged, self._acknowledged_s = wanted, boottime_s()
        log.info("recorder: %s", ", ".join(f"{name} {mode}" for name, mode in wanted.items()) or "nothing")

    def _differs(self, parts: dict[str, PartProgress]) -> bool:
        """The recorder does something else than it acknowledged: it was restarted without what we told it."""
        if self._acknowledged is None or boottime_s() - self._acknowledged_s < REPEAT_S:
            return False
        doing = {name: part.mode for name, part in parts.items() if part.mode != "off"}
        return doing != {name: mode for name, mode in self._acknowledged.items() if mode != "off"}
