"""Running commands and saying what goes on: the one place that starts processes, so that every one has a limit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

DEFAULT_LIMIT_S = 60.0
"""Most commands here answer within a second; a minute means something hangs, even on a loaded machine."""

_started_s = time.monotonic()


class LabError(Exception):
    """An expected failure, told in one sentence; the command ends with `exit_code`."""

    exit_code = 1


class UsageError(LabError):
    """The command was typed wrongly; nothing was done."""

    exit_code = 2


class LabTimeout(LabError, TimeoutError):
    """What was waited for did not come about within its limit."""


def say(text: str) -> None:
    """One progress line on stderr, with the seconds since the command started (stdout is for results)."""
    print(f"[{time.monotonic() - _started_s:6.1f} s] {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    limit_s: float = DEFAULT_LIMIT_S,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `argv`, catch its output, raise LabError with what it said when it fails (unless check=False) or hangs."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env=env,
        )
    except subprocess.TimeoutExpired as late:
        raise LabTimeout(f"`{' '.join(argv)}` did not end within {limit_s:.0f} s") from late
    except FileNotFoundError as missing:
        raise LabError(f"the command {argv[0]} is not installed") from missing
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise LabError(f"`{' '.join(argv)}` failed with {done.returncode}: {' / '.join(said[-5:])}")
    return done


def wait(condition: Callable[[], bool], limit_s: float, what: str, every_s: float = 0.1) -> float:
    """Wait until `condition()` holds; return the seconds it took. LabError names `what` when `limit_s` passes."""
    started_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - started_s
        if waited_s > limit_s:
            raise LabTimeout(f"waited {limit_s:.0f} s for {what}, in vain")
        time.sleep(every_s)
    return time.monotonic() - started_s
