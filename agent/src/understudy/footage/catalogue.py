"""The catalogue: which segments there are and who holds them (SQLite, WAL). For recorder, web and command line at once.

It is a cache of what the segment files say, so it syncs at checkpoints only: a power cut may lose its last seconds, but
not its consistency, and the recorder's start compares it with the disks (`recorder/recover.py`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from understudy.footage.model import Segment, StreamKind

#: how long a call waits for another process's transaction; ours last milliseconds
BUSY_TIMEOUT_MS = 5000

_COLUMNS = tuple(field.name for field in msgspec.structs.fields(Segment))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM segment"
# A row that says the same again is left alone, so that the token does not change.
_UPSERT = (
    f"INSERT INTO segment ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])} "
    f"WHERE ({', '.join(f'segment.{name}' for name in _COLUMNS[1:])}) "
    f"IS NOT ({', '.join(f'excluded.{name}' for name in _COLUMNS[1:])})"
)
_Value = str | int


def _migrations() -> list[str]:
    """The scripts of schema/, the first one first; numbered without a hole."""
    folder = resources.files("understudy.footage").joinpath("schema")
    scripts = sorted((entry.name, entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    assert [name[:4] for name, _ in scripts] == [f"{number:04}" for number in range(1, len(scripts) + 1)]
    return [script for _, script in scripts]


class CatalogueError(Exception):
    """The catalogue cannot be used; the text names the file and what is wrong."""


class DamagedCatalogueError(CatalogueError):
    """The file is no database any more: to be put aside and made anew from the segment files."""


class NewerCatalogueError(CatalogueError):
    """The file is of a newer release, after a way back to an older one."""


class Catalogue:
    """An open catalogue, for use from any thread; methods raise sqlite3.Error when the database fails or stays busy."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open `path`; unless `read_only` make it first, or bring an older one to this release's schema. CatalogueError
        when it is missing or of another version."""
        self.path = path
        self._lock = threading.Lock()
        mode = "ro" if read_only else "rwc"
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_TIMEOUT_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare(read_only)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            # The class itself stands for "malformed" and "not a database"; what passes has subclasses of its own.
            if type(error) is sqlite3.DatabaseError:
                raise DamagedCatalogueError(f"{path}: {error}") from error
            raise CatalogueError(f"{path}: {error}") from error

    def _prepare(self, read_only: bool) -> None:
        if not read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN IMMEDIATE")  # two processes may start at once: one makes the tables
            try:
                self._migrate()
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        version, newest = self._version(), len(_migrations())
        if version > newest:
            raise NewerCatalogueError(
                f"{self.path}: schema {version} is of a newer release, this one knows {newest}: install the newer one "
                "again, or restart the recorder, which makes the catalogue anew from the disks"
            )
        if version < newest:
            raise CatalogueError(f"{self.path}: schema {version}; the recorder brings it to {newest} when it starts")

    def _version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    def _migrate(self) -> None:
        """Run what is still to come, inside the open transaction (`executescript` would commit it): all or none."""
        for version, script in enumerate(_migrations(), 1):
            if version <= self._version():
                continue
            statement = ""
            for line in script.splitlines(keepends=True):
                statement += line
                if sqlite3.complete_statement(statement):
                    self._db.execute(statement)
                    statement = ""
            self._db.execute(f"PRAGMA user_version = {version}")

    def put(self, segments: Iterable[Segment]) -> None:
        """Insert or replace rows by id, all of them or, when it raises, none."""
        rows = [msgspec.structs.astuple(segment) for segment in segments]
        self._change(_UPSERT, rows)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget rows; an id that is not there is none."""
        self._change("DELETE FROM segment WHERE id = ?", [(id,) for id in ids])

    def _change(self, statement: str, rows: Sequence[tuple[_Value, ...]]) -> None:
        if not rows:
            return
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(statement, rows)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def segment(self, id: str) -> Segment | None:
        """The row `id`, None when there is none."""
        found = self._rows(f"{_SELECT} WHERE id = ?", (id,))
        return found[0] if found else None

    def segments(
        self,
        logical: str,
        camera: int | None = None,
        *,
        stream: StreamKind | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        holder: str | None = None,
    ) -> list[Segment]:
        """Rows of a logical server that have a frame's time in [from_us, to_us), by start and id."""
        return self._where(
            [
                ("logical = ?", logical),
                ("camera = ?", camera),
                ("stream = ?", stream),
                ("end_us >= ?", from_us),
                ("start_us < ?", to_us),
                ("holder = ?", holder),
            ]
        )

    def begun_since(self, logical: str, camera: int, start_us: int, stream: StreamKind) -> list[Segment]:
        """Rows of a camera that begin at `start_us` or later, by start and id; costs nothing for what is older."""
        return self._where(
            [("logical = ?", logical), ("camera = ?", camera), ("start_us >= ?", start_us), ("stream = ?", stream)]
        )

    def held(
        self,
        holder: str,
        disk: str | None = None,
        *,
        state: str | None = None,
        logical: str | None = None,
        camera: int | None = None,
        track: str | None = None,
        ended_before_us: int | None = None,
        began_from_us: int | None = None,
        limit: int | None = None,
    ) -> list[Segment]:
        """Rows whose bytes `holder` has (on its letter `disk`), oldest first, at most `limit`."""
        return self._where(
            [
                ("holder = ?", holder),
                ("disk = ?", disk),
                ("state = ?", state),
                ("logical = ?", logical),
                ("camera = ?", camera),
                ("track = ?", track),
                ("end_us < ?", ended_before_us),
                ("start_us >= ?", began_from_us),
                ("start_us < ?", ended_before_us),  # follows from the line above; this one an index can use
            ],
            limit,
        )

    def volume(self, holder: str, logical: str) -> tuple[int, int]:
        """How many segments of a logical server, and bytes, `holder` has."""
        query = "SELECT count(*), coalesce(sum(bytes), 0) FROM segment WHERE holder = ? AND logical = ?"
        with self._lock:
            segments, size = self._db.execute(query, (holder, logical)).fetchone()
        return segments, size

    def directories(self, holder: str, disk: str) -> dict[str, tuple[int, int]]:
        """Per directory (without the slash behind) of `holder`'s letter: how many rows, and how many of them open."""
        query = (
            "SELECT rtrim(rtrim(path, replace(path, '/', '')), '/') AS directory, count(*), sum(state = 'open') "
            "FROM segment WHERE holder = ? AND disk = ? GROUP BY directory"
        )
        with self._lock:
            rows = self._db.execute(query, (holder, disk)).fetchall()
        return {directory: (total, unfinished) for directory, total, unfinished in rows}

    def in_directory(self, holder: str, disk: str, directory: str) -> list[Segment]:
        """Rows of the files in one directory of `holder`'s letter."""
        below = ("path >= ?", f"{directory}/"), ("path < ?", f"{directory}0")  # "0" follows "/"
        return self._where([("holder = ?", holder), ("disk = ?", disk), *below])

    def token(self) -> str:
        """Changes whenever a row does, whichever process changed it; another database has other tokens."""
        with self._lock:
            database, changes = self._db.execute("SELECT database, changes FROM revision").fetchone()
        return f"{database}-{changes}"

    def close(self) -> None:
        """Close the database; the last process to do so folds the WAL in."""
        with self._lock:
            self._db.close()

    def _where(self, conditions: Sequence[tuple[str, _Value | None]], limit: int | None = None) -> list[Segment]:
        used = [(text, value) for text, value in conditions if value is not None]
        query = f"{_SELECT} WHERE {' AND '.join(text for text, _ in used)} ORDER BY start_us, id"
        values = [value for _, value in used]
        if limit is not None:
            return self._rows(f"{query} LIMIT ?", (*values, limit))
        return self._rows(query, values)

    def _rows(self, query: str, values: Sequence[_Value]) -> list[Segment]:
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [Segment(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
