"""The guards of the table: each gives the facts that make its row fire, as a sentence, or None. Pure."""

from __future__ import annotations

from collections.abc import Callable

from understudy.failover import decide
from understudy.failover.facts import CALM_S, REGISTER_OK_S, Facts
from understudy.failover.ledger import writing_limitation
from understudy.failover.memory import NEVER, Part

Guard = Callable[[Facts, Part], str | None]

#: a standby that starts without a register looks after the parts by heartbeats alone from then on
BLIND_START_S = 5.0
#: the row that says a promise was given, see `promise_over`
PROMISE_ROW = 305
LATE_ROWS = frozenset({203, 602})


def confirmed(facts: Facts, part: Part) -> str | None:
    """An own write under our epoch was answered, its deadline has not passed, and the register names nobody else."""
    if not part.epoch or facts.others(part):
        return None
    left_s = facts.state.deadline_s - facts.now_s
    return f"{part.name} is ours under epoch {part.epoch}, good for {left_s:.1f} s"


def others(facts: Facts, part: Part) -> str | None:
    """The register names another owner, or says that nobody holds it any more."""
    owner = facts.state.owners.get(part.name)
    if owner is not None and owner.state == "released":
        return f"{owner.node} released {part.name} under epoch {owner.epoch}"
    if owner is None or owner.node == facts.state.site.node:
        return None
    return f"{owner.node} owns {part.name} under epoch {owner.epoch}"


def unowned(facts: Facts, part: Part) -> str | None:
    """The register was read and has no owner, and never had one that we know of (fault 53).

    An empty register may also be a lost one, while another server still holds the part by promises: whoever is heard
    carrying it keeps it, and this server has listened long enough to have heard.
    """
    if part.name not in facts.state.owners or facts.state.owners[part.name] is not None or facts.state.writing:
        return None
    if facts.state.memory.epochs.get(part.name):
        return None
    if writing_limitation(facts.state, facts.observation) is not None:
        return None
    if facts.now_s - facts.state.started_s < facts.state.site.timing.suspect_s or facts.carried_by(part) is not None:
        return None
    fresh = facts.now_s - facts.state.read_s < decide.FRESH_S
    return f"the register has no owner of {part.name}" if fresh else None


def no_register(facts: Facts, part: Part) -> str | None:
    """Nothing was heard of the register for a while, or what it says cannot be believed (fault 22)."""
    if facts.state.trouble or facts.observation.double:
        return facts.state.trouble or facts.observation.double
    if facts.register_ok or facts.now_s - facts.state.started_s < REGISTER_OK_S:
        return None
    return "the register does not answer"


def expired(facts: Facts, part: Part) -> str | None:
    """No confirmed write is young enough to hold addresses (`ledger.lapse` has said so)."""
    if part.epoch:
        return None
    late_s = facts.now_s - facts.state.renewed_s
    late = f"the last confirmed renewal was sent {late_s:.1f} s ago and not all takers promised"
    return facts.state.ousted or facts.state.trouble or late


def unconfirmed(facts: Facts, part: Part) -> str | None:
    """Renewals are older than `decide.ask_s`."""
    late_s = facts.now_s - facts.state.renewed_s
    late = late_s > decide.ask_s(facts.state)
    return f"the last confirmed renewal was sent {late_s:.1f} s ago" if late else None


def renewing(facts: Facts, part: Part) -> str | None:
    """Renewals were late and are not any more."""
    if part.row not in LATE_ROWS or unconfirmed(facts, part) is not None:
        return None
    return f"deadline in {facts.state.deadline_s - facts.now_s:.1f} s"


def claimable(facts: Facts, part: Part) -> str | None:
    """Nothing stands in the way of a claim; a standby must also be asked to rescue this part."""
    if facts.state.site.is_standby and part.name not in facts.rescue:
        return None
    if facts.released(part) is not None or decide.claim_limitation(facts, part) is not None:
        return None
    silent_s = facts.now_s - part.alive_s
    return f"no sign of {facts.carrier(part)} carrying {part.name} for {silent_s:.1f} s, its beat stands still"


def claimable_early(facts: Facts, part: Part) -> str | None:
    """Site option `takeover: early`: silence everywhere is enough, and so is a shorter wait."""
    if facts.state.site.is_standby and part.name not in facts.rescue:
        return None
    if decide.early_limitation(facts, part) is not None:
        return None
    silent_s = facts.now_s - part.alive_s
    return (
        f"no sign of {facts.carrier(part)} carrying {part.name} for {silent_s:.1f} s, nobody answers for its addresses"
    )


def ready(facts: Facts, part: Part) -> str | None:
    """The recorder has first frames of every camera it can reach."""
    progress = (facts.observation.recorder or {}).get(part.name)
    if progress is None or progress.mode != "record" or not progress.ready:
        return None
    return f"first frames of all reachable cameras of {part.name} are written"


def claim_refused(facts: Facts, part: Part) -> str | None:
    """The register had changed since it was read."""
    return f"{part.name}'s owner or its beat had changed" if part.claim == "refused" else None


def claim_lost(facts: Facts, part: Part) -> str | None:
    """No answer: it may have won; only a confirmed renewal will tell (row 505)."""
    return "the register did not answer in time" if part.claim == "lost" else None


def not_ours(facts: Facts, part: Part) -> str | None:
    """The register was read and does not give us the part."""
    if part.name not in facts.state.owners:
        return None
    owner = facts.state.owners[part.name]
    if owner is None:
        return f"nobody owns {part.name} yet"
    return others(facts, part)


def start_recording(facts: Facts, part: Part) -> str | None:
    """No register at start, and the recorder records this part: somebody told it to, so it goes on (F18)."""
    progress = (facts.observation.recorder or {}).get(part.name)
    if start_blind(facts, part) is None or progress is None or progress.mode != "record":
        return None
    return f"the recorder records {part.name} and the register does not answer"


def start_blind(facts: Facts, part: Part) -> str | None:
    """No register since the start: heartbeats alone must do."""
    if facts.now_s - facts.state.started_s < BLIND_START_S or facts.register_ok:
        return None
    return facts.state.trouble or f"the register has not answered for {BLIND_START_S:.0f} s"


def rescue(facts: Facts, part: Part) -> str | None:
    """The carrier is suspected and this standby's turn has come (`decide.rescue`)."""
    stagger_s = facts.rescue.get(part.name)
    if stagger_s is None or not facts.suspect(part):
        return None
    turn = "first in line for it" if not stagger_s else f"in line for it after {stagger_s:.1f} s"
    if choice := facts.state.site.choice(part.name, facts.state.site.node):
        turn += f", as choice {choice + 1}"
    silent_s = facts.now_s - part.alive_s
    return f"no sign of {facts.carrier(part)} carrying {part.name} for {silent_s:.1f} s, this standby is {turn}"


def faltered(facts: Facts, part: Part) -> str | None:
    """The carrier lives, but our ring holds frames it may have lost."""
    if part.name not in facts.rescue or facts.suspect(part) or not facts.faltered(part):
        return None
    return f"{facts.carrier(part)} restarted or stopped recording {part.name}; the pre-roll here is kept"


def promised(facts: Facts, part: Part) -> str | None:
    """A promise to the part's carrier is running."""
    carrier = facts.carrier(part)
    if facts.now_s >= facts.state.promised.get(carrier, NEVER):
        return None
    return f"promised {carrier} not to take {part.name}"


def promise_over(facts: Facts, part: Part) -> str | None:
    """The last promise has run out: the carrier renews again, or fell silent."""
    if part.row != PROMISE_ROW or promised(facts, part) is not None:
        return None
    return f"{facts.carrier(part)} does not ask any more"


def new_owner(facts: Facts, part: Part) -> str | None:
    """Somebody else won: the owner is not the one suspected."""
    owner = facts.state.owners.get(part.name)
    fresh = owner is not None and owner.epoch > part.against
    return others(facts, part) if fresh and facts.others(part) else None


def calm(facts: Facts, part: Part) -> str | None:
    """Signs of life for `CALM_S` without a pause."""
    calm_s = facts.now_s - max(part.alive_since_s, part.faltered_s, part.asked_s)
    if facts.suspect(part) or part.asked or calm_s < CALM_S:
        return None
    return f"{facts.carrier(part)} carries {part.name}, without a pause for {calm_s:.0f} s"


def other_first(facts: Facts, part: Part) -> str | None:
    """This standby's room is needed for parts of higher priority (fault 36)."""
    if part.name in facts.rescue or not facts.rescue or not facts.suspect(part):
        return None
    return f"this standby is needed for {', '.join(facts.rescue)}"


def home_back(facts: Facts, part: Part) -> str | None:
    """The home may have it back (S09)."""
    if decide.handback_limitation(facts, part) is not None:
        return None
    orders = facts.observation.orders
    asked = "an operator asked" if part.name in orders.moves else "and has been for the agreed time"
    return f"{part.home} is fit to carry {part.name}, {orders.withdrawn or asked}"


def home_ready(facts: Facts, part: Part) -> str | None:
    """First frames at home: from now on both record."""
    if part.dropped_s or not part.epoch or not decide.home_ready(facts, part):
        return None
    return f"{part.home} writes frames of every camera it can reach"


def handback_failed(facts: Facts, part: Part) -> str | None:
    """The home fell back, or took too long; only while the register confirms that the part is still ours."""
    if not part.epoch:
        return None
    if part.dropped_s:
        late = facts.now_s - part.dropped_s >= decide.HAND_OVER_LIMIT_S
        return "the register did not confirm the hand-over in time" if late else None
    if part.home_since_s is None:
        return decide.handback_limitation(facts, part)
    limit_s = decide.HURRIED_HANDBACK_S if facts.observation.orders.must_go else decide.HANDBACK_LIMIT_S
    if facts.now_s - part.since_s >= limit_s:
        return f"{part.home} shows no first frames after {limit_s:.0f} s"
    return None


def stranded(facts: Facts, part: Part) -> str | None:
    """The deadline passed during a handback, or the hand-over was never answered."""
    if part.epoch or facts.now_s - part.dropped_s < decide.HAND_OVER_LIMIT_S:
        return None
    return expired(facts, part)
