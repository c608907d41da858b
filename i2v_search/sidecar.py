"""``tags.jsonl``: tags that people gave, beside the images of a folder.

One JSON object a line: ``path`` relative to the file's own folder, ``tags`` a list of names, optionally
``categories`` from tag to category. Other keys (title, author, licence, source) are the owner's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from i2v_search.errors import SourceError
from i2v_search.tags import CATEGORIES, Tag, normalise_tag

FILE_NAME = "tags.jsonl"
MAX_LINE = 2**20
MAX_TAGS = 4096


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
            with file.open("rb") as lines:
                number = 0
                while line := lines.readline(MAX_LINE):
                    number += 1
                    if line.strip():
                        path, given = _parse(line, f"{file}, line {number}")
                        tags[prefix + path] = given
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror})") from error
    return tags


def _parse(line: bytes, place: str) -> tuple[str, tuple[Tag, ...]]:
    try:
        document: Any = json.loads(line)
        path, names = document["path"], document.get("tags", [])
        categories: Mapping[str, Any] = document.get("categories", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f'{place}: expected a JSON object with "path" and "tags" ({error!r})') from error
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
