"""`benchmarks/failover`: a server of the lab dies; how long are the addresses away, how many frames are missing?

Ours, keepalived and pacemaker run in the same hosts and meet the same crash. Each has an address a client asks every
20 ms and a camera it records: ours its own recorder, the peers an ffmpeg that they move with the address. A trial
kills rec1 silently, waits until stby1 carries everything, brings rec1 back and waits until all is home again.
`--planned` moves by hand instead: maintenance, a stopped keepalived, a node in standby.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import story
from harness.lab import Lab
from harness.probe import Watch
from harness.shell import LabError, say

from bench import peers_failover as peers
from bench import report, tools
from bench.measure import OURS, spread

_OURS_ADDRESS = "198.18.31.101"
_OURS_CAMERA = "north/1"
#: seconds of footage on either side of a move that are looked at
_AROUND_S = 5.0
_MOVE_LIMIT_S = 60.0
_HOME_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Move:
    """What one engine cost in one trial."""

    away_s: float
    missing_frames: int


def main() -> int:
    """Run the trials and print the table; 0 when every trial counted."""
    options = _options()
    lab = Lab()
    tools.CACHE.mkdir(parents=True, exist_ok=True)
    peers.install(lab)
    _wait_home(lab)
    trials = []
    for number in range(1, options.trials + 1):
        trials.append(_trial(lab, planned=options.planned))
        told = ", ".join(
            f"{name} {move.away_s:.2f} s, {move.missing_frames} frames" for name, move in trials[-1].items()
        )
        say(f"trial {number} of {options.trials}: {told}")
    _print(trials)
    report.save(options.json, _document(options, trials))
    return 0


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser("benchmarks/failover", description=__doc__)
    made.add_argument("--trials", type=int, default=10, metavar="N", help="default: 10")
    made.add_argument("--planned", action="store_true", help="move by hand instead of a crash")
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    return made.parse_args()


def _trial(lab: Lab, *, planned: bool) -> dict[str, Move]:
    """One move away and back; what each engine cost on the way away."""
    for peer in peers.PEERS:
        peer.forget(lab)
    addresses = [_OURS_ADDRESS, *(peer.address for peer in peers.PEERS)]
    begin_s = time.time() - _AROUND_S
    with lab.watch(addresses) as watch:
        time.sleep(_AROUND_S)  # footage before the move, of the peers' new files too
        _leave(lab, planned=planned)
        lab.wait(lambda: _carried_by(lab, peers.STANDBY), _MOVE_LIMIT_S, "stby1 to carry all three")
        lab.wait(watch.all_answer, _MOVE_LIMIT_S, "all three addresses to answer")
        time.sleep(_AROUND_S)
    end_s = time.time() - 1
    ours = story.export(lab, peers.STANDBY, _OURS_CAMERA, begin_s, end_s).missing
    _return(lab, planned=planned)
    missing = {OURS: sum(last - first + 1 for first, last in ours)}
    missing |= {peer.name: peer.missing() for peer in peers.PEERS}
    _wait_home(lab)
    return {name: Move(_away(watch, address), missing[name]) for name, address in zip(missing, addresses, strict=True)}


def _away(watch: Watch, address: str) -> float:
    return watch.blackouts()[address].longest_s


def _leave(lab: Lab, *, planned: bool) -> None:
    if not planned:
        lab.fault("crash", peers.HOME)
        return
    lab.host(peers.HOME).run(["understudy", "maintenance", "on"])
    lab.host(peers.HOME).run(["systemctl", "stop", "keepalived"])
    lab.host(peers.HOME).run(["crm_standby", "--node", "rec1", "--update", "on"])


def _return(lab: Lab, *, planned: bool) -> None:
    if not planned:
        lab.heal(peers.HOME)
        return
    lab.host(peers.HOME).run(["understudy", "maintenance", "off"])
    lab.host(peers.HOME).run(["systemctl", "start", "keepalived"])
    lab.host(peers.HOME).run(["crm_standby", "--node", "rec1", "--delete"])


def _carried_by(lab: Lab, host: str) -> bool:
    return story.carrier(lab, "north") == host and all(peer.carries(lab, host) for peer in peers.PEERS)


def _wait_home(lab: Lab) -> None:
    story.wait_whole(lab, _HOME_LIMIT_S)
    lab.wait(lambda: _carried_by(lab, peers.HOME), _HOME_LIMIT_S, "rec1 to carry all three again")


def _print(trials: list[dict[str, Move]]) -> None:
    rows = [["engine", "address away, s", "ours / its", "frames missing", "trials"]]
    for name in trials[0]:
        away = spread([trial[name].away_s for trial in trials])
        missing = spread([float(trial[name].missing_frames) for trial in trials])
        ratio = spread([trial[OURS].away_s / trial[name].away_s for trial in trials]) if name != OURS else None
        cells = [report.cell(away, ".2f"), report.cell(ratio, ".2f"), report.cell(missing, ".0f"), str(len(trials))]
        rows.append([name, *cells])
    report.table(rows)


def _document(options: argparse.Namespace, trials: list[dict[str, Move]]) -> dict[str, Any]:
    return {
        "benchmark": "failover",
        "machine": tools.machine(),
        "options": {"trials": options.trials, "planned": options.planned},
        "trials": trials,
    }


if __name__ == "__main__":
    try:
        sys.exit(report.main(main))
    except LabError as error:
        sys.exit(f"benchmarks: {error}")
