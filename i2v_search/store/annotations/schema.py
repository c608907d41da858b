"""The tables of ``annotations.sqlite``, as the numbered steps that made them.

A released step never changes: a file of version n has gone through the first n. Pictures are known by the
SHA-256 of their file's content, so that what is kept of them survives a build, a move and another id; the
path is where the picture lay when it was kept, and names it once it is gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Final, TypeAlias

#: Says in the header of a file that it is one of these: "i2vA".
APPLICATION_ID: Final = 0x69327641
#: The statements of each step.
Steps: TypeAlias = Sequence[Sequence[str]]

STEPS: Final[Steps] = (
    (
        """CREATE TABLE pictures (
            id INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE CHECK (typeof(sha256) = 'text' AND length(sha256) = 64),
            path BLOB NOT NULL CHECK (typeof(path) = 'blob'),
            starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
            note TEXT NOT NULL DEFAULT '' CHECK (typeof(note) = 'text')
        )""",
        """CREATE TABLE tags (
            picture INTEGER NOT NULL REFERENCES pictures,
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            PRIMARY KEY (picture, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE boards (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            note TEXT NOT NULL DEFAULT '' CHECK (typeof(note) = 'text'),
            place INTEGER NOT NULL CHECK (typeof(place) = 'integer'),
            deleted INTEGER CHECK (typeof(deleted) IN ('integer', 'null'))
        )""",
        "CREATE UNIQUE INDEX board_names ON boards (name) WHERE deleted IS NULL",
        """CREATE TABLE board_pictures (
            board INTEGER NOT NULL REFERENCES boards ON DELETE CASCADE,
            picture INTEGER NOT NULL REFERENCES pictures,
            place INTEGER NOT NULL CHECK (typeof(place) = 'integer'),
            PRIMARY KEY (board, picture)
        ) WITHOUT ROWID""",
        """CREATE TABLE not_copies (
            one INTEGER NOT NULL REFERENCES pictures,
            other INTEGER NOT NULL REFERENCES pictures,
            PRIMARY KEY (one, other),
            CHECK (one < other)
        ) WITHOUT ROWID""",
        """CREATE TABLE searches (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text'),
            query TEXT NOT NULL CHECK (typeof(query) = 'text')
        )""",
    ),
    (
        # No reference to board_pictures: a picture that comes back to a board lies where it lay.
        """CREATE TABLE board_layouts (
            board INTEGER NOT NULL REFERENCES boards ON DELETE CASCADE,
            picture INTEGER NOT NULL REFERENCES pictures,
            x REAL NOT NULL CHECK (typeof(x) = 'real' AND abs(x) <= 1e6),
            y REAL NOT NULL CHECK (typeof(y) = 'real' AND abs(y) <= 1e6),
            scale REAL NOT NULL CHECK (typeof(scale) = 'real' AND scale >= 1e-4 AND scale <= 1e4),
            rotation REAL NOT NULL CHECK (typeof(rotation) = 'real' AND rotation >= 0 AND rotation < 360),
            depth REAL NOT NULL CHECK (typeof(depth) = 'real' AND abs(depth) <= 1e9),
            cluster INTEGER
                CHECK (typeof(cluster) = 'integer' AND cluster >= 0 AND cluster < 9007199254740992
                    OR typeof(cluster) = 'null'),
            PRIMARY KEY (board, picture)
        ) WITHOUT ROWID""",
    ),
)


def version_of(database: sqlite3.Connection) -> int:
    """Number of the steps that made a file."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def application_of(database: sqlite3.Connection) -> int:
    """What the header of a file says that it belongs to."""
    return int(database.execute("PRAGMA application_id").fetchone()[0])


def upgrade(database: sqlite3.Connection, steps: Steps) -> None:
    """Take the steps that a database lacks, inside the transaction that is open, if there is one."""
    for step in steps[version_of(database) :]:
        for statement in step:
            database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {len(steps)}")


def is_as_made(database: sqlite3.Connection, steps: Steps) -> bool:
    """Whether a database has the tables of its version and nothing else: no trigger and no view."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        upgrade(fresh, steps[: version_of(database)])
        return _objects(fresh) == _objects(database)


def _objects(database: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    kept = "SELECT type, name, sql FROM sqlite_master WHERE name != 'sqlite_stat1'"
    return {(kind, name, sql) for kind, name, sql in database.execute(kept)}
