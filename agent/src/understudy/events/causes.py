"""What each cause of a rule means, as a table: from facts to whether it is bad, and a sentence of what was measured.

Pure. `bad` is None where the facts cannot tell: a rule then neither begins nor ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from understudy.events.facts import Facts
from understudy.site.event_rules import Cause, Rule

#: default of `limit`, in the cause's unit: percent of cameras, starts in 300 s, seconds, °C, percent, days
LIMITS: dict[str, float] = {
    "not-recording": 100.0,
    "camera-loss": 50.0,
    "crash-loop": 3.0,
    "clock": 0.5,
    "temperature": 85.0,
    "memory": 5.0,
    "certificate": 14.0,
    "licence": 30.0,
}
#: causes that are one for the whole site: only the server that speaks for it judges them
OF_SITE: frozenset[Cause] = frozenset({"unprotected", "quorum", "standby-busy", "version"})
#: the exit code by which a script asks for the failover itself (S58)
FAILOVER_CODE = 99


@dataclass(frozen=True)
class Measured:
    """What a cause is now."""

    bad: bool | None
    text: str


Judge = Callable[[Facts, Rule], Measured]


def measure(rule: Rule, facts: Facts) -> Measured:
    """Judge the rule's cause by the facts."""
    return CAUSES[rule.cause](facts, rule)


def limit_of(rule: Rule) -> float:
    """The rule's limit, or its cause's default."""
    return LIMITS[rule.cause] if rule.limit is None else rule.limit


def asks_for_failover(rule: Rule, facts: Facts) -> bool:
    """Whether the machine is to be FAILED when the rule fires: by its action, or because its script said 99."""
    script = facts.scripts.get(rule.name)
    return "failover" in rule.actions or (
        rule.cause == "script" and script is not None and script.code == FAILOVER_CODE
    )


def _disk(*states: str) -> Judge:
    def judge(facts: Facts, rule: Rule) -> Measured:
        letters = [letter for letter in facts.disks if rule.disk in ("", letter)]
        if not letters:
            return Measured(None, facts.recorder_silent or "the recorder tells no disk letter")
        bad = [letter for letter in letters if facts.disks[letter] in states]
        shown = bad or letters
        return Measured(bool(bad), "; ".join(_letter(facts, letter) for letter in shown))

    return judge


def _letter(facts: Facts, letter: str) -> str:
    error = facts.disk_errors.get(letter)
    return f"disk letter {letter} is {facts.disks[letter]}" + (f": {error}" if error else "")


def _not_recording(facts: Facts, rule: Rule) -> Measured:
    if facts.recorder_silent and facts.carries:
        return Measured(True, f"the recorder does not answer: {facts.recorder_silent}")
    if not facts.cameras:
        return Measured(None, "no camera is to be recorded here")
    return _share(facts, facts.unrecorded, "not recorded", limit_of(rule))


def _camera_loss(facts: Facts, rule: Rule) -> Measured:
    if not facts.cameras:
        return Measured(None, "no camera is to be recorded here")
    return _share(facts, facts.seen_elsewhere, "lost here that another server sees", limit_of(rule))


def _share(facts: Facts, lost: tuple[str, ...], what: str, limit: float) -> Measured:
    percent = 100.0 * len(lost) / facts.cameras
    names = f": {', '.join(lost)}" if lost else ""
    bad = bool(lost) and percent >= limit
    return Measured(bad, f"{len(lost)} of {facts.cameras} cameras {what} (limit {limit:g} %){names}")


def _nic(facts: Facts, rule: Rule) -> Measured:
    chosen = {name: text for name, text in facts.nics.items() if rule.nic in ("", name)}
    if not chosen:
        return Measured(None, "no interface to look at")
    bad = [f"{name}: {text}" for name, text in chosen.items() if text]
    return Measured(bool(bad), "; ".join(bad) or f"{', '.join(chosen)} with link")


def _crash_loop(facts: Facts, rule: Rule) -> Measured:
    limit, count = limit_of(rule), facts.recorder_restarts
    return Measured(count >= limit, f"the recorder was started again {count} times in 300 s (limit {limit:g})")


def _over(value: float | None, rule: Rule, text: str, missing: str) -> Measured:
    """Bad from the limit upwards."""
    if value is None:
        return Measured(None, missing)
    limit = limit_of(rule)
    return Measured(value >= limit, text.format(value=value, limit=limit))


def _under(value: float | None, rule: Rule, text: str, missing: str) -> Measured:
    """Bad below the limit."""
    if value is None:
        return Measured(None, missing)
    limit = limit_of(rule)
    return Measured(value < limit, text.format(value=value, limit=limit))


def _clock(facts: Facts, rule: Rule) -> Measured:
    offset = facts.clock_offset_s
    text = f"the clock is off by {offset or 0.0:+.2f} s (limit {{limit:g}} s)"
    return _over(None if offset is None else abs(offset), rule, text, "no time server answers")


def _temperature(facts: Facts, rule: Rule) -> Measured:
    text = "the hottest sensor says {value:g} °C (limit {limit:g} °C)"
    return _over(facts.temperature_c, rule, text, "this machine has no temperature sensor")


def _memory(facts: Facts, rule: Rule) -> Measured:
    text = "{value:g} % of the memory is available (limit {limit:g} %)"
    return _under(facts.memory_percent, rule, text, "the memory cannot be read")


def _script(facts: Facts, rule: Rule) -> Measured:
    script = facts.scripts.get(rule.name)
    if script is None:
        return Measured(None, f"{rule.command} has not ended yet")
    said = f": {script.text}" if script.text else ""
    return Measured(script.code != 0, f"{rule.command} ended with {script.code}{said}")


def _certificate(facts: Facts, rule: Rule) -> Measured:
    text = "this server's certificate is valid for {value:g} more days (limit {limit:g})"
    return _under(facts.certificate_days, rule, text, "this server's certificate has not been looked at yet")


def _licence(facts: Facts, rule: Rule) -> Measured:
    text = "the licence is valid for {value:g} more days (limit {limit:g})"
    return _under(facts.licence_days, rule, text, "the licence does not expire")


def _sentence(of: Callable[[Facts], str | None], well: str) -> Judge:
    def judge(facts: Facts, rule: Rule) -> Measured:
        text = of(facts)
        return Measured(None, "cannot be told now") if text is None else Measured(bool(text), text or well)

    return judge


def _version(facts: Facts, rule: Rule) -> Measured:
    if len(facts.versions) < 2:
        return Measured(None, "no other server has told its release yet")
    skewed = len(set(facts.versions.values())) > 1
    shown = ", ".join(f"{name} {release[:12]}" for name, release in facts.versions.items())
    return Measured(skewed, shown if skewed else "all servers run the same release")


def _preroll(facts: Facts, rule: Rule) -> Measured:
    if not facts.prerolls:
        return Measured(None, "no camera is in pre-roll here")
    short = facts.preroll_short
    well = f"{facts.prerolls} cameras hold their pre-roll"
    return Measured(bool(short), f"too little pre-roll: {', '.join(short)}" if short else well)


CAUSES: dict[Cause, Judge] = {
    "disk-fault": _disk("error", "read-only", "hung", "missing"),
    "disk-read-only": _disk("read-only"),
    "disk-full": _disk("full"),
    "disk-hung": _disk("hung"),
    "disk-pulled": _disk("missing"),
    "not-recording": _not_recording,
    "camera-loss": _camera_loss,
    "nic": _nic,
    "crash-loop": _crash_loop,
    "clock": _clock,
    "temperature": _temperature,
    "memory": _memory,
    "script": _script,
    "unprotected": _sentence(lambda facts: facts.unprotected, "the next failure would be caught"),
    "quorum": _sentence(lambda facts: facts.quorum, "every member of the register answers"),
    "standby-busy": _sentence(lambda facts: facts.standby_busy, "a standby is free"),
    "standby-unfit": _sentence(lambda facts: facts.standby_unfit, "it could take a part now"),
    "certificate": _certificate,
    "licence": _licence,
    "version": _version,
    "preroll": _preroll,
}
