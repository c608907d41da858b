"""Feature files rewritten: `compact_collection` drops dead rows, and others use `rewrite_parts` too.

New files are written beside the old ones, one replacement of ``collection.json`` commits them all, and then
the old ones go. Ids never change; positions do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.graph import graph_path
from i2v_search.build.upkeep.copying import KeptRows, Rename, Room, copy_rows, measure_rows, unchanged
from i2v_search.errors import CollectionDamagedError
from i2v_search.escapes import JsonReady
from i2v_search.files import file_sha256
from i2v_search.index.index_files import remap_index
from i2v_search.morph.graph_file import remap_unindexed
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_file import Capacity, FeatureFile
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FileRecord, IndexRecord, Manifest, PartRecord
from i2v_search.store.removals import write_tombstones
from i2v_search.store.view_file import keep_views
from i2v_search.store.writer import WriterLock, remove_strangers


@dataclass(frozen=True)
class Compaction(JsonReady):
    """Result of `compact_collection`.

    Attributes:
        images: number of live rows, unchanged.
        dropped: number of dropped dead rows.
        files: number of rewritten feature files.
        bytes_before: size of the feature files and tombstones before.
        bytes_after: size of the same after.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> art.remove(["fruit/*"])
        7
        >>> done = art.compact()
        >>> done.images, done.dropped
        (8, 7)
    """

    images: int
    dropped: int
    files: int
    bytes_before: int
    bytes_after: int


def compact_collection(directory: Path, *, report: Report = silent) -> Compaction:
    """Write the feature files that hold removed or superseded rows again without them.

    While it runs the disk holds both; a process killed at any moment leaves the collection as it was or as it
    will be. Who has the collection open keeps reading the old files. Where there is no dead row, nothing
    changes.

    Args:
        directory: the collection.
        report: called with the progress.

    Returns:
        What was done.

    Raises:
        CollectionLockedError: another process is writing.
        CollectionDamagedError: a file that would be copied differs from its checksum; nothing is changed.
        OSError: the disk is full or fails; nothing is changed.
    """
    Manifest.load(directory)  # the lock would make a folder if there is none
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        remove_strangers(directory, manifest)
        keep = store.is_live(np.arange(store.rows))
        contents = store.contents()
        before = _feature_bytes(directory, manifest)
        parts = parts_of(store, keep)
        stale = {number for number, part in enumerate(parts) if len(part.kept) < part.rows}
        if stale:
            store.require_intact(stale)
            # Of a part that is still open, the manifest may not know the last ids yet.
            manifest = manifest.updated(next_id=max(manifest.next_id, int(store.ids.max()) + 1))
            manifest = rewrite_parts(directory, manifest, parts, stale, store.removed, report=report)
        keep_views(directory, contents)
        after = _feature_bytes(directory, manifest)
    return Compaction(len(store), store.rows - len(store), len(stale), before, after)


@dataclass(frozen=True)
class StoredPart:
    """A feature file and those of its rows that stay.

    Attributes:
        record: as the manifest has it.
        rows: how many rows it has.
        kept: (m,) int64, ascending, the rows that stay.
        source: the same, to copy from.
    """

    record: PartRecord
    rows: int
    kept: NDArray[np.int64]
    source: KeptRows


def rewrite_parts(
    directory: Path,
    manifest: Manifest,
    parts: Sequence[StoredPart],
    chosen: set[int],
    removed: NDArray[np.int64],
    *,
    rename: Rename = unchanged,
    report: Report = silent,
) -> Manifest:
    """Write chosen feature files again and commit them as one new generation; the caller holds the lock.

    Neighbours among them are joined where one file has room for both, and a file that is left without rows is
    not written. The rows of files that are not chosen all stay.

    Args:
        directory: the collection.
        manifest: on disk now, up to changes that are to be committed along; its tombstones are `removed`, or
            None.
        parts: every feature file of the manifest.
        chosen: the numbers of those to write.
        removed: positions of the tombstones.
        rename: gives the stored path of each row of the chosen files.
        report: called with the progress.

    Returns:
        The new manifest.

    Raises:
        OSError: the disk is full or fails; nothing is changed.
    """
    dimension, number = manifest.encoder.dimension, manifest.next_file
    total = sum(len(parts[part].kept) for part in chosen)
    done = 0

    def copied(rows: int) -> None:
        nonlocal done
        done += rows
        report(Progress("rewriting", done, total))

    records: list[PartRecord] = []
    with _only_what_is_committed(directory):
        for group in _groups(parts, chosen, Capacity.for_dimension(dimension), rename):
            if group.room is None:
                records.append(group.record)
                continue
            path = directory / f"features-{number:05d}.h5"
            copy_rows(path, dimension, group.sources, group.room, rename, copied=copied)
            records.append(PartRecord(name=path.name, rows=group.room.rows, sha256=file_sha256(path)))
            number += 1
        mapping = _positions(parts)
        tombstones = _move_tombstones(directory, manifest.tombstones, removed, mapping, number)
        number += tombstones is not None
        index = _carry_index(directory, manifest, mapping, number)
        manifest = manifest.updated(
            parts=tuple(records),
            tombstones=tombstones,
            index=index,
            generation=manifest.generation + 1,
            next_file=number + 1,
        )
        manifest.save(directory)
    return manifest


@contextmanager
def _only_what_is_committed(directory: Path) -> Iterator[None]:
    """In the end, remove every file that the manifest on disk does not name, whichever that is by then."""
    try:
        yield
    finally:
        remove_strangers(directory, Manifest.load(directory))


@dataclass(frozen=True)
class _Group:
    """A file of the new generation: an old one as it is (`room` None), or the rows of some, to be written."""

    record: PartRecord
    sources: tuple[KeptRows, ...] = ()
    room: Room | None = None


def _groups(
    parts: Sequence[StoredPart], chosen: set[int], capacity: Capacity, rename: Rename
) -> Iterator[_Group]:
    open_group: _Group | None = None
    for number, part in enumerate(parts):
        if number not in chosen:
            if open_group is not None:
                yield open_group
            open_group = None
            yield _Group(part.record)
        elif len(part.kept):
            room = measure_rows(part.source, rename)
            if open_group is not None and open_group.room is not None:
                both = open_group.room + room
                if both.fits(capacity):
                    open_group = _Group(part.record, (*open_group.sources, part.source), both)
                    continue
                yield open_group
            open_group = _Group(part.record, (part.source,), room)
    if open_group is not None:
        yield open_group


def _positions(parts: Sequence[StoredPart]) -> NDArray[np.int64]:
    """(rows,) int64: the new position of every old one, -1 where the row is dropped."""
    mapping = np.full(sum(part.rows for part in parts), -1, np.int64)
    start = following = 0
    for part in parts:
        mapping[start + part.kept] = following + np.arange(len(part.kept))
        start, following = start + part.rows, following + len(part.kept)
    return mapping


def _move_tombstones(
    directory: Path,
    record: FileRecord | None,
    removed: NDArray[np.int64],
    mapping: NDArray[np.int64],
    number: int,
) -> FileRecord | None:
    moved = mapping[removed]
    moved = moved[moved >= 0]
    if not len(moved):
        return None
    if record is not None and np.array_equal(moved, removed):
        return record
    return write_tombstones(directory, number, moved)


def _carry_index(
    directory: Path, manifest: Manifest, mapping: NDArray[np.int64], number: int
) -> IndexRecord | None:
    """The index of the old rows as one of the new; None if it has to be built again.

    Args:
        directory: the collection.
        manifest: manifest of the old generation, with its index.
        mapping: (rows,) int64, see `_positions`.
        number: for names of new files, never used before.
    """
    record = manifest.index
    if record is None:
        return None
    if not np.array_equal(mapping, np.arange(len(mapping))):
        record = remap_index(directory, record, mapping, number)
        if record is not None and "graph" in record.files:
            record = _carry_graph(directory, record, mapping, number)
    if record is None or record.generation != manifest.generation:
        return record
    # It held all live rows of the old generation, and they are those of the new one.
    return record.model_copy(update={"generation": manifest.generation + 1})


def _carry_graph(
    directory: Path, record: IndexRecord, mapping: NDArray[np.int64], number: int
) -> IndexRecord:
    """The index with its network for the new store; without, where that is damaged."""
    files = dict(record.files)
    graph = files.pop("graph")
    with suppress(CollectionDamagedError):
        files["graph"] = remap_unindexed(directory, graph, mapping, graph_path(directory, number))
    return record.model_copy(update={"files": files})


def parts_of(store: FeatureStore, keep: NDArray[np.bool_]) -> list[StoredPart]:
    """The feature files of a store with the rows that `keep`, (rows,) over positions, is true for."""
    parts, start = [], 0
    for record, part in zip(store.manifest.parts, store.parts, strict=True):
        kept = np.flatnonzero(keep[start : start + part.rows])
        source = KeptRows(partial(FeatureFile, part.path, store.dimension), kept)
        parts.append(StoredPart(record, part.rows, kept, source))
        start += part.rows
    return parts


def _feature_bytes(directory: Path, manifest: Manifest) -> int:
    names = [part.name for part in manifest.parts]
    names += [manifest.tombstones.name] if manifest.tombstones else []
    return sum((directory / name).stat().st_size for name in names)
