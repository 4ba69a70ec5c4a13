"""`./lab test`: the stages in order, each streaming its output, and a table of how they went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness import sanity, site, up
from harness.paths import Paths
from harness.podman import container
from harness.shell import LabError, say
from harness.topology import CLIENT_HOST

LAB_TEST_LIMIT_S = 900
"""For one test in the lab: some wait for a handback and for footage to go home."""

TOOL_LIMIT_S = 1500
"""For one tool in CI, where nobody looks on: one that hangs is ended, and the table still says which it was."""

BESIDE_NICE = 10
"""What runs beside a tool takes what that leaves of the machine."""

TYPED = ("agent/src", "tests/lab", "tests/fuzz", "benchmarks", "plugins/module_utils", "plugins/plugin_utils")
UNIT = ("tests/unit", "tests/property", "tests/fuzz")
SIMULATION = ("tests/simulation",)


@dataclass
class Session:
    """One `./lab test`: where, with which pytest words, and whether it brought the lab up itself."""

    paths: Paths
    pytest_words: tuple[str, ...] = ()
    brought_up: bool = False
    results: list[tuple[str, str, float]] = field(default_factory=list)

    def call(self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> bool:
        """Run a tool of .venv, output straight through; return whether it succeeded."""
        say(f"$ {' '.join(argv)}")
        with self._started(*argv, env=env, cwd=cwd) as process:
            return self._ended_well(process, argv[0])

    @contextmanager
    def beside(self, *argv: str) -> Iterator[Callable[[], bool]]:
        """Run a tool of .venv while the block runs, behind everything else; the function that is given waits for it,
        shows what it said, and tells whether it succeeded."""
        say(f"$ {' '.join(argv)} (its output comes when it is done)")
        with tempfile.TemporaryFile() as output, self._started(*argv, output=output) as process:
            os.setpriority(os.PRIO_PROCESS, process.pid, BESIDE_NICE)

            def ended_well() -> bool:
                well = self._ended_well(process, argv[0])
                output.seek(0)
                print(output.read().decode(errors="replace"), flush=True)
                return well

            yield ended_well

    @contextmanager
    def _started(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        output: IO[bytes] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        tool = Path(sys.executable).parent / argv[0]
        command = [str(tool) if tool.exists() else argv[0], *argv[1:]]
        where, what = cwd or self.paths.root, {**os.environ, **(env or {})}
        errors = None if output is None else subprocess.STDOUT
        # A group of its own, so that what a tool has started ends with it.
        with subprocess.Popen(
            command, cwd=where, env=what, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, process_group=0
        ) as process:
            try:
                yield process
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise

    def _ended_well(self, process: subprocess.Popen[bytes], name: str) -> bool:
        try:
            return process.wait(TOOL_LIMIT_S if os.environ.get("CI") == "true" else None) == 0
        except subprocess.TimeoutExpired as late:
            say(f"{name} did not end within {late.timeout:.0f} s")
            os.killpg(process.pid, signal.SIGKILL)
            return False


Stage = Callable[[Session], bool]


def lint(session: Session) -> bool:
    """ruff, yamllint and ansible-lint; all of them, even when one finds something."""
    done = [session.call("ruff", "check"), session.call("ruff", "format", "--check"), session.call("yamllint", ".")]
    if (session.paths.root / "site.yml").exists():
        done.append(session.call("ansible-lint", "--offline", env=_collections(session)))
    return all(done)


def types(session: Session) -> bool:
    """mypy --strict over all that is ours."""
    return session.call("mypy", "--strict", *TYPED)


def unit(session: Session) -> bool:
    """Unit, property, simulation and fuzz tests: nothing but Python. The simulation only computes, so it runs behind
    the others, which wait a lot."""
    if session.pytest_words:
        return session.call("pytest", *UNIT, *SIMULATION, *session.pytest_words)
    with session.beside("pytest", *SIMULATION) as simulated:
        passed = session.call("pytest", *UNIT)
        return simulated() and passed


def lab(session: Session) -> bool:
    """The stories in the lab, which is brought up when it is not; the faults, an hour, have their own command."""
    words = ("--ignore", "tests/lab/faults", "--timeout", str(LAB_TEST_LIMIT_S), *session.pytest_words)
    return _lab_is_up(session) and session.call("pytest", "tests/lab", *words)


def molecule(session: Session) -> bool:
    """Every role's scenario, on hosts of their own."""
    if not any((session.paths.root / "molecule").glob("*/molecule.yml")):
        say("there are no molecule scenarios")
        return True
    return session.call("molecule", "test", "--all", env=_collections(session))


def chosen(session: Session) -> bool:
    """pytest with the words that were typed; the lab is brought up when they name its tests."""
    wants_lab = any(word.startswith(("tests/lab", "./tests/lab")) for word in session.pytest_words)
    if wants_lab and not _lab_is_up(session):
        return False
    limit = ("--timeout", str(LAB_TEST_LIMIT_S)) if wants_lab else ()
    return session.call("pytest", *limit, *session.pytest_words)


STAGES: dict[str, Stage] = {
    "lint": lint,
    "types": types,
    "unit": unit,
    "sanity": lambda session: sanity.check(session.paths, session.call),
    # Before the lab, which stays up to the end and takes a third of a core.
    "molecule": molecule,
    "lab": lab,
}


def main(paths: Paths, words: Sequence[str]) -> int:
    """Run the stages that were chosen, all of them without a word; 1 when any failed, the table says which."""
    names = [name for name in STAGES if name in words]
    session = Session(paths, tuple(word for word in words if word not in STAGES))
    stages = {name: STAGES[name] for name in names}
    if not stages:
        stages = {"pytest": chosen} if session.pytest_words else STAGES
    try:
        for name, stage in stages.items():
            _run(session, name, stage)
    finally:
        if session.brought_up and os.environ.get("CI") == "true":
            up.down(paths, other=False)
    failed = [name for name, result, _ in session.results if result != "passed"]
    print("\nstage      result     seconds")
    for name, result, seconds in session.results:
        print(f"{name:<10} {result:<10} {seconds:7.1f}")
    print(f"failed: {', '.join(failed)}" if failed else "all stages passed", flush=True)
    return 1 if failed else 0


def _run(session: Session, name: str, stage: Stage) -> None:
    """One stage; an error of the lab is its failure, and the next stages still run."""
    print(f"\n=== {name} ===", flush=True)
    began_s = time.monotonic()
    try:
        passed = stage(session)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        passed = False
    session.results.append((name, "passed" if passed else "FAILED", time.monotonic() - began_s))


def _lab_is_up(session: Session) -> bool:
    """Bring the lab up, unless a server of it answers; LabError when that fails."""
    try:
        site.status_text(as_json=True)
    except LabError:
        session.brought_up |= container(CLIENT_HOST) is None
        up.up(session.paths, hosts_only=False)
    return True


def _collections(session: Session) -> dict[str, str]:
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(session.paths.root / "collections"),
        "ANSIBLE_CONFIG": str(session.paths.root / "ansible.cfg"),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
    }
