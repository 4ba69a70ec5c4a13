"""When to announce addresses, and probing for them: schedules on top of `wire`."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from understudy.clock import boottime_s
from understudy.network import frames
from understudy.network.wire import Wire, WireError

log = logging.getLogger(__name__)

#: seconds after a move. Without any announcement a steady client came back after 36-39 s, with one after 0.1-0.7 s;
#: later ones are for receivers that ignore news within 1 s of the last (ARP locktime) and for ports still learning.
SCHEDULE_S = (0.0, 0.05, 0.2, 0.6, 1.3, 2.5, 5.0, 10.0)
#: and then for as long as the address is held
REPEAT_S = 60.0
#: announcements per second and interface; a site of 40 addresses moving at once must not look like an ARP storm
RATE_PER_S = 50
PROBE_INTERVAL_S = 0.2
PROBES = 2
#: an address of ours claimed by another machine is announced again at most this often (RFC 5227 DEFEND_INTERVAL)
DEFEND_S = 10.0

#: an address on an interface: name and address without prefix
Place = tuple[str, frames.IPAddress]


def next_due_s(sent: int) -> float:
    """Seconds after the move at which announcement number `sent` (0 first) is due."""
    if sent < len(SCHEDULE_S):
        return SCHEDULE_S[sent]
    return SCHEDULE_S[-1] + REPEAT_S * (sent - len(SCHEDULE_S) + 1)


@dataclass
class _Move:
    moved_s: float
    sent: int = 0

    @property
    def due_s(self) -> float:
        return self.moved_s + next_due_s(self.sent)


@dataclass
class Plan:
    """Which announcements are due. Pure: time is passed in."""

    moves: dict[Place, _Move] = field(default_factory=dict)
    #: times of the newest announcements of an interface, for the rate
    recent: dict[str, deque[float]] = field(default_factory=dict)

    def start(self, place: Place, now_s: float) -> None:
        """Begin the schedule of `place` anew."""
        self.moves[place] = _Move(now_s)

    def keep(self, places: Iterable[Place]) -> None:
        """Forget every place that is not among `places`."""
        wanted = set(places)
        if self.moves.keys() <= wanted:
            return
        self.moves = {place: move for place, move in self.moves.items() if place in wanted}

    def due(self, now_s: float) -> list[Place]:
        """Places to announce now, oldest first and within the rate; they count as announced."""
        ready = sorted((m.due_s, place[0], str(place[1]), place) for place, m in self.moves.items() if m.due_s <= now_s)
        chosen = []
        for _due, nic, _text, place in ready:
            sent = self.recent.setdefault(nic, deque(maxlen=RATE_PER_S))
            if len(sent) == RATE_PER_S and now_s - sent[0] < 1.0:
                continue
            sent.append(now_s)
            move = self.moves[place]
            move.sent += 1
            while move.due_s <= now_s:  # after a pause of this process: what was missed is not made up for
                move.sent += 1
            chosen.append(place)
        return chosen

    def next_s(self) -> float | None:
        """When something is due again; None when nothing is held."""
        return min((move.due_s for move in self.moves.values()), default=None)


class Announcer:
    """Announces held addresses by schedule, probes addresses, and notices other machines that claim ours."""

    def __init__(self, nics: Iterable[str]) -> None:
        self._wires = {nic: Wire(nic, self._heard) for nic in sorted(set(nics))}
        self._plan = Plan()
        self._timer: asyncio.TimerHandle | None = None
        #: claims heard while a probe is under way
        self._listening: list[set[Place]] = []
        self._defended_s: dict[Place, float] = {}
        #: interface -> why it does not work, so that the journal says it once
        self._broken: dict[str, str] = {}

    def close(self) -> None:
        """Stop announcing and listening."""
        if self._timer is not None:
            self._timer.cancel()
        for wire in self._wires.values():
            wire.close()

    def start(self, places: Iterable[Place], now_s: float) -> None:
        """Announce `places` from now on: they have just moved here, or their link is up again."""
        for place in places:
            self._plan.start(place, now_s)
        self._run()

    def keep(self, places: Iterable[Place]) -> None:
        """Stop announcing everything but `places`."""
        self._plan.keep(places)

    async def probe(self, places: Iterable[Place]) -> bool | None:
        """Whether another machine answers for any of `places`: two questions 0.2 s apart, 0.4 s in all.

        None: nobody did, and not all of them could be asked for.
        """
        wanted, asked = frozenset(places), True
        heard: set[Place] = set()
        self._listening.append(heard)
        try:
            for _ in range(PROBES):
                for place in wanted:
                    asked &= self._use(place, Wire.probe)
                await asyncio.sleep(PROBE_INTERVAL_S)
                if heard & wanted:
                    return True
            return False if asked else None
        finally:
            self._listening.remove(heard)

    def _run(self) -> None:
        """Send what is due and set the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for place in self._plan.due(boottime_s()):
            self._use(place, Wire.announce)
        next_s = self._plan.next_s()
        if next_s is not None:
            # what the rate held back is due already and must not spin
            delay_s = max(1 / RATE_PER_S, next_s - boottime_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._run)

    def _use(self, place: Place, send: Callable[[Wire, frames.IPAddress], None]) -> bool:
        nic, address = place
        try:
            send(self._wires[nic], address)
        except WireError as error:
            if self._broken.get(nic) != str(error):
                log.warning("cannot announce or probe %s: %s", address, error)
            self._broken[nic] = str(error)
            return False
        if self._broken.pop(nic, None):
            log.info("%s: announcing and probing works again", nic)
        return True

    def _heard(self, nic: str, claim: frames.Claim) -> None:
        place = (nic, claim.address)
        for heard in self._listening:
            heard.add(place)
        if place not in self._plan.moves:
            return
        now_s = boottime_s()
        if now_s - self._defended_s.get(place, -DEFEND_S) >= DEFEND_S:
            self._defended_s[place] = now_s
            log.error("%s: %s is claimed by %s as well; announcing it again", nic, claim.address, claim.mac.hex(":"))
            self._use(place, Wire.announce)


def place_of(nic: str, cidr: str) -> Place:
    """The place of a configured logical address."""
    return nic, ipaddress.ip_interface(cidr).ip
