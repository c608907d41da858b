"""Annotations in other forms than ``tags.jsonl``: a file beside each picture, and tables of image folders.

- ``0.json`` beside ``0.png``, as in WebDataset's shards and from downloaders, with ``tags`` (a list, or a
  text with commas) or tags as booru sites write them (`i2v_search.training.datasets.danbooru`), ``text`` or
  ``caption``, and ``label``.
- ``metadata.jsonl`` or ``metadata.csv`` as in image folders of Hugging Face's datasets: the same keys, with
  the picture's path in ``file_name``.
- Captions (`i2v_search.images.captions`), also beside either of these.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError
from i2v_search.images.captions import parse_caption
from i2v_search.images.sidecar import Annotation, annotation_of
from i2v_search.tags.vocabulary import Tag
from i2v_search.training.datasets.danbooru import has_posted_tags, posted_tags

TABLES: Final = ("metadata.jsonl", "metadata.csv")
ENDING: Final = ".json"
#: Of a JSON file beside a picture, and of a line of a table.
MAX_BYTES: Final = 2**20
_TEXTS: Final = ("text", "caption", "prompt")


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
    for document, place in _rows(file, name):
        path = document.get("file_name")
        if not isinstance(path, str):
            raise SourceError(f'{place}: expected the path of a picture in "file_name"')
        yield annotate(path, document, place)


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
    named: dict[str, Tag] = {}
    for tag in (*tags, *more):
        named.setdefault(tag.name, tag)
    categories = {name: tag.category for name, tag in named.items()}
    return annotation_of({"path": path, "tags": list(named), "categories": categories, **kept}, place)


def parse_json(content: bytes, place: str) -> Any:
    """A JSON document.

    Raises:
        SourceError: it is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{place}: not valid JSON ({error!r})") from error


def _rows(file: BinaryIO, name: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    if name.lower().endswith(".csv"):
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            for number, row in enumerate(csv.DictReader(text), 1):
                yield row, f"{name}, row {number}"
        except (csv.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{name}: not valid CSV ({error})") from error
        finally:
            text.detach()  # the caller closes the file
        return
    number = 0
    while line := file.readline(MAX_BYTES):
        number += 1
        if line.strip():
            place = f"{name}, line {number}"
            document = parse_json(line, place)
            if not isinstance(document, dict):
                raise SourceError(f"{place}: expected a JSON object, not {str(document)[:40]!r}")
            yield document, place
