"""Rows of a collection from vectors that are there already, with or without pictures."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown, whole
from i2v_search.errors import ImageError, QueryError
from i2v_search.escapes import JsonReady
from i2v_search.images.decoding import decode_image
from i2v_search.images.sources import open_stored
from i2v_search.progress import Progress, Report
from i2v_search.store.catalogue import Catalogue, path_key
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.given_arrays import row_blocks
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import MAX_TAGS, Tag, normalise_tag

#: Tags of one row: names, `Tag`s, or a probability by name.
RowTags: TypeAlias = Iterable[str | Tag] | Mapping[str, float]

_MAX_ID = 2**62 - 1


@dataclass(frozen=True)
class GivenRows:
    """Vectors, and what is known of each.

    Attributes:
        vectors: what `i2v_search.store.given_arrays.row_blocks` takes.
        ids: one for each row, or None.
        paths: likewise.
        tags: likewise.
        total: number of rows, if it is known beforehand.
    """

    vectors: Any
    ids: Iterable[Any] | None = None
    paths: Iterable[str | os.PathLike[str]] | None = None
    tags: Iterable[RowTags] | None = None
    total: int | None = None


@dataclass(frozen=True)
class GivenReport(JsonReady):
    """Result of `Collection.add_vectors`.

    Attributes:
        added: rows that were not there.
        replaced: rows with the id or the path of one that was.
        seconds: wall time, without the index.

    Example:
        >>> GivenReport(added=3, replaced=1).to_dict()
        {'added': 3, 'replaced': 1, 'seconds': 0.0}
    """

    added: int = 0
    replaced: int = 0
    seconds: float = 0.0


def write_rows(
    directory: Path, manifest: Manifest, rows: GivenRows, *, read_files: bool, report: Report
) -> GivenReport:
    """Append rows to a feature store, in bounded memory; the caller holds the lock.

    Args:
        directory: the collection, whose manifest exists.
        manifest: the manifest.
        rows: what to append.
        read_files: read the picture of each row, where it is there, for its size and content.
        report: told of the rows that are done.

    Raises:
        QueryError: a vector has another length or a value that is not finite, an id or path is given twice,
            or there are more or fewer ids, paths or tags than vectors.
    """
    started, done = time.perf_counter(), 0
    writer = StoreWriter(directory, manifest)
    try:
        described = _Described(writer, rows, read_files=read_files)
        for block in row_blocks(rows.vectors):
            vectors = _checked(block, manifest.encoder.dimension, done)
            records, ids = described.next(len(vectors))
            writer.append(records, *unit_float16(vectors), ids)
            done += len(vectors)
            report(Progress("adding vectors", done, rows.total))
        described.require_end(done)
        writer.finish()
    finally:
        writer.close()
    return GivenReport(done - described.replaced, described.replaced, time.perf_counter() - started)


def tags_of_row(given: RowTags) -> tuple[Tag, ...]:
    """The tags of one row as they are stored.

    Raises:
        QueryError: they are one text, or too many.

    >>> tags_of_row({"Long_Hair": 0.5}), tags_of_row(["smile"])[0].probability
    ((Tag(name='long hair', probability=0.5, category='general'),), 1.0)
    """
    if isinstance(given, str | bytes):
        raise QueryError(f"the tags of a row must be a list of names, not the text {shown(given)}")
    items = given.items() if isinstance(given, Mapping) else ((one, None) for one in given)
    found: dict[tuple[str, str], Tag] = {}
    for one, probability in items:
        tag = one if isinstance(one, Tag) else Tag(normalise_tag(str(one)))
        value = tag.probability if probability is None else float(probability)
        if not 0 <= value <= 1:
            raise QueryError(f"the probability of tag {tag.name!r} must be between 0 and 1, not {value}")
        if tag.name:
            found[tag.name, tag.category] = Tag(tag.name, value, tag.category)
    if len(found) > MAX_TAGS:
        raise QueryError(f"{len(found)} tags for one row, the limit is {MAX_TAGS}")
    return tuple(found.values())


class _Described:
    """Ids and records of the rows, block by block."""

    def __init__(self, writer: StoreWriter, rows: GivenRows, *, read_files: bool) -> None:
        self._writer, self._read_files = writer, read_files
        self._store = FeatureStore(writer.directory, writer.manifest)
        self._catalogue = Catalogue(self._store)
        self._root = Path(writer.manifest.image_root)
        self._columns = {
            name: iter(values)
            for name, values in (("ids", rows.ids), ("paths", rows.paths), ("tags", rows.tags))
            if values is not None
        }
        self._seen_ids: set[int] = set()
        self._seen_paths: set[int] = set()
        self.replaced = 0

    def next(self, count: int) -> tuple[list[ImageRecord], list[int]]:
        """Of the next rows."""
        ids, paths, tags = (self._take(name, count) for name in ("ids", "paths", "tags"))
        records, numbers = [], []
        next_id = self._writer.next_id
        for row in range(count):
            given_id = None if ids is None else whole("the id of a row", ids[row])
            path = None if paths is None else _stored_path(paths[row], self._root)
            number, path = self._named(given_id, path, next_id)
            next_id = max(next_id, number + 1)
            numbers.append(number)
            records.append(self._record(path, () if tags is None else tags_of_row(tags[row])))
        return records, numbers

    def require_end(self, rows: int) -> None:
        """Refuse ids, paths or tags beyond the last vector."""
        for name, values in self._columns.items():
            if next(values, None) is not None:
                raise QueryError(f"there are more {name} than the {rows} vectors")

    def _take(self, name: str, count: int) -> Sequence[Any] | None:
        if name not in self._columns:
            return None
        taken = list(islice(self._columns[name], count))
        if len(taken) < count:
            raise QueryError(f"there are fewer {name} than vectors; give one for each vector")
        return taken

    def _named(self, given_id: int | None, path: str | None, next_id: int) -> tuple[int, str]:
        """Id and path of a row: those of the row that it replaces, where it does."""
        at_path = None if path is None else self._catalogue.find_path(path)
        at_id = None if given_id is None else self._store.position_of_id(given_id)
        if given_id is not None and at_path is not None and self._store.ids[at_path] != given_id:
            raise QueryError(
                f"id {given_id} is given for {shown(path)}, which has id {self._store.ids[at_path]}"
            )
        before = at_path if at_id is None else at_id
        if given_id is None:
            given_id = next_id if before is None else int(self._store.ids[before])
        if path is None:
            path = str(given_id) if before is None else self._store.path(before)
        if not 0 <= given_id <= _MAX_ID:
            raise QueryError(f"the id of a row must be at least 0 and below 2**62, not {given_id}")
        self._once(given_id, path)
        self.replaced += before is not None
        return given_id, path

    def _once(self, given_id: int, path: str) -> None:
        key = int(path_key(path))
        if given_id in self._seen_ids:
            raise QueryError(f"id {given_id} is given twice")
        if key in self._seen_paths:
            raise QueryError(f"the path {shown(path)} is given twice")
        self._seen_ids.add(given_id)
        self._seen_paths.add(key)

    def _record(self, path: str, tags: tuple[Tag, ...]) -> ImageRecord:
        if self._read_files:
            try:
                content = open_stored(self._root, path, allow_outside=True)
                picture = decode_image(content, name=path, shrink_to=32)
            except ImageError:
                pass  # a vector without a picture
            else:
                sha256 = hashlib.sha256(content).hexdigest()
                return ImageRecord(path, sha256, len(content), 0, picture.width, picture.height, tags)
        # Content of its own: a star stays with a row whose vector is replaced.
        sha256 = hashlib.sha256(b"i2v-search row\0" + os.fsencode(path)).hexdigest()
        return ImageRecord(path, sha256, 0, 0, 0, 0, tags)


def _stored_path(given: Any, root: Path) -> str:
    if not isinstance(given, str | os.PathLike) or not os.fspath(given) or "\0" in os.fspath(given):
        raise QueryError(f"the path of a row must be a text, not {shown(given)}")
    text = os.fspath(given)
    path = Path(os.path.normpath(text))
    return path.relative_to(root).as_posix() if path.is_absolute() and path.is_relative_to(root) else text


def _checked(block: NDArray[Any], dimension: int, first: int) -> NDArray[np.float32]:
    """A block as float32 of the collection's length, all of it finite."""
    if block.shape[1] != dimension:
        raise QueryError(f"the vectors have {block.shape[1]} dimensions, those of the collection {dimension}")
    with np.errstate(over="ignore"):
        vectors = block.astype(np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise QueryError(f"vector {first + int(np.argmin(finite))} has values that are NaN or infinite")
    return vectors


def first_block(vectors: Any) -> tuple[int, Iterator[NDArray[Any]]]:
    """Length of the vectors, and their blocks from the first on.

    Raises:
        QueryError: there are none.
    """
    blocks = row_blocks(vectors)
    first = next(blocks, None)
    if first is None or not first.size:
        raise QueryError("there are no vectors")

    def again() -> Iterator[NDArray[Any]]:
        yield first
        yield from blocks

    return first.shape[1], again()
