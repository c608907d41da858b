"""Maintenance of a collection: `i2v_search.maintenance`.

Each function is given the directory, does one job, and leaves an index that fits. A `Collection` that is open
meanwhile continues answering from what it has open.

Example:
    >>> from i2v_search import Collection, maintenance
    >>> Collection.open("index/art").remove("fruit/*"), maintenance.compact("index/art").dropped
    (7, 7)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from i2v_search.arguments import StoredImages, several, whole
from i2v_search.build.indexing import build_index, reindex
from i2v_search.build.upkeep.exporting import Export, export_store
from i2v_search.build.upkeep.merging import Merge, merge_collections
from i2v_search.build.upkeep.relocating import Relocation, relocate_collection
from i2v_search.build.upkeep.repairing import Repair, repair_collection
from i2v_search.build.upkeep.rewriting import Compaction, compact_collection
from i2v_search.index.planner import IndexOptions
from i2v_search.progress import Report, silent
from i2v_search.store.catalogue import Catalogue, find_image
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest

__all__ = ["compact", "export", "merge", "relocate", "repair"]


def merge(
    directory: str | os.PathLike[str],
    others: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    report: Report = silent,
) -> Merge:
    """Take the images of collections built elsewhere into one, then index; the others are only read.

    An image is the same where its file is at the same place: the newer one stays, with the id it has here.
    The same content at two places is two images. Boards, stars, notes, own tags, saved searches and pairs
    that are not copies come along: boards of one name are joined, and of two notes both stay. Merging again,
    or after a kill, ends the same.

    Args:
        directory: directory of the collection; created if missing, like the first of the others.
        others: directories of collections with the same encoder and tagger.
        report: called with the progress.

    Returns:
        What was done, with every image's new id.

    Raises:
        QueryError: there is nothing to merge, or the collection is among the others.
        CollectionNotFoundError: one of the others does not exist.
        EncoderMismatchError: one was made with another encoder or tagger.
        CollectionDamagedError: a file of one differs from its checksum; nothing was merged.
        AnnotationsError: the boards and notes of one cannot be read; nothing was merged.
        CollectionLockedError: another process is writing.
        OSError: the disk is full; the next merge continues from what was committed.

    Example:
        >>> merge("index/all", "index/art").sources[0].added
        15
    """
    target = Path(directory)
    done = merge_collections(target, [Path(other) for other in several(others)], report=report)
    reindex(target, None, report)
    return done


def repair(directory: str | os.PathLike[str], *, report: Report = silent) -> Repair:
    """Drop what is damaged in a collection, which need not open, and build again what is derived.

    Args:
        directory: the collection.
        report: called with the progress.

    Returns:
        What was damaged, and what was lost. Nothing changes where nothing is damaged.

    Raises:
        CollectionLockedError: another process is writing.
        CollectionDamagedError: ``collection.json`` is damaged beyond repair.
        OSError: the disk is full; nothing is changed.

    Example:
        >>> repair("index/art").damages
        ()
    """
    location = Path(directory)
    record = Manifest.load(location).index
    done = repair_collection(location, report=report)
    if done.index_dropped:
        build_index(location, IndexOptions.of(record), report=report)
    return done


def compact(directory: str | os.PathLike[str], *, report: Report = silent) -> Compaction:
    """Give back the space of removed and superseded rows; ids stay, and so does every answer.

    Args:
        directory: the collection.
        report: called with the progress.

    Returns:
        What was done; nothing if there is no such row.

    Raises:
        CollectionLockedError: another process is writing.
        CollectionDamagedError: a file to be copied is damaged; `repair` comes first.
        OSError: the disk, which holds old and new for a moment, is full; nothing is changed.

    Example:
        >>> from i2v_search import Collection
        >>> Collection.open("index/art").remove("fruit/*"), compact("index/art").dropped
        (7, 7)
    """
    location = Path(directory)
    before = Manifest.load(location)
    done = compact_collection(location, report=report)
    _follow(location, before, report)
    return done


def relocate(
    directory: str | os.PathLike[str],
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    force: bool = False,
    report: Report = silent,
) -> Relocation:
    """Update the paths of moved images; they are not read, ids and vectors stay the same.

    Args:
        directory: the collection.
        old: where they were: a folder, an archive or a file, which need not exist any more.
        new: where they are.
        force: continue though no image is at the new place.
        report: called with the progress.

    Returns:
        How many images moved, and how many of them are at the new place.

    Raises:
        QueryError: no image was under `old`, or none is under `new`; nothing is changed.
        CollectionLockedError: another process is writing.
        CollectionDamagedError: a file to be copied is damaged; `repair` comes first.
        OSError: the disk is full; nothing is changed.

    Example:
        >>> from i2v_search import Collection
        >>> old = Collection.open("index/art").info().image_root
        >>> new = Path("art").rename("pictures").resolve()
        >>> relocate("index/art", old, new).found
        15
    """
    location = Path(directory)
    before = Manifest.load(location)
    done = relocate_collection(location, old, new, force=force, report=report)
    _follow(location, before, report)
    return done


class ExportOptions(TypedDict, total=False):
    """The options of `export`.

    Attributes:
        images: ids or stored paths; None takes all in the order of `Collection.ids`.
        pca: reduce the vectors to so many principal components.
        unit: ``.npy`` gets unit rows in place of vectors as the encoder gave them.
        virtual: ``.h5`` points to the vectors in the collection's files instead of copying them.
        name_rows: write ``NAME.ids.csv`` with id and path of every row beside ``.npy``, as is the default.
        raw: write paths and tags in CSV as they are, for programs; else nothing in them is a formula.
        report: called with the progress.
    """

    images: StoredImages | None
    pca: int | None
    unit: bool
    virtual: bool
    name_rows: bool
    raw: bool
    report: Report


def export(
    directory: str | os.PathLike[str], path: str | os.PathLike[str], **options: Unpack[ExportOptions]
) -> Export:
    """Write vectors, paths and tags for other programs, by the ending: ``.npy``, ``.h5`` or ``.csv``.

    Args:
        directory: the collection.
        path: path of the file; replaced if it exists.
        **options: `ExportOptions`.

    Returns:
        What was written; `i2v_search.build.upkeep.exporting` and `hdf5_export` beside it describe the files.

    Raises:
        QueryError: the ending is unknown, an option does not fit it, or an image is not there.
        CollectionDamagedError: a row differs from its checksum.
        OSError: the disk is full; nothing is left behind.

    Example:
        >>> export("index/art", "art.npy", pca=8).dimension
        8
    """
    store, given = FeatureStore(Path(directory)), dict[str, Any](options)
    chosen = None
    if (images := given.pop("images", None)) is not None:
        catalogue = Catalogue(store)
        chosen = np.array([find_image(store, catalogue, image) for image in several(images)], np.int64)
    if given.get("pca") is not None:
        given["pca"] = whole("pca", given["pca"])
    return export_store(store, Path(path), chosen, **given)


def _follow(directory: Path, before: Manifest, report: Report) -> None:
    """Bring the index up to a store that was rewritten, if there was one."""
    if before.index is not None:
        reindex(directory, before.index, report)
