"""From facts to incidents: what is to be opened, closed and done now. The one place where incidents begin and end.

Level-triggered: every look compares what is with what the book says is open. The book may be changed here, nothing
else: what is to be done is returned (`Act`) and done by whoever calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understudy.events import causes, rules, texts
from understudy.events.book import Book
from understudy.events.facts import Facts
from understudy.events.incident import Incident, Kind, new_id
from understudy.events.rules import Change, Timers
from understudy.site.event_rules import Notify, Rule
from understudy.site.plan import Logical, Plan

#: a takeover is told when the standby's first frames can be measured; a handback when its footage shows at home
TAKEOVER_SETTLE_S = 10.0
HANDBACK_SETTLE_S = 20.0


@dataclass(frozen=True)
class Act:
    """Something to be done for a rule."""

    what: str  # "fail", "clear", "arm"
    rule: Rule
    text: str = ""
    incident: str = ""


@dataclass(frozen=True)
class Look:
    """One look at this server and what it sees of the site."""

    facts: Facts
    #: the agent's status document and standing orders; None: it does not answer
    status: Mapping[str, Any] | None
    orders: Mapping[str, Any] | None
    #: CLOCK_BOOTTIME for durations, and the time of day
    now_s: float
    wall_s: float

    @property
    def wall_us(self) -> int:
        """The time of day in microseconds since the epoch."""
        return round(self.wall_s * 1e6)

    @property
    def failed(self) -> str:
        """Why this server is FAILED; "" when it is not, or nobody can tell."""
        return "" if self.orders is None else str(self.orders["failed"])


@dataclass(frozen=True)
class RuleView:
    """What `understudy rules` shows of a rule."""

    rule: Rule
    state: str
    text: str


class Watch:
    """Keeps the timers of the rules; everything else is in the book."""

    def __init__(self, plan: Plan, book: Book) -> None:
        self._plan = plan
        self._book = book
        self.rules = rules.rules_of(plan)
        self._timers: dict[str, Timers] = {}
        self.views: dict[str, RuleView] = {}

    def look(self, look: Look) -> list[Act]:
        """Bring the book to what `look` shows; what is to be done about it."""
        acts = [act for rule in self.rules for act in self._rule(rule, look)]
        self._failed(look)
        if look.status is not None:
            for part in self._plan.logical:
                self._part(part, look, look.status)
        self._without_rule(look)
        return acts

    # -- rules --------------------------------------------------------------------------------------

    def _rule(self, rule: Rule, look: Look) -> list[Act]:
        key = rules.key_of(rule, self._plan.node)
        open_ones = self._book.open(key)
        ours = look.failed.startswith(texts.failed_by(rule.name))
        reason = "" if ours else rules.idle(rule, look.facts, self._plan)
        measured = self._not_judged(rule, look, reason) if reason else causes.measure(rule, look.facts)
        timers, change = rules.step(
            rule,
            self._timers.get(rule.name, Timers()),
            measured,
            look.now_s,
            fired=bool(open_ones),
            in_window=rules.in_window(rule, self._plan, look.wall_s),
        )
        self._timers[rule.name] = timers
        if change is Change.FIRED:
            self._open_rule(rule, key, measured.text, look)
        elif change is Change.OVER:
            self._close(open_ones, look, measured.text)
        if reason:
            self.views[rule.name] = RuleView(rule, "idle", reason)
            return []
        open_ones = self._book.open(key)
        self.views[rule.name] = RuleView(rule, _state(timers, measured, fired=bool(open_ones)), measured.text)
        return self._acts(rule, open_ones, measured, look, began=change is Change.FIRED)

    def _not_judged(self, rule: Rule, look: Look, reason: str) -> causes.Measured:
        """What an idle rule measures: what it had to do with has left, which ends it as being well does; or nobody can
        tell, and for the site another server does."""
        unknown = rule.cause in causes.OF_SITE or look.facts.carries is None
        return causes.Measured(None if unknown else False, f"not judged here any more: {reason}")

    def _acts(
        self, rule: Rule, open_ones: list[Incident], measured: causes.Measured, look: Look, *, began: bool
    ) -> list[Act]:
        if not open_ones:
            over = measured.bad is False and look.failed.startswith(texts.failed_by(rule.name))
            return [Act("clear", rule)] if over and look.orders is not None and not look.orders["cleared"] else []
        acts = [Act("arm", rule, measured.text, open_ones[0].id)] if began and "arm" in rule.actions else []
        in_service = look.orders is not None and look.orders["maintenance"] is None and not look.orders["detached"]
        if causes.asks_for_failover(rule, look.facts) and in_service and not look.failed:
            acts.append(Act("fail", rule, f"{texts.failed_by(rule.name)}{measured.text}", open_ones[0].id))
        return acts

    def _open_rule(self, rule: Rule, key: str, text: str, look: Look) -> None:
        kind: Kind = "unprotected" if rule.cause == "unprotected" else "rule"
        of_site = rule.cause in causes.OF_SITE
        told = tuple(way for way in rule.actions if way in ("mail", "webhook", "syslog"))
        self._open(
            look,
            kind=kind,
            key=key,
            logical=next((n for n in rule.where if n in (look.facts.carries or ())), ""),
            title=texts.rule_title(rule, self._plan),
            detail=text,
            advice=texts.ADVICE[rule.cause],
            channels=told or channels(self._plan.notify),
            held=self._site_maintenance(look) if of_site else self._own_maintenance(look),
        )

    def _without_rule(self, look: Look) -> None:
        """Close what rules opened that the site file does not have any more."""
        mine = {rules.key_of(rule, self._plan.node) for rule in self.rules}
        for incident in self._book.all():
            gone = incident.open and incident.key.startswith("rule/") and incident.key not in mine
            if gone and incident.source == self._plan.node:
                self._book.close(incident.id, look.wall_us, "this rule is not in the site file any more")

    # -- what the agents did ------------------------------------------------------------------------

    def _failed(self, look: Look) -> None:
        if look.orders is None:
            return
        key = f"failed/{self._plan.node}"
        open_ones = self._book.open(key)
        if look.failed and not open_ones:
            self._open(
                look,
                kind="failed",
                key=key,
                title=f"{self._plan.node} is FAILED (99)",
                detail=look.failed,
                advice=texts.FAILED_ADVICE,
            )
        elif not look.failed:
            self._close(open_ones, look, f"{self._plan.node} was repaired and restarted")

    def _part(self, part: Logical, look: Look, status: Mapping[str, Any]) -> None:
        """A takeover is raised by the standby that carries the part, a handback by the home that carries it again."""
        shown = next((p for p in status["logical"] if p["name"] == part.name), None)
        if shown is None:
            return  # the agent still has the plan before
        carrier, node, key = shown["carrier"], self._plan.node, f"takeover/{part.name}"
        open_ones = self._book.open(key)
        if carrier == node != part.home:
            if not any(incident.source == node for incident in open_ones):
                self._takeover(part, look, shown, key)
        elif carrier == node and open_ones:
            self._close(open_ones, look, f"{part.name} is at home on {node}")
            self._handback(part, look, open_ones)
        elif carrier not in (None, part.home):
            self._close([i for i in open_ones if i.source == node], look, f"{carrier} carries {part.name}")

    def _takeover(self, part: Logical, look: Look, shown: Mapping[str, Any], key: str) -> None:
        why = shown["why"]["reason"] if shown["why"] else ""
        self._open(
            look,
            kind="takeover",
            key=key,
            logical=part.name,
            title=f"{self._plan.node} carries {part.name} instead of {part.home}",
            detail=why,
            did=(f"{self._plan.node} has the addresses of {part.name} and records its cameras",),
            advice=texts.TAKEOVER_ADVICE.format(home=part.home),
            held=self._maintenance_of(part.home, look),
            settle_s=TAKEOVER_SETTLE_S,
        )

    def _handback(self, part: Logical, look: Look, takeovers: list[Incident]) -> None:
        first = takeovers[0]
        self._open(
            look,
            kind="handback",
            key=f"handback/{part.name}",
            logical=part.name,
            title=f"{part.name} is back home on {part.home}",
            detail=f"it was away for {texts.span(look.wall_us - first.opened_us)}, on {takeovers[-1].server}",
            did=("the footage of the outage shows in its timeline and is being copied home",),
            advice="Nothing.",
            held=first.held,
            settle_s=HANDBACK_SETTLE_S,
            over=True,
        )

    # -- the book -----------------------------------------------------------------------------------

    def _open(self, look: Look, *, key: str, settle_s: float = 0.0, over: bool = False, **fields: Any) -> None:
        fields.setdefault("channels", channels(self._plan.notify))
        fields.setdefault("held", self._own_maintenance(look))
        self._book.add(
            Incident(
                id=new_id(self._plan.node, key, look.wall_us),
                key=key,
                source=self._plan.node,
                server=self._plan.node,
                opened_us=look.wall_us,
                ready_us=look.wall_us + round(settle_s * 1e6),
                over_us=look.wall_us if over else None,
                **fields,
            )
        )

    def _close(self, incidents: list[Incident], look: Look, text: str) -> None:
        for incident in incidents:
            self._book.close(incident.id, look.wall_us, text)

    # -- maintenance: recorded, nobody told ----------------------------------------------------------

    def _own_maintenance(self, look: Look) -> str:
        maintenance = look.orders["maintenance"] if look.orders is not None else None
        return f"{self._plan.node} is in maintenance" if maintenance is not None else ""

    def _maintenance_of(self, server: str, look: Look) -> str:
        servers = look.status["servers"] if look.status is not None else []
        found = any(s["name"] == server and "in maintenance" in s["reason"] for s in servers)
        return f"{server} is in maintenance" if found else self._own_maintenance(look)

    def _site_maintenance(self, look: Look) -> str:
        return next((text for s in self._plan.servers if (text := self._maintenance_of(s.name, look))), "")


def channels(notify: Notify) -> tuple[str, ...]:
    """The ways by which the site tells people."""
    ways = {"mail": notify.mail, "webhook": notify.webhook, "syslog": notify.syslog}
    return tuple(name for name, way in ways.items() if way is not None)


def _state(timers: Timers, measured: causes.Measured, *, fired: bool) -> str:
    if fired:
        return "fired" if timers.well_since_s is None else "clearing"
    if timers.bad_since_s is not None:
        return "pending"
    return "unknown" if measured.bad is None else "well"
