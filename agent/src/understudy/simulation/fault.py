"""What a fault of a schedule is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from understudy.simulation.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; prints as a line a person can read and replay."""

    at: float
    lasts: float
    kind: str
    targets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.at:6.2f} s  {self.kind} {' '.join(self.targets)} for {self.lasts:.2f} s"


Inject = Callable[["World", Fault], Callable[[], None]]
#: site option `takeover`
Takeover = Literal["certain", "early"]
