"""`benchmarks/preroll`: the last 15 s of every camera, our ring beside ffmpeg with MPEG-TS segments on a tmpfs."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import measure, peers, report, tools
from bench.cameras import Cameras, Kept
from bench.engines import connected
from bench.measure import OURS, Window
from bench.processes import Group
from bench.recorder_process import Recorder, plan

PREROLL_S = 15.0


def main() -> int:
    """Measure, print, write; 0 when every repetition counts."""
    options = _options()
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tools.scratch())
        cameras = stack.enter_context(Cameras(options.cameras, tools.CACHE, place))
        groups: list[Group] = []
        files = stack.enter_context(tools.memory_disk(place / "tmpfs"))
        if "ffmpeg" in options.peers:
            groups.append(stack.enter_context(peers.ffmpeg_preroll(cameras, files, place / "ffmpeg.log")))
        disk = stack.enter_context(tools.disk(place / "ours.img", 256 << 20))
        recorder = stack.enter_context(Recorder(place / OURS, plan("stby1", disk, cameras, PREROLL_S)))
        idle_bytes = recorder.idle_bytes()
        recorder.assign("preroll")
        groups.insert(0, recorder.group)
        connected(cameras, groups)
        time.sleep(options.warm_up)
        held = _held(cameras, recorder, files, idle_bytes)
        windows = [measure.window(cameras, groups, options.seconds, held) for _ in range(options.repeat)]
    return _tell(options, windows, idle_bytes)


def _options() -> argparse.Namespace:
    made = report.parser("preroll", __doc__ or "", cameras=16, seconds=30)
    made.add_argument(
        "--repeat", type=int, default=3, metavar="R", help="repetitions, one behind the other (default: 3)"
    )
    made.add_argument("--warm-up", type=float, default=25, metavar="S", help="to fill 15 s and a GOP (default: 25)")
    made.add_argument("--peers", nargs="*", choices=["ffmpeg"], default=["ffmpeg"], help="none: only ours")
    return made.parse_args()


def _held(cameras: Cameras, recorder: Recorder, files: Path, idle_bytes: int) -> Callable[[Kept], dict[str, float]]:
    """What each engine holds for what it must hold, bytes."""

    def measured(kept: Kept) -> dict[str, float]:
        needed = cameras.bytes_to_hold(kept.now_s, PREROLL_S)
        ours = recorder.group.cost().pss_bytes - idle_bytes
        others = tools.used_bytes(files)
        return {
            "must_hold_bytes": needed,
            "ours_held_bytes": ours,
            "ours_held_ratio": ours / needed,
            "tmpfs_bytes": others,
            "tmpfs_ratio": others / needed,
        }

    return measured


def _tell(options: argparse.Namespace, windows: Sequence[Window], idle_bytes: int) -> int:
    summary = measure.summary(windows, options.peers)
    told = report.document("preroll", options, windows, {**summary, "idle_pss_bytes": idle_bytes})
    report.save(options.json, told)
    per_camera = 1e-6 / options.cameras
    more = summary["more"]
    rows = [
        [
            "engine",
            "CPU s per camera and minute",
            "% of a core",
            "ours / its",
            "bytes held / must hold",
            "PSS per camera, MB",
        ]
    ]
    for name, engine in summary["engines"].items():
        rows.append(
            [
                name,
                report.cell(engine["cpu_s_per_camera_minute"], ".4f"),
                report.cell(engine["cpu_s_per_camera_minute"], ".1f", options.cameras / 60 * 100),
                report.cell(summary["cpu_ratio"].get(name), ".3f"),
                report.cell(more.get("ours_held_ratio" if name == OURS else "tmpfs_ratio"), ".3f"),
                report.cell(engine["pss_bytes"], ".2f", per_camera),
            ]
        )
    print(
        f"\npre-roll of {PREROLL_S:g} s, {options.cameras} cameras; median (least to most) of {options.repeat} "
        "repetitions in one run"
    )
    report.table(rows)
    print(
        f"must hold, a camera: {report.cell(more.get('must_hold_bytes'), '.2f', per_camera)} MB "
        f"(packets since the last key frame that is at least {PREROLL_S:g} s old); "
        f"ours without a camera: {idle_bytes / 1e6:.1f} MB"
    )
    report.validity(windows)
    return 0 if told["valid"] else 1


if __name__ == "__main__":
    sys.exit(report.main(main))
