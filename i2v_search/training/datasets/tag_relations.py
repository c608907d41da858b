"""Other names of tags, and tags that others imply, as sites for art publish them.

Both are tables of pairs: CSV with two columns, with or without a heading (Danbooru's ``antecedent_name`` and
``consequent_name``; further columns are passed over, rows whose ``status`` is not ``active`` too), or JSON
lines with these keys.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2v_search.errors import TagError
from i2v_search.tags.vocabulary import Category, Tag, normalise_tag
from i2v_search.training.datasets.dataset import Dataset, Picture

_FROM, _TO = "antecedent_name", "consequent_name"


def read_pairs(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Pairs of tags of a file, spelled as everywhere here.

    Raises:
        TagError: it cannot be read, or a line has no two tags.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TagError(f"{file} cannot be read as pairs of tags ({error})") from error
    pairs = []
    for place, (one, other) in enumerate(_pairs(lines, file), 1):
        names = normalise_tag(one), normalise_tag(other)
        if not all(names):
            raise TagError(f"{file}: pair {place} has a tag without letters")
        if names[0] != names[1]:
            pairs.append(names)
    return pairs


def relate_tags(
    datasets: Sequence[Dataset],
    *,
    aliases: Iterable[tuple[str, str]] = (),
    implications: Iterable[tuple[str, str]] = (),
) -> list[Dataset]:
    """Data sets with one name for each tag, and with the tags that others imply.

    Args:
        datasets: any number.
        aliases: pairs of an old name and the name to use; chains are followed.
        implications: pairs of a tag and a tag that every picture with it has too, and what that implies. An
            implied tag has the category that it has elsewhere in the sets.

    Raises:
        TagError: aliases lead round in a circle.

    Example:
        >>> from i2v_search import read_dataset
        >>> (related,) = relate_tags([read_dataset("art")], implications=[("duck", "animal")])
        >>> sorted(tag.name for tag in related.pictures[0].tags)
        ['animal', 'birds', 'duck']
    """
    names, implied = _settled(dict(aliases)), _closed(implications)
    implied = {names.get(tag, tag): {names.get(one, one) for one in more} for tag, more in implied.items()}
    categories: dict[str, Category] = {}
    for dataset in datasets:
        for picture in dataset.pictures:
            for tag in picture.tags:
                categories.setdefault(names.get(tag.name, tag.name), tag.category)

    def related(picture: Picture) -> Picture:
        tags = {(name := names.get(tag.name, tag.name)): replace(tag, name=name) for tag in picture.tags}
        for name in [more for tag in list(tags) for more in sorted(implied.get(tag, ()))]:
            tags.setdefault(name, Tag(name, 1.0, categories.get(name, "general")))
        unknown = frozenset(names.get(name, name) for name in picture.unknown) - tags.keys()
        return replace(picture, tags=tuple(tags.values()), unknown=unknown)

    return [replace(one, pictures=tuple(map(related, one.pictures))) for one in datasets]


def _pairs(lines: Sequence[str], file: Path) -> Iterator[tuple[str, str]]:
    if lines and lines[0].lstrip().startswith("{"):
        for number, line in enumerate(lines, 1):
            try:
                document: Any = json.loads(line)
                if document.get("status", "active") == "active":
                    yield document[_FROM], document[_TO]
            except (ValueError, AttributeError, KeyError) as error:
                raise TagError(f"{file}, line {number}: not an object with {_FROM} and {_TO}") from error
        return
    rows = list(csv.reader(lines))
    heading = rows[0] if rows and {_FROM, _TO} <= set(rows[0]) else []
    places = [heading.index(_FROM), heading.index(_TO)] if heading else [0, 1]
    status = heading.index("status") if "status" in heading else None
    for number, row in enumerate(rows[bool(heading) :], 1 + bool(heading)):
        if not row:
            continue
        if len(row) <= max(places):
            raise TagError(f"{file}, line {number}: {len(row)} columns, two tags are needed")
        if status is None or len(row) <= status or row[status] == "active":
            yield row[places[0]], row[places[1]]


def _settled(aliases: Mapping[str, str]) -> dict[str, str]:
    """Each old name and the last of the chain that it begins."""
    settled = {}
    for old in aliases:
        name, seen = old, {old}
        while name in aliases:
            name = aliases[name]
            if name in seen:
                raise TagError(f"the aliases of {old!r} lead back to it")
            seen.add(name)
        settled[old] = name
    return settled


def _closed(implications: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Each tag and all that it implies, also by way of others."""
    direct: dict[str, set[str]] = {}
    for tag, other in implications:
        direct.setdefault(tag, set()).add(other)
    closed = {}
    for tag in direct:
        found, waiting = set[str](), [tag]
        while waiting:
            more = direct.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        closed[tag] = found - {tag}
    return closed
