"""What a row of the table does to the part at the moment it fires. Pure; everything else follows from the state."""

from __future__ import annotations

import msgspec

from understudy.failover import decide
from understudy.failover.facts import Facts
from understudy.failover.memory import NEVER, Part
from understudy.failover.model import Flap

#: how long a standby goes on recording a part that has gone elsewhere: the overlap that loses no frame (S09)
LINGER_S = 5.0
#: a planned move that was broken off is tried again after this long
RETRY_S = 30.0


def suspect(facts: Facts, part: Part) -> None:
    """Note whom the suspicion is against."""
    owner = facts.state.owners.get(part.name)
    part.against = owner.epoch if owner else 0


def accept(facts: Facts, part: Part) -> None:
    """Keep a place for the part: others that ask in this very step find it taken."""
    suspect(facts, part)
    part.asked = True


def claim(facts: Facts, part: Part) -> None:
    """Want the part; `writes.next_write` sends the claim in this very step."""
    part.claim, part.planned = "wanted", False


def claim_released(facts: Facts, part: Part) -> None:
    """Want a released part: a planned move, no incident."""
    part.claim, part.planned = "wanted", True


def end_claim(facts: Facts, part: Part) -> None:
    """Forget the claim; what became of it shows in the register."""
    part.claim = "none"


def carry(facts: Facts, part: Part) -> None:
    """A fresh carrier knows nothing yet about the fitness of the home; incidents in a row lengthen the wait for it."""
    part.claim, part.home_since_s, part.hold_s, part.dropped_s = "none", None, 0.0, 0.0
    part.target, part.retry_s = None, NEVER
    memory = facts.state.memory
    if not part.planned:
        last = memory.flaps.get(part.name)
        count = last.count + 1 if last is not None and facts.now_s - last.at_s < decide.FLAP_S else 1
        part.hold_s = min(decide.MAX_HOLD_S, facts.state.site.handback.after_s * 2.0 ** (count - 1))
        flaps = {**memory.flaps, part.name: Flap(count=count, at_s=facts.now_s)}
        memory = msgspec.structs.replace(memory, flaps=flaps)
    stays = {*memory.stays} - {part.name}
    if part.planned and part.moved:
        stays.add(part.name)
    facts.state.memory = msgspec.structs.replace(memory, stays=tuple(sorted(stays)))


def linger(facts: Facts, part: Part) -> None:
    """Record a little longer: its new carrier may only just be starting."""
    part.linger_s = facts.now_s + LINGER_S


def go_on(facts: Facts, part: Part) -> None:
    """What the recorder was recording when the last agent ended goes on: its carrier may be dead, and the ring that
    a change of mode empties is filled from the next key frame on only (fault 38)."""
    progress = (facts.observation.recorder or {}).get(part.name)
    if progress is not None and progress.mode == "record":
        linger(facts, part)


def drop(facts: Facts, part: Part) -> None:
    """Give up the addresses; the hand-over is sent when the kernel says they are gone."""
    part.dropped_s = facts.now_s


def keep(facts: Facts, part: Part) -> None:
    """The hand-over is over without a result."""
    part.dropped_s, part.target = 0.0, None


def rest(facts: Facts, part: Part) -> None:
    """A move that need not be was broken off: not again at once."""
    keep(facts, part)
    part.retry_s = facts.now_s + RETRY_S


def gone(facts: Facts, part: Part) -> None:
    """The part has left: nothing of the move is left, and what an operator wanted of it is done."""
    keep(facts, part)
    forget(facts, part)
    if facts.state.site.is_standby:
        linger(facts, part)


def forget(facts: Facts, part: Part) -> None:
    """It is not carried here any more, so it need not stay here."""
    memory = facts.state.memory
    if part.name in memory.stays:
        stays = tuple(name for name in memory.stays if name != part.name)
        facts.state.memory = msgspec.structs.replace(memory, stays=stays)


def gone_home(facts: Facts, part: Part) -> None:
    """The handback succeeded."""
    part.hold_s = 0.0
    gone(facts, part)


def damp(facts: Facts, part: Part) -> None:
    """Wait twice as long before the next attempt (fault 29)."""
    hold_s = max(part.hold_s, facts.state.site.handback.after_s)
    part.hold_s, part.home_since_s, part.dropped_s = min(decide.MAX_HOLD_S, 2 * hold_s), None, 0.0
    part.retry_s = facts.now_s + RETRY_S
