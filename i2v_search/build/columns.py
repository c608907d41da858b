"""Fills the columns of a collection with what files beside its images say of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.metadata.facts import Fact
from i2v_search.images.sidecar import Sidecars
from i2v_search.images.sources import Wanted
from i2v_search.progress import Progress, Report
from i2v_search.store.columns import ColumnsBuilder, read_columns, update_columns
from i2v_search.store.feature_store import FeatureStore

_REPORTED = 2000


def fill_columns(
    directory: Path, sidecars: Sidecars, scopes: Sequence[str], *, wanted: Wanted, report: Report
) -> None:
    """Read the facts of all live images of some sources; an image of which nothing is said keeps its own.

    Args:
        directory: the collection; the caller holds its `WriterLock`.
        sidecars: of the sources.
        scopes: of `find_scopes`.
        wanted: tells by its stored path which images this is about.
        report: called with the progress.
    """
    store = FeatureStore(directory)
    builder = ColumnsBuilder()
    live = store.live.tolist()
    for done, position in enumerate(live, 1):
        path = store.path(position)
        if _is_inside(path, scopes) and wanted(path) and sidecars.may_have(path):
            facts: dict[str, Fact] = dict(sidecars.known(path).facts)
            if facts:
                builder.add(int(store.ids[position]), facts)
        if done % _REPORTED == 0:
            report(Progress("filling columns", done, len(live)))
    ids, columns = builder.finish()
    if len(ids):
        update_columns(directory, ids, columns)


def merge_columns(
    directory: Path, other: Path, old_ids: NDArray[np.int64], new_ids: NDArray[np.int64]
) -> None:
    """Give images that came from another collection the values that they have there.

    Args:
        directory: the collection; the caller holds its `WriterLock`.
        other: where they come from.
        old_ids: (n,) int64, their ids there.
        new_ids: (n,) int64, their ids here; -1 for those that stayed out.
    """
    ids, columns = read_columns(other)
    if not columns:
        return
    kept = np.flatnonzero((new_ids >= 0) & np.isin(old_ids, ids))
    kept = kept[np.unique(new_ids[kept], return_index=True)[1]]
    places = np.searchsorted(ids, old_ids[kept]).astype(np.int64)
    update_columns(directory, new_ids[kept], {name: one.take(places) for name, one in columns.items()})


def _is_inside(path: str, scopes: Sequence[str]) -> bool:
    return any(not scope or path == scope or path.startswith((f"{scope}/", f"{scope}!/")) for scope in scopes)
