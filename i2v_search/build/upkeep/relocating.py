"""`relocate_collection`: images were moved, and a collection is told where they are now.

Paths are compared in the file system's own bytes, with slashes, so that names that are not UTF-8 stay what
they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.upkeep.copying import Rename
from i2v_search.build.upkeep.rewriting import parts_of, rewrite_parts
from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.removals import read_removals, write_removals
from i2v_search.store.writer import WriterLock, remove_strangers


@dataclass(frozen=True)
class Relocation(JsonReady):
    """Result of `relocate_collection`.

    Attributes:
        image_root: new folder that stored paths are relative to.
        moved: number of images under the old path.
        found: number of those found under the new path.
        missing: number of those not found.
        files: number of rewritten feature files; 0 if only the image root changed.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> done = art.relocate(art.info().image_root, "art")
        >>> done.moved, done.found, done.missing
        (15, 15, 0)
    """

    image_root: str
    moved: int
    found: int
    missing: int
    files: int


def relocate_collection(
    directory: Path,
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    force: bool = False,
    report: Report = silent,
) -> Relocation:
    """Update the paths of images that were moved from `old` to `new`; the images are not read.

    Where the image root was `old` or below it, the root moves along. Stored paths of other images below `old`
    are rewritten: relative to the image root inside of it, absolute outside.

    Args:
        directory: the collection.
        old: where the images were: a folder, an archive or a file. It need not exist any more.
        new: where they are.
        force: continue though no image is at the new place, a disk that is not plugged in for instance.
        report: called with the progress.

    Returns:
        What was done, and how many images are at the new place.

    Raises:
        QueryError: no image of the collection was under `old`, or none is under `new`; nothing is changed.
        CollectionLockedError: another process is writing.
        CollectionDamagedError: a file that would be copied differs from its checksum; nothing is changed.
        OSError: the disk is full or fails; nothing is changed.
    """
    Manifest.load(directory)  # the lock would make a folder if there is none
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        remove_strangers(directory, manifest)
        store = FeatureStore(directory, manifest)
        move = _find_move(store, old, _destination(new))
        found = _count_found(store, move, report)
        if move.count and not found and not force:
            raise QueryError(
                f"none of the {move.count} images that were under {os.fspath(old)!r} is under "
                f"{os.fspath(new)!r}; check both paths, or use --force"
            )
        relocated = _rename_removals(directory, manifest, move).updated(image_root=move.root)
        if relocated != manifest and not move.parts:
            relocated.save(directory)
            remove_strangers(directory, relocated)
        elif move.parts:
            store.require_intact(move.parts)
            everything = parts_of(store, np.ones(store.rows, bool))
            rewrite_parts(
                directory,
                relocated,
                everything,
                move.parts,
                store.removed,
                rename=move.rename,
                report=report,
            )
    return Relocation(move.root, move.count, found, move.count - found, len(move.parts))


@dataclass(frozen=True)
class _Move:
    """Changes of a relocation.

    Attributes:
        root: the new image root.
        rename: gives the new stored path of an old one.
        positions: (count,) int64, live rows of images that move.
        parts: numbers of the feature files with a path that changes.
    """

    root: str
    rename: Rename
    positions: NDArray[np.int64]
    parts: set[int]

    @property
    def count(self) -> int:
        return len(self.positions)


def _rename_removals(directory: Path, manifest: Manifest, move: _Move) -> Manifest:
    """The manifest with what stays out under its new paths; not saved."""
    before = read_removals(directory, manifest.removals)
    after = before.renamed(lambda path: os.fsdecode(move.rename(os.fsencode(path))))
    if after == before:
        return manifest
    number = manifest.next_file
    return manifest.updated(removals=write_removals(directory, number, after), next_file=number + 1)


def _find_move(store: FeatureStore, old: str | os.PathLike[str], new: bytes) -> _Move:
    """The move that `old` means: as it is written or, where nothing is there, with its links followed."""
    written = os.fsencode(Path(os.path.abspath(old)).as_posix())  # noqa: PTH100 - resolve() follows links
    followed = os.fsencode(Path(os.path.realpath(old)).as_posix())
    root = os.fsencode(Path(store.manifest.image_root).as_posix())
    for place in dict.fromkeys((written, followed)):
        rest = _rest(root, place)
        move = _moved(store, root, root if rest is None else _joined(new, rest), (place, new))
        if move.count or rest is not None:
            return move
    raise QueryError(
        f"no image of the collection {store.directory} is under {os.fspath(old)!r}; its images are under "
        f"{store.manifest.image_root!r}"
    )


def _moved(store: FeatureStore, root: bytes, new_root: bytes, places: tuple[bytes, bytes]) -> _Move:
    old, new = places

    def rename(stored: bytes) -> bytes:
        if root != new_root and not os.path.isabs(stored):  # noqa: PTH117 - of bytes
            return stored  # it moves with the root
        path = _located(root, stored)
        rest = _rest(path, old)
        path = path if rest is None else _joined(new, rest)
        inside = _rest(path, new_root)
        return inside[1:] if inside and inside.startswith(b"/") else path

    alive = store.is_live(np.arange(store.rows))
    moving, parts, position = [], set(), 0
    for number, part in enumerate(store.parts):
        for path in part.image_paths():
            stored = os.fsencode(path)
            if rename(stored) != stored:
                parts.add(number)
            if alive[position] and _rest(_located(root, stored), old) is not None:
                moving.append(position)
            position += 1
    return _Move(os.fsdecode(new_root), rename, np.array(moving, np.int64), parts)


def _rest(path: bytes, place: bytes) -> bytes | None:
    """The part of a path after a folder or an archive, with its separator; None for a path outside."""
    base = place.rstrip(b"/")
    if not path.startswith(base):
        return None
    rest = path[len(base) :]
    member = rest.startswith(ARCHIVE_SEPARATOR.encode()) and archive_extension(os.fsdecode(base)) is not None
    return rest if not rest or rest.startswith(b"/") or member else None


def _joined(place: bytes, rest: bytes) -> bytes:
    return (place.rstrip(b"/") + rest) or b"/"


def _located(root: bytes, stored: bytes) -> bytes:
    return stored if os.path.isabs(stored) else _joined(root, b"/" + stored)  # noqa: PTH117 - of bytes


def _destination(new: str | os.PathLike[str]) -> bytes:
    """New place of the images, with links resolved as for sources: a file keeps its own name."""
    located = os.path.abspath(new)  # noqa: PTH100
    folder, name = os.path.split(located)
    if os.path.isdir(located) or not name:  # noqa: PTH112
        resolved = os.path.realpath(located)
    else:
        resolved = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
    return os.fsencode(Path(resolved).as_posix())


def _count_found(store: FeatureStore, move: _Move, report: Report) -> int:
    """Number of images found at their new place; members of an archive count if it exists."""
    is_file = cache(os.path.isfile)
    root, found = os.fsencode(move.root), 0
    for done, position in enumerate(move.positions.tolist(), start=1):
        stored = move.rename(os.fsencode(store.path(position)))
        found += _is_there(_located(root, stored), is_file)
        if done % 1000 == 0 or done == move.count:
            report(Progress("looking for images", done, move.count))
    return found


def _is_there(path: bytes, is_file: Callable[[bytes], bool]) -> bool:
    separator, at = ARCHIVE_SEPARATOR.encode(), -1
    if os.path.exists(path):  # noqa: PTH110 - of bytes
        return True
    while (at := path.find(separator, at + 1)) >= 0:
        if archive_extension(os.fsdecode(path[:at])) is not None and is_file(path[:at]):
            return True
    return False
