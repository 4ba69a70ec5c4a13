"""What is still to be told, by which server, and how much at once. Pure; the queue itself is the book.

One server tells of an incident: the one that raised it, while others hear it; when it is away, the first by name of
those that are there. What has been taken is in the book of every server, so the next one goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from understudy.events.incident import MEASURED, TOLD_TWICE, Incident, Phase
from understudy.events.message import Note

#: nobody wants to hear of it any more
STALE_US = 7 * 86_400_000_000
HOUR_US = 3_600_000_000
#: recordings that nobody can measure hold up a notification for so long at most
MEASURE_US = 30_000_000
#: waits between two tries of a way that does not work, doubled each time
FIRST_RETRY_S, LAST_RETRY_S = 2.0, 60.0


def teller(incident: Incident, node: str, there: Set[str]) -> str:
    """The server that tells of an incident, as `node` sees it; `there`: servers that can be heard."""
    able = there | {node}
    return incident.source if incident.source in able else min(able)


def due(incidents: Iterable[Incident], channel: str, node: str, there: Set[str], now_us: int) -> list[Note]:
    """What this server has to tell by `channel` now, oldest first."""
    found = []
    for incident in incidents:
        if channel not in incident.channels or incident.held or not _ready(incident, now_us):
            continue
        if incident.opened_us < now_us - STALE_US or teller(incident, node, there) != node:
            continue
        found += [Note(incident, phase) for phase in _phases(incident) if f"{channel}:{phase}" not in incident.sent]
    return found


def _ready(incident: Incident, now_us: int) -> bool:
    measured = incident.kind not in MEASURED or incident.gaps is not None
    return now_us >= incident.ready_us + (0 if measured else MEASURE_US)


def _phases(incident: Incident) -> tuple[Phase, ...]:
    return ("opened", "over") if incident.over_us is not None and incident.kind in TOLD_TWICE else ("opened",)


def batches(
    notes: list[Note], incidents: Iterable[Incident], channel: str, per_hour: int, now_us: int
) -> list[list[Note]]:
    """How the notes go out: one by one, all in one when the hour has no room for each, [] when it has none at all.

    Counted from the marks in the book, so a restart does not begin a new hour.
    """
    taken = {us for i in incidents for what, us in i.sent.items() if what.startswith(f"{channel}:")}
    room = per_hour - sum(us > now_us - HOUR_US for us in taken)
    if not notes or room <= 0:
        return []
    return [[note] for note in notes] if len(notes) <= room else [notes]


def retry_s(tries: int) -> float:
    """How long to wait after so many tries in a row that failed."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(tries - 1, 16)))
