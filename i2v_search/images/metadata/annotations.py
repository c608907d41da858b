"""``tags.jsonl``: tags that people gave, beside the images of a folder.

One JSON object a line: ``path`` relative to the file's own folder, ``tags`` a list of names, optionally
``categories`` from tag to category. A data set for training (`i2v_search.training.datasets.dataset`) may say
more: ``unknown``, a list of tags that nobody looked for in this image, and the strings ``label``, ``group``,
``source`` and ``licence``. ``rating``, ``score``, ``favourites``, ``date``, ``post_id``, ``parent_id``,
``source``, ``licence`` and ``split`` become columns of a collection. Other keys (title, author) are the
owner's business. A path is found too where it is written with backslashes, with ``./``, or with accents
composed in another way than in the file's name.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError
from i2v_search.images.metadata.facts import Fact, as_fact, as_text, facts_of
from i2v_search.images.metadata.ratings import read_rating, settled
from i2v_search.tags.vocabulary import CATEGORIES, MAX_TAGS, Category, Tag, normalise_tag

FILE_NAME: Final = "tags.jsonl"
MAX_LINE: Final = 2**20
_TEXTS: Final = ("label", "group", "source", "licence")


@dataclass(frozen=True)
class Annotation:
    """A line of a data set's ``tags.jsonl``.

    Attributes:
        path: relative to the file's own folder.
        tags: what the image shows.
        unknown: names of tags that nobody looked for; none of them is in `tags`.
        label: what counts as relevant to it, None if the line does not say.
        group: what it must not be separated from, None if the line does not say.
        source: where it comes from, or "".
        licence: as the source states it, or "".
        facts: its columns (`i2v_search.images.metadata.facts`).
    """

    path: str
    tags: tuple[Tag, ...]
    unknown: frozenset[str] = frozenset()
    label: str | None = None
    group: str | None = None
    source: str = ""
    licence: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict, hash=False)


def read_annotations(file: BinaryIO, name: str) -> Iterator[Annotation]:
    """Read a ``tags.jsonl`` line by line, in order.

    Args:
        file: opened for reading bytes.
        name: what errors call it.

    Raises:
        SourceError: a line is not valid; the message names file and line.

    Example:
        >>> import io
        >>> lines = io.BytesIO(b'{"path": "a.png", "tags": ["Hat"], "unknown": ["smile"], "label": "people"}')
        >>> annotation = next(read_annotations(lines, "tags.jsonl"))
        >>> annotation.tags[0].name, sorted(annotation.unknown), annotation.label
        ('hat', ['smile'], 'people')
    """
    for line, place in annotation_lines(file, name):
        yield annotation_of(parse_annotation(line, place), place)


def annotation_of(document: Mapping[str, Any], place: str) -> Annotation:
    """Read what a line of a ``tags.jsonl`` says, parsed.

    Args:
        document: with ``path``.
        place: what errors call it.

    Raises:
        SourceError: a value is of another kind.
    """
    path, tags = path_and_tags(document, place)
    unknown = _tag_names(document.get("unknown", []), place)
    for tag in tags:
        if tag.name in unknown:
            raise SourceError(f"{place}: tag {tag.name!r} is in both 'tags' and 'unknown'")
    texts = {key: document[key] for key in _TEXTS if key in document}
    for key, text in texts.items():
        if not isinstance(text, str) or not _is_unicode(text):
            raise SourceError(f'{place}: "{key}" must be a string, not {str(text)[:40]!r}')
    return Annotation(path, tags, unknown, **texts, facts=line_facts(document, tags))


def line_facts(document: Mapping[str, Any], tags: Iterable[Tag]) -> dict[str, Fact]:
    """The columns of a line: what it says, and its rating also where that is one of the tags.

    >>> line_facts({"rating": "g", "score": "7", "licence": "CC0"}, ())
    {'rating': 'general', 'score': 7, 'licence': 'CC0'}
    """
    facts: dict[str, Fact] = {}
    rating = read_rating(document)
    named = next((tag.name for tag in tags if tag.category == "rating"), None)
    if rating is not None or named is not None:
        facts["rating"] = settled(rating, is_new=False) if rating else str(named)
    facts.update({name: value for name, value in facts_of(document).items() if name != "post_id"})
    if (number := as_fact(document.get("post_id"))) is not None:
        facts["post_id"] = number
    for name in ("licence", "split"):
        if isinstance(text := document.get(name), str) and text:
            facts[name] = as_text(text)
    return facts


@lru_cache(maxsize=2**17)
def given_tag(name: str, category: Category = "general") -> Tag:
    """A tag that a person gave; one object for all pictures that have it."""
    return Tag(name, 1.0, category)


def tags_of_one(file: BinaryIO, path: str, most_bytes: int) -> tuple[Tag, ...] | None:
    """The tags that a ``tags.jsonl`` gives one image, read line by line, of which none is held.

    Args:
        file: opened for reading bytes.
        path: of the image, below the file's folder.
        most_bytes: that are read.

    Returns:
        None if no line is about it.

    Raises:
        SourceError: a line that may be about it is not valid.
    """
    wanted, name = plain_path(path), path.rpartition("/")[2]
    spelled = [name.encode()] if name.isascii() and name.isprintable() and not set(name) & set('"\\') else []
    found: tuple[Tag, ...] | None = None
    for line, place in annotation_lines(file, FILE_NAME):
        most_bytes -= len(line)
        if most_bytes < 0:
            break
        if spelled and not any(form in line for form in (*spelled, b"\\u")):
            continue  # nine of ten lines are never parsed
        written, tags = path_and_tags(parse_annotation(line, place), place)
        if plain_path(written) == wanted:
            found = tags
    return found


def plain_path(path: str) -> str:
    r"""One spelling of a path: ``/`` between its parts, no ``./``, letters composed as Unicode's NFC does.

    >>> plain_path(".\\sub\\a.png"), len(plain_path("e\u0301.png"))
    ('sub/a.png', 5)
    """
    parts = path.replace("\\", "/").split("/")
    return unicodedata.normalize("NFC", "/".join(part for part in parts if part not in {"", "."}))


def annotation_lines(file: BinaryIO, name: str) -> Iterator[tuple[bytes, str]]:
    """Lines that are not empty, each with what errors call it."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if line.strip():
            yield line, f"{name}, line {number}"


def parse_annotation(line: bytes, place: str) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        SourceError: it is none, or has no path.
    """
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f'{place}: expected a JSON object with "path" and "tags" ({error!r})') from error
    if not isinstance(document, dict) or "path" not in document:
        raise SourceError(f'{place}: expected a JSON object with "path" and "tags"')
    return document


def _tag_names(names: Any, place: str) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_unicode(name) for name in names):
        raise SourceError(f'{place}: "unknown" must be a list of tags')
    if len(names) > MAX_TAGS:
        raise SourceError(f"{place}: {len(names)} unknown tags for one image, the limit is {MAX_TAGS}")
    return frozenset(map(normalise_tag, names)) - {""}


def path_and_tags(document: Mapping[str, Any], place: str) -> tuple[str, tuple[Tag, ...]]:
    """The path and the tags of a line.

    Raises:
        SourceError: one of them is of another kind.
    """
    path, names, categories = document["path"], document.get("tags", []), document.get("categories", {})
    if not isinstance(path, str) or not isinstance(names, list) or not isinstance(categories, dict):
        raise SourceError(f'{place}: "path" must be a string, "tags" a list, "categories" an object')
    if len(names) > MAX_TAGS:
        raise SourceError(f"{place}: {len(names)} tags for one image, the limit is {MAX_TAGS}")
    tags: dict[str, Tag] = {}
    for name in names:
        category = categories.get(name, "general") if isinstance(name, str) else None
        if isinstance(name, str) and not _is_unicode(name):
            raise SourceError(f"{place}: tag {name!r} is not valid Unicode")
        if category not in CATEGORIES:
            raise SourceError(
                f"{place}: tag {name!r} has category {category!r}; one of {', '.join(CATEGORIES)}"
            )
        spelled = normalise_tag(name)
        if spelled:
            tags[spelled] = given_tag(spelled, category)
    return path, tuple(tags.values())


def _is_unicode(name: str) -> bool:
    """JSON can spell half a surrogate pair, which no text holds."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
