"""What keeps the agent from starting is one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from understudy.failover import loop
from understudy.site.plan import Plan, Server

PLAN = Plan(version=1, site="lab", node="rec1", servers=(Server(name="rec1", kind="server"),), logical=())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/understudy").mkdir(parents=True)
    return tmp_path


def start(root: Path) -> tuple[int, list[str]]:
    """Exit code and journal of an agent whose `/` is `root`."""
    finished = subprocess.run(
        [sys.executable, "-m", "netns.processes", "agent", str(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = [line for line in finished.stderr.splitlines() if "memory is not locked" not in line]
    return finished.returncode, lines


def test_without_a_plan(root: Path) -> None:
    code, lines = start(root)
    assert code == 1
    assert lines == [f"<2>understudy.failover.loop: {root}/etc/understudy/plan.json: No such file or directory"]


def test_with_a_plan_of_another_version(root: Path) -> None:
    plan = msgspec.structs.replace(PLAN, version=99)
    (root / "etc/understudy/plan.json").write_bytes(msgspec.json.encode(plan))
    code, lines = start(root)
    assert code == 1
    assert len(lines) == 1
    assert "version: 99" in lines[0]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (None, "No such file"),
        ("xyz", "not hexadecimal"),
        ("5a5a", "2 bytes, wanted 32"),
        ("5a" * 32, "certificates in"),
    ],
)
def test_without_its_secrets(root: Path, key: str | None, complaint: str) -> None:
    (root / "etc/understudy/plan.json").write_bytes(msgspec.json.encode(PLAN))
    if key is not None:
        (root / "etc/understudy/heartbeat.key").write_text(key + "\n")
    code, lines = start(root)
    assert code == 1
    assert len(lines) == 1
    assert complaint in lines[0]


def test_a_start_of_the_machine_has_one_name() -> None:
    assert loop.boot_id() == loop.boot_id()
    assert len(loop.boot_id()) > 36
