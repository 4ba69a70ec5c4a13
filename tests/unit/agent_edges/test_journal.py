"""The decision log and the memory on disk."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import pytest
from understudy.failover import journal
from understudy.failover.journal import Journal, entry, load_memory
from understudy.failover.model import Fired, Memory, Phase

ROW = Fired(row=403, part="north", before=Phase.SHADOWING, after=Phase.CLAIMING, reason="gone", at_s=12.3456)


def test_f13_a_row_is_one_line_in_the_journal_and_one_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = Journal(tmp_path / "agent")
    log.start()
    with caplog.at_level(logging.INFO):
        log.decided(ROW, {"place": 0})
    log.close(5)
    assert [record.getMessage() for record in caplog.records] == ["row 403 SHADOWING→CLAIMING north: gone"]
    (line,) = (tmp_path / "agent/decisions.jsonl").read_text().splitlines()
    written = json.loads(line)
    assert written == log.recent[0]
    assert written["row"] == 403
    assert written["facts"] == {"place": 0}


def test_an_entry_has_its_time_in_utc() -> None:
    found = entry(ROW, {}, 1795427000.25)
    assert found["time"] == "2026-11-23T09:43:20.250Z"
    assert (found["before"], found["after"], found["boottime_s"]) == ("SHADOWING", "CLAIMING", 12.346)


def test_memory_survives_and_is_never_half(tmp_path: Path) -> None:
    log = Journal(tmp_path)
    log.start()
    for epoch in range(20):
        log.remember(Memory(boot="b", epochs={"north": epoch}))
    log.close(5)
    assert load_memory(tmp_path) == Memory(boot="b", epochs={"north": 19})
    assert not (tmp_path / "memory.new").exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"epochs": 3}', b"\xff"])
def test_a_broken_memory_is_told_and_forgotten(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "memory.json").write_bytes(content)
    assert load_memory(tmp_path) == Memory()
    assert "starting without memory" in caplog.text


def test_f14_a_disk_that_hangs_delays_the_start_a_little_and_the_loop_not_at_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "memory.json")  # a read of it waits for ever
    os.mkfifo(tmp_path / "decisions.jsonl")  # and so does opening this one to write
    started_s = time.monotonic()
    assert load_memory(tmp_path, limit_s=0.1) == Memory()
    log = Journal(tmp_path)
    log.start()
    for _ in range(journal.MAX_WAITING + 100):
        log.decided(ROW, {})
    assert len(log.recent) == journal.MAX_RECENT
    log.close(0.1)
    assert time.monotonic() - started_s < 3


def test_the_log_is_turned_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_LOG_BYTES", 1000)
    log = Journal(tmp_path)
    log.start()
    for _ in range(50):
        log.decided(ROW, {})
    log.close(5)
    assert {path.name for path in tmp_path.iterdir()} <= {"decisions.jsonl", "decisions.jsonl.1"}
    assert (tmp_path / "decisions.jsonl.1").stat().st_size < 1500


def test_a_full_disk_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "decisions.jsonl").mkdir()
    log = Journal(tmp_path)
    log.start()
    for _ in range(5):
        log.decided(ROW, {})
    log.close(5)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
