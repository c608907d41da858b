"""Pictures that something is kept of: stars, notes, tags of one's own, and pairs that are not copies."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.store.annotations.database import AnnotationFile
from i2v_search.store.annotations.texts import read_name, read_note
from i2v_search.tags.vocabulary import normalise_tag

#: Tags of one's own that a picture may have.
MAX_TAGS: Final = 100
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Picture(Protocol):
    """What a picture is known by: an `i2v_search.ImageInfo` has it."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its file's content, lower-case hex."""

    @property
    def path(self) -> str:
        """Its stored path."""


@dataclass(frozen=True)
class KeptPicture(JsonReady):
    """A picture as it was when something of it was first kept.

    Attributes:
        sha256: of its file's content, lower-case hex.
        path: relative to the image root.
    """

    sha256: str
    path: str


@dataclass(frozen=True)
class PictureNotes(JsonReady):
    """What people keep of a picture.

    Attributes:
        starred: whether it is a favourite.
        note: a text of their own.
        tags: tags of their own, by name.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> lemon, pictures = art["fruit/lemon.webp"], art.annotations.pictures
        >>> pictures.star([lemon])
        >>> pictures.of(lemon.sha256), bool(pictures.of(art["fruit/apple.webp"].sha256))
        (PictureNotes(starred=True, note='', tags=()), False)
    """

    starred: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return self != PictureNotes()


class PictureAnnotations:
    """Stars, notes and own tags of pictures, and pairs that are not copies.

    Args:
        file: of the collection.
    """

    def __init__(self, file: AnnotationFile) -> None:
        self._file = file

    def of(self, sha256: str) -> PictureNotes:
        """What is kept of a picture."""
        with self._file.reading() as database:
            found = database.execute(
                "SELECT id, starred, note FROM pictures WHERE sha256 = ?", (sha256,)
            ).fetchone()
            if found is None:
                return PictureNotes()
            tags = database.execute("SELECT name FROM tags WHERE picture = ? ORDER BY name", found[:1])
            return PictureNotes(bool(found[1]), found[2], tuple(name for (name,) in tags))

    def all(self) -> dict[KeptPicture, PictureNotes]:
        """What is kept of every picture that something is kept of, by path."""
        with self._file.reading() as database:
            tags: dict[int, list[str]] = {}
            for picture, name in database.execute("SELECT picture, name FROM tags ORDER BY name"):
                tags.setdefault(picture, []).append(name)
            rows = database.execute("SELECT id, sha256, path, starred, note FROM pictures ORDER BY path, id")
            found = {
                KeptPicture(sha256, read_path(path)): PictureNotes(
                    bool(starred), note, tuple(tags.get(picture, ()))
                )
                for picture, sha256, path, starred, note in rows
            }
        return {picture: notes for picture, notes in found.items() if notes}

    def starred(self) -> tuple[KeptPicture, ...]:
        """The favourites, in the order in which they were first kept."""
        with self._file.reading() as database:
            return kept(database.execute("SELECT sha256, path FROM pictures WHERE starred ORDER BY id"))

    def tagged(self) -> dict[str, tuple[str, ...]]:
        """SHA-256 of the pictures with each tag of one's own."""
        found: dict[str, list[str]] = {}
        with self._file.reading() as database:
            for name, sha256 in database.execute(
                "SELECT name, sha256 FROM tags JOIN pictures ON id = picture ORDER BY name, picture"
            ):
                found.setdefault(name, []).append(sha256)
        return {name: tuple(several) for name, several in found.items()}

    def star(self, pictures: Iterable[Picture], *, starred: bool = True) -> None:
        """Make pictures favourites, or no longer."""
        with self._file.writing() as database:
            ids = numbers_of(database, pictures)
            database.executemany(
                "UPDATE pictures SET starred = ? WHERE id = ?", [(int(starred), number) for number in ids]
            )

    def note(self, picture: Picture, text: str) -> None:
        """Write a note on a picture; an empty one takes it away.

        Raises:
            QueryError: it is too long.
        """
        note = read_note(text)
        with self._file.writing() as database:
            (number,) = numbers_of(database, [picture])
            database.execute("UPDATE pictures SET note = ? WHERE id = ?", (note, number))

    def tag(
        self, pictures: Sequence[Picture], add: Iterable[str] = (), *, remove: Iterable[str] = ()
    ) -> None:
        """Give pictures tags of one's own, and take others away; other tags stay.

        Raises:
            QueryError: a tag is empty or too long, or a picture would have more than `MAX_TAGS`; nothing is
                changed then.
        """
        added = [read_name(normalise_tag(name), "a tag") for name in add]
        removed = [read_name(normalise_tag(name), "a tag") for name in remove]
        with self._file.writing() as database:
            for number in numbers_of(database, pictures):
                database.executemany(
                    "DELETE FROM tags WHERE picture = ? AND name = ?", [(number, name) for name in removed]
                )
                database.executemany(
                    "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(number, name) for name in added]
                )
                (count,) = database.execute(
                    "SELECT count(*) FROM tags WHERE picture = ?", (number,)
                ).fetchone()
                if count > MAX_TAGS:
                    raise QueryError(
                        f"a picture would have {count} tags of its own; at most {MAX_TAGS} are kept"
                    )

    def not_copies(self) -> frozenset[tuple[str, str]]:
        """Pairs that people say are not copies: both SHA-256, the smaller first."""
        with self._file.reading() as database:
            rows = database.execute(
                "SELECT a.sha256, b.sha256 FROM not_copies JOIN pictures a ON a.id = one "
                "JOIN pictures b ON b.id = other"
            )
            return frozenset((min(pair), max(pair)) for pair in rows)

    def set_not_copies(self, one: Picture, other: Picture, *, apart: bool = True) -> None:
        """Say that two pictures are not copies, or take that back.

        Raises:
            QueryError: both are the same file.
        """
        if one.sha256 == other.sha256:
            raise QueryError("two files of one content are copies")
        with self._file.writing() as database:
            pair = sorted(numbers_of(database, [one, other]))
            change = (
                "INSERT OR IGNORE INTO not_copies VALUES (?, ?)"
                if apart
                else "DELETE FROM not_copies WHERE one = ? AND other = ?"
            )
            database.execute(change, pair)


def numbers_of(database: sqlite3.Connection, pictures: Iterable[Picture]) -> list[int]:
    """Numbers of pictures in the file, in their order; those that it does not know become known.

    Raises:
        QueryError: a SHA-256 is none.
    """
    numbers = []
    for picture in pictures:
        if not _SHA256.fullmatch(picture.sha256):
            raise QueryError(f"not a SHA-256 in lower-case hex: {picture.sha256[:80]!r}")
        database.execute(
            "INSERT OR IGNORE INTO pictures (sha256, path) VALUES (?, ?)",
            (picture.sha256, write_path(picture.path)),
        )
        found = database.execute("SELECT id FROM pictures WHERE sha256 = ?", (picture.sha256,))
        numbers.append(int(found.fetchone()[0]))
    return numbers


def write_path(path: str) -> bytes:
    """A stored path as it is kept: a name may have bytes that are no text."""
    return path.encode("utf-8", "surrogatepass")


def read_path(path: bytes) -> str:
    """A stored path as `write_path` kept it; what somebody else wrote there may be no path."""
    try:
        return path.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return path.decode("utf-8", "backslashreplace")


def kept(rows: Iterable[tuple[str, bytes]]) -> tuple[KeptPicture, ...]:
    """Pictures of rows of SHA-256 and path."""
    return tuple(KeptPicture(sha256, read_path(path)) for sha256, path in rows)
