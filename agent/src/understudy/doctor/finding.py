"""A finding: what a check found, how bad that is, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "FAIL"]

#: exit statuses, in the order of badness
LEVELS: tuple[Level, ...] = ("ok", "warn", "FAIL")
#: names told one by one; behind them only how many more there are
_TOLD = 8


@dataclass(frozen=True)
class Finding:
    """`ok`: as it should be. `warn`: works, and asks for attention. `FAIL`: does not do its work now."""

    level: Level
    check: str
    text: str
    #: a sentence that says what to do; "" when there is nothing to do
    advice: str = ""


def some(names: Sequence[str], separator: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = f"{separator}and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return separator.join(names[:_TOLD]) + more


def exit_status(findings: Iterable[Finding]) -> int:
    """0: everything is well, 1: something asks for attention, 2: something does not do its work."""
    return max((LEVELS.index(finding.level) for finding in findings), default=0)


def text(findings: Sequence[Finding]) -> str:
    """One line per check, with what to do below it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<4}  {finding.check}: {finding.text}")
        if finding.advice:
            lines.append(f"      {finding.advice}")
    counts = [f"{sum(f.level == level for f in findings)} {level}" for level in LEVELS]
    return "\n".join([*lines, f"{len(findings)} check{'' if len(findings) == 1 else 's'}: {', '.join(counts)}"])


def document(node: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for scripts."""
    worst = LEVELS[exit_status(findings)]
    return {"version": 1, "node": node, "worst": worst, "findings": [asdict(finding) for finding in findings]}
