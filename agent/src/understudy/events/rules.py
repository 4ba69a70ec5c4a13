"""When a rule begins and ends: bad for so long, well for so long, and only in its time of day. Pure.

Whether a rule has fired is not kept here: its open incident says so, on disk and on every server. So a restart of the
process neither fires a rule twice nor forgets one, and whoever speaks for the site next goes on where the last one was.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from understudy.events.causes import OF_SITE, Measured
from understudy.events.facts import Facts
from understudy.failover.window import is_open
from understudy.site.event_rules import Rule
from understudy.site.plan import Plan

#: F08: what is watched on every site without being asked
BUILT_IN = (
    Rule(name="unprotected", cause="unprotected", for_s=10, clear_s=10),
    Rule(name="standby-busy", cause="standby-busy", for_s=300, clear_s=30),
    Rule(name="standby-unfit", cause="standby-unfit", for_s=60),
    Rule(name="quorum", cause="quorum", for_s=10),
    Rule(name="certificate", cause="certificate", for_s=0),
    Rule(name="licence", cause="licence", for_s=0),
    Rule(name="clock", cause="clock", for_s=60),
    Rule(name="version", cause="version", for_s=900),
    Rule(name="preroll", cause="preroll", for_s=60),
    Rule(name="crash-loop", cause="crash-loop", for_s=0),
    Rule(name="disk", cause="disk-fault"),
    Rule(name="recording", cause="not-recording", limit=1, for_s=60),
)


class Change(Enum):
    """What became of a rule at a step."""

    NONE = 0
    FIRED = 1
    OVER = 2


@dataclass(frozen=True)
class Timers:
    """Since when the cause is bad or well without a break; seconds of the clock that `step` is given."""

    bad_since_s: float | None = None
    well_since_s: float | None = None


def rules_of(plan: Plan) -> tuple[Rule, ...]:
    """The site's own rules, then those that are built in and that none of the site's replaces."""
    return (*plan.rules, *(rule for rule in BUILT_IN if not any(_replaces(own, rule) for own in plan.rules)))


def _replaces(own: Rule, built_in: Rule) -> bool:
    """By its name, or because it watches the same everywhere and always: nobody is to be told twice."""
    restricted = own.where or own.window or own.disk or own.nic or own.limit is not None
    return own.name == built_in.name or (own.cause == built_in.cause and not restricted)


def key_of(rule: Rule, node: str) -> str:
    """What the rule's incident is called while it is open: one per server, or one for the site."""
    return f"rule/{rule.name}" if rule.cause in OF_SITE else f"rule/{rule.name}/{node}"


def idle(rule: Rule, facts: Facts, plan: Plan) -> str:
    """Why the rule is not judged on this server now; "" when it is."""
    if rule.cause in OF_SITE and not facts.speaker:
        return "another server speaks for the site"
    if not rule.where or plan.node in rule.where:
        return ""
    if facts.carries is None:
        return "the agent does not answer"
    if any(name in rule.where for name in facts.carries):
        return ""
    return f"only for {', '.join(rule.where)}"


def step(
    rule: Rule, timers: Timers, measured: Measured, now_s: float, *, fired: bool, in_window: bool
) -> tuple[Timers, Change]:
    """One look at a rule. A cause that cannot be told ends nothing, and what was about to begin begins anew."""
    if not fired:
        if not measured.bad or not in_window:
            return Timers(), Change.NONE
        since_s = now_s if timers.bad_since_s is None else timers.bad_since_s
        return Timers(bad_since_s=since_s), Change.FIRED if now_s - since_s >= rule.for_s else Change.NONE
    if measured.bad is not False:
        return Timers(), Change.NONE
    since_s = now_s if timers.well_since_s is None else timers.well_since_s
    return Timers(well_since_s=since_s), Change.OVER if now_s - since_s >= rule.clear_s else Change.NONE


def in_window(rule: Rule, plan: Plan, wall_s: float) -> bool:
    """Whether the rule may begin at this time of day."""
    return is_open(rule.window, plan.timezone, wall_s)
