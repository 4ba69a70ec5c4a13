"""One agent per machine (fault 48)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from understudy.failover.loop import StartError, hold_alone


def test_fault_48_a_second_agent_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    lock = tmp_path / "control.lock"
    with hold_alone(lock):
        for _ in range(2):
            with pytest.raises(StartError, match=rf"another agent runs on this machine, process {os.getpid()}$"):
                hold_alone(lock)
    with hold_alone(lock):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"file/control.lock: "):
        hold_alone(tmp_path / "file" / "control.lock")
