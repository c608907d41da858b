"""Taking over what people keep of other collections: by the content of the pictures, losing nothing.

What both say is said once, so that merging again changes nothing. Boards of one name are joined, the pictures
that were there first; of two notes on one thing both are kept, below one another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count

from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.boards import MAX_BOARDS, MAX_PICTURES
from i2v_search.store.annotations.layouts import LAST_GROUP
from i2v_search.store.annotations.pictures import MAX_TAGS, read_path, write_path
from i2v_search.store.annotations.searches import MAX_SEARCHES
from i2v_search.store.annotations.texts import MAX_NAME, MAX_NOTE

#: What stands between two notes on one thing.
_BETWEEN = "\n\n"


def merge_annotations(target: Annotations, source: Annotations, stored: Callable[[str], str]) -> None:
    """Take over the boards, stars, notes, own tags, pairs that are not copies, and saved searches of a
    collection; what is beyond the limits of a collection is left out, and so are deleted boards.

    Args:
        target: where to; it is changed at once, or not at all.
        source: where from; only read.
        stored: gives a path stored in the source as it is stored in the target.

    Raises:
        AnnotationsError: one of the files cannot be used.
        CollectionLockedError: another process is writing to the target.
    """
    with source.file.reading() as theirs:
        if not any(theirs.execute(_HELD).fetchone()):
            return  # no file is made for nothing
        with target.file.writing() as ours:
            numbers = _pictures(ours, theirs, stored)
            _tags(ours, theirs, numbers)
            _pairs(ours, theirs, numbers)
            _boards(ours, theirs, numbers)
            _searches(ours, theirs)


_HELD = (
    "SELECT (SELECT count(*) FROM pictures), (SELECT count(*) FROM boards), (SELECT count(*) FROM searches)"
)


def _pictures(
    ours: sqlite3.Connection, theirs: sqlite3.Connection, stored: Callable[[str], str]
) -> dict[int, int]:
    """Take over pictures with their stars and notes; the number of each here, by its number there."""
    numbers = {}
    for number, sha256, path, starred, note in theirs.execute(
        "SELECT id, sha256, path, starred, note FROM pictures ORDER BY id"
    ).fetchall():
        ours.execute(
            "INSERT OR IGNORE INTO pictures (sha256, path) VALUES (?, ?)",
            (sha256, write_path(stored(read_path(path)))),
        )
        here, before = ours.execute("SELECT id, note FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
        ours.execute(
            "UPDATE pictures SET starred = max(starred, ?), note = ? WHERE id = ?",
            (starred, joined(before, note), here),
        )
        numbers[number] = here
    return numbers


def _tags(ours: sqlite3.Connection, theirs: sqlite3.Connection, numbers: dict[int, int]) -> None:
    for picture, name in theirs.execute("SELECT picture, name FROM tags ORDER BY picture, name").fetchall():
        ours.execute(
            "INSERT OR IGNORE INTO tags SELECT :picture, :name "
            "WHERE (SELECT count(*) FROM tags WHERE picture = :picture) < :most",
            {"picture": numbers[picture], "name": name, "most": MAX_TAGS},
        )


def _pairs(ours: sqlite3.Connection, theirs: sqlite3.Connection, numbers: dict[int, int]) -> None:
    for pair in theirs.execute("SELECT one, other FROM not_copies").fetchall():
        ours.execute(
            "INSERT OR IGNORE INTO not_copies VALUES (?, ?)", sorted(numbers[picture] for picture in pair)
        )


def _boards(ours: sqlite3.Connection, theirs: sqlite3.Connection, numbers: dict[int, int]) -> None:
    for board, name, note in theirs.execute(
        "SELECT id, name, note FROM boards WHERE deleted IS NULL ORDER BY place, id"
    ).fetchall():
        found = ours.execute(
            "SELECT id, note FROM boards WHERE name = ? AND deleted IS NULL", (name,)
        ).fetchone()
        if found is None:
            held, last = ours.execute(
                "SELECT count(*), coalesce(max(place), 0) FROM boards WHERE deleted IS NULL"
            ).fetchone()
            if held >= MAX_BOARDS:
                continue
            made = ours.execute("INSERT INTO boards (name, place) VALUES (?, ?)", (name, last + 1))
            found = made.lastrowid, ""
        here, before = found
        ours.execute("UPDATE boards SET note = ? WHERE id = ?", (joined(before, note), here))
        held, last = ours.execute(
            "SELECT count(*), coalesce(max(place), -1) FROM board_pictures WHERE board = ?", (here,)
        ).fetchone()
        pictures = theirs.execute(
            "SELECT picture FROM board_pictures WHERE board = ? ORDER BY place", (board,)
        )
        known = {
            one for (one,) in ours.execute("SELECT picture FROM board_pictures WHERE board = ?", (here,))
        }
        fresh = [numbers[one] for (one,) in pictures.fetchall() if numbers[one] not in known]
        ours.executemany(
            "INSERT INTO board_pictures VALUES (?, ?, ?)",
            [(here, one, last + 1 + at) for at, one in enumerate(fresh[: MAX_PICTURES - held])],
        )
        _layout(ours, here, theirs, board, numbers)


def _layout(
    ours: sqlite3.Connection, here: int, theirs: sqlite3.Connection, board: int, numbers: dict[int, int]
) -> None:
    """Take over where pictures lie on the canvas of a board; those that lie somewhere here stay there."""
    (groups,) = ours.execute(
        "SELECT coalesce(max(cluster) + 1, 0) FROM board_layouts WHERE board = ?", (here,)
    ).fetchone()
    places = theirs.execute(
        "SELECT picture, x, y, scale, rotation, depth, cluster FROM board_layouts WHERE board = ?", (board,)
    )
    ours.executemany(
        "INSERT OR IGNORE INTO board_layouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (here, numbers[picture], *place, None if group is None else (group + groups) % (LAST_GROUP + 1))
            for picture, *place, group in places.fetchall()
        ],
    )


def _searches(ours: sqlite3.Connection, theirs: sqlite3.Connection) -> None:
    """Take over saved searches; one whose name is taken by another search gets a number."""
    for name, query in theirs.execute("SELECT name, query FROM searches ORDER BY id").fetchall():
        saved = dict(ours.execute("SELECT name, query FROM searches").fetchall())
        free = next(one for one in _numbered(name) if saved.get(one, query) == query)
        if free not in saved and len(saved) < MAX_SEARCHES:
            ours.execute("INSERT INTO searches (name, query) VALUES (?, ?)", (free, query))


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        end = f" ({number})"
        yield name[: MAX_NAME - len(end)] + end


def joined(one: str, other: str) -> str:
    """Two notes on one thing as one; what says nothing new is left out.

    >>> joined("the first", "for the forest")
    'the first\\n\\nfor the forest'
    >>> joined("the first\\n\\nfor the forest", "for the forest"), joined("", "new")
    ('the first\\n\\nfor the forest', 'new')
    """
    if f"{_BETWEEN}{other}{_BETWEEN}" in f"{_BETWEEN}{one}{_BETWEEN}":
        return one
    return f"{one}{_BETWEEN}{other}"[:MAX_NOTE] if one and other else one or other
