"""The command: `python -m fuzz --seconds N [--target T] [--seed S]` in tests/fuzz; status 1 when something was found.

What is found is written to `found/`, changed no further; put it into `corpus/` together with the fix.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import Random

#: inputs between two that are weighed
WEIGH_EVERY = 50
FOUND = Path(__file__).parents[1] / "found"


def main(arguments: Sequence[str] | None = None) -> int:
    """Change inputs until the time is over, all targets in turn."""
    sys.path.insert(0, str(Path(__file__).parents[3] / "agent" / "src"))  # runs from a checkout, nothing installed
    from fuzz.edits import apply, draw
    from fuzz.targets import TARGETS

    told = _parser([target.name for target in TARGETS]).parse_args(arguments)
    seed = told.seed if told.seed is not None else time.time_ns() % 1_000_000
    random = Random(seed)
    targets = [(target, target.corpus()) for target in TARGETS if told.target in (None, target.name)]
    end_s = time.monotonic() + told.seconds
    count = 0
    while time.monotonic() < end_s:
        target, corpus = targets[count % len(targets)]
        data = apply(random.choice(corpus), draw(random, target.tokens))
        try:
            target.run(data, weigh=count // len(targets) % WEIGH_EVERY == 0)
        except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
            traceback.print_exc()
            print(f"{target.name}: {_keep(target.name, data)} (seed {seed}, input {count})", file=sys.stderr)
            return 1
        count += 1
    print(f"{count} inputs to {len(targets)} targets, seed {seed}: nothing found")
    return 0


def _keep(name: str, data: bytes) -> Path:
    path = FOUND / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fuzz", description="Hostile input for the recorder's readers.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--target", choices=names)
    parser.add_argument("--seed", type=int, help="repeats a run input by input")
    return parser


if __name__ == "__main__":
    sys.exit(main())
