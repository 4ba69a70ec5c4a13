"""After every fault: addresses, register, decision logs, leftovers, frames. Each audit adds figures and complaints."""

from __future__ import annotations

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import story
from audit.report import Range
from harness.lab import Lab
from harness.register import recorded
from harness.topology import LOGICAL_ADDRESSES, SERVERS

from faults import register
from faults.addresses import longest

if TYPE_CHECKING:
    from faults.play import Play

#: footage around a fault that is looked at; the first and last second of an export are left out of the judgement
BEFORE_S = 6.0
EDGE_S = 1.0
#: the newest frames may not be on the disk yet
FLUSHED_S = 3.0
COPY_LIMIT_S = 120.0
#: what `understudy gaps` says and what is missing may differ by so much for each gap
TOLD_WITHIN_S = 0.3
#: rows by which a part comes to a server, and those that must never fire while nothing moves
ARRIVALS = (109, 501, 511, 803, 108, 310, 410, 901, 902)
TAKINGS = (501, 511, 310, 410)


@dataclass(frozen=True)
class Site:
    """What must be the same after the fault: owners' epochs, and every host's own addresses."""

    epochs: dict[str, int]
    addresses: dict[str, frozenset[str]]


def look(lab: Lab) -> Site:
    """The site as it is now."""
    epochs = {part: owner["epoch"] for part, owner in register.owners(lab).items()}
    return Site(epochs, {name: _addresses(lab, name) for name in SERVERS})


def decisions(lab: Lab, server: str, since_wall_s: float) -> list[dict[str, Any]]:
    """Lines of a server's decision log since a time."""
    path = "/var/lib/understudy/agent/decisions.jsonl"
    text = lab.host(server).run(["sh", "-c", f"cat {path}.1 {path} 2>/dev/null | tail -n 500"]).stdout
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
    return [line for line in lines if datetime.fromisoformat(line["time"]).timestamp() >= since_wall_s]


def addresses(play: Play, ended_s: float) -> None:
    """No address on two machines at any look; none away from a client for longer than allowed."""
    overlap_s = play.sampler.overlap_s()
    play.figure("on two machines, s", overlap_s, play.scenario.overlap_s)
    if overlap_s > play.scenario.overlap_s:
        play.complaints.append(f"first seen twice: {play.sampler.twice[0]}")
    play.expect(play.sampler.looks > 0, "nobody looked where the addresses were")
    blackouts = play.watch.blackouts()
    for part, limits in play.scenario.limits.items():
        gaps = [blackouts[address].gaps for address in LOGICAL_ADDRESSES[part]]
        away_s = max(longest(gap, play.began_s, play.healed_s) for gap in gaps)
        homeward_s = max(longest(gap, play.healed_s, ended_s) for gap in gaps)
        play.figure(f"{part} away, s", away_s, limits.away_s)
        play.figure(f"{part} away on the way home, s", homeward_s, limits.homeward_s)


def moves(play: Play) -> None:
    """The register says what the servers say and what their kernels have; owners changed as often as expected."""
    owners = register.owners(play.lab)
    status = play.lab.status()
    for part, home in story.HOMES.items():
        owner = owners[part]
        wanted, changed = play.scenario.limits[part].moves, owner["epoch"] - play.before.epochs[part]
        play.figure(f"{part} moves", changed)
        play.expect(changed in wanted, f"{part} changed its owner {changed} times, not {wanted}")
        play.expect(
            (owner["node"], owner["state"]) == (home, "held"), f"the register says of {part}: {owner}, not {home}"
        )
        carrier = story.logical(status, part)["carrier"]
        play.expect(carrier == home, f"{part} is carried by {carrier}")
        for address in LOGICAL_ADDRESSES[part]:
            holders = [name for name in SERVERS if address in _addresses(play.lab, name)]
            play.expect(holders == [home], f"{address} is on {holders}")


def explained(play: Play) -> None:
    """Every move has its rows in the decision logs, each with a reason; nothing was taken that was not to move."""
    logs = {name: decisions(play.lab, name, play.began_wall_s) for name in SERVERS}
    rows = {(name, line["row"], line["part"]) for name, lines in logs.items() for line in lines}
    for part, limits in play.scenario.limits.items():
        arrivals = [key for key in rows if key[1] in ARRIVALS and key[2] == part]
        takings = [key for key in arrivals if key[1] in TAKINGS]
        if 0 not in limits.moves:
            play.expect(bool(arrivals), f"no decision log explains how {part} moved")
        elif limits.moves == (0,):
            play.expect(not takings, f"{part} was taken: {takings}")
    for server, row in play.scenario.rows:
        play.expect(any(key[:2] == (server, row) for key in rows), f"row {row} is not in the decision log of {server}")
    silent = [line for lines in logs.values() for line in lines if not line["reason"]]
    play.expect(not silent, f"decisions without a reason: {silent[:3]}")


def leftovers(play: Play) -> None:
    """Footage of the outage gone home; no half copies, extra addresses, failed units, tracebacks or faults."""
    play.lab.wait(lambda: not _strangers(play.lab), COPY_LIMIT_S, "the standby to be free of others' footage")
    for name in SERVERS:
        host = play.lab.host(name)
        play.expect(
            _addresses(play.lab, name) == play.before.addresses[name],
            f"{name} has other addresses than before: {_addresses(play.lab, name) ^ play.before.addresses[name]}",
        )
        failed = host.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout.split("\n")[0]
        play.expect(not failed, f"{name}: a unit failed: {failed}")
        parts = host.run(["sh", "-c", "find /srv/footage -name '*.part' | head -n 3"]).stdout.split()
        play.expect(not parts, f"{name}: half copies are left: {parts}")
        since = f"@{play.began_wall_s:.0f}"
        told = host.run(["journalctl", "--since", since, "-o", "cat", "--no-pager", "-u", "understudy-*"]).stdout
        at = told.find("Traceback")
        play.expect(at < 0, f"{name}: the journal has a {told[at : at + 1500]}")
    play.expect(not recorded(play.lab.paths), "faults are still in force")


def frames(play: Play) -> None:
    """Export every camera over the whole fault at its home: what its camera sent is there, once, and plays."""
    until_s = play.home_wall_s + FLUSHED_S
    play.lab.wait(lambda: story.now() > until_s, FLUSHED_S + 5, "the last frames to be written")
    silent = _silent(play.lab)
    cameras = [(part, number) for part, numbers in story.CAMERAS.items() for number in numbers]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda camera: _missing(play, camera[0], camera[1], silent), cameras))
    for part, limits in play.scenario.limits.items():
        lost = {number: lost for (name, number), lost in zip(cameras, found, strict=True) if name == part}
        spared = max((lost.pop(number) for number in limits.spared), default=0)
        if limits.spared:
            play.figure(f"{part} frames missing where spared", spared)
        play.figure(f"{part} frames missing", max(lost.values()))
        if limits.missing is not None:
            play.expect(max(lost.values()) <= limits.missing, f"{part}: frames missing by camera: {lost}")


def _missing(play: Play, part: str, number: int, silent: dict[str, list[Range]]) -> int:
    """Frames that a camera sent and that are missing over the fault; complains of any that is twice or damaged."""
    camera, home = f"{part}/{number}", story.HOMES[part]
    begin_s, end_s = play.began_wall_s - BEFORE_S, play.home_wall_s - EDGE_S
    counters = math.ceil((begin_s + EDGE_S) * story.FPS), int((end_s - EDGE_S) * story.FPS)
    found = story.export(play.lab, home, camera, begin_s, end_s, counters)
    play.expect(not found.duplicates, f"{camera}: frames twice: {found.duplicates}")
    play.expect(not found.damaged, f"{camera}: frames damaged: {found.damaged[:3]}")
    missing = {counter for first, last in found.missing for counter in range(first, last + 1)}
    _told(play, camera, home, len(missing), len(found.missing), (begin_s, end_s))
    return len(missing - {counter for first, last in silent[f"{part}{number}"] for counter in range(first, last + 1)})


def _told(play: Play, camera: str, home: str, missing: int, holes: int, span: tuple[float, float]) -> None:
    """`understudy gaps` tells of what is missing, neither more nor less; what a camera did not send is missing too."""
    words = ["--from", story.stamp(span[0]), "--to", story.stamp(span[1]), "--json"]
    answer = json.loads(play.lab.host(home).run(["understudy", "gaps", camera, *words]).stdout)
    # Of a gap that reaches over an end of the judged span only what is inside can be among the missing frames.
    told_s = sum(_inside_s(gap, span[0] + EDGE_S, span[1] - EDGE_S) for gap in answer["gaps"])
    lost_s = missing / story.FPS
    within_s = TOLD_WITHIN_S * max(1, holes)
    play.expect(abs(told_s - lost_s) <= within_s, f"{camera}: {lost_s:.2f} s are missing, {told_s:.2f} s told")


def _inside_s(gap: dict[str, Any], begin_s: float, end_s: float) -> float:
    """Seconds of a told gap that lie between two times."""
    first_s, last_s = (datetime.fromisoformat(gap[end]).timestamp() for end in ("from", "to"))
    return max(0.0, min(float(gap["length_s"]), min(last_s, end_s) - max(first_s, begin_s)))


def _silent(lab: Lab) -> dict[str, list[Range]]:
    """Camera -> ranges of pictures it never sent."""
    text = lab.host("cams").run(["sh", "-c", "cd /opt/lab && python3 -m camsim stats"]).stdout
    stats = json.loads(text)
    return {name: [(low, high) for low, high in found["silent"]] for name, found in stats.items()}


def _strangers(lab: Lab) -> list[str]:
    """Footage on the standby."""
    return lab.host("stby1").run(["sh", "-c", "find /srv/footage -name '*.mp4' -type f | head -n 3"]).stdout.split()


def _addresses(lab: Lab, name: str) -> frozenset[str]:
    """All addresses of a host, without their prefix lengths."""
    text = lab.host(name).run(["ip", "-o", "address"]).stdout
    return frozenset(re.findall(r"inet6? ([0-9a-f.:]+)/", text))
