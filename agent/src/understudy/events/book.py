"""The book of incidents: one file, which is the alarm list and the queue of what is still to be told.

Everything is changed in memory and saved by `save`; nothing may be told before that. A crash leaves the book as last
saved: an incident that was not in it yet is found again by its cause, one that is marked as sent stays so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from understudy import durable
from understudy.events.incident import Incident, kept, merge

log = logging.getLogger(__name__)

FILE = "incidents.json"


class UnknownIncidentError(Exception):
    """There is no such incident; the text is for people."""


class Book:
    """Incidents by id. For one event loop."""

    def __init__(self, path: Path) -> None:
        """With what `path` says; a file that cannot be read is told, put aside and begun anew."""
        self._path = path
        self._incidents = _load(path)
        #: counts changes, for whoever passes them on
        self.version = 0
        self._saved = 0
        self._saving = asyncio.Lock()

    def all(self) -> list[Incident]:
        """Every incident, oldest first."""
        return list(self._incidents.values())

    def get(self, id: str) -> Incident:
        """The incident `id`; UnknownIncidentError when there is none."""
        try:
            return self._incidents[id]
        except KeyError:
            raise UnknownIncidentError(f"there is no incident {id!r}; `understudy alarms` tells their ids") from None

    def open(self, key: str) -> list[Incident]:
        """Open incidents of the key, oldest first: usually one; two when servers could not hear each other."""
        return [incident for incident in self._incidents.values() if incident.open and incident.key == key]

    def add(self, incident: Incident) -> None:
        """Have a new incident in the book."""
        log.warning("%s: %s: %s", incident.id, incident.title, incident.detail)
        self._put([incident], incident.opened_us)

    def change(self, id: str, **fields: Any) -> None:
        """Change what an incident says; only for the server that raised it, and for what only grows."""
        before = self._incidents[id]
        after = replace(before, **fields)
        if after != before:
            self._put([replace(after, revision=before.revision + 1)], after.opened_us)

    def close(self, id: str, over_us: int, text: str) -> None:
        """Note that an incident is over; again it changes nothing."""
        before = self._incidents[id]
        if before.open:
            log.info("%s: over: %s", id, text)
            self._put([replace(before, over_us=over_us, over_text=text)], over_us)

    def acknowledge(self, id: str, by: str, at_us: int) -> Incident:
        """Note who knows of an incident; the first one stays."""
        before = self.get(id)
        if before.acked_us is None:
            log.info("%s: acknowledged by %s", id, by)
            self._put([replace(before, acked_us=at_us, acked_by=by)], at_us)
        return self._incidents[id]

    def sent(self, id: str, what: str, at_us: int) -> None:
        """Note that `what` ("mail:opened") has been taken."""
        before = self._incidents.get(id)
        if before is not None:
            self._put([replace(before, sent={**before.sent, what: at_us})], at_us)

    def learn(self, incidents: Iterable[Incident], now_us: int) -> None:
        """Know what another server knows, too."""
        self._put([self._merged(incident) for incident in incidents], now_us)

    def _merged(self, incident: Incident) -> Incident:
        known = self._incidents.get(incident.id)
        return incident if known is None else merge(known, incident)

    def _put(self, incidents: Iterable[Incident], now_us: int) -> None:
        changed = [incident for incident in incidents if self._incidents.get(incident.id) != incident]
        if changed:
            self._incidents = kept([*{**self._incidents, **{i.id: i for i in changed}}.values()], now_us)
            self.version += 1

    async def save(self) -> None:
        """Have everything on disk; OSError when that cannot be done, and the next call tries again."""
        async with self._saving:
            version = self.version
            if version != self._saved:
                await asyncio.to_thread(durable.replace, self._path, msgspec.json.encode(self.all()) + b"\n")
                self._saved = version


def load_incidents(path: Path) -> list[Incident]:
    """The incidents of a file; OSError, msgspec.DecodeError when it cannot be read."""
    return msgspec.json.decode(path.read_bytes(), type=list[Incident])


def _load(path: Path) -> dict[str, Incident]:
    try:
        return {incident.id: incident for incident in load_incidents(path)}
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        log.error("%s: %s; put aside, begun anew", path, error)
        if path.exists():
            path.replace(path.with_suffix(".damaged"))
        return {}
