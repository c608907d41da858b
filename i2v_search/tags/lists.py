"""Tag lists read from files: Illustration2Vec's own, those of WD taggers, and one's own.

The files come with weights from strangers: sizes and shapes are checked before anything is believed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from i2v_search.errors import TagError, TagListError
from i2v_search.files import open_regular
from i2v_search.tags.vocabulary import CATEGORIES, Category, Vocabulary, normalise_tag

#: Illustration2Vec's tags: categories by position; the last three are safe, questionable and explicit.
_PUBLISHED_BLOCKS: Final[tuple[tuple[Category, int], ...]] = (
    ("general", 512),
    ("character", 512),
    ("copyright", 512),
    ("rating", 3),
)
PUBLISHED_COUNT: Final = sum(count for _, count in _PUBLISHED_BLOCKS)

#: Categories as Danbooru numbers them, and 9 as WD taggers number their ratings.
BOORU_CATEGORIES: Final[dict[str, Category]] = {
    "0": "general",
    "1": "artist",
    "3": "copyright",
    "4": "character",
    "5": "meta",
    "9": "rating",
}
#: e621 numbers some categories otherwise, and has some more.
E621_CATEGORIES: Final[dict[str, Category]] = {
    **BOORU_CATEGORIES,
    **{"2": "artist", "5": "general", "6": "general", "7": "meta", "8": "general"},
}
#: Names of categories that other sites and programs have.
OTHER_CATEGORIES: Final[dict[str, Category]] = {
    **dict.fromkeys(("species", "lore", "invalid"), "general"),
    **dict.fromkeys(("contributor", "creator"), "artist"),
    "series": "copyright",
}
_ONLY_E621: Final = frozenset("2678")
# The largest tag lists in use have some 100,000 tags and 5 MB.
_MAX_BYTES: Final = 64 * 2**20
_MAX_NAME: Final = 1000
_RATING: Final = "rating:"
_GZIP_MAGIC: Final = b"\x1f\x8b"


def published_vocabulary(names: Sequence[str]) -> Vocabulary:
    """Give Illustration2Vec's 1,539 tags their categories, which follow from their positions.

    Args:
        names: 512 general, 512 character and 512 copyright tags, then safe, questionable and explicit.

    Raises:
        TagListError: another number of tags.
        TagError: a tag twice in one category.
    """
    if len(names) != PUBLISHED_COUNT:
        raise TagListError(
            f"a plain list of tags must be the {PUBLISHED_COUNT} tags of Illustration2Vec, in their order; "
            f"this one has {len(names)}. "
            'Write other tags as {"name": ..., "category": ...}'
        )
    categories = [category for category, count in _PUBLISHED_BLOCKS for _ in range(count)]
    return Vocabulary(tuple(_spelled(name) for name in names), tuple(categories))


def read_vocabulary(path: str | os.PathLike[str], *, count: int | None = None) -> Vocabulary:
    """Read a tag list.

    A file that ends in ``.csv`` is one of WD taggers (``selected_tags.csv``): columns ``name`` and
    ``category``, a category being a number of Danbooru's (0 general, 1 artist, 3 copyright, 4 character,
    5 meta) or, where one of 2, 6, 7 and 8 occurs, of e621's (5 species, 7 meta, 8 lore), 9 for a rating, or a
    name of `CATEGORIES`. Species and lore are general tags here. A column ``best_threshold`` becomes each
    tag's threshold, for all rules. A file that ends in ``.txt`` has a tag a line, which is general unless it
    begins with ``rating:`` or another category, or is Illustration2Vec's list. In every form ``rating:safe``
    is the rating ``safe``.
    Any other file is JSON, in one of three forms:

    - a list of 1,539 strings: Illustration2Vec's ``tag_list.json`` (see `published_vocabulary`);
    - a list of ``{"name": "hat", "category": "general"}`` in the order of the outputs;
    - an object ``{"general": ["hat", ...], "rating": [...]}``, outputs in the order of the file.

    Any of them may be compressed by gzip, with ``.gz`` behind its name, as the release has its list.

    Args:
        path: the file.
        count: outputs of the tag head, where known.

    Raises:
        TagListError: another number of tags.
        TagError: the file cannot be read, has another form, or a tag twice.
    """
    path = Path(path)
    try:
        vocabulary = _parse(_read_text(path), Path(path.name.lower().removesuffix(".gz")).suffix)
    except TagError as error:
        raise type(error)(f"{path}: {error}") from error
    if count is not None and len(vocabulary) != count:
        raise TagListError(
            f"{path} has {len(vocabulary)} tags, but the tag head has {count} outputs; give the list that "
            "came with the weights"
        )
    return vocabulary


def _read_text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
        if content.startswith(_GZIP_MAGIC):
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise TagError(f"more than {_MAX_BYTES} bytes; not a tag list")
        return content.decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TagError(f"a damaged or truncated gzip file ({error})") from error
    except OSError as error:
        raise TagError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise TagError(f"not UTF-8 text ({error.reason} at byte {error.start})") from error


def _parse(text: str, ending: str) -> Vocabulary:
    if ending == ".csv":
        return _from_csv(text)
    if ending == ".txt":
        return _from_lines([line.strip() for line in text.splitlines() if line.strip()])
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TagError(f"not valid JSON ({error})") from error
    if isinstance(document, dict):
        return _from_pairs((name, category) for category, names in document.items() for name in _list(names))
    entries = _list(document)
    if all(isinstance(entry, str) for entry in entries):
        return published_vocabulary(entries)
    if not all(isinstance(entry, dict) and {"name", "category"} <= entry.keys() for entry in entries):
        raise TagError('expected a list of strings or of {"name": ..., "category": ...}, not a mixture')
    return _from_pairs((entry["name"], entry["category"]) for entry in entries)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TagError(
            'expected a list of tags or an object {"general": [...], ...}; found '
            f"{type(value).__name__} instead of a list"
        )
    return value


def _from_csv(text: str) -> Vocabulary:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = list(reader.fieldnames or ())
        if not {"name", "category"} <= set(columns):
            raise TagError(f"expected columns 'name' and 'category', found {columns[:8]}")
        rows = [(row["name"], (row["category"] or "").strip(), row.get("best_threshold")) for row in reader]
    except csv.Error as error:
        raise TagError(f"not valid CSV ({error} in line {reader.line_num})") from error
    known = (*E621_CATEGORIES, *CATEGORIES, *OTHER_CATEGORIES)
    for number, (name, category, _) in enumerate(rows, 1):
        if category not in known:
            raise TagError(
                f"tag {number}, {name!r}, has category {category!r}; give it one of {', '.join(known)}"
            )
    vocabulary = _from_pairs((name, category) for name, category, _ in rows)
    if "best_threshold" not in columns:
        return vocabulary
    return vocabulary.with_thresholds(np.array([_number(name, best) for name, _, best in rows], np.float32))


def _number(name: str, text: str | None) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TagError(f"tag {name!r} has best_threshold {text!r}, not a number")
    return number


def _from_lines(lines: Sequence[str]) -> Vocabulary:
    if len(lines) == PUBLISHED_COUNT and not any(":" in line for line in lines[-3:]):
        return published_vocabulary(lines)
    known, pairs = {*CATEGORIES, *OTHER_CATEGORIES}, []
    for line in lines:
        namespace, _, name = line.partition(":")
        pairs.append((name, namespace.lower()) if namespace.lower() in known and name else (line, "general"))
    return _from_pairs(pairs)


def named_categories(given: Iterable[str]) -> list[str]:
    """Names for categories by number, or by another name; one that is unknown is given back as it is.

    >>> named_categories(["0", "4", "5"]), named_categories(["0", "5", "7", "species"])
    (['general', 'character', 'meta'], ['general', 'general', 'meta', 'general'])
    """
    written = list(given)
    numbered = BOORU_CATEGORIES if _ONLY_E621.isdisjoint(written) else E621_CATEGORIES
    known: dict[str, str] = {**numbered, **OTHER_CATEGORIES}
    return [known.get(one, one) for one in written]


def _from_pairs(pairs: Iterable[tuple[Any, Any]]) -> Vocabulary:
    """A vocabulary from names and categories of unknown types; `Vocabulary` checks the categories.

    DeepDanbooru names its ratings ``rating:safe`` among the other tags.
    """
    names, given = [], []
    for name, category in pairs:
        rated = isinstance(name, str) and name.startswith(_RATING)
        names.append(_spelled(name.removeprefix(_RATING) if rated else name))
        given.append("rating" if rated else category if isinstance(category, str) else repr(category))
    categories = named_categories(given)
    if not names:
        raise TagError("it holds no tags")
    return Vocabulary(tuple(names), cast(tuple[Category, ...], tuple(categories)))


def _spelled(name: Any) -> str:
    """The name as stored; it must be text that has letters and can be written to a file."""
    if not isinstance(name, str) or not normalise_tag(name) or len(name) > _MAX_NAME:
        raise TagError(f"a tag's name must be text of 1 to {_MAX_NAME} characters, not {str(name)[:40]!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise TagError(f"tag {name[:40]!r} is not valid Unicode")
    return normalise_tag(name)
