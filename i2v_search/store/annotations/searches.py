"""Searches that are saved under a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.store.annotations.database import AnnotationFile
from i2v_search.store.annotations.texts import read_name

#: Searches that a collection may have, and characters of each.
MAX_SEARCHES: Final = 1000
MAX_QUERY: Final = 8000
_QUERY: Final = re.compile(r"\?[!-~]*")


@dataclass(frozen=True)
class SavedSearch(JsonReady):
    """A search under a name.

    Attributes:
        name: its name, which no other has.
        query: the part of the page's address from ``?`` on.
    """

    name: str
    query: str


class SavedSearches:
    """The saved searches of a collection, the newest first.

    Args:
        file: of the collection.
    """

    def __init__(self, file: AnnotationFile) -> None:
        self._file = file

    def all(self) -> tuple[SavedSearch, ...]:
        """Every saved search."""
        with self._file.reading() as database:
            rows = database.execute("SELECT name, query FROM searches ORDER BY id DESC")
            return tuple(SavedSearch(*row) for row in rows)

    def save(self, name: str, query: str, *, replace: bool = True) -> SavedSearch:
        """Save a search; one of the same name is replaced.

        Args:
            name: its name.
            query: the part of the page's address from ``?`` on.
            replace: False keeps one of the same name that there is.

        Raises:
            QueryError: the name or the query cannot be kept, or there are too many.
        """
        saved = SavedSearch(read_name(name, "a saved search"), _read_query(query))
        with self._file.writing() as database:
            known = database.execute("SELECT query FROM searches WHERE name = ?", (saved.name,)).fetchone()
            if known is not None and not replace:
                return SavedSearch(saved.name, known[0])
            database.execute("DELETE FROM searches WHERE name = ?", (saved.name,))
            (count,) = database.execute("SELECT count(*) FROM searches").fetchone()
            if count >= MAX_SEARCHES:
                raise QueryError(f"{count:,} searches are saved already; delete one first")
            database.execute("INSERT INTO searches (name, query) VALUES (?, ?)", (saved.name, saved.query))
        return saved

    def rename(self, name: str, new: str) -> None:
        """Give a saved search another name; one that has it is replaced.

        Raises:
            QueryError: there is no such search.
        """
        wanted = read_name(new, "a saved search")
        with self._file.writing() as database:
            row = database.execute("SELECT id FROM searches WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise QueryError(f"no search is saved as {name!r}")
            database.execute("DELETE FROM searches WHERE name = ? AND id != ?", (wanted, *row))
            database.execute("UPDATE searches SET name = ? WHERE id = ?", (wanted, *row))

    def delete(self, name: str) -> None:
        """Delete a saved search, if there is one of that name."""
        with self._file.writing() as database:
            database.execute("DELETE FROM searches WHERE name = ?", (name,))


def _read_query(query: str) -> str:
    if len(query) > MAX_QUERY:
        raise QueryError(f"a search of {len(query):,} characters; at most {MAX_QUERY:,} are kept")
    if not _QUERY.fullmatch(query):
        raise QueryError(f"a search begins with '?' and has no spaces, as in an address: {query[:80]!r}")
    return query
