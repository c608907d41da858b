"""Annotations in other forms than ``tags.jsonl``: a file beside each picture, and tables of image folders.

- ``0.json`` beside ``0.png``, as in WebDataset's shards and from downloaders, with ``tags`` (a list, or a
  text with commas) or tags as booru sites write them (`i2v_search.images.metadata.posts`), ``text`` or
  ``caption``, and ``label``.
- ``metadata.jsonl`` or ``metadata.csv`` as in image folders of Hugging Face's datasets: the same keys, with
  the picture's path in ``file_name``.
- Captions (`i2v_search.images.captions`), also beside either of these.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError
from i2v_search.images.captions import parse_caption
from i2v_search.images.metadata.annotations import Annotation, annotation_of, given_tag, line_facts
from i2v_search.images.metadata.documents import Entry, Unreadable, iter_documents
from i2v_search.images.metadata.facts import facts_of, own_facts
from i2v_search.images.metadata.posts import has_posted_tags, is_post, posted_tags
from i2v_search.images.metadata.ratings import read_rating, settled
from i2v_search.tags.vocabulary import Tag

TABLES: Final = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
ENDING: Final = ".json"
#: Of a JSON file beside a picture, and of a line of a table.
MAX_BYTES: Final = 2**20
_TEXTS: Final = ("text", "caption", "prompt")
#: Keys that are no columns of the owner's own.
_KNOWN: Final = frozenset(
    (
        *("file_name", "path", "tags", "categories", "unknown", "id", "label", "group", *_TEXTS),
        *("width", "height", "bytes", "sha256", "rating", "score", "date", "source", "licence"),
    )
)
#: Keys one of which an object has that says something of a picture, if it is no post.
_TELLING: Final = frozenset(("tags", "rating", "score", "licence", *_TEXTS))


def read_table(file: BinaryIO, name: str) -> Iterator[Annotation]:
    """Read the table of an image folder; CSV where its name ends so, else a JSON object a line.

    Raises:
        SourceError: a line is not valid; the message names it.
        TagError: its tags are not.

    Example:
        >>> table = io.BytesIO(b'file_name,tags\\n0.png,"cat, night"\\n')
        >>> [(one.path, len(one.tags)) for one in read_table(table, "metadata.csv")]
        [('0.png', 2)]
    """
    for document, place in table_rows(file, name):
        yield annotate_row(document, place)


def annotate_row(document: Any, place: str) -> Annotation:
    """Annotation of a picture from a row of a table.

    Raises:
        SourceError: it is no object, names no picture, or a key of it has a value of another kind.
        TagError: its tags are not valid.
    """
    if isinstance(document, Unreadable):
        raise SourceError(f"{place}: not valid {'CSV' if '.csv' in place else 'JSON'} ({document.reason})")
    if not isinstance(document, dict):
        raise SourceError(f"{place}: expected a JSON object, not {str(document)[:40]!r}")
    path = document.get("file_name")
    if not isinstance(path, str):
        raise SourceError(f'{place}: expected the path of a picture in "file_name"')
    read = annotate(path, document, place)
    return replace(read, facts={**own_facts(document, _KNOWN), **read.facts})


def annotate(path: str, document: Any, place: str, more: tuple[Tag, ...] = ()) -> Annotation:
    """Annotation of a picture from a JSON object, with the tags of its captions.

    Args:
        path: path of the picture.
        document: parsed JSON.
        place: what errors call it.
        more: tags from elsewhere.

    Raises:
        SourceError: it is no object, or a key of it has a value of another kind.
        TagError: its tags are not valid.
    """
    if not isinstance(document, dict):
        raise SourceError(f"{place}: expected a JSON object, not {str(document)[:40]!r}")
    given = document.get("tags") or []
    kept = {key: document[key] for key in ("source", "licence", "group", "unknown") if key in document}
    if isinstance(document.get("label"), str | int):
        kept["label"] = str(document["label"])
    tags: list[Tag] = []
    rating = read_rating(document)
    if has_posted_tags(document):
        tags += posted_tags(document, place)
    elif isinstance(given, str):
        tags += parse_caption(given)
    else:
        categories = document.get("categories", {})
        tags += annotation_of({"path": path, "tags": given, "categories": categories}, place).tags
    for key in _TEXTS:
        if isinstance(document.get(key), str):
            tags += parse_caption(document[key])
    if rating is not None and not any(tag.category == "rating" for tag in tags):
        tags.append(given_tag(settled(rating, is_new=False), "rating"))
    named: dict[str, Tag] = {}
    for tag in (*tags, *more):
        named.setdefault(tag.name, tag)
    categories = {name: tag.category for name, tag in named.items()}
    read = annotation_of({"path": path, "tags": list(named), "categories": categories, **kept}, place)
    if not is_post(document) and _TELLING.isdisjoint(document):
        return read  # a workflow, or what else stands beside a picture
    return replace(read, facts={**line_facts(document, read.tags), **facts_of(document)})


def parse_json(content: bytes, place: str) -> Any:
    """A JSON document.

    Raises:
        SourceError: it is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{place}: not valid JSON ({error!r})") from error


def table_rows(file: BinaryIO, name: str) -> Iterator[Entry]:
    """The rows of a table as `iter_documents` gives them."""
    if not name.lower().endswith(".csv"):
        yield from iter_documents(file, name)
        return
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        for number, row in enumerate(csv.DictReader(text), 1):
            yield row, f"{name}, row {number}"
    except (csv.Error, UnicodeDecodeError) as error:
        yield Unreadable(str(error)), name
    finally:
        text.detach()  # the caller closes the file
