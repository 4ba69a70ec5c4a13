"""Tells people: takes what is due from the book, tries until it is taken, marks it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence, Set

from understudy.clock import boottime_s
from understudy.events import outbox
from understudy.events.book import Book
from understudy.events.channels import DeliveryError
from understudy.events.message import Note
from understudy.site.plan import Plan

log = logging.getLogger(__name__)

POLL_S = 1.0
#: a message that was refused for itself holds up no other, and is tried again so much later
REFUSED_S = 600.0

Deliver = Callable[[str, Sequence[Note], Plan], Awaitable[None]]


class Sender:
    """One for each way. `learn` asks the other servers what they know, right before something is told; `share` tells
    them right afterwards, so that they know it even if this one dies then."""

    def __init__(
        self,
        channel: str,
        plan: Plan,
        book: Book,
        there: Callable[[], Set[str]],
        learn: Callable[[], Awaitable[None]],
        share: Callable[[], Awaitable[None]],
        deliver: Deliver,
    ) -> None:
        self._channel = channel
        self._plan = plan
        self._book = book
        self._there = there
        self._learn = learn
        self._share = share
        self._deliver = deliver
        self._tries = 0
        self._not_before_s = 0.0
        self._refused: dict[str, float] = {}

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(POLL_S)

    async def round(self) -> None:
        """Tell what is due, if this way is to be tried now."""
        if boottime_s() < self._not_before_s or not self._due():
            return
        await self._learn()  # another server may have told it while this one was away
        now_us = time.time_ns() // 1000
        incidents = self._book.all()
        for batch in outbox.batches(self._due(), incidents, self._channel, self._plan.notify.per_hour, now_us):
            if not await self._tell(batch):
                return

    def _due(self) -> list[Note]:
        now_us, now_s = time.time_ns() // 1000, boottime_s()
        notes = outbox.due(self._book.all(), self._channel, self._plan.node, self._there(), now_us)
        return [note for note in notes if self._refused.get(note.name, 0.0) <= now_s]

    async def _tell(self, batch: list[Note]) -> bool:
        """Whether to go on with the next."""
        try:
            await self._book.save()  # an incident that people know of is never forgotten
            await self._deliver(self._channel, batch, self._plan)
        except DeliveryError as error:
            if error.refused:
                log.error("%s of %s: %s", self._channel, batch[0].name, error)
                self._refused |= {note.name: boottime_s() + REFUSED_S for note in batch}
                return True
            self._wait(str(error))
            return False
        except OSError as error:
            self._wait(f"the book of incidents: {error}")
            return False
        self._tries = 0
        now_us = time.time_ns() // 1000
        for note in batch:
            self._book.sent(note.incident.id, f"{self._channel}:{note.phase}", now_us)
        await asyncio.gather(self._keep(), self._share())
        log.info("%s: told of %s", self._channel, ", ".join(note.name for note in batch))
        return True

    def _wait(self, reason: str) -> None:
        self._tries += 1
        wait_s = outbox.retry_s(self._tries)
        self._not_before_s = boottime_s() + wait_s
        log.warning("%s: %s; next try in %g s", self._channel, reason, wait_s)

    async def _keep(self) -> None:
        try:
            await self._book.save()
        except OSError as error:
            log.error("the book of incidents: %s; a crash now would tell once more", error)
