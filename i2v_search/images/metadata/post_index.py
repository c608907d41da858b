"""What metadata files say of pictures, looked up picture by picture from a temporary database on disk.

A set has millions of posts, and a folder only some of their pictures: posts are read once, those whose
picture is not there are passed over, and the others are kept in SQLite's own temporary file, which goes to
disk as it grows and vanishes with the process.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError, TagError
from i2v_search.images.metadata.annotations import given_tag
from i2v_search.images.metadata.beside import annotate_row, table_rows
from i2v_search.images.metadata.documents import Entry, iter_documents
from i2v_search.images.metadata.facts import Fact
from i2v_search.images.metadata.posts import is_post, picture_files, post_of
from i2v_search.images.metadata.ratings import NEW_RATINGS, UNDECIDED, read_rating, settled
from i2v_search.tags.vocabulary import CATEGORIES, Tag

_PLACES: Final = {category: str(place) for place, category in enumerate(CATEGORIES)}
#: A file is metadata if one of its first documents is a post.
_SNIFFED: Final = 20
_TOGETHER: Final = 2000
_MD5: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_PAGES: Final = -64 * 1024  # KiB of the database that are held in memory


@dataclass(frozen=True)
class Known:
    """What files say of a picture.

    Attributes:
        tags: that people gave.
        facts: its columns (`i2v_search.images.metadata.facts`).
    """

    tags: tuple[Tag, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.tags or self.facts)

    def with_more(self, other: Known) -> Known:
        """Both; where they contradict each other, the first counts."""
        tags = {tag.name: tag for tag in self.tags}
        has_rating = any(tag.category == "rating" for tag in self.tags)
        for tag in other.tags:
            if not (has_rating and tag.category == "rating"):
                tags.setdefault(tag.name, tag)
        return Known(tuple(tags.values()), {**other.facts, **self.facts})


OnBad = Callable[[str, str], None]
"""Told of what cannot be read: the file's name, and the message with its place."""


class PostIndex:
    """Posts and rows of tables by the pictures that they are about; used from any thread.

    A *scope* is a folder or an archive: names mean pictures anywhere in it.

    Args:
        on_bad: told of lines that cannot be used.
        on_read: told how many documents were read, from time to time.
    """

    def __init__(self, on_bad: OnBad, on_read: Callable[[int], None] = lambda _: None) -> None:
        self._on_bad, self._on_read = on_bad, on_read
        self._lock = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._new: set[str] = set()
        self._read = 0

    def add_posts(self, scope: str, file: BinaryIO, name: str, wanted: frozenset[str] | None) -> bool:
        """Read a metadata file, if it is one.

        Args:
            scope: where its pictures are.
            file: opened for reading bytes.
            name: what messages call it.
            wanted: what pictures are called there (`picture_names`); None for anything.

        Returns:
            Whether it is one.

        Raises:
            SourceError: it requires a package that is not installed.
        """
        documents = iter_documents(file, name)
        first = list(islice(documents, _SNIFFED))
        if not any(is_post(document) for document, _ in first):
            return False
        self._keep(self._posts(scope, _chained(first, documents), name, wanted))
        return True

    def add_table(self, scope: str, folder: str, file: BinaryIO, name: str) -> bool:
        """Read the table of an image folder, if it is one: a row names its picture in ``file_name``.

        Args:
            scope: where its pictures are.
            folder: path of the table's folder there, "" or with ``/`` at its end.
            file: opened for reading bytes.
            name: what messages call it.
        """
        rows = table_rows(file, name)
        first = list(islice(rows, _SNIFFED))
        if not any(isinstance(row, dict) and isinstance(row.get("file_name"), str) for row, _ in first):
            return False
        self._keep(self._rows(scope, folder, _chained(first, rows), name))
        return True

    def add(self, scope: str, key: str, known: Known) -> None:
        """Keep what is said of one picture."""
        self._keep(iter([([_key(scope, "path", key)], _packed(known, ""))]))

    def by_name(self, scope: str, name: str) -> Known | None:
        """What a post of a scope says of the picture of a file name."""
        for called in picture_names(name):
            if (found := self._find(_key(scope, "name", called), scope)) is not None:
                return found
        return None

    def by_path(self, scope: str, path: str) -> Known | None:
        """What is kept under a path of a scope."""
        return self._find(_key(scope, "path", path), scope)

    def close(self) -> None:
        """Give the space back."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _posts(
        self, scope: str, documents: Iterable[Entry], name: str, wanted: frozenset[str] | None
    ) -> Iterator[tuple[list[str], str]]:
        for document, place in documents:
            self._count()
            if wanted is not None and isinstance(document, dict):
                if read_rating(document) in NEW_RATINGS:
                    self._new.add(scope)
                # Of a whole site's posts nearly none has its picture here.
                files = picture_files(document)
                if files and wanted.isdisjoint(_names(files)):
                    continue
            try:
                post = post_of(document, place)
            except (SourceError, TagError) as error:
                self._on_bad(name, str(error))
                continue
            if post.is_new:
                self._new.add(scope)
            called = _names(post.files)
            keys = [_key(scope, "name", one) for one in called if wanted is None or one in wanted]
            if keys:
                undecided = UNDECIDED if post.rating == UNDECIDED else ""
                facts = dict(post.facts)
                if post.rating:
                    facts["rating"] = post.rating
                yield keys, _packed(Known(post.tags, facts), undecided)

    def _rows(
        self, scope: str, folder: str, rows: Iterable[Entry], name: str
    ) -> Iterator[tuple[list[str], str]]:
        for row, place in rows:
            self._count()
            try:
                read = annotate_row(row, place)
            except (SourceError, TagError) as error:
                self._on_bad(name, str(error))
                continue
            yield (
                [_key(scope, "path", folder + read.path.removeprefix("./"))],
                _packed(Known(read.tags, read.facts), ""),
            )

    def _count(self) -> None:
        self._read += 1
        if self._read % 1000 == 0:
            self._on_read(self._read)

    def _keep(self, entries: Iterator[tuple[list[str], str]]) -> None:
        with self._lock:
            database = self._opened()
            while several := list(islice(entries, _TOGETHER)):
                for keys, content in several:
                    number = database.execute("INSERT INTO said (content) VALUES (?)", (content,)).lastrowid
                    # The last line about a picture counts.
                    rows = [(key, number) for key in keys]
                    database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", rows)
            database.commit()

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            # A database without a name is a temporary file, and only what does not fit into memory is in it.
            self._database = sqlite3.connect("", check_same_thread=False)
            self._database.execute(f"PRAGMA cache_size = {_PAGES}")
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE said (number INTEGER PRIMARY KEY, content TEXT)")
            self._database.execute("CREATE TABLE names (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        return self._database

    def _find(self, key: str, scope: str) -> Known | None:
        with self._lock:
            if self._database is None:
                return None
            row = self._database.execute(
                "SELECT content FROM said JOIN names USING (number) WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else _unpacked(row[0], is_new=scope in self._new)


def picture_names(name: str) -> tuple[str, ...]:
    """What a post may call the picture of a file name: without its ending, and by the MD5 in it.

    >>> picture_names("Art.PNG"), picture_names("danbooru_7_d41d8cd98f00b204e9800998ecf8427e.jpg")[1]
    (('art',), 'd41d8cd98f00b204e9800998ecf8427e')
    """
    lower = name.lower()
    stem, dot, ending = lower.rpartition(".")
    stem = stem if dot and stem and len(ending) <= 5 else lower
    md5 = _MD5.search(stem)
    return (stem,) if md5 is None or md5[0] == stem else (stem, md5[0])


def _names(files: Iterable[str]) -> dict[str, None]:
    """What the picture of a post may be called, without endings."""
    return dict.fromkeys(picture_names(file)[0] for file in files)


def _key(scope: str, kind: str, name: str) -> str:
    return f"{scope}\0{kind}\0{name}".encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _chained(first: list[Entry], rest: Iterator[Entry]) -> Iterator[Entry]:
    yield from first
    yield from rest


def _packed(known: Known, undecided: str) -> str:
    tags = [_PLACES[tag.category] + tag.name for tag in known.tags]
    return json.dumps([tags, dict(known.facts), undecided], ensure_ascii=False)


def _unpacked(content: str, *, is_new: bool) -> Known:
    document: Any = json.loads(content)
    tags, facts, undecided = document
    given = [given_tag(tag[1:], CATEGORIES[int(tag[0])]) for tag in tags]
    if undecided:
        rating = settled(undecided, is_new=is_new)
        facts["rating"] = rating
        given = [given_tag(rating, "rating") if tag.category == "rating" else tag for tag in given]
    return Known(tuple(given), facts)
