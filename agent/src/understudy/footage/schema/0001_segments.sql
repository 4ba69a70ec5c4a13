-- The catalogue: one row per segment file, whoever holds its bytes. It can be rebuilt from the files alone.
-- Columns are those of `footage/model.py` Segment; times are microseconds since the epoch, UTC.
-- A file NNNN_*.sql brings the schema from version NNNN - 1 to NNNN (PRAGMA user_version); one that was released never changes.

CREATE TABLE segment (
    id        TEXT    PRIMARY KEY NOT NULL,  -- RECORDER/PATH, the same on every server, for ever
    logical   TEXT    NOT NULL,
    camera    INTEGER NOT NULL,
    track     TEXT    NOT NULL,
    stream    TEXT    NOT NULL CHECK (stream IN ('video', 'audio')),
    recorder  TEXT    NOT NULL,
    session   TEXT    NOT NULL,
    disk      TEXT    NOT NULL,              -- letter
    path      TEXT    NOT NULL,              -- below the letter's mount point
    start_us  INTEGER NOT NULL,
    end_us    INTEGER NOT NULL,
    frames    INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('open', 'closed')),
    holder    TEXT    NOT NULL,
    sha256    TEXT    NOT NULL
) WITHOUT ROWID;

-- The timeline of a camera; end_us is in it so that a range query reads rows of the range only.
CREATE INDEX segment_timeline ON segment (logical, camera, start_us, end_us);
-- Retention: what lies on a letter here, oldest first. Recovery: the same by directory.
CREATE INDEX segment_place ON segment (holder, disk, start_us);
CREATE INDEX segment_file ON segment (holder, disk, path, state);
-- A start asks for the rows a crash left open; there are few.
CREATE INDEX segment_open ON segment (holder) WHERE state = 'open';

-- What `Catalogue.token` tells: which database this is, and how many rows have changed since it was made.
CREATE TABLE revision (
    database TEXT    NOT NULL,
    changes  INTEGER NOT NULL
);
INSERT INTO revision VALUES (lower(hex(randomblob(8))), 0);

CREATE TRIGGER segment_inserted AFTER INSERT ON segment BEGIN UPDATE revision SET changes = changes + 1; END;
CREATE TRIGGER segment_updated AFTER UPDATE ON segment BEGIN UPDATE revision SET changes = changes + 1; END;
CREATE TRIGGER segment_deleted AFTER DELETE ON segment BEGIN UPDATE revision SET changes = changes + 1; END;
