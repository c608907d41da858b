"""Merging: the live rows of collections built elsewhere, copied bit for bit into one.

An image is known by its *place*, the absolute path of its file: the image root of its collection and its
stored path. Of one place the row with the newest modification time stays, and on a tie the one that was there
first; the same content at two places is two images. What people keep of the pictures, such as boards and
notes, comes along (`i2v_search.store.annotations.merging`). So merging again, or after a kill, changes
nothing that merging once would not have done. What was removed from the target stays out; what was removed
from one of the others, and is in none of them, stays out from now on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.columns import merge_columns
from i2v_search.build.views import merge_views
from i2v_search.errors import EncoderMismatchError, QueryError
from i2v_search.escapes import JsonReady
from i2v_search.images.remote import is_url
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.annotations.annotations import Annotations
from i2v_search.store.annotations.merging import merge_annotations
from i2v_search.store.catalogue import Catalogue, path_key
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.removals import Removals, read_removals
from i2v_search.store.writer import StoreWriter, WriterLock

#: Vectors copied at a time, and so what a kill may lose.
BLOCK_BYTES = 8 * 2**20
MAX_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class MergedSource:
    """Result of merging one collection.

    Attributes:
        directory: directory of that collection.
        added: number of new images, each with a new id.
        updated: number of images with other content and an older modification time in the target.
        refreshed: number of images with the same content and an older modification time in the target.
        unchanged: number of images that the target already has, as new or newer.
        left_out: number of images that were removed from the target.
        old_ids: (n,) int64, ids of its live images.
        new_ids: (n,) int64, their ids in the target; -1 for images that are left out.

    Example:
        >>> from i2v_search import Collection
        >>> source = Collection.merge("index/all", ["index/art"]).report.merge.sources[0]
        >>> source.added, source.unchanged, source.new_ids[:3]
        (15, 0, array([0, 1, 2]))
    """

    directory: str
    added: int
    updated: int
    refreshed: int
    unchanged: int
    left_out: int
    old_ids: NDArray[np.int64] = field(repr=False, compare=False)
    new_ids: NDArray[np.int64] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready values; the ids stay in the arrays."""
        return {key: value for key, value in vars(self).items() if not key.endswith("_ids")}


@dataclass(frozen=True)
class Merge(JsonReady):
    """Result of a merge, for each collection in the given order, and its duration.

    Example:
        >>> from i2v_search import Collection
        >>> done = Collection.merge("index/all", ["index/art"]).report.merge
        >>> [(source.directory, source.added) for source in done.sources]
        [('index/art', 15)]
    """

    sources: tuple[MergedSource, ...]
    seconds: float


def merge_collections(directory: Path, others: Sequence[Path], *, report: Report = silent) -> Merge:
    """Copy the images of other collections into one; the index is not touched.

    The other collections are only read. Nothing is written if one of them is damaged. Ids that the target has
    given stay; incoming images get new ones. Memory is bounded, some 40 bytes a row aside.

    Args:
        directory: the target; created if missing, with encoder, tagger and similarity of the first, and the
            folder that the image roots have in common.
        others: collections made with the same encoder and tagger.
        report: called with the progress.

    Returns:
        What was done, with the new id of every image.

    Raises:
        QueryError: there is nothing to merge, or the target is among `others`.
        CollectionNotFoundError: one of `others` does not exist.
        EncoderMismatchError: one was made with another encoder or tagger.
        CollectionDamagedError: a file of one does not match its checksum.
        AnnotationsError: the boards and notes of one, or of the target, cannot be read.
        CollectionLockedError: another process is writing to the target.
        OSError: the disk is full or fails; rows committed before stay, and the next merge continues from
            there.

    Example:
        >>> import tempfile
        >>> from i2v_search import Collection, sample_directory
        >>> shards = [Path(tempfile.mkdtemp()) for _ in range(2)]
        >>> for shard, folder in zip(shards, ("birds", "fruit")):
        ...     _ = Collection.extract(shard, [sample_directory() / folder])
        >>> merge = merge_collections(Path(tempfile.mkdtemp()), shards)
        >>> all(source.added == len(source.new_ids) for source in merge.sources)
        True
    """
    started = time.perf_counter()
    if not others:
        raise QueryError("nothing to merge: give at least one other collection")
    for other in others:
        if _is_same_folder(directory, other):
            raise QueryError(f"{other} is the same collection as {directory}")
    # Before anything is made: a misspelt name must not leave an empty collection behind.
    manifests = [Manifest.load(other) for other in others]
    _require_same_makers(directory, Manifest.find(directory) or manifests[0], others, manifests)
    with WriterLock(directory):
        manifest = Manifest.find(directory)
        _require_same_makers(directory, manifest or manifests[0], others, manifests)
        checked = _check(others, report)
        for one in (directory, *others):
            Annotations(one).require_sound()
        if manifest is None:
            first = manifests[0]
            manifest = Manifest(
                encoder=first.encoder,
                tagger=first.tagger,
                similarity=first.similarity,
                image_root=_common_root([other.image_root for other in manifests]),
            )
            manifest.save(directory)
        writer = StoreWriter(directory, manifest)
        try:
            removals = read_removals(directory, manifest.removals)
            merger = _Merger(writer, removals, sum(rows for _, rows in checked), report)
            merged = tuple(
                merger.merge(_open_checked(other, known))
                for other, (known, _) in zip(others, checked, strict=True)
            )
            merger.keep_out(others, removals)
            writer.finish()
            merge_views(directory, others)
            for other, source in zip(others, merged, strict=True):
                merge_columns(directory, other, source.old_ids, source.new_ids)
            _merge_kept(directory, writer.manifest, others)
        finally:
            writer.close()
    return Merge(merged, time.perf_counter() - started)


def _merge_kept(directory: Path, manifest: Manifest, others: Sequence[Path]) -> None:
    """Take over what people keep of the others."""
    kept, into = Annotations(directory), _as_root(manifest.image_root)
    for other in others:
        root = _as_root(Manifest.load(other).image_root)
        merge_annotations(kept, Annotations(other), partial(_stored, root=root, into=into))


class _Merger:
    """Puts source after source into a writer."""

    def __init__(self, writer: StoreWriter, removals: Removals, total: int, report: Report) -> None:
        self.writer, self.removals = writer, removals
        self.root = _as_root(writer.manifest.image_root)
        self.store = FeatureStore(writer.directory, writer.manifest)
        self.keys = _keys(self.store.paths(), self.root, self.root, self.store.rows)
        self.done, self.total, self.report = 0, total, report

    def merge(self, source: FeatureStore) -> MergedSource:
        """Copy what the target lacks of one source."""
        root = _as_root(source.manifest.image_root)
        live = source.live
        alive = source.is_live(np.arange(source.rows))
        keys = _keys(compress(source.paths(), alive.tolist()), root, self.root, len(live))
        beaten = _beaten(source, live, keys, lambda position: _stored(source.path(position), root, self.root))
        table = self._table()
        catalogue = Catalogue(self.store)
        counts, new_ids, appended = np.zeros(4, np.int64), np.empty(len(live), np.int64), []
        size = max(1, min(MAX_BLOCK_ROWS, BLOCK_BYTES // (2 * source.dimension)))
        for start in range(0, len(live), size):
            chosen = np.arange(start, min(start + size, len(live)))
            chosen = chosen[~np.isin(chosen, list(beaten))] if beaten else chosen
            block = _Block(source, root, live[chosen], self.store, self.root)
            block.find(*table, keys[chosen])
            block.leave_out(self.removals, catalogue)
            new_ids[chosen] = block.append(self.writer)
            appended.append(keys[chosen][block.taken])
            counts += block.counts()
            self.done += min(size, len(live) - start)
            self.report(Progress("merging", self.done, self.total))
        for loser, winner in beaten.items():
            new_ids[loser] = new_ids[winner]
        self._reopen(appended)
        rest = len(live) - int(counts.sum())
        added, updated, refreshed, left_out = counts.tolist()
        return MergedSource(
            os.fspath(source.directory), added, updated, refreshed, rest, left_out, source.ids[live], new_ids
        )

    def keep_out(self, others: Sequence[Path], removals: Removals) -> None:
        """Take over what stays out of the others, where none of them, nor the target, holds it."""
        catalogue = Catalogue(self.store)
        more = []
        for other in others:
            manifest = Manifest.load(other)
            root = _as_root(manifest.image_root)
            for item in read_removals(other, manifest.removals):
                moved = replace(item, path=_stored(item.path, root, self.root))
                held = item.sha256 is not None and catalogue.find_content(item.sha256)
                if catalogue.find_path(moved.path) is None and not removals.has_path(moved.path):
                    more.append(replace(moved, sha256=None) if held else moved)
        if more:
            self.writer.keep_out(removals.with_more(more))

    def _table(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Keys of the target's live rows, ascending, and their positions."""
        live = self.store.live
        order = np.argsort(self.keys[live], kind="stable")
        return self.keys[live][order], live[order]

    def _reopen(self, appended: Sequence[NDArray[np.uint64]]) -> None:
        """See the rows that were appended."""
        self.writer.commit()
        self.keys = np.concatenate([self.keys, *appended])
        self.store = FeatureStore(self.writer.directory, self.writer.manifest)


class _Block:
    """Some rows of a source on their way into the target, none twice at one place.

    After `find`, `found` holds the position of each in the target, -1 where it has none.
    """

    def __init__(
        self, source: FeatureStore, root: str, positions: NDArray[np.int64], target: FeatureStore, into: str
    ) -> None:
        self.source, self.positions, self.target = source, positions, target
        self.root, self.into = root, into
        self.found = np.full(len(positions), -1, np.int64)
        self.fresh, self.updated, self.refreshed, self.left_out = np.zeros((4, len(positions)), bool)

    @property
    def taken(self) -> NDArray[np.bool_]:
        """(m,) bool: rows that are written."""
        return self.fresh | self.updated | self.refreshed

    def counts(self) -> NDArray[np.int64]:
        """Numbers of added, updated, refreshed and left out images."""
        return np.array([rows.sum() for rows in (self.fresh, self.updated, self.refreshed, self.left_out)])

    def find(
        self, keys: NDArray[np.uint64], positions: NDArray[np.int64], wanted: NDArray[np.uint64]
    ) -> None:
        """Look every row up in the target and decide what becomes of it."""
        first, last = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        times = self.source.column("mtime_ns", self.positions)
        known_times = np.full(len(wanted), np.iinfo(np.int64).min)
        for row in np.flatnonzero(last > first).tolist():
            place = self._stored(row)
            for position in positions[first[row] : last[row]].tolist():
                # Two rows of a target may lie at one place, under a relative and an absolute path.
                if _stored(self.target.path(position), self.into, self.into) == place:
                    changed = int(self.target.column("mtime_ns", np.array([position]))[0])
                    if self.found[row] < 0 or changed > known_times[row]:
                        self.found[row], known_times[row] = position, changed
        known = self.found >= 0
        newer = known & (times > known_times)
        same = np.zeros(len(wanted), bool)
        if known.any():
            ours = self.target.column("sha256", self.found[known])
            same[known] = (ours == self.source.column("sha256", self.positions[known])).all(axis=1)
        self.fresh, self.updated, self.refreshed = ~known, newer & ~same, newer & same

    def leave_out(self, removals: Removals, catalogue: Catalogue) -> None:
        """Pass over new rows that were removed from the target, whose rows `catalogue` finds, before."""
        if not removals:
            return
        for row in np.flatnonzero(self.fresh).tolist():
            sha256 = self.source.record(int(self.positions[row])).sha256
            moved = removals.has_content(sha256) and not catalogue.find_content(sha256)
            self.left_out[row] = moved or removals.has_path(self._stored(row))
        self.fresh &= ~self.left_out

    def append(self, writer: StoreWriter) -> NDArray[np.int64]:
        """Write what has to be written; returns the id of every row in the target, (m,) int64."""
        ids = np.full(len(self.positions), -1, np.int64)
        ids[self.found >= 0] = self.target.ids[self.found[self.found >= 0]]
        rows = np.flatnonzero(self.taken)
        if len(rows):
            copied, touched = self.positions[rows], self.refreshed[rows]
            vectors, norms = self.source.take_float16(copied), self.source.norms(copied)
            if touched.any():
                old, vectors, norms = self.found[rows[touched]], vectors.copy(), norms.copy()
                vectors[touched], norms[touched] = self.target.take_float16(old), self.target.norms(old)
            records = [
                self._touched(row) if self.refreshed[row] else self._copied(row) for row in rows.tolist()
            ]
            given = [None if number < 0 else number for number in ids[rows].tolist()]
            ids[rows] = writer.append(records, vectors, norms, given)
        return ids

    def _stored(self, row: int) -> str:
        return _stored(self.source.path(int(self.positions[row])), self.root, self.into)

    def _copied(self, row: int) -> ImageRecord:
        return replace(self.source.record(int(self.positions[row])), path=self._stored(row))

    def _touched(self, row: int) -> ImageRecord:
        """The target's own row with the newer time: what people said of the image there is kept."""
        position = int(self.found[row])
        self.target.check(self.found[row : row + 1])
        time_ns = int(self.source.column("mtime_ns", self.positions[row : row + 1])[0])
        return replace(self.target.record(position), mtime_ns=time_ns)


def _beaten(
    source: FeatureStore,
    live: NDArray[np.int64],
    keys: NDArray[np.uint64],
    place: Callable[[int], str],
) -> dict[int, int]:
    """Rows of one source that lie at the place of another of its rows, which is newer, or first."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts[inverse] > 1).tolist()
    places = [place(int(live[row])) for row in shared]
    times = source.column("mtime_ns", live[shared]).tolist() if shared else []
    best: dict[str, tuple[int, int]] = {}
    for path, row, changed in zip(places, shared, times, strict=True):
        if path not in best or changed > best[path][0]:
            best[path] = changed, row
    return {row: best[path][1] for path, row in zip(places, shared, strict=True) if best[path][1] != row}


def _keys(paths: Iterator[str], root: str, into: str, count: int) -> NDArray[np.uint64]:
    """(count,) uint64: hashes of the places of stored paths."""
    return np.fromiter((path_key(_stored(path, root, into)) for path in paths), np.uint64, count)


def _common_root(roots: Sequence[str]) -> str:
    """The folder that image roots have in common; that of URLs, the top of everything, does not count."""
    folders = [root for root in roots if Path(root) != Path(root).parent] or roots
    try:
        return os.path.commonpath(folders)
    except ValueError:  # on several drives
        return folders[0]


def _as_root(image_root: str) -> str:
    return Path(image_root).as_posix().rstrip("/") + "/"


def _stored(path: str, root: str, into: str) -> str:
    """A path stored under one image root as it is stored under another.

    >>> _stored("b/c.png", "/art/", "/art/b/"), _stored("a.png", "/art/", "/other/")
    ('c.png', '/art/a.png')
    """
    # By characters alone: the name of an archive's member is part of the path and may look like anything.
    place = path if os.path.isabs(path) or is_url(path) else root + path  # noqa: PTH117
    return place.removeprefix(into)


def _is_same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return False


def _require_same_makers(
    directory: Path, target: Manifest, others: Sequence[Path], manifests: Sequence[Manifest]
) -> None:
    for other, manifest in zip(others, manifests, strict=True):
        for role in ("encoder", "tagger"):
            theirs, ours = getattr(manifest, role), getattr(target, role)
            if _identity(theirs) != _identity(ours):
                raise EncoderMismatchError(
                    f"{other} uses another {role} than {directory}: {_described(theirs)} instead of "
                    f"{_described(ours)}; merge only collections with the same encoder and tagger"
                )


def _identity(maker: EncoderRecord | None) -> tuple[Any, ...] | None:
    """The part of an encoder's identity that decides about its numbers, without the name of the weights."""
    return (maker.weights_sha256, maker.preprocessing, maker.dimension) if maker else None


def _described(maker: EncoderRecord | None) -> str:
    if maker is None:
        return "none"
    return (
        f"{maker.id!r} (weights {maker.weights_sha256[:8]}, {maker.preprocessing!r}, "
        f"{maker.dimension} dimensions)"
    )


def _check(others: Sequence[Path], report: Report) -> list[tuple[Manifest, int]]:
    """Compare every file with its checksum; returns manifest and live rows of each collection."""
    checked = []
    for number, other in enumerate(others):
        # One at a time: an open part keeps a file descriptor.
        store = FeatureStore(other)
        store.require_intact()
        checked.append((store.manifest, len(store)))
        report(Progress("checking", number + 1, len(others)))
    return checked


def _open_checked(directory: Path, known: Manifest) -> FeatureStore:
    """Open a collection that was checked; check it again where another process writes to it."""
    store = FeatureStore(directory)
    if store.manifest != known or any(part.sha256 is None for part in known.parts):
        store.require_intact()
    return store
