"""The nearest rows of a query: by reading every row in blocks, or by a search the caller gives.

Memory is bounded by construction: whatever the number of rows n, a pass holds one block of queries (2,048
rows), one block of rows (4,096) and their products (32 MiB), about 180 MiB at 4,096 dimensions.
"""

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.rows import Rows, Search, squared_chords

QUERIES = 2048
COLUMNS = 4096
#: An end from outside the collection is joined to so many of its nearest rows.
LINKS = 15


def nearest(
    rows: Rows,
    queries: NDArray[np.float32],
    k: int,
    *,
    search: Search | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the k rows nearest each query, exactly unless `search` answers.

    Args:
        rows: n unit rows of d dimensions.
        queries: (q, d) float32.
        k: how many; fewer come back when fewer rows are usable.
        search: asked first; where its k answers hold fewer than k usable rows, all rows are read instead.
        usable: (n,) bool; other rows are skipped.

    Returns:
        (q, min(k, usable rows)) float32 squared chord distances, ascending with ties by row number, and int64
        row numbers.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> rows = ArrayRows(np.eye(3, dtype=np.float32))
        >>> nearest(rows, np.array([[0, 0.6, 0.8]], np.float32), 2)[1].tolist()
        [[2, 1]]
    """
    k = min(k, len(rows) if usable is None else int(usable.sum()))
    if search is not None:
        found = searched(search, queries, k, usable=usable)
        if (found[1] >= 0).all():
            return found
    parts = [
        scan(rows, queries[start : start + QUERIES], k, usable=usable)
        for start in range(0, len(queries), QUERIES)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def searched(
    search: Search,
    queries: NDArray[np.float32],
    k: int,
    *,
    own: NDArray[np.int64] | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest by `search`, without each query's `own` row and without rows that are not usable."""
    # Twice as many are requested when some may be dropped: one more request is dearer than a longer answer.
    wanted = k + 1 if usable is None else min(2 * k + 1, len(usable))
    squared, ids = search(queries, wanted)
    squared, ids = np.array(squared, np.float32), np.array(ids, np.int64)
    missing = ids < 0
    if own is not None:
        missing |= ids == own[:, None]
    if usable is not None:
        missing |= ~usable[ids]
    squared[missing], ids[missing] = np.inf, np.iinfo(np.int64).max
    order = np.lexsort((ids, squared))[:, :k]
    squared, ids = np.take_along_axis(squared, order, axis=1), np.take_along_axis(ids, order, axis=1)
    ids[np.isinf(squared)] = -1
    return squared, ids


def scan(
    rows: Rows,
    queries: NDArray[np.float32],
    k: int,
    *,
    own: NDArray[np.int64] | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest by reading every row once: only chords below the k-th best so far are ever sorted."""
    best = np.full((len(queries), k), np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    if k == 0:
        return best, ids
    for start, block in rows.blocks(COLUMNS):
        stop = start + len(block)
        chords = squared_chords(queries, block)
        if usable is not None:
            chords[:, ~usable[start:stop]] = np.inf
        if own is not None:
            inside = np.flatnonzero((own >= start) & (own < stop))
            chords[inside, own[inside] - start] = np.inf
        limit = best[:, -1:]
        # Rows come in ascending order: an equal chord met later has the higher number and loses the tie.
        closer = chords < limit
        if np.isinf(limit).any() and len(block) > k:
            closer &= chords <= np.partition(chords, k - 1, axis=1)[:, k - 1 : k]
        query, column = np.nonzero(closer)
        _merge(best, ids, query, (chords[query, column], column + start))
    return best, ids


def _merge(
    best: NDArray[np.float32],
    ids: NDArray[np.int64],
    query: NDArray[np.int64],
    found: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    """Put the `found` squared chords and row numbers, one for each of `query`, among its k best, in place."""
    touched = np.unique(query)
    k = best.shape[1]
    owners = np.concatenate([query, np.repeat(touched, k)])
    squared = np.concatenate([found[0], best[touched].ravel()])
    numbers = np.concatenate([found[1], ids[touched].ravel()])
    order = np.lexsort((numbers, squared, owners))
    kept = order[np.searchsorted(owners[order], touched)[:, None] + np.arange(k)]
    best[touched], ids[touched] = squared[kept], numbers[kept]
