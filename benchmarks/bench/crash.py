"""`benchmarks/crash`: a recorder dies at a random moment, its standby takes over; which frames has neither?

A trial: the primary records, the standby holds pre-roll; at a random moment the primary is killed (`--power-cut`: its
disk loses what was not synced, too), after the detection delay the standby is told to record. Then every frame between
the moment both ran and the moment the standby was told is looked for in the files of both.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import check
from understudy.control import ControlError

from bench import report, tools
from bench.cameras import Cameras
from bench.measure import spread
from bench.processes import ProcessError
from bench.recorder_process import Recorder, plan

#: the budget of docs/concepts/failover.md: from the last sign of life to the takeover
DELAY_S = 3.6
#: what is recorded after the takeover before the trial ends
_AFTER_S = 2.0
_FPS = 25
_DISK_BYTES_PER_CAMERA = 400_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What one crash cost."""

    #: how long the primary had recorded, all cameras
    lived_s: float
    #: frames of all cameras that neither has, and those that are damaged or cannot be decoded
    missing: int
    damaged: int
    frames: int
    #: frames at the end that the primary's files alone lack, the worst camera
    tail: int
    #: from being told until every camera had a frame on disk
    takeover_s: float
    faults: list[str]


def main() -> int:
    """Run the trials; 0 when all count and nothing is missing (with `--expect-loss`: when something is)."""
    options = _options()
    chance = random.Random(options.seed)
    trials = []
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tools.scratch())
        cameras = stack.enter_context(Cameras(options.cameras, tools.CACHE, place))
        for number in range(1, options.trials + 1):
            try:
                trials.append(_trial(cameras, place / f"trial{number}", options, chance))
            except (ProcessError, ControlError) as error:
                trials.append(Trial(0.0, 0, 0, 0, 0, 0.0, [str(error)]))
            _line(number, trials[-1])
    return _tell(options, trials)


def _options() -> argparse.Namespace:
    made = report.parser("crash", __doc__ or "", cameras=8, seconds=14)
    made.description = "Kill a recorder at random moments and look for every frame in what it and its standby wrote."
    made.add_argument("--trials", type=int, default=10, metavar="N", help="default: 10")
    made.add_argument(
        "--delay", type=float, default=DELAY_S, metavar="S", help=f"until the standby is told (default: {DELAY_S})"
    )
    made.add_argument("--preroll", type=float, default=15.0, metavar="S", help="of every camera (default: 15)")
    made.add_argument("--power-cut", action="store_true", help="the primary's disk loses what was not synced")
    made.add_argument("--expect-loss", action="store_true", help="negative control: succeed when frames are missing")
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the moments")
    return made.parse_args()


def _trial(cameras: Cameras, place: Path, options: argparse.Namespace, chance: random.Random) -> Trial:
    place.mkdir()
    lives_s = chance.uniform(2.0, options.seconds)
    size = int(options.cameras * _DISK_BYTES_PER_CAMERA * (options.seconds + options.preroll + 30)) + (128 << 20)
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(tools.disk(place / f"{name}.img", size)) for name in ("primary", "standby")]
        primary = stack.enter_context(Recorder(place / "rec1", plan("rec1", disks[0], cameras, options.preroll)))
        standby = stack.enter_context(Recorder(place / "stby1", plan("stby1", disks[1], cameras, options.preroll)))
        standby.assign("preroll")
        primary.assign("record")
        primary.wait_for_frames()
        standby.wait_for_frames()
        before = cameras.kept()
        time.sleep(lives_s)
        _crash(primary, disks[0], options.power_cut)
        died_s = time.time()
        time.sleep(options.delay)
        told_s = time.time()
        standby.assign("record")
        standby.wait_until_recording()
        takeover_s = time.time() - told_s
        time.sleep(_AFTER_S)
        standby.group.stop()
        kept = cameras.kept()
        if options.power_cut:
            tools.unmount(disks[0])
            tools.mount(place / "primary.img", disks[0])
        found = _audit(cameras, (primary, standby), before.now_s, died_s, told_s, kept.silent)
    return Trial(lives_s, *found, takeover_s, kept.faults(before))


def _crash(primary: Recorder, disk: Path, power_cut: bool) -> None:
    """The end of the primary. Its disk goes first: what the dying process still writes is not written."""
    if power_cut:
        tools.run("xfs_io", "-x", "-c", "shutdown", str(disk))
    primary.group.kill()


def _audit(
    cameras: Cameras,
    both: tuple[Recorder, Recorder],
    from_s: float,
    died_s: float,
    told_s: float,
    silent: dict[str, Any],
) -> tuple[int, int, int, int]:
    """(missing, damaged or undecodable, frames looked for, the primary's tail) over all cameras."""
    first, last = int(from_s * _FPS), int(told_s * _FPS)
    missing = damaged = tail = 0
    for number, name in enumerate(cameras.names, 1):
        files = [recorder.files(number) for recorder in both]
        union = check(files[0] + files[1], first, last, silent=silent[name])
        missing += sum(b - a + 1 for a, b in union.missing)
        whole = check(files[0] + files[1])  # from the files' first key frames on: nothing may be cut out of its group
        damaged += len(whole.damaged) + sum(b - a + 1 for a, b in whole.undecodable)
        alone = check(files[0], first, int(died_s * _FPS), silent=silent[name])
        tail = max(tail, sum(b - a + 1 for a, b in alone.missing))
    return missing, damaged, (last - first + 1) * len(cameras.names), tail


def _line(number: int, trial: Trial) -> None:
    state = f"INVALID: {'; '.join(trial.faults)}" if trial.faults else ""
    print(
        f"trial {number:3}: lived {trial.lived_s:5.1f} s, primary's tail {trial.tail:3} frames, "
        f"takeover {trial.takeover_s:.2f} s, {trial.frames} frames, {trial.missing} missing, "
        f"{trial.damaged} damaged {state}",
        flush=True,
    )


def _tell(options: argparse.Namespace, trials: Sequence[Trial]) -> int:
    valid = [trial for trial in trials if not trial.faults]
    missing, damaged = sum(trial.missing for trial in valid), sum(trial.damaged for trial in valid)
    summary = {
        "trials": list(trials),
        "counted": len(valid),
        "missing": missing,
        "damaged": damaged,
        "frames": sum(trial.frames for trial in valid),
        "tail_frames": spread([trial.tail for trial in valid]),
        "takeover_s": spread([trial.takeover_s for trial in valid]),
    }
    told = report.document("crash", options, [], summary)
    told["valid"] = len(valid) == len(trials)
    report.save(options.json, told)
    kind = "power cut" if options.power_cut else "SIGKILL"
    print(
        f"\n{kind}, {options.cameras} cameras, pre-roll {options.preroll:g} s, told after {options.delay:g} s, "
        f"seed {options.seed}"
    )
    report.table(
        [
            ["trials that count", "frames looked for", "missing", "damaged", "primary's tail, frames", "takeover, s"],
            [
                f"{len(valid)} of {len(trials)}",
                str(summary["frames"]),
                str(missing),
                str(damaged),
                report.cell(spread([trial.tail for trial in valid]), ".0f"),
                report.cell(spread([trial.takeover_s for trial in valid]), ".2f"),
            ],
        ]
    )
    good = bool(missing) if options.expect_loss else not missing and not damaged
    return 0 if good and len(valid) == len(trials) else 1


if __name__ == "__main__":
    sys.exit(report.main(main))
