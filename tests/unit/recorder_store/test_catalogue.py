"""The catalogue: rows in, rows out, by range, by place; tokens across processes; two makers at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from letters import store
from understudy.footage import catalogue as catalogues
from understudy.footage.catalogue import Catalogue, CatalogueError, NewerCatalogueError
from understudy.footage.model import Segment

ROW = Segment(
    id="rec1/north/001/main/20261123/100000.000_rec1.v.mp4",
    logical="north",
    camera=1,
    track="main",
    stream="video",
    recorder="rec1",
    session="s1",
    disk="C",
    path="north/001/main/20261123/100000.000_rec1.v.mp4",
    start_us=100,
    end_us=200,
    frames=25,
    bytes=1000,
    state="closed",
    holder="rec1",
)


def row(number: int, **changes: object) -> Segment:
    values = {"id": f"rec1/{number}", "path": str(number), "start_us": number * 100, "end_us": number * 100 + 99}
    return msgspec.structs.replace(ROW, **(values | changes))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "state" / "catalogue.db")


def test_a_row_comes_back_as_it_was_and_is_replaced_by_id(catalogue: Catalogue) -> None:
    catalogue.put([ROW])
    assert catalogue.segment(ROW.id) == ROW
    grown = msgspec.structs.replace(ROW, end_us=300, frames=50, sha256="ab", holder="stby1")
    catalogue.put([grown])
    assert catalogue.segments("north") == [grown]
    catalogue.remove([ROW.id, "unknown"])
    assert catalogue.segment(ROW.id) is None


def test_a_range_is_half_open_and_takes_what_reaches_into_it(catalogue: Catalogue) -> None:
    catalogue.put([row(number) for number in (3, 1, 2)])  # 100-199, 200-299, 300-399

    def found(from_us: int | None, to_us: int | None) -> list[str]:
        return [segment.path for segment in catalogue.segments("north", 1, from_us=from_us, to_us=to_us)]

    assert found(None, None) == ["1", "2", "3"]
    assert found(199, 200) == ["1"]
    assert found(200, 300) == ["2"]
    assert found(250, None) == ["2", "3"]
    assert found(None, 301) == ["1", "2", "3"]
    assert found(400, 500) == []


def test_rows_are_found_by_camera_stream_holder_and_place(catalogue: Catalogue) -> None:
    catalogue.put(
        [row(1), row(2, camera=2), row(3, stream="audio"), row(4, holder="stby1"), row(5, disk="D", state="open")]
    )
    paths = [s.path for s in catalogue.segments("north", 1, stream="video", holder="rec1")]
    assert paths == ["1", "5"]
    assert [s.path for s in catalogue.held("rec1", "C", limit=2)] == ["1", "2"]
    assert [s.path for s in catalogue.held("rec1", state="open")] == ["5"]
    assert [s.path for s in catalogue.held("rec1", "C", ended_before_us=299)] == ["1"]
    assert catalogue.segments("south") == []


def test_the_token_changes_with_every_change_of_any_process_and_only_then(catalogue: Catalogue) -> None:
    other = Catalogue(catalogue.path)
    tokens = [catalogue.token()]

    def changed() -> bool:
        tokens.append(catalogue.token())
        return tokens[-1] != tokens[-2]

    other.put([ROW])
    assert changed()
    other.put([ROW])
    assert not changed()
    other.put([msgspec.structs.replace(ROW, frames=26)])
    assert changed()
    other.remove(["unknown"])
    assert not changed()
    other.remove([ROW.id])
    assert changed()
    assert len(set(tokens)) == 4


def test_a_new_database_never_has_an_old_ones_token(tmp_path: Path) -> None:
    assert Catalogue(tmp_path / "a.db").token() != Catalogue(tmp_path / "b.db").token()


def test_a_reader_opens_what_is_there_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    with pytest.raises(CatalogueError, match="unable to open"):
        Catalogue(path, read_only=True)
    assert not path.exists()
    writer = Catalogue(path)
    writer.put([ROW])
    reader = Catalogue(path, read_only=True)
    assert reader.segments("north") == [ROW]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.put([row(2)])


def test_another_releases_schema_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    Catalogue(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    for read_only in (False, True):
        with pytest.raises(
            NewerCatalogueError, match=r"schema 7 is of a newer release, this one knows \d: install the"
        ):
            Catalogue(path, read_only=read_only)


def test_a_release_that_was_taken_back_records_with_a_catalogue_made_anew(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.start()
    made.close()
    path = tmp_path / "state" / "catalogue.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    again = store(tmp_path)
    again.start()
    again.catalogue.put([ROW])
    again.close()
    assert path.with_suffix(".newer").exists()


def test_every_older_schema_is_brought_to_this_releases_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From each released version on, through all migrations there are and one still to come."""
    scripts = catalogues._migrations()
    coming = [
        *scripts,
        "ALTER TABLE segment ADD COLUMN note TEXT NOT NULL DEFAULT '';\nCREATE INDEX extra ON segment (note);",
    ]
    for old in range(1, len(coming)):
        path = tmp_path / f"{old}.db"
        monkeypatch.setattr(catalogues, "_migrations", lambda old=old: coming[:old])
        before = Catalogue(path)
        before.put([ROW, row(2)])
        token = before.token()
        before.close()
        monkeypatch.setattr(catalogues, "_migrations", lambda: coming)
        with pytest.raises(CatalogueError, match=f"schema {old}; the recorder brings it to {len(coming)}"):
            Catalogue(path, read_only=True)
        after = Catalogue(path)
        assert after.segments("north") == [ROW, row(2)]
        assert after.token() == token
        after.close()
        Catalogue(path, read_only=True).close()
        assert _schema(path) == _schema_of(tmp_path / f"fresh{old}.db")


def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.db"
    Catalogue(path).close()
    before = _schema(path)
    scripts = [*catalogues._migrations(), "CREATE TABLE a (b);\nCREATE TABLE segment (c);"]
    monkeypatch.setattr(catalogues, "_migrations", lambda: scripts)
    with pytest.raises(CatalogueError, match="already exists"):
        Catalogue(path)
    assert _schema(path) == before


def _schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()
        return [version, *db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()]


def _schema_of(path: Path) -> list[tuple[str, ...]]:
    Catalogue(path).close()
    return _schema(path)


def test_a_failed_put_changes_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        catalogue.put([row(1), row(2, stream="smell")])
    assert catalogue.segments("north") == []
    catalogue.put([row(1)])


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    code = (
        "import sys, msgspec; from pathlib import Path; from test_catalogue import row;"
        "from understudy.footage.catalogue import Catalogue; c = Catalogue(Path(sys.argv[1]));"
        "[c.put([row(int(sys.argv[2]) + n)]) for n in range(50)]"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(base)], env={"PYTHONPATH": ":".join(filter(None, sys.path))}
        )
        for base in (1000, 2000)
    ]
    catalogue = Catalogue(path)
    threads = [
        threading.Thread(target=lambda base=base: [catalogue.put([row(base + n)]) for n in range(50)])
        for base in (3000, 4000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(30) for process in processes] == [0, 0]
    assert len(catalogue.segments("north")) == 200
    assert catalogue.token().endswith("-200")
