"""``tags.jsonl``: tags that people gave, beside the images of a folder.

One JSON object a line: ``path`` relative to the file's own folder, ``tags`` a list of names, optionally
``categories`` from tag to category. A data set for training (`i2v_search.training.dataset`) may say more:
``unknown``, a list of tags that nobody looked for in this image, and the strings ``label``, ``group``,
``source`` and ``licence``. Other keys (title, author) are the owner's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from i2v_search.errors import SourceError
from i2v_search.tags import CATEGORIES, MAX_TAGS, Tag, normalise_tag

FILE_NAME = "tags.jsonl"
MAX_LINE = 2**20
_TEXTS = ("label", "group", "source", "licence")


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
    """

    path: str
    tags: tuple[Tag, ...]
    unknown: frozenset[str] = frozenset()
    label: str | None = None
    group: str | None = None
    source: str = ""
    licence: str = ""


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
    for line, place in _lines(file, name):
        document = _load(line, place)
        path, tags = _parse(document, place)
        unknown = _tag_names(document.get("unknown", []), place)
        for tag in tags:
            if tag.name in unknown:
                raise SourceError(f"{place}: tag {tag.name!r} is in both 'tags' and 'unknown'")
        texts = {key: document[key] for key in _TEXTS if key in document}
        for key, text in texts.items():
            if not isinstance(text, str) or not _is_unicode(text):
                raise SourceError(f'{place}: "{key}" must be a string, not {str(text)[:40]!r}')
        yield Annotation(path, tags, unknown, **texts)


def read_sidecars(folders: Iterable[Path], root: Path) -> dict[str, tuple[Tag, ...]]:
    """Read the ``tags.jsonl`` of every folder that has one.

    The result is held in memory: about 1 kB for an image with ten tags.

    Args:
        folders: absolute paths.
        root: image root that the keys are relative to.

    Returns:
        Tags by stored image path.

    Raises:
        SourceError: a line is not valid; the message names file and line.
    """
    tags: dict[str, tuple[Tag, ...]] = {}
    for folder in folders:
        file = folder / FILE_NAME
        if not file.is_file():
            continue
        prefix = (
            folder.relative_to(root).as_posix() + "/"
            if folder.is_relative_to(root)
            else f"{folder.as_posix()}/"
        )
        prefix = "" if prefix == "./" else prefix
        try:
            with file.open("rb") as opened:
                for line, place in _lines(opened, str(file)):
                    path, given = _parse(_load(line, place), place)
                    tags[prefix + path] = given
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror})") from error
    return tags


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[bytes, str]]:
    """Lines that are not empty, each with what errors call it."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if line.strip():
            yield line, f"{name}, line {number}"


def _load(line: bytes, place: str) -> dict[str, Any]:
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
        raise SourceError(f"{place}: {len(names)} unknown tags for one image, at most {MAX_TAGS} are taken")
    return frozenset(map(normalise_tag, names)) - {""}


def _parse(document: Mapping[str, Any], place: str) -> tuple[str, tuple[Tag, ...]]:
    path, names, categories = document["path"], document.get("tags", []), document.get("categories", {})
    if not isinstance(path, str) or not isinstance(names, list) or not isinstance(categories, dict):
        raise SourceError(f'{place}: "path" must be a string, "tags" a list, "categories" an object')
    if len(names) > MAX_TAGS:
        raise SourceError(f"{place}: {len(names)} tags for one image, at most {MAX_TAGS} are taken")
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
            tags[spelled] = Tag(spelled, 1.0, category)
    return path, tuple(tags.values())


def _is_unicode(name: str) -> bool:
    """JSON can spell half a surrogate pair, which no text holds."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
