"""Export to Parquet: a row an image, with its tags and the collection's columns, block by block.

======================================  ==================================================================
``id``, ``path``, ``sha256``            of the image
``width``, ``height``                   pixels as displayed
``tags_given``                          list of names that people gave
``tags``                                list of {name, category, probability}, given ones included
the collection's columns                whole numbers, numbers, texts, and moments in UTC
======================================  ==================================================================

A column that has one of these names is called ``NAME_given``. It requires pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import QueryError
from i2v_search.store.columns import Column, Columns
from i2v_search.store.feature_store import FeatureStore

NAMES: Final = ("id", "path", "sha256", "width", "height", "tags_given", "tags")


def write_parquet(path: Path, store: FeatureStore, blocks: Iterable[NDArray[np.int64]]) -> None:
    """Write rows of a feature store.

    Args:
        path: path of the new file.
        store: the feature store.
        blocks: (n,) int64 each, positions of rows.

    Raises:
        QueryError: pyarrow is not installed.
        OSError: the disk is full or fails.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise QueryError(
            "export to Parquet requires pyarrow; run: pip install 'i2v-search[parquet]'"
        ) from None
    columns = Columns.of(store)
    schema = _schema(pyarrow, columns)
    with parquet.ParquetWriter(path, schema) as writer:
        for block in blocks:
            store.check(block)
            writer.write_table(pyarrow.Table.from_pydict(_values(pyarrow, store, columns, block), schema))


def exported_name(name: str, taken: Iterable[str]) -> str:
    """What a column is called in an exported file whose own columns have the names `taken`.

    >>> exported_name("rating", ("id", "rating")), exported_name("score", ("id",))
    ('rating_given', 'score')
    """
    return f"{name}_given" if name in set(taken) else name


def _schema(pyarrow: Any, columns: Columns) -> Any:
    text, whole = pyarrow.string(), pyarrow.int64()
    tag = pyarrow.struct([("name", text), ("category", text), ("probability", pyarrow.float32())])
    kinds = {"whole": whole, "number": pyarrow.float64(), "text": text, "time": pyarrow.timestamp("s", "UTC")}
    own = [(exported_name(name, NAMES), kinds[kind]) for name, kind in columns.kinds.items()]
    fixed = [("id", whole), ("path", text), ("sha256", text), ("width", whole), ("height", whole)]
    return pyarrow.schema([*fixed, ("tags_given", pyarrow.list_(text)), ("tags", pyarrow.list_(tag)), *own])


def _values(pyarrow: Any, store: FeatureStore, columns: Columns, block: NDArray[np.int64]) -> dict[str, Any]:
    records = [store.record(position) for position in block.tolist()]
    values: dict[str, Any] = {
        "id": store.ids[block],
        "path": [
            record.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for record in records
        ],
        "sha256": [record.sha256 for record in records],
        "width": [record.width for record in records],
        "height": [record.height for record in records],
        "tags_given": [[tag.name for tag in record.tags if tag.probability == 1] for record in records],
        "tags": [
            [
                {"name": tag.name, "category": tag.category, "probability": tag.probability}
                for tag in record.tags
            ]
            for record in records
        ],
    }
    for name in columns.kinds:
        values[exported_name(name, NAMES)] = _array(pyarrow, columns[name], block)
    return values


def _array(pyarrow: Any, column: Column, block: NDArray[np.int64]) -> Any:
    values, missing = column.values[block], ~column.known[block]
    if column.kind == "text":
        return pyarrow.array(list(column.listed(values)), pyarrow.string())
    array = pyarrow.array(values, mask=missing)
    return array.cast(pyarrow.timestamp("s", "UTC")) if column.kind == "time" else array
