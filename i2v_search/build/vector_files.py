"""Files of vectors: ``.npy``, HDF5 and Parquet, with the ids, paths and tags that are in them or beside them.

==============  ===========================================================================================
``.npy``        (n, d); ``NAME.ids.csv`` beside it, as ``export`` writes it, has the ids and paths
``.h5``         the data set that is named, or the only one of two axes; ``id``, ``path`` and ``tags/...``
                as in `i2v_search.build.upkeep.hdf5_export`; unit rows get their ``norms`` back
``.parquet``    the column that is named, or the only one of lists of numbers; ``id``, ``path`` (or
                ``file_name``) and ``tags`` (lists of names)
==============  ===========================================================================================

A table of rows (``--rows``) is a CSV file with columns ``id``, ``path``, ``tags`` (separated by commas), or a
``tags.jsonl``. All are read block by block.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.given_rows import GivenRows
from i2v_search.errors import QueryError
from i2v_search.images.metadata.annotations import read_annotations
from i2v_search.store.given_arrays import BLOCK_ROWS
from i2v_search.tags.vocabulary import Tag

_IDS, _PATHS = ("id", "ids"), ("path", "paths", "file_name")


def read_vector_file(path: Path, column: str | None = None) -> GivenRows:
    """The rows of a file of vectors; nothing is held but a block.

    Args:
        path: of the file.
        column: name of the data set or column with the vectors.

    Raises:
        QueryError: it is not such a file, or which column has the vectors cannot be told.
    """
    readers: dict[str, Callable[[Path, str | None], GivenRows]] = {
        ".npy": _read_npy,
        ".h5": _read_hdf5,
        ".hdf5": _read_hdf5,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise QueryError(f"{path}: vectors are read from {', '.join(readers)}")
    if not path.is_file():
        raise QueryError(f"{path} does not exist")
    return reader(path, column)


def read_row_table(path: Path) -> dict[str, Iterable[Any]]:
    """Ids, paths and tags of a table of rows, of those columns that it has.

    Raises:
        QueryError: it has none of them, or an id is no number.
        SourceError: a line of a ``tags.jsonl`` is not valid.
    """
    if not path.is_file():
        raise QueryError(f"{path} does not exist")
    if path.suffix.lower() == ".jsonl":
        return {"paths": _of_lines(path, "path"), "tags": _of_lines(path, "tags")}
    names = next(_csv_rows(path), [])
    found: dict[str, Iterable[Any]] = {}
    for column, name in enumerate(names):
        if name in _IDS:
            found["ids"] = _of_csv(path, column, _number)
        elif name in _PATHS:
            found["paths"] = _of_csv(path, column, str)
        elif name == "tags":
            found["tags"] = _of_csv(path, column, _split)
    if not found:
        raise QueryError(f"{path} has no column id, path or tags, but {', '.join(names) or 'none'}")
    return found


def _read_npy(path: Path, column: str | None) -> GivenRows:
    if column is not None:
        raise QueryError(f"{path} has one array; a column is for HDF5 and Parquet")
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise QueryError(f"{path} cannot be read as .npy ({error})") from error
    beside = path.with_suffix(".ids.csv")
    known = read_row_table(beside) if beside.is_file() else {}
    return GivenRows(vectors, **known, total=len(vectors) if vectors.ndim else None)


def _read_hdf5(path: Path, column: str | None) -> GivenRows:
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise QueryError(f"{path} cannot be read as HDF5 ({error})") from error
    sets: dict[str, Any] = {}
    file.visititems(lambda name, item: sets.update({name: item} if isinstance(item, h5py.Dataset) else {}))
    name = _chosen(path, column, {key: item.ndim for key, item in sets.items() if item.dtype.kind in "fiu"})
    vectors, count = sets[name], len(sets[name])
    alone = {key: item for key, item in sets.items() if item.shape == (count,)}
    ids, paths = (next((alone[key] for key in keys if key in alone), None) for keys in (_IDS, _PATHS))
    norms = alone.get("norms") if name == "vectors" else None
    rows = GivenRows(_scaled(vectors, norms), total=count)
    if ids is not None:
        rows = replace(rows, ids=_items(ids))
    if paths is not None:
        rows = replace(rows, paths=map(_text, _items(paths)))
    return replace(rows, tags=_stored_tags(sets)) if "tags/start" in sets else rows


def _read_parquet(path: Path, column: str | None) -> GivenRows:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise QueryError(
            f"reading {path} requires pyarrow; run: pip install 'i2v-search[parquet]'"
        ) from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise QueryError(f"{path} cannot be read as Parquet ({error})") from error
    schema, kinds = file.schema_arrow, pyarrow.types
    are_lists = (kinds.is_list, kinds.is_fixed_size_list, kinds.is_large_list)
    lists = {
        field.name: 2
        for field in schema
        if any(are(field.type) for are in are_lists)
        and (kinds.is_floating(field.type.value_type) or kinds.is_integer(field.type.value_type))
    }
    name = _chosen(path, column, lists)

    def values(wanted: str) -> Iterator[Any]:
        for batch in file.iter_batches(BLOCK_ROWS, columns=[wanted]):
            yield from batch.column(0).to_pylist()

    def vectors() -> Iterator[NDArray[Any]]:
        for batch in file.iter_batches(BLOCK_ROWS, columns=[name]):
            flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            if len(flat) % max(1, batch.num_rows):
                raise QueryError(f"{path}: the lists of column {name!r} differ in length")
            yield flat.reshape(batch.num_rows, -1)

    rows = GivenRows(vectors(), total=file.metadata.num_rows)
    names = set(schema.names)
    ids, paths = (next((key for key in keys if key in names), None) for keys in (_IDS, _PATHS))
    if ids is not None and kinds.is_integer(schema.field(ids).type):
        rows = replace(rows, ids=values(ids))
    if paths is not None:
        rows = replace(rows, paths=values(paths))
    if "tags" in names and kinds.is_list(schema.field("tags").type):
        rows = replace(rows, tags=(given or () for given in values("tags")))
    return rows


def _chosen(path: Path, column: str | None, axes: dict[str, int]) -> str:
    """The data set or column with the vectors."""
    matrices = [name for name, count in axes.items() if count == 2]
    if column is None and "vectors" in matrices:
        return "vectors"
    if column is None and len(matrices) == 1:
        return matrices[0]
    if column is None or column not in matrices:
        asked = f"no column {column!r} of vectors" if column else "several columns of vectors"
        asked = asked if matrices else "no column of vectors"
        raise QueryError(f"{path} has {asked}; choose one with --column: {', '.join(matrices) or 'none'}")
    return column


def _scaled(vectors: Any, norms: Any) -> Iterator[NDArray[Any]]:
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        if norms is not None:
            block = block.astype(np.float32) * norms[start : start + BLOCK_ROWS][:, None]
        yield block


def _items(column: Any) -> Iterator[Any]:
    for start in range(0, len(column), BLOCK_ROWS):
        yield from column[start : start + BLOCK_ROWS].tolist()


def _stored_tags(sets: dict[str, Any]) -> Iterator[list[Tag]]:
    """The tags of an export, row by row."""
    names, categories = ([_text(one) for one in sets[f"tags/{column}"][:]] for column in ("name", "category"))
    starts = sets["tags/start"][:]
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        numbers = sets["tags/number"][first:last].tolist()
        values = sets["tags/probability"][first:last].tolist()
        yield [
            Tag(names[number], value, categories[number])
            for number, value in zip(numbers, values, strict=True)
        ]


def _text(given: Any) -> str:
    return os.fsdecode(given) if isinstance(given, bytes) else str(given)


def _of_lines(path: Path, field: str) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in read_annotations(file, os.fspath(path)):
            yield getattr(line, field)


def _of_csv(path: Path, column: int, convert: Callable[[str], Any]) -> Iterator[Any]:
    rows = _csv_rows(path)
    next(rows)
    for row in rows:
        yield convert(row[column] if column < len(row) else "")


def _csv_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a table, its heading first; empty lines are none."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            yield from filter(None, csv.reader(file))
        except csv.Error as error:  # of a field that is longer than any can be, for one
            raise QueryError(f"{path}: not valid CSV ({error})") from error


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise QueryError(f"the id {text[:60]!r} is not a whole number") from None


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
