"""Converts a data set of any form that is read into one ``tags.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2v_search.errors import QueryError
from i2v_search.files import replacing
from i2v_search.training.datasets.dataset import Dataset, Picture, read_dataset


def convert_dataset(source: str | Path, out: str | Path) -> Dataset:
    """Write a ``tags.jsonl`` with everything that is known of the pictures of a data set.

    Args:
        source: as of `read_dataset`.
        out: the new file. Paths in it are relative to its folder, which must be that of the pictures or one
            above it; where it is elsewhere, they are relative to the data set's root.

    Returns:
        The data set.

    Raises:
        QueryError: there is such a file already.
        SourceError: as `read_dataset`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "1.png").write_bytes(b"")
        >>> _ = (folder / "p.json").write_text('[{"id": 1, "tag_string": "hat ^_^", "rating": "g"}]')
        >>> _ = convert_dataset(folder, folder / "tags.jsonl")
        >>> print((folder / "tags.jsonl").read_text(), end="")
        {"path": "1.png", "tags": ["hat", "^_^", "general"], "categories": {"general": "rating"}, \
"group": "post 1", "post_id": 1, "rating": "general"}
    """
    out = Path(out)
    if out.exists():
        raise QueryError(f"{out} exists and is kept; choose another name, or remove it")
    dataset = read_dataset(source)
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for line in _lines(dataset, out):
            file.write(line + "\n")
    return dataset


def _lines(dataset: Dataset, out: Path) -> Iterator[str]:
    folder = out.resolve().parent
    before = dataset.root.relative_to(folder).as_posix() if dataset.root.is_relative_to(folder) else "."
    for picture in dataset.pictures:
        path = picture.path if before == "." else f"{before}/{picture.path}"
        yield json.dumps(_line(path, picture), ensure_ascii=False)


def _line(path: str, picture: Picture) -> dict[str, Any]:
    line: dict[str, Any] = {"path": path, "tags": list(dict.fromkeys(tag.name for tag in picture.tags))}
    categories = {tag.name: tag.category for tag in picture.tags if tag.category != "general"}
    told: dict[str, Any] = {
        "categories": categories,
        "unknown": sorted(picture.unknown),
        "label": picture.label,
        "group": "" if picture.group == picture.path else picture.group,
        "source": picture.source,
        "licence": picture.licence,
        **picture.facts,
    }
    return {**line, **{name: value for name, value in told.items() if value not in ("", [], {})}}
