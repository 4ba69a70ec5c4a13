"""`benchmarks/recorder`: recording to disk, ours beside ffmpeg and PyAV, all on the same cameras at the same time."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit import check

from bench import measure, peers, report, tools
from bench.cameras import Cameras, Kept
from bench.clips import KINDS
from bench.engines import CONNECTED_S, connected
from bench.measure import OURS, Window
from bench.processes import Group
from bench.recorder_process import Recorder, plan

#: bytes a second of the mean camera, generously: for the size of the disks
_CAMERA_BYTES_PER_S = 400_000
_PEERS = {"ffmpeg": peers.ffmpeg_recording, "PyAV": peers.pyav_recording}


@dataclass(frozen=True, slots=True)
class Engine:
    """One that records: its processes, and where a camera's files are."""

    group: Group
    files: Callable[[str], list[Path]]


def main() -> int:
    """Measure, print, write; 0 when every repetition counts and no engine of ours lost a frame."""
    options = _options()
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tools.scratch())
        cameras = stack.enter_context(Cameras(options.cameras, tools.CACHE, place))
        engines, idle_bytes = _engines(stack, options, cameras, place)
        groups = [engine.group for engine in engines]
        connected(cameras, groups)
        time.sleep(options.warm_up)
        began = cameras.kept()
        windows = [measure.window(cameras, groups, options.seconds, lambda _: {}) for _ in range(options.repeat)]
        ended = cameras.kept()
        for group in groups:
            group.stop()
        lost = {engine.group.name: _lost(engine, cameras, began, ended) for engine in engines}
    return _tell(options, windows, lost, idle_bytes)


def _options() -> argparse.Namespace:
    made = report.parser("recorder", __doc__ or "", cameras=16, seconds=60)
    made.add_argument(
        "--repeat", type=int, default=3, metavar="R", help="repetitions, one behind the other (default: 3)"
    )
    made.add_argument("--warm-up", type=float, default=15, metavar="S", help="before the first one (default: 15)")
    made.add_argument("--peers", nargs="*", choices=list(_PEERS), default=list(_PEERS), help="default: all")
    return made.parse_args()


def _engines(
    stack: contextlib.ExitStack, options: argparse.Namespace, cameras: Cameras, place: Path
) -> tuple[list[Engine], int]:
    """Start the peers and our recorder, each on a disk of its own; and the PSS of ours without a camera."""
    seconds = options.warm_up + options.repeat * options.seconds + 2 * CONNECTED_S
    size = int(options.cameras * _CAMERA_BYTES_PER_S * seconds) + (512 << 20)
    others = []
    for peer in options.peers:
        directory = stack.enter_context(tools.disk(place / f"{peer}.img", size))
        group = stack.enter_context(_PEERS[peer](cameras, directory, place / f"{peer}.log"))
        others.append(Engine(group, _files_below(directory)))
    disk = stack.enter_context(tools.disk(place / "ours.img", size))
    recorder = stack.enter_context(Recorder(place / OURS, plan("rec1", disk, cameras, 15)))
    idle_bytes = recorder.idle_bytes()
    recorder.assign("record")
    ours = Engine(recorder.group, lambda name: recorder.files(cameras.names.index(name) + 1))
    return [ours, *others], idle_bytes


def _files_below(directory: Path) -> Callable[[str], list[Path]]:
    return lambda name: peers.recorded(directory, name)


def _lost(engine: Engine, cameras: Cameras, began: Kept, ended: Kept) -> int:
    """Pictures missing or damaged between two moments in a camera of each kind; 2 s at the end may be held back."""
    first, last = int(began.now_s * 25), int((ended.now_s - 2) * 25)
    lost = 0
    for name in cameras.names[: len(KINDS)]:
        verdict = check(engine.files(name), first, last, silent=ended.silent[name])
        lost += sum(b - a + 1 for a, b in verdict.missing) + len(verdict.damaged)
    return lost


def _tell(options: argparse.Namespace, windows: Sequence[Window], lost: dict[str, int], idle_bytes: int) -> int:
    summary = measure.summary(windows, options.peers)
    told = report.document(
        "recorder", options, windows, {**summary, "lost_in_sample": lost, "idle_pss_bytes": idle_bytes}
    )
    report.save(options.json, told)
    per_camera = 1e-6 / options.cameras
    rows = [
        [
            "engine",
            "CPU s per camera and minute",
            "ours / its",
            "PSS per camera, MB",
            "threads",
            "frames lost in 4 cameras",
        ]
    ]
    for name, engine in summary["engines"].items():
        rows.append(
            [
                name,
                report.cell(engine["cpu_s_per_camera_minute"], ".3f"),
                report.cell(summary["cpu_ratio"].get(name), ".3f"),
                report.cell(engine["pss_bytes"], ".2f", per_camera),
                report.cell(engine["threads"], ".0f"),
                str(lost[name]),
            ]
        )
    print(f"\nrecording, {options.cameras} cameras; median (least to most) of {options.repeat} repetitions in one run")
    report.table(rows)
    ours = summary["engines"][OURS]["pss_bytes"]
    if ours is not None:
        print(
            f"ours without a camera: {idle_bytes / 1e6:.1f} MB; "
            f"each camera adds {(ours.median - idle_bytes) * per_camera:.2f} MB"
        )
    report.validity(windows)
    return 0 if told["valid"] and not lost[OURS] else 1


if __name__ == "__main__":
    sys.exit(report.main(main))
