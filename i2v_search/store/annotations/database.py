"""The file ``annotations.sqlite``: opened for a moment, checked, and never replaced.

Reading changes nothing: a file of an older version is brought up to date in memory. Writing does that on
disk, in one transaction, after a copy of the file as it was has been put beside it. Writers wait for one
another, and each changes only what it names, so that two at once merge. A file that is damaged, of another
program or of a later version is refused and stays as it is.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from i2v_search.errors import AnnotationsError, CollectionLockedError
from i2v_search.files import file_stamp, replacing
from i2v_search.store.annotations.schema import (
    APPLICATION_ID,
    STEPS,
    Steps,
    application_of,
    is_as_made,
    upgrade,
    version_of,
)

FILE_NAME: Final = "annotations.sqlite"
#: Seconds for which a writer waits for another.
PATIENCE: Final = 10.0
#: Identifies a state of the file: another one has been written since if it differs.
Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_WRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class AnnotationFile:
    """Opens the file for reading and for writing; both may be asked of several threads at once.

    Args:
        path: of the file, which need not be there.
        steps: of its schema.
    """

    def __init__(self, path: Path, steps: Steps = STEPS) -> None:
        self.path, self._steps = path, steps
        self._sound: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @property
    def stamp(self) -> Stamp:
        """The state of the file, for what is derived from it."""
        return tuple(map(file_stamp, (self.path, self.path.with_name(f"{self.path.name}-wal"))))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state and cannot write; of an empty database where there is no file.

        Raises:
            AnnotationsError: the file is damaged, of another program or of a later version.
        """
        with self._naming(), closing(self._opened_to_read()) as database:
            database.execute("BEGIN")
            yield database

    def require_sound(self) -> None:
        """Look through the whole file: indexes and references, too.

        Raises:
            AnnotationsError: the file is damaged, of another program or of a later version.
        """
        with self.reading() as database:
            problem = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            stray = database.execute("PRAGMA foreign_key_check").fetchone()
        if problem != "ok" or stray is not None:
            raise self._damage(str(problem) if stray is None else f"a row of {stray[0]} leads nowhere")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction, which is kept unless an error leaves the block.

        Raises:
            AnnotationsError: as for `reading`; or the file cannot be written.
            CollectionLockedError: another process has been writing for 10 seconds.
        """
        with self._naming(), closing(self._connect("rwc")) as database:
            is_new = not version_of(database) and not application_of(database)
            if is_new and not _holds_anything(database):
                _write_ahead(database)
            database.execute("BEGIN IMMEDIATE")
            try:
                if not (is_new and not _holds_anything(database)):
                    self._check(database)
                self._bring_up_to_date(database)
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def _opened_to_read(self) -> sqlite3.Connection:
        if not self._has_content():
            return self._in_memory()
        try:
            database = self._connect("rw")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
            # A folder that cannot be written, where SQLite cannot put the files that it shares with writers.
            database = self._connect("ro&immutable=1")
        try:
            self._check(database)
            if version_of(database) == len(self._steps):
                database.execute("PRAGMA query_only = ON")
                return database
            with closing(database):
                return self._in_memory(database)
        except BaseException:
            database.close()
            raise

    def _in_memory(self, source: sqlite3.Connection | None = None) -> sqlite3.Connection:
        """A database in memory, up to date: an empty one, or a copy."""
        database = sqlite3.connect(":memory:", isolation_level=None)
        try:
            if source is not None:
                source.backup(database)
            upgrade(database, self._steps)
        except BaseException:
            database.close()
            raise
        return database

    def _connect(self, mode: str) -> sqlite3.Connection:
        self._has_content()
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        database = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            # What a stranger wrote into the file must not run.
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA foreign_keys = ON")
            version_of(database)  # SQLite looks at the file only now
        except BaseException:
            database.close()
            raise
        return database

    def _has_content(self) -> bool:
        """Whether there is a file that somebody has written to.

        Raises:
            AnnotationsError: there is something else: to open a pipe would wait for its other end.
        """
        if self.path.exists() and not self.path.is_file():
            raise AnnotationsError(f"{self.path} is not a file; move it away")
        return self.path.exists() and self.path.stat().st_size > 0

    def _check(self, database: sqlite3.Connection) -> None:
        """Refuse a file that is not ours, or not sound.

        Raises:
            AnnotationsError: it is so.
        """
        version = version_of(database)
        if application_of(database) != APPLICATION_ID:
            raise AnnotationsError(f"{self.path} is of another program; move it away")
        if version > len(self._steps):
            raise AnnotationsError(
                f"{self.path} was written by a later version of i2v-search (format {version}, this one knows "
                f"{len(self._steps)}); upgrade i2v-search"
            )
        status = self.path.stat()
        with self._lock:
            if self._sound == (status.st_dev, status.st_ino):
                return
        if not is_as_made(database, self._steps):
            raise self._damage("its tables are not those of its format")
        problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise self._damage(str(problem))
        with self._lock:
            self._sound = (status.st_dev, status.st_ino)

    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        """Take the steps that are missing; before that, put a copy of an older file beside it."""
        version = version_of(database)
        if version == len(self._steps):
            return
        if version:
            copy = self.path.with_name(f"{self.path.stem}-{version}.backup.sqlite")
            with (
                replacing(copy) as temporary,
                closing(self._connect("ro")) as source,
                closing(sqlite3.connect(temporary)) as target,
            ):
                source.backup(target)
        upgrade(database, self._steps)

    def _damage(self, problem: str) -> AnnotationsError:
        copies = sorted(self.path.parent.glob(f"{self.path.stem}-*.backup.sqlite"))
        advice = f", or put the copy {copies[-1].name} in its place" if copies else ""
        return AnnotationsError(
            f"{self.path} is damaged ({problem}) and was left as it is; restore it from a backup{advice}, or "
            "move it away to begin anew"
        )

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Make errors of SQLite those of the library."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _LOCKED:
                raise CollectionLockedError(
                    f"another process is writing to {self.path}; try again"
                ) from error
            is_operational = isinstance(error, sqlite3.OperationalError)
            if code in _DAMAGED or (is_operational and "decode" in str(error)):
                raise self._damage(str(error)) from error
            if is_operational:
                raise AnnotationsError(f"{self.path} cannot be used: {error}") from error
            raise


def _holds_anything(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _write_ahead(database: sqlite3.Connection) -> None:
    """Let readers and a writer work at the same time, where the drive can."""
    try:
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _LOCKED:
            raise  # another process that begins at the same moment does it
