"""What a collection knows of its images, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.upkeep.parquet_export import exported_name
from i2v_search.errors import QueryError
from i2v_search.store.columns import Column, Columns
from i2v_search.store.feature_store import FeatureStore


class CollectionTable(Mapping[str, NDArray[Any]]):
    """Columns of a collection, each an array with a value for every row: `Collection.table`.

    ====================  =======================================================================
    ``id``                (n,) int64
    ``path``              (n,) str, as stored
    ``width``, ``height`` (n,) int32, pixels as displayed; 0 where there is no picture
    ``bytes``             (n,) int64, of the file
    ``modified``          (n,) datetime64[ns], of the file, UTC
    ``sha256``            (n,) str, of the file, hex
    ``tags``              (n,) lists of names, most probable first
    ``probabilities``     (n,) lists of float, of ``tags``
    ``categories``        (n,) lists of str, of ``tags``
    the collection's own  numbers as float64, moments as datetime64[s], texts as str; whole numbers as
                          int64, or with None where one is missing
    ====================  =======================================================================

    A column of the collection that has one of these names is called ``NAME_given``.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> table = art.table()
        >>> list(table)[:4], table["path"][0], table["tags"][0][:2]
        (['id', 'path', 'width', 'height'], 'birds/duck.webp', ['birds', 'duck'])
        >>> bool((art.vectors(table["id"][:3]) == art.vectors()[:3]).all())
        True
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = dict(columns)

    @classmethod
    def of(cls, store: FeatureStore, positions: NDArray[np.int64]) -> CollectionTable:
        """The columns of some rows of a feature store, in their order."""
        tags = [_tags_of(store, position) for position in positions.tolist()]
        columns: dict[str, NDArray[Any]] = {
            "id": store.ids[positions],
            "path": _objects([store.path(position) for position in positions.tolist()]),
            "width": store.column("width", positions),
            "height": store.column("height", positions),
            "bytes": store.column("size", positions),
            "modified": store.column("mtime_ns", positions).astype("datetime64[ns]"),
            "sha256": _objects(
                [digest.tobytes().hex() for digest in store.column("sha256", positions).reshape(-1, 32)]
            ),
        }
        for place, name in enumerate(("tags", "probabilities", "categories")):
            columns[name] = _objects([[tag[place] for tag in row] for row in tags])
        own = Columns.of(store)
        fixed = tuple(columns)
        return cls(
            columns | {exported_name(name, fixed): _values_of(own[name], positions) for name in own.kinds}
        )

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column."""
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Number of columns."""
        return len(self._columns)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of the columns.

        Raises:
            QueryError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise QueryError("to_pandas requires pandas; install it with: pip install pandas") from error
        return pandas.DataFrame(self._columns)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table`` of the columns; ``pyarrow.parquet.write_table`` writes it.

        Raises:
            QueryError: pyarrow is not installed.
        """
        try:
            import pyarrow
        except ImportError as error:
            raise QueryError("to_arrow requires pyarrow; run: pip install 'i2v-search[parquet]'") from error
        lists = {
            "tags": pyarrow.list_(pyarrow.string()),
            "probabilities": pyarrow.list_(pyarrow.float32()),
            "categories": pyarrow.list_(pyarrow.string()),
        }
        return pyarrow.table(
            {
                name: pyarrow.array(
                    values.tolist() if values.dtype == object else values,
                    type=lists.get(name),
                )
                for name, values in self._columns.items()
            }
        )


def _tags_of(store: FeatureStore, position: int) -> list[tuple[str, float, str]]:
    part, row = store.place(position)
    numbers, probabilities = store.parts[part].tag_entries(row)
    vocabulary = store.parts[part].vocabulary
    tags = [
        (vocabulary[number].name, probability, vocabulary[number].category)
        for number, probability in zip(numbers.tolist(), probabilities.tolist(), strict=True)
    ]
    return sorted(tags, key=lambda tag: (-tag[1], tag[0]))


def _values_of(column: Column, positions: NDArray[np.int64]) -> NDArray[Any]:
    values, known = column.values[positions], column.known[positions]
    if column.kind == "number":
        return values
    if column.kind == "time":
        return np.where(known, values.astype("datetime64[s]"), np.datetime64("NaT", "s"))
    if column.kind == "whole" and known.all():
        return values
    return _objects(list(column.listed(values)))


def _objects(values: list[Any]) -> NDArray[Any]:
    """An array of objects with one axis, also where all of them are lists of one length."""
    return np.fromiter(values, object, len(values))
