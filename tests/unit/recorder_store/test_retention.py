"""Retention: by length per track, by free space per letter, oldest first, and never what is open or not home yet."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from letters import plan
from test_catalogue import ROW
from understudy.footage.catalogue import Catalogue
from understudy.footage.model import Segment
from understudy.recorder import retention
from understudy.recorder.retention import Retention
from understudy.recorder.volume import Volume

MIB = 1024 * 1024
DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US


class Letter:
    """Letter C with segments that are rows and small files."""

    def __init__(self, root: Path, **options: object) -> None:
        self.root = root / "C"
        self.root.mkdir()
        self.catalogue = Catalogue(root / "catalogue.db")
        volume = Volume("C", self.root, require_mount=False)
        self.retention = Retention(plan(root, **options), volume, self.catalogue)

    def add(self, name: str, age_days: float, **changes: object) -> Segment:
        end_us = NOW_US - int(age_days * DAY_US)
        directory = f"north/001/main/{retention.day_of(end_us)}"
        path = f"{directory}/{name}"
        values = {"id": f"rec1/{path}", "path": path, "start_us": end_us - 60_000_000, "end_us": end_us}
        segment = msgspec.structs.replace(ROW, **(values | changes))
        (self.root / directory).mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(b"x")
        self.catalogue.put([segment])
        return segment

    def names(self) -> list[str]:
        rows = [row.path.rpartition("/")[2] for row in self.catalogue.held("rec1")]
        files = sorted(path.name for path in self.root.rglob("*") if path.is_file())
        assert sorted(rows) == files
        return rows


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    space = SimpleNamespace(f_bavail=10**6, f_frsize=MIB)
    monkeypatch.setattr(retention.os, "fstatvfs", lambda _: space)
    return space


def test_a_segment_goes_when_it_is_older_than_its_track_keeps(tmp_path: Path) -> None:
    letter = Letter(tmp_path, days=2)
    letter.add("c", 1.9)
    letter.add("a", 3)
    letter.add("b", 2.1)
    assert letter.retention.by_age(NOW_US) == 2
    assert letter.names() == ["c"]
    assert letter.retention.by_age(NOW_US) == 0
    # Empty days go too, but for those on which a segment may just begin.
    assert [path.name for path in (letter.root / "north/001/main").iterdir()] == [
        retention.day_of(NOW_US - int(1.9 * DAY_US))
    ]


def test_s11_open_segments_outage_footage_and_unknown_cameras_are_not_deleted_by_age(tmp_path: Path) -> None:
    letter = Letter(tmp_path)
    letter.add("open", 9, state="open")
    letter.add("unknown", 9, camera=9)
    letter.add("removed", 9, track="sub")
    assert letter.retention.by_age(NOW_US) == 0
    (tmp_path / "away").mkdir()
    away = Letter(tmp_path / "away", home="rec2")
    away.add("outage", 9)
    assert away.retention.by_age(NOW_US) == 0
    assert away.names() == ["outage"]


def test_s26_below_the_floor_the_oldest_go_until_there_is_room(tmp_path: Path, free: SimpleNamespace) -> None:
    letter = Letter(tmp_path, floor_bytes=40 * MIB)
    for name, age in (("d", 0.1), ("a", 0.4), ("c", 0.2), ("b", 0.3)):
        letter.add(name, age, bytes=10 * MIB)
    letter.add("open", 0.5, state="open")
    free.f_bavail = 40
    assert letter.retention.by_space(NOW_US) == 0
    free.f_bavail = 35  # 5 MiB are missing and 10 of margin: two segments of 10
    assert letter.retention.by_space(NOW_US) == 2
    assert letter.names() == ["open", "c", "d"]


def test_s11_outage_footage_goes_below_the_floor_only_and_with_a_warning(
    tmp_path: Path, free: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    letter = Letter(tmp_path, home="rec2")
    segment = letter.add("outage", 0.5)
    free.f_bavail = 7  # no floor in the plan: 8 MiB
    assert letter.retention.by_space(NOW_US) == 1
    assert f"free space below its floor: deleting {segment.id}, footage of an outage of north" in caplog.text


def test_a_deletion_that_fails_keeps_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = Letter(tmp_path, days=1)
    letter.add("a", 3)
    letter.add("b", 2)
    unlink = os.unlink

    def failing(path: str, **options: int) -> None:
        if path.endswith("/b"):
            raise OSError(5, "Input/output error")
        unlink(path, **options)

    monkeypatch.setattr(retention.os, "unlink", failing)
    with pytest.raises(OSError, match="Input/output"):
        letter.retention.by_age(NOW_US)
    assert letter.names() == ["b"]


def test_a_row_whose_file_is_gone_already_goes(tmp_path: Path) -> None:
    letter = Letter(tmp_path, days=1)
    segment = letter.add("a", 3)
    (letter.root / segment.path).unlink()
    assert letter.retention.by_age(NOW_US) == 1
    assert letter.names() == []
