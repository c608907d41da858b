"""Boards: named, ordered sets of pictures.

Every change names what it changes, a picture or a place before another, and never the whole board: two that
change a board at once both have their way.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.store.annotations.database import AnnotationFile
from i2v_search.store.annotations.pictures import KeptPicture, Picture, kept, numbers_of
from i2v_search.store.annotations.texts import MAX_NAME, read_name, read_note

#: Boards that a collection may have, and pictures that a board may have.
MAX_BOARDS: Final = 1000
MAX_PICTURES: Final = 5000
#: Days for which a deleted board can be brought back.
_KEPT_DAYS: Final = 30
#: Pictures that stand for a board.
_COVER: Final = 4

_BOARDS = """
    SELECT id, name, note, (SELECT count(*) FROM board_pictures WHERE board = boards.id)
    FROM boards WHERE deleted IS NULL"""
_PICTURES = """
    SELECT sha256, pictures.path FROM board_pictures JOIN pictures ON pictures.id = picture
    WHERE board = ? ORDER BY place"""


@dataclass(frozen=True)
class Board(JsonReady):
    """A board.

    Attributes:
        id: its number, which never changes.
        name: its name, which no other board has.
        note: a text of one's own.
        size: how many pictures are on it.
        cover: the first few of them.

    Example:
        >>> from i2v_search import Collection
        >>> board = Collection.open("index/art").annotations.boards.make("Mood", "for the forest")
        >>> board.name, board.note, board.size, board.cover
        ('Mood', 'for the forest', 0, ())
    """

    id: int
    name: str
    note: str
    size: int
    cover: tuple[KeptPicture, ...]


class Boards:
    """The boards of a collection, in their order.

    Args:
        file: of the collection.
    """

    def __init__(self, file: AnnotationFile) -> None:
        self._file = file

    def all(self) -> tuple[Board, ...]:
        """Every board."""
        with self._file.reading() as database:
            rows = database.execute(f"{_BOARDS} ORDER BY place, id").fetchall()
            return tuple(_board(database, row) for row in rows)

    def get(self, number: int) -> Board:
        """A board by its number.

        Raises:
            QueryError: there is none.
        """
        with self._file.reading() as database:
            return _found(database, number)

    def named(self, name: str) -> Board:
        """A board by its name.

        Raises:
            QueryError: there is none.
        """
        with self._file.reading() as database:
            wanted = read_name(name, "a board")
            row = database.execute(f"{_BOARDS} AND name = ?", (wanted,)).fetchone()
            if row is None:
                names = [
                    known for (known,) in database.execute("SELECT name FROM boards WHERE deleted IS NULL")
                ]
                known = f"; boards: {', '.join(names)}" if 0 < len(names) <= 20 else ""
                raise QueryError(f"there is no board {wanted!r}{known}")
            return _board(database, row)

    def pictures(self, number: int) -> tuple[KeptPicture, ...]:
        """The pictures of a board, in their order.

        Raises:
            QueryError: there is no such board.
        """
        with self._file.reading() as database:
            _found(database, number)
            return kept(database.execute(_PICTURES, (number,)))

    def make(self, name: str, note: str = "") -> Board:
        """Make an empty board, after those that there are.

        Raises:
            QueryError: another has the name, or there are too many.
        """
        wanted, said = read_name(name, "a board"), read_note(note)
        with self._file.writing() as database:
            _require_free(database, wanted)
            count, last = database.execute(
                "SELECT count(*), coalesce(max(place), 0) FROM boards WHERE deleted IS NULL"
            ).fetchone()
            if count >= MAX_BOARDS:
                raise QueryError(f"there are {count} boards already; delete one first")
            made = database.execute(
                "INSERT INTO boards (name, note, place) VALUES (?, ?, ?)", (wanted, said, last + 1)
            )
            return _found(database, int(made.lastrowid or 0))

    def rename(self, number: int, name: str) -> Board:
        """Give a board another name.

        Raises:
            QueryError: there is no such board, or another has the name.
        """
        wanted = read_name(name, "a board")
        with self._file.writing() as database:
            if _found(database, number).name != wanted:
                _require_free(database, wanted)
                database.execute("UPDATE boards SET name = ? WHERE id = ?", (wanted, number))
            return _found(database, number)

    def note(self, number: int, text: str) -> Board:
        """Write a note on a board.

        Raises:
            QueryError: there is no such board, or the note is too long.
        """
        said = read_note(text)
        with self._file.writing() as database:
            _found(database, number)
            database.execute("UPDATE boards SET note = ? WHERE id = ?", (said, number))
            return _found(database, number)

    def move(self, number: int, before: int | None = None) -> None:
        """Put a board before another one, or after all.

        Raises:
            QueryError: one of them does not exist.
        """
        with self._file.writing() as database:
            for one in (number, before):
                if one is not None:
                    _found(database, one)
            order = [
                one
                for (one,) in database.execute(
                    "SELECT id FROM boards WHERE deleted IS NULL ORDER BY place, id"
                )
            ]
            order = _moved(order, [number], before)
            database.executemany(
                "UPDATE boards SET place = ? WHERE id = ?", [(place, one) for place, one in enumerate(order)]
            )

    def delete(self, number: int) -> None:
        """Delete a board; for 30 days `restore` brings it back.

        Raises:
            QueryError: there is no such board.
        """
        with self._file.writing() as database:
            _found(database, number)
            now = int(time.time())
            database.execute("UPDATE boards SET deleted = ? WHERE id = ?", (now, number))
            database.execute("DELETE FROM boards WHERE deleted < ?", (now - _KEPT_DAYS * 86400,))

    def restore(self, number: int) -> Board:
        """Bring a deleted board back; where another has its name by now, it gets a number.

        Raises:
            QueryError: no such board was deleted, or longer than 30 days ago.
        """
        with self._file.writing() as database:
            row = database.execute(
                "SELECT name FROM boards WHERE id = ? AND deleted IS NOT NULL", (number,)
            ).fetchone()
            if row is None:
                raise QueryError(f"there is no deleted board {number}")
            database.execute(
                "UPDATE boards SET name = ?, deleted = NULL WHERE id = ?",
                (_free_name(database, row[0]), number),
            )
            return _found(database, number)

    def put(self, number: int, pictures: Iterable[Picture], before: str | None = None) -> int:
        """Put pictures on a board, in their order; those that are on it move.

        Args:
            number: of the board.
            pictures: the pictures.
            before: SHA-256 of the picture that they come before; None puts them after all, as does one that
                is not on the board, or among them.

        Returns:
            How many were not on it before.

        Raises:
            QueryError: there is no such board, or it would have more than `MAX_PICTURES`.
        """
        with self._file.writing() as database:
            _found(database, number)
            chosen = list(dict.fromkeys(numbers_of(database, pictures)))
            order = _order(database, number)
            place = database.execute("SELECT id FROM pictures WHERE sha256 = ?", (before,)).fetchone()
            moved = _moved(order, chosen, place[0] if place else None)
            if len(moved) > MAX_PICTURES:
                raise QueryError(
                    f"the board would have {len(moved):,} pictures; at most {MAX_PICTURES:,} fit"
                )
            _write_order(database, number, moved)
            return len(moved) - len(order)

    def take(self, number: int, pictures: Iterable[Picture]) -> int:
        """Take pictures off a board.

        Returns:
            How many were on it.

        Raises:
            QueryError: there is no such board.
        """
        with self._file.writing() as database:
            _found(database, number)
            taken = set(numbers_of(database, pictures))
            order = _order(database, number)
            left = [picture for picture in order if picture not in taken]
            _write_order(database, number, left)
            return len(order) - len(left)


def _board(database: sqlite3.Connection, row: tuple[int, str, str, int]) -> Board:
    return Board(*row, cover=kept(database.execute(f"{_PICTURES} LIMIT {_COVER}", row[:1])))


def _found(database: sqlite3.Connection, number: int) -> Board:
    row = database.execute(f"{_BOARDS} AND id = ?", (number,)).fetchone()
    if row is None:
        raise QueryError(f"there is no board {number}")
    return _board(database, row)


def _is_taken(database: sqlite3.Connection, name: str) -> bool:
    return bool(
        database.execute("SELECT 1 FROM boards WHERE name = ? AND deleted IS NULL", (name,)).fetchone()
    )


def _require_free(database: sqlite3.Connection, name: str) -> None:
    if _is_taken(database, name):
        raise QueryError(f"there is a board {name!r} already")


def _free_name(database: sqlite3.Connection, name: str) -> str:
    free, number = name, 1
    while _is_taken(database, free):
        number += 1
        end = f" ({number})"
        free = name[: MAX_NAME - len(end)] + end
    return free


def _order(database: sqlite3.Connection, number: int) -> list[int]:
    rows = database.execute("SELECT picture FROM board_pictures WHERE board = ? ORDER BY place", (number,))
    return [picture for (picture,) in rows]


def _moved(order: Sequence[int], chosen: Sequence[int], before: int | None) -> list[int]:
    """An order in which some come together before another, or at the end."""
    among = set(chosen)
    left = [one for one in order if one not in among]
    place = left.index(before) if before in left else len(left)
    return [*left[:place], *chosen, *left[place:]]


def _write_order(database: sqlite3.Connection, number: int, order: Sequence[int]) -> None:
    database.execute("DELETE FROM board_pictures WHERE board = ?", (number,))
    database.executemany(
        "INSERT INTO board_pictures VALUES (?, ?, ?)",
        [(number, picture, place) for place, picture in enumerate(order)],
    )
