"""`benchmarks/agent`: what the agent of each server of a calm site costs, in share of one core and MB.

A site of 2+1 in network namespaces (`tests/lab/netns`): real agents, real etcd with mutual TLS, heartbeats over IPv4
and IPv6, recorders that report cameras without pictures. Nothing happens while it is measured: all is at home.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import platform
import pstats
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netns import processes
from netns.site import NUMBERS, Site, etcd_binary
from understudy.failover import loop
from understudy.failover.agent import Agent

#: how long the site may take to have everything at home, and then to grow calm
_START_S, _CALM_S = 60.0, 5.0
_CACHE = Path(__file__).parents[2] / ".lab" / "etcd"
_ROWS = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table; with `--profile` where the time goes instead, which is itself dear."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="understudy-agent-") as directory:
        module = "bench.agent" if options.profile else "netns.processes"
        with Site(Path(directory), etcd_binary(_CACHE), cameras=options.cameras, agent=module) as site:
            site.start()
            site.wait("everything is at home", lambda: _home(site), _START_S)
            time.sleep(_CALM_S)
            measured = _measure(site, options.seconds)
            if options.profile:
                _print_profile(site, options.profile)
                return 0
    for name, (share, pss_mb) in measured.items():
        print(f"agent of {name}: {share:.2%} of a core, {pss_mb:.0f} MB PSS")
    shares = {name: {"core_share": round(c, 5), "pss_mb": round(m, 1)} for name, (c, m) in measured.items()}
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count()}
    told: dict[str, Any] = {"benchmark": "agent", "machine": machine, "cameras": options.cameras}
    if options.json:
        options.json.write_text(json.dumps({**told, "seconds": options.seconds, "agents": shares}, indent=2) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks/agent", description=__doc__)
    parser.add_argument("--cameras", type=int, default=7, metavar="N", help="of each logical server (default: 7)")
    parser.add_argument("--seconds", type=float, default=30, metavar="S", help="to measure for (default: 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    parser.add_argument("--profile", choices=tuple(NUMBERS), help="print where this server's agent spends its time")
    return parser.parse_args(arguments)


def _home(site: Site) -> bool:
    states = site.states("stby1")
    return all(states[part] == "SERVING" for part in ("north", "south")) and states["stby1"] == "PRIMARY STANDBY"


def _measure(site: Site, seconds: float) -> dict[str, tuple[float, float]]:
    """Server -> share of a core over `seconds`, and PSS in MB at the end."""
    agents = {name: site.processes[name, "agent"].pid for name in NUMBERS}
    began_s = time.monotonic()
    before = {name: _cpu_s(pid) for name, pid in agents.items()}
    time.sleep(seconds)
    after = {name: _cpu_s(pid) for name, pid in agents.items()}
    took_s = time.monotonic() - began_s
    return {name: ((after[name] - before[name]) / took_s, _pss_mb(pid)) for name, pid in agents.items()}


def _cpu_s(pid: int) -> float:
    """What all threads of a process ran, in seconds; /proc/PID/stat misses what is done between two ticks."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def _print_profile(site: Site, name: str) -> None:
    site.processes[name, "agent"].terminate()
    site.processes[name, "agent"].wait(10)
    pstats.Stats(str(site.directory / name / "agent.profile")).sort_stats("tottime").print_stats(_ROWS)


def _profiled(root: Path) -> int:
    """Be an agent below `root` that writes its profile at its end; only steps of the calm site count."""
    processes.move_paths(root)
    profile = cProfile.Profile()
    run = Agent.run

    async def later(self: Agent, stop: asyncio.Event) -> None:
        profile.enable()
        await run(self, stop)

    Agent.run = later  # type: ignore[method-assign]
    try:
        return loop.main()
    finally:
        profile.disable()
        profile.dump_stats(root / "agent.profile")


if __name__ == "__main__":
    if sys.argv[1:2] == ["agent"]:
        raise SystemExit(_profiled(Path(sys.argv[2])))
    raise SystemExit(main())
