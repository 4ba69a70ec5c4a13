"""The facts of the last days on disk, a line per change, to try rules on them (`understudy rules test`).

Each line has the time and the facts that changed; the first of a file, and of a process, has all of them. Written
without syncs: what a crash leaves is all lines but the last few, and a torn last one, which is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from understudy.events import causes, rules
from understudy.events.facts import Facts
from understudy.events.rules import Change, Timers
from understudy.site.event_rules import Rule
from understudy.site.plan import Plan

FILE = "facts.jsonl"
#: turned over to `facts.jsonl.1` at this size; a changing temperature makes some 100 kB a day
MAX_BYTES = 8 * 1024 * 1024
#: a rule that would fire later than this behind its facts waits for time, not for a change: the replay looks so often
_STEP_S = 1.0


class History:
    """Appends facts to the file; blocks on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, Any] | None = None

    def note(self, facts: Facts, wall_s: float) -> None:
        """Append what changed, if anything did; OSError when that cannot be done."""
        now: dict[str, Any] = msgspec.to_builtins(facts)
        last = self._last
        changed = now if last is None else {name: value for name, value in now.items() if last[name] != value}
        if not changed:
            return
        if last is not None and self._path.exists() and self._path.stat().st_size > MAX_BYTES:
            self._path.replace(self._path.with_suffix(".jsonl.1"))
            changed = now
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({"wall_s": round(wall_s, 2), "facts": changed}, ensure_ascii=False) + "\n")
        self._last = now


def read(path: Path, since_s: float) -> Iterator[tuple[float, Facts]]:
    """Facts from `since_s` on, with their times, oldest first, of both files; lines that are torn are passed over."""
    known: dict[str, Any] = {}
    for file in (path.with_suffix(".jsonl.1"), path):
        if not file.exists():
            continue
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                    known |= entry["facts"]
                    wall_s, facts = float(entry["wall_s"]), msgspec.convert(known, Facts)
                except (ValueError, KeyError, TypeError, msgspec.ValidationError):
                    continue
                if wall_s >= since_s:
                    yield wall_s, facts


@dataclass(frozen=True)
class Firing:
    """A time at which a rule would have fired; `over_s` is None when it would still last."""

    rule: str
    fired_s: float
    over_s: float | None
    text: str


def replay(plan: Plan, wanted: Iterable[Rule], recorded: Iterable[tuple[float, Facts]], end_s: float) -> list[Firing]:
    """When each rule would have fired, had it been there; nothing is done. Times are seconds since the epoch."""
    lines = list(recorded)
    return sorted(
        (firing for rule in wanted for firing in _replay(plan, rule, lines, end_s)), key=lambda f: (f.fired_s, f.rule)
    )


def _replay(plan: Plan, rule: Rule, lines: list[tuple[float, Facts]], end_s: float) -> Iterator[Firing]:
    timers, fired = Timers(), None
    for index, (wall_s, facts) in enumerate(lines):
        until_s = lines[index + 1][0] if index + 1 < len(lines) else end_s
        measured = causes.measure(rule, facts)
        idle = bool(rules.idle(rule, facts, plan))
        for now_s in _moments(rule, wall_s, until_s):
            if idle:
                measured = causes.Measured(None, "")
            timers, change = rules.step(
                rule, timers, measured, now_s, fired=fired is not None, in_window=rules.in_window(rule, plan, now_s)
            )
            if change is Change.FIRED:
                fired, timers = Firing(rule.name, now_s, None, measured.text), Timers()
            elif change is Change.OVER and fired is not None:
                yield Firing(fired.rule, fired.fired_s, now_s, fired.text)
                fired, timers = None, Timers()
    if fired is not None:
        yield fired


def _moments(rule: Rule, wall_s: float, until_s: float) -> Iterator[float]:
    """When to look between two lines: at the change, then as often as could matter, then hardly."""
    settled_s = wall_s + max(rule.for_s, rule.clear_s) + 2 * _STEP_S
    now_s = wall_s
    while now_s < until_s or now_s == wall_s:
        yield now_s
        now_s += _STEP_S if now_s < settled_s else 60.0
