"""Images of a collection go to the trash of this computer, and come back.

Only files of the collection are moved: by id, and only while they are where they were added, are no links,
and hold what they held. Their rows are removed in the same step, as a build does with those of files that are
gone. Nothing is kept out: a file that comes back by hand is found by the next build.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.changes import Places, root_is_away
from i2v_search.build.upkeep.system_trash import (
    InTrash,
    restore_from_trash,
    send_to_trash,
)
from i2v_search.errors import ImageError
from i2v_search.images.sources import Skipped, locate_stored, open_stored
from i2v_search.search.copies import CopyGroups
from i2v_search.store.catalogue import Catalogue, find_removed
from i2v_search.store.feature_file import storable_time
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter, WriterLock


@dataclass(frozen=True)
class TrashedImage:
    """An image whose file is in the trash.

    Attributes:
        id: of the image.
        path: as it was stored.
        file: the file.
    """

    id: int
    path: str
    file: InTrash


@dataclass(frozen=True)
class Trashing:
    """Result of moving images to the trash.

    Attributes:
        moved: images whose files are in the trash; the collection no longer holds them.
        kept: stored paths of files that were left alone, with the reason.
        last: ids of images that were left alone because no copy of them would be left.
    """

    moved: tuple[TrashedImage, ...]
    kept: tuple[Skipped, ...] = ()
    last: tuple[int, ...] = ()


@dataclass(frozen=True)
class Restoring:
    """Result of taking images out of the trash.

    Attributes:
        ids: images that the collection holds again.
        unlisted: stored paths of files that are back, but that the next build has to add.
        kept: stored paths of files that are still in the trash, with the reason.
    """

    ids: tuple[int, ...]
    unlisted: tuple[str, ...] = ()
    kept: tuple[Skipped, ...] = ()


def trash_images(directory: Path, ids: Iterable[int], *, last_too: bool = False) -> Trashing:
    """Move the files of images to the trash of this computer, and remove the images from the collection.

    Args:
        directory: the collection.
        ids: of the images; those that it does not hold are passed over.
        last_too: also where no copy of an image is left that is whole; else all its copies are left alone.

    Raises:
        CollectionLockedError: another process is writing; nothing was moved.
        CollectionError: the collection cannot be read.
    """
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        found = map(store.position_of_id, dict.fromkeys(ids))
        positions = [position for position in found if position is not None]
        files = _Files(store)
        groups = CopyGroups(store, Catalogue(store)).group_of
        last = [] if last_too else [at for at in positions if not files.leave_one(at, positions, groups)]
        moved: dict[int, TrashedImage] = {}
        kept: list[Skipped] = []
        try:
            for position in positions:
                if position not in last:
                    try:
                        file = send_to_trash(files.place(position), store.sha256(position))
                    except ImageError as error:
                        kept.append(Skipped(store.path(position), error.reason))
                    else:
                        moved[position] = TrashedImage(int(store.ids[position]), store.path(position), file)
        finally:
            if moved:
                _write(directory, manifest, lambda writer: writer.remove(sorted(moved)))
    return Trashing(tuple(moved.values()), tuple(kept), tuple(int(store.ids[at]) for at in last))


def restore_images(directory: Path, images: Sequence[TrashedImage]) -> Restoring:
    """Put files back from the trash, and their images into the collection, with the ids that they had.

    Raises:
        CollectionLockedError: another process is writing; nothing was moved.
        CollectionError: the collection cannot be read.
    """
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        removed, live = Catalogue(store, store.removed), Catalogue(store)
        back: list[int] = []
        unlisted: list[str] = []
        kept: list[Skipped] = []
        try:
            for image in images:
                try:
                    restore_from_trash(image.file)
                except ImageError as error:
                    kept.append(Skipped(image.path, error.reason))
                    continue
                row = find_removed(store, removed, image.path, image.file.sha256)
                if row is None or live.find_path(image.path) is not None:
                    unlisted.append(image.path)
                else:
                    back.append(row)
        finally:
            if back:
                _write(directory, manifest, lambda writer: _append(writer, store, np.array(back)))
    return Restoring(tuple(store.ids[back].tolist()), tuple(unlisted), tuple(kept))


class _Files:
    """Where the files of a collection's images are now."""

    def __init__(self, store: FeatureStore) -> None:
        self._store, self._root = store, Path(store.manifest.image_root)
        self._places = Places(self._root, store.manifest.mounts)
        self._whole: dict[int, bool] = {}

    def place(self, position: int) -> Path:
        """Absolute path of the file of an image, which is a file of its own.

        Raises:
            ImageError: it is away, or in an archive.
        """
        path = self._store.path(position)
        if root_is_away(self._store.manifest) or self._places.away(path) is not None:
            raise ImageError(path, "its folder is not there; is its disk connected?")
        if locate_stored(self._root, path, allow_outside=True)[1] is not None:
            raise ImageError(path, "it is in an archive, out of which nothing is taken")
        return self._root.resolve() / path

    def leave_one(self, position: int, chosen: Sequence[int], groups: NDArray[np.int64] | None) -> bool:
        """Whether a copy of an image is left that is whole, if those chosen go."""
        if groups is None:
            return False
        rows = self._store.live[groups[self._store.live] == groups[position]]
        gone = {self._located(at) for at in chosen}
        rest = (at for at in rows.tolist() if at not in chosen)
        return any(self._located(at) not in gone and self._is_whole(at) for at in rest)  # no link to one

    def _located(self, position: int) -> Path | None:
        with suppress(ImageError):
            return locate_stored(self._root, self._store.path(position), allow_outside=True)[0]
        return None

    def _is_whole(self, position: int) -> bool:
        """Whether a file holds what it held when it was added."""
        if position not in self._whole:
            self._whole[position] = False
            with suppress(ImageError):
                content = open_stored(self._root, self._store.path(position), allow_outside=True)
                self._whole[position] = sha256(content).hexdigest() == self._store.sha256(position)
        return self._whole[position]


def _append(writer: StoreWriter, store: FeatureStore, rows: NDArray[np.int64]) -> None:
    """Put removed rows in again, as a build does with images that are back."""
    root = Path(store.manifest.image_root)
    records = []
    for row in rows.tolist():
        record = store.record(row)
        changed = storable_time(os.stat(root / record.path).st_mtime_ns)  # noqa: PTH116 - as it was added
        records.append(replace(record, mtime_ns=changed))
    writer.append(records, store.take_float16(rows), store.norms(rows), store.ids[rows].tolist())


def _write(directory: Path, manifest: Manifest, change: Callable[[StoreWriter], None]) -> None:
    writer = StoreWriter(directory, manifest)
    try:
        change(writer)
        writer.finish()
    finally:
        writer.close()
