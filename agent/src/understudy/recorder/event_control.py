"""What the control socket answers about events: `event` begins one, `events` takes and tells windows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from understudy import control
from understudy.recorder.events import EventError, Events, Window, arm
from understudy.site.plan import Plan

log = logging.getLogger(__name__)


class EventRequest(msgspec.Struct, frozen=True):
    """An event that begins now."""

    logical: str
    camera: int
    for_s: float
    text: str = ""


def handlers(plan: Callable[[], Plan], events: Events) -> dict[str, control.Handler]:
    """The operations on `events`; `plan` gives the present one."""
    adding = asyncio.Lock()

    async def add(windows: list[Window]) -> None:
        try:
            async with adding:
                await asyncio.to_thread(events.add, windows, time.time_ns() // 1000)
        except OSError as error:
            raise control.ControlError(f"the event cannot be saved: {error}") from error

    async def event(request: control.Document) -> control.Document:
        try:
            wanted = msgspec.convert(request, EventRequest)
            now_us = time.time_ns() // 1000
            window = arm(plan(), wanted.logical, wanted.camera, wanted.for_s, wanted.text, now_us)
        except (msgspec.ValidationError, EventError) as error:
            raise control.ControlError(str(error)) from error
        await add([window])
        log.info("%s/%d: event for %g s: %s", window.logical, window.camera, wanted.for_s, window.text or "no text")
        return {"event": msgspec.to_builtins(window)}

    async def exchange(request: control.Document) -> control.Document:
        """Take the windows another server knows, if any are given; all that are known now."""
        try:
            await add(msgspec.convert(request.get("add", []), list[Window]))
        except msgspec.ValidationError as error:
            raise control.ControlError(f"events: {error}") from error
        return {"events": msgspec.to_builtins(events.all())}

    return {"event": event, "events": exchange}
