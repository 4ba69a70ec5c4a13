"""S18: whatever servers crash, come back or lose each other, each incident is told; once while they hear each other."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace
from test_incidents import NOW_US, incident
from understudy.events import outbox
from understudy.events.incident import Incident, merge

SERVERS = ("rec1", "rec2", "stby1")
STEPS = 150


class Site:
    """Servers that may be down, cut off from each other, or without a mail server, and the mails that arrived.

    A server's book is on disk before a mail goes out, and told to who can be reached right after; only a crash in
    between those instants is left out.
    """

    def __init__(self, seed: int, *, cuts: bool) -> None:
        self.random = random.Random(seed)
        self.cuts_happen = cuts
        self.books: dict[str, dict[str, Incident]] = {name: {} for name in SERVERS}
        self.up = set(SERVERS)
        self.cut: set[frozenset[str]] = set()
        self.mail = True
        self.arrived: Counter[str] = Counter()
        self.raised: set[str] = set()

    def there(self, node: str) -> set[str]:
        return {name for name in self.up if name == node or frozenset((name, node)) not in self.cut}

    def know(self, node: str, known: dict[str, Incident]) -> None:
        book = self.books[node]
        for found in known.values():
            book[found.id] = merge(book[found.id], found) if found.id in book else found

    def disturb(self) -> None:
        one, other = self.random.sample(SERVERS, 2)
        what = self.random.random()
        if what < 0.15 and len(self.up) > 1:
            self.up.discard(one)
        elif what < 0.4:
            self.up.add(one)
        elif what < 0.55 and self.cuts_happen:
            self.cut ^= {frozenset((one, other))}
        elif what < 0.7:
            self.mail = not self.mail
        elif what < 0.85 and one in self.up:
            fresh = incident(len(self.raised), source=one, id=f"{one}.{len(self.raised)}")
            self.raised.add(f"{fresh.id}.opened")
            self.books[one][fresh.id] = fresh
            # Everybody who can be reached knows of it within half a second, long before a server counts as away.
            self.share(one)

    def share(self, node: str) -> None:
        for other in self.there(node) - {node}:
            self.know(other, self.books[node])

    def work(self, node: str) -> None:
        for other in self.there(node) - {node}:
            self.know(node, self.books[other])
        for note in outbox.due(self.books[node].values(), "mail", node, self.there(node), NOW_US + 10**9):
            if self.mail:
                self.arrived[note.name] += 1
                known = self.books[node][note.incident.id]
                marked = {**known.sent, f"mail:{note.phase}": NOW_US}
                self.know(node, {known.id: replace(known, sent=marked)})
                self.share(node)

    def run(self) -> None:
        for _ in range(STEPS):
            self.disturb()
            for node in self.random.sample(sorted(self.up), len(self.up)):
                self.work(node)
        self.up, self.mail = set(SERVERS), True
        self.cut.clear()
        for node in SERVERS * 2:
            self.work(node)


@pytest.mark.parametrize("seed", range(60))
def test_servers_that_hear_each_other_tell_each_incident_once(seed: int) -> None:
    site = Site(seed, cuts=False)
    site.run()
    assert site.raised
    assert site.arrived == Counter(dict.fromkeys(site.raised, 1))


@pytest.mark.parametrize("seed", range(60))
def test_servers_that_lose_each_other_forget_nothing(seed: int) -> None:
    site = Site(seed, cuts=True)
    site.run()
    assert set(site.arrived) == site.raised
