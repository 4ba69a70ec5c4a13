"""Windows: what each engine used between two moments, all engines at once, and whether the window counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import tools
from bench.cameras import Cameras, Kept
from bench.processes import Group

OURS = "understudy"


@dataclass(frozen=True, slots=True)
class Use:
    """What one engine used in one window."""

    cpu_s_per_camera_minute: float
    pss_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class Window:
    """One repetition."""

    seconds: float
    use: dict[str, Use]
    simulator_cpu_share: float
    #: of all cores
    machine_busy_share: float
    simulator_late_ms: int
    #: why it does not count; empty when it does
    faults: list[str]
    #: further figures of a benchmark
    more: dict[str, float] = field(default_factory=dict)


def window(
    cameras: Cameras, engines: Sequence[Group], seconds: float, more: Callable[[Kept], dict[str, float]]
) -> Window:
    """Watch for `seconds`; `more` is asked at its end."""
    before = cameras.kept()
    busy_s, simulator_s = tools.busy_s(), cameras.group.cpu_s()
    began_s = time.monotonic()
    used_s = {engine.name: -engine.cpu_s() for engine in engines}
    time.sleep(seconds)
    for engine in engines:
        used_s[engine.name] += engine.cpu_s()
    took_s = time.monotonic() - began_s
    kept = cameras.kept()
    minutes = took_s / 60 * len(cameras.names)
    use = {}
    for engine in engines:
        cost = engine.cost()
        use[engine.name] = Use(used_s[engine.name] / minutes, cost.pss_bytes, cost.threads)
    cores = int(str(tools.machine()["cores"]))
    faults = kept.faults(before)
    if kept.clients != len(cameras.names) * len(engines):
        faults.append(f"{kept.clients} clients instead of {len(cameras.names) * len(engines)}")
    return Window(
        took_s,
        use,
        (cameras.group.cpu_s() - simulator_s) / took_s,
        (tools.busy_s() - busy_s) / took_s / cores,
        kept.late_ms,
        faults,
        more(kept),
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most."""

    median: float
    least: float
    most: float

    def text(self, form: str) -> str:
        """As in `0.31 (0.29 to 0.33)`."""
        return f"{self.median:{form}} ({self.least:{form}} to {self.most:{form}})"


def spread(values: Sequence[float]) -> Spread | None:
    """None without a value."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def summary(windows: Sequence[Window], peers: Sequence[str]) -> dict[str, Any]:
    """Medians and spreads over the windows that count: of every engine, and of ours against each peer."""
    good = [each for each in windows if not each.faults]
    names = list(windows[0].use) if windows else []
    found: dict[str, Any] = {
        "engines": {
            name: {
                "cpu_s_per_camera_minute": spread([each.use[name].cpu_s_per_camera_minute for each in good]),
                "pss_bytes": spread([each.use[name].pss_bytes for each in good]),
                "threads": spread([each.use[name].threads for each in good]),
            }
            for name in names
        },
        "cpu_ratio": {peer: spread([_cpu(each, OURS) / _cpu(each, peer) for each in good]) for peer in peers},
        "more": {key: spread([each.more[key] for each in good]) for key in (good[0].more if good else ())},
    }
    return found


def _cpu(of: Window, engine: str) -> float:
    return of.use[engine].cpu_s_per_camera_minute
