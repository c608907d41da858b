"""Columns of a collection: facts about its images besides vectors, paths and tags.

A column has a name and a kind: whole numbers, numbers, texts, or moments in time. ``columns.h5`` is replaced
as a whole whenever a column changes. It belongs to ids, not to rows, so it stays true whatever becomes of
rows; an id without a value has none. It may be deleted at any time, and the next build fills it again.

Arrays of the file, for n ids, a columns of whole numbers and moments, b of numbers and c of texts:

==============  ================  ====================================================================
``id``          (n,) int64        ascending
``whole``       (a, n) int64      the smallest int64 where there is no value; moments are seconds since 1970
``number``      (b, n) float64    NaN where there is none
``code``        (c, n) int32      place of the text among those of its column, -1 where there is none
``text/bytes``  uint8             the texts of all columns in turn, those of each in the order of their bytes
``text/end``    int64             where each ends
``names``       uint8             JSON: a list of [name, kind, number of texts]
==============  ================  ====================================================================
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.store.arrays import open_arrays, write_arrays
from i2v_search.store.feature_store import FeatureStore

FILE_NAME: Final = "columns.h5"
ColumnKind: TypeAlias = Literal["whole", "number", "text", "time"]
#: A value of a column; moments are texts, ``2023-05-01T12:00:00Z``.
Value: TypeAlias = int | float | str
MOST_COLUMNS: Final = 256
MISSING: Final = np.iinfo(np.int64).min
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True)
class Column:
    """A column of n values.

    Attributes:
        kind: of the values.
        values: (n,) int64 of whole numbers and of moments, seconds since 1970, `MISSING` for none; float64 of
            numbers, NaN for none; int32 of texts, places in `texts`, -1 for none.
        texts: of kind ``"text"``, each once, in the order of their bytes.
    """

    kind: ColumnKind
    values: NDArray[Any]
    texts: Sequence[str] = ()

    @classmethod
    def of(cls, values: Iterable[Value | None]) -> Column:
        """A column of given values, of the narrowest kind that holds them all.

        >>> Column.of([3, None, 7]).kind, Column.of([3, 0.5]).kind, Column.of(["2023-01-01", None]).kind
        ('whole', 'number', 'time')
        >>> Column.of(["b", 5, None]).texts, Column.of([]).kind
        (('5', 'b'), 'whole')
        """
        given = list(values)
        kinds = {type(value) for value in given if value is not None}
        if kinds <= {int, bool}:
            filled = [MISSING if value is None else int(value) for value in given]
            return cls("whole", np.array(filled, np.int64).reshape(len(given)))
        if kinds <= {int, bool, float}:
            numbers = [np.nan if value is None else float(value) for value in given]
            return cls("number", np.array(numbers, np.float64))
        texts = [None if value is None else str(value) for value in given]
        seconds = [MISSING if text is None else seconds_of(text) for text in texts]
        if kinds == {str} and None not in seconds:
            return cls("time", np.array(seconds, np.int64))
        distinct = _in_byte_order({text for text in texts if text is not None})
        places = {text: place for place, text in enumerate(distinct)}
        codes = [-1 if text is None else places[text] for text in texts]
        return cls("text", np.array(codes, np.int32), distinct)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) bool: where there is a value."""
        if self.kind == "number":
            return np.asarray(~np.isnan(self.values), bool)
        return np.asarray(self.values != (-1 if self.kind == "text" else MISSING), bool)

    def value(self, place: int) -> Value | None:
        """One value; a moment as text."""
        return next(iter(self.listed(self.values[place : place + 1])))

    def listed(self, values: NDArray[Any]) -> Iterator[Value | None]:
        """Values of the column as they are written."""
        for value in values.tolist():
            if self.kind == "number":
                yield None if value != value else value  # noqa: PLR0124 - a NaN
            elif self.kind == "text":
                yield None if value < 0 else self.texts[value]
            elif value == MISSING:
                yield None
            else:
                yield value if self.kind == "whole" else time_of(value)

    def take(self, places: NDArray[np.int64]) -> Column:
        """The values at some places; none at -1."""
        empty = {"number": np.nan, "text": -1}.get(self.kind, MISSING)
        if not len(self.values):
            return Column(self.kind, np.full(len(places), empty, self.values.dtype), self.texts)
        taken = np.where(places < 0, np.asarray(empty, self.values.dtype), self.values[np.maximum(places, 0)])
        return Column(self.kind, taken, self.texts)


def seconds_of(text: str) -> int | None:
    """Seconds since 1970 of a moment, in UTC where it names no zone; None if it is none.

    >>> seconds_of("1970-01-02"), seconds_of("1970-01-01T01:00:00+01:00"), seconds_of("May")
    (86400, 0, None)
    """
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        return None


def time_of(seconds: int) -> str:
    """A moment as text.

    >>> time_of(86400)
    '1970-01-02T00:00:00Z'
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%SZ}"


class Columns:
    """The columns of a feature store, a value for every row; arrays are made when they are asked for.

    Args:
        store: the feature store.

    Raises:
        CollectionDamagedError: the file cannot be used.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._ids, self._stored = read_columns(store.directory)
        self._store_ids = store.ids
        self._aligned: dict[str, Column] = {}

    @classmethod
    def of(cls, store: FeatureStore) -> Columns:
        """The columns as they are now; read again when they changed."""
        stamp = columns_stamp(store.directory)
        known = _OPEN.get(store)
        if known is None or known[0] != stamp or known[1]._store_ids is not store.ids:
            known = _OPEN[store] = stamp, cls(store)
        return known[1]

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The kind of each column, by name."""
        return {name: column.kind for name, column in self._stored.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def __getitem__(self, name: str) -> Column:
        """A column with a value for every row of the store, dead rows included.

        Raises:
            QueryError: there is none of that name.
        """
        if name not in self._stored:
            known = ", ".join(self._stored) or "none"
            raise QueryError(f"the collection has no column {name!r}; its columns are: {known}")
        if name not in self._aligned:
            stored = self._stored[name]
            self._aligned[name] = stored if self._is_same else stored.take(self._places)
        return self._aligned[name]

    def at(self, position: int) -> dict[str, Value]:
        """The values of one row, by the name of their column."""
        place = int(places_of(self._ids, np.asarray(self._store_ids[position : position + 1]))[0])
        found = {} if place < 0 else {name: one.value(place) for name, one in self._stored.items()}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def _is_same(self) -> bool:
        return np.array_equal(self._ids, self._store_ids)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        return places_of(self._ids, np.asarray(self._store_ids))


_Stamp: TypeAlias = tuple[int, int, int] | None
_OPEN: Final[WeakKeyDictionary[FeatureStore, tuple[_Stamp, Columns]]] = WeakKeyDictionary()


def columns_stamp(directory: Path) -> _Stamp:
    """What tells one state of a collection's columns from another."""
    try:
        status = os.stat(directory / FILE_NAME)  # noqa: PTH116 - one call, on every request
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def places_of(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of some ids among ids that ascend, -1 for those that are not among them.

    >>> places_of(np.array([2, 5, 9]), np.array([9, 3, 2])).tolist()
    [2, -1, 0]
    """
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    places = np.searchsorted(ids, wanted)
    places[places == len(ids)] = 0
    return np.where(ids[places] == wanted, places, -1).astype(np.int64)


def read_columns(directory: Path) -> tuple[NDArray[np.int64], dict[str, Column]]:
    """The ids that have values, ascending, and the columns over them; nothing where there is no file.

    Raises:
        CollectionDamagedError: the file cannot be used.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return np.empty(0, np.int64), {}
    # Copied, so that the file can be replaced on systems where a mapped one cannot.
    arrays = {name: values.copy() for name, values in open_arrays(path).arrays.items()}
    try:
        return arrays["id"], _parsed(arrays)
    except (LookupError, ValueError, TypeError, RecursionError) as error:
        raise CollectionDamagedError(
            f"{path} is damaged ({error!r}); delete it, and build again to fill it"
        ) from error


class ColumnsBuilder:
    """Collects values of images and makes columns of them; what is collected is small, whatever their number.

    Example:
        >>> builder = ColumnsBuilder()
        >>> builder.add(3, {"score": 7}), builder.add(1, {"score": 2, "rating": "general"})
        (None, None)
        >>> ids, columns = builder.finish()
        >>> ids.tolist(), list(columns["rating"].listed(columns["rating"].values))
        ([3, 1], [None, 'general'])
    """

    _BLOCK: Final = 2**16

    def __init__(self) -> None:
        self._ids: list[NDArray[np.int64]] = []
        self._columns: dict[str, Column] = {}
        self._waiting: list[tuple[int, Mapping[str, Value]]] = []

    def add(self, image_id: int, values: Mapping[str, Value]) -> None:
        """Add the values of an image, once for each."""
        self._waiting.append((image_id, values))
        if len(self._waiting) == self._BLOCK:
            self._flush()

    def finish(self) -> tuple[NDArray[np.int64], dict[str, Column]]:
        """The ids in the order they came, and the columns over them."""
        self._flush()
        return np.concatenate([np.empty(0, np.int64), *self._ids]), self._columns

    def _flush(self) -> None:
        before, count = sum(map(len, self._ids)), len(self._waiting)
        if not count:
            return
        names = dict.fromkeys((*self._columns, *(name for _, values in self._waiting for name in values)))
        for name in names:
            block = Column.of(values.get(name) for _, values in self._waiting)
            self._columns[name] = _joined(self._columns.get(name), block, before, np.arange(count))
        self._ids.append(np.array([image_id for image_id, _ in self._waiting], np.int64))
        self._waiting = []


def update_columns(
    directory: Path, ids: NDArray[np.int64], columns: Mapping[str, Column], *, others: bool = True
) -> None:
    """Give some ids new values, in all columns: where a column has none, theirs are removed.

    Args:
        directory: the collection; the caller holds its `WriterLock`.
        ids: (n,) int64, each once.
        columns: n values each.
        others: keep the values of all other ids.

    Raises:
        QueryError: a column has no valid name, or there are too many.
        OSError: the disk is full or fails.
    """
    for name in columns:
        if not _NAME.fullmatch(name):
            raise QueryError(
                f"{name!r} is no name for a column: it must be of letters, digits and _, not begin with a "
                "digit, and have 64 characters at most"
            )
    order = np.argsort(ids, kind="stable")
    new = {name: column.take(order) for name, column in columns.items()}
    merged, all_ids = dict(new), np.asarray(ids[order], np.int64)
    if others:
        old_ids, old = read_columns(directory)
        kept = np.flatnonzero(places_of(all_ids, np.asarray(old_ids)) < 0)
        joined = np.concatenate([all_ids, old_ids[kept]])
        places = np.argsort(joined, kind="stable")
        merged = {
            name: _joined(new.get(name), old.get(name), len(all_ids), kept).take(places)
            for name in dict.fromkeys((*old, *new))
        }
        all_ids = joined[places]
    merged = {name: column for name, column in merged.items() if column.known.any()}
    if len(merged) > MOST_COLUMNS:
        raise QueryError(f"{len(merged)} columns, the limit is {MOST_COLUMNS}")
    path = directory / FILE_NAME
    if not merged:
        path.unlink(missing_ok=True)
        return
    said = np.logical_or.reduce([column.known for column in merged.values()])
    rows = np.flatnonzero(said)
    arrays = _arrays(all_ids[rows], {name: one.take(rows) for name, one in merged.items()})
    if not path.exists() or not _are_same(open_arrays(path).arrays, arrays):
        write_arrays(path, arrays)


def _are_same(some: Mapping[str, NDArray[Any]], others: Mapping[str, NDArray[Any]]) -> bool:
    return some.keys() == others.keys() and all(
        np.array_equal(some[name], others[name], equal_nan=name == "number") for name in some
    )


def _joined(new: Column | None, old: Column | None, count: int, kept: NDArray[np.int64]) -> Column:
    """Values of `count` new ids, then those of kept old ones, in one column."""
    nothing = np.full(count, -1, np.int64)
    first = new if new is not None else (old or Column("whole", np.empty(0, np.int64))).take(nothing)
    second = old.take(kept) if old is not None else first.take(np.full(len(kept), -1, np.int64))
    if first.kind != second.kind:
        if not second.known.any():
            second = first.take(np.full(len(kept), -1, np.int64))
        elif not first.known.any():
            first = second.take(nothing)
        elif {first.kind, second.kind} == {"whole", "number"}:
            first, second = _as_numbers(first), _as_numbers(second)
        else:
            return Column.of([*first.listed(first.values), *second.listed(second.values)])
    if first.kind != "text":
        return Column(first.kind, np.concatenate([first.values, second.values]))
    texts = _in_byte_order({*first.texts, *second.texts})
    places = {text: place for place, text in enumerate(texts)}
    codes = []
    for one in (first, second):
        mapped = np.array([*(places[text] for text in one.texts), -1], np.int32)
        codes.append(mapped[one.values])
    return _without_unused(Column("text", np.concatenate(codes), texts))


def _without_unused(column: Column) -> Column:
    used = np.unique(column.values[column.values >= 0])
    if len(used) == len(column.texts):
        return column
    mapped = np.full(len(column.texts) + 1, -1, np.int32)
    mapped[used] = np.arange(len(used))
    return Column("text", mapped[column.values], [column.texts[place] for place in used.tolist()])


def _as_numbers(column: Column) -> Column:
    if column.kind == "number":
        return column
    return Column("number", np.where(column.known, column.values, np.nan).astype(np.float64))


def _in_byte_order(texts: Iterable[str]) -> tuple[str, ...]:
    # Code points are in the order of their UTF-8.
    return tuple(sorted(texts))


class _Texts(Sequence[str]):
    """Texts that lie in a file, read one by one."""

    def __init__(
        self, content: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> None:
        self._content, self._starts, self._ends = content, starts, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = place + len(self) if place < 0 else place
        return self._content[self._starts[place] : self._ends[place]].tobytes().decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        content = self._content[self._starts[0] : self._ends[-1]].tobytes() if len(self) else b""
        first = int(self._starts[0]) if len(self) else 0
        for start, end in zip(self._starts.tolist(), self._ends.tolist(), strict=True):
            yield content[start - first : end - first].decode("utf-8", "replace")


def _arrays(ids: NDArray[np.int64], columns: Mapping[str, Column]) -> dict[str, NDArray[Any]]:
    whole = [one.values for one in columns.values() if one.kind in ("whole", "time")]
    number = [one.values for one in columns.values() if one.kind == "number"]
    code = [one.values for one in columns.values() if one.kind == "text"]
    heap, ends = bytearray(), []
    for column in columns.values():
        for text in column.texts:
            heap += text.encode("utf-8", "replace")
            ends.append(len(heap))
    names = [[name, one.kind, len(one.texts)] for name, one in columns.items()]
    count = len(ids)
    return {
        "id": ids,
        "whole": np.array(whole, np.int64).reshape(len(whole), count),
        "number": np.array(number, np.float64).reshape(len(number), count),
        "code": np.array(code, np.int32).reshape(len(code), count),
        "text/bytes": np.frombuffer(bytes(heap), np.uint8),
        "text/end": np.array(ends, np.int64),
        "names": np.frombuffer(json.dumps(names).encode(), np.uint8),
    }


def _parsed(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Column]:
    ids, ends = arrays["id"], arrays["text/end"]
    stops = np.concatenate([np.zeros(1, np.int64), ends])
    if (np.diff(stops) < 0).any() or stops[-1] > len(arrays["text/bytes"]) or (np.diff(ids) <= 0).any():
        raise ValueError("places out of order")
    rows = {"whole": iter(arrays["whole"]), "number": iter(arrays["number"]), "text": iter(arrays["code"])}
    found, start = {}, 0
    for name, kind, count in json.loads(arrays["names"].tobytes()):
        values = next(rows["whole" if kind == "time" else kind])
        if not _NAME.fullmatch(name) or len(values) != len(ids) or not 0 <= count <= len(ends) - start:
            raise ValueError(f"column {str(name)[:64]!r} does not fit")
        if kind == "text" and len(values) and (values.min() < -1 or values.max() >= count):
            raise ValueError(f"column {name!r} names texts that are not there")
        texts = _Texts(arrays["text/bytes"], stops[start : start + count], ends[start : start + count])
        found[name] = Column(kind, values, texts if kind == "text" else ())
        start += count
    return found
