"""Exactly n intermediates: choosing among too many rows, and adding to too few."""

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.graph.rows import DUPLICATE, Rows, squared_chords
from i2v_search.morph.methods.layered import Layered, trace
from i2v_search.morph.methods.space import MorphSpace, Task, too_few

_POOL = 32
_BLOCK = 4096


def cheapest_increasing(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Choose for each of s points one of m >= s candidates, strictly rising, of least total `cost` (s, m)."""
    points, candidates = cost.shape
    came_from = np.zeros((points, candidates), np.int64)
    total = cost[0].astype(np.float64)
    for point in range(1, points):
        lowest = np.minimum.accumulate(total)
        is_new = total < np.concatenate([[np.inf], lowest[:-1]])
        where = np.maximum.accumulate(np.where(is_new, np.arange(candidates), 0))
        came_from[point, 1:] = where[:-1]
        total = cost[point] + np.concatenate([[np.inf], lowest[:-1]])
    return trace(came_from, int(total.argmin()))


def thin(squared: NDArray[np.float32], steps: int) -> NDArray[np.int64]:
    """Choose `steps` of the interior points of a path, in order: smallest largest hop, then least squares.

    Args:
        squared: (m + 2, m + 2) squared distances of A, the m interior points and B.
        steps: at most m.
    """
    interior = len(squared) - 2
    layered = Layered.of(squared, np.arange(interior))
    limit = float(layered.least_largest(steps)[steps])
    return layered.smoothest(steps, limit, np.ones(interior))


def densify(space: MorphSpace, task: Task, interior: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """Add rows to a path until it has `steps`; each goes into the largest hop that a row can shorten."""
    usable = task.usable.copy()
    usable[interior] = False
    path = interior.tolist()
    points = np.concatenate([task.ends[:1], space.rows.take(interior), task.ends[1:]])
    # For every hop the best row to insert and the longer of its two squared hops; None = not known yet.
    inserts: list[tuple[float, int] | None] = [None] * (len(points) - 1)
    while len(path) < steps:
        unknown = [hop for hop, insert in enumerate(inserts) if insert is None]
        for hop, insert in zip(unknown, _between(space, points, unknown, usable), strict=True):
            inserts[hop] = insert
        known = [insert for insert in inserts if insert is not None]
        hops = ((points[1:].astype(np.float64) - points[:-1]) ** 2).sum(axis=1)
        shortened = [i for i in np.argsort(-hops, kind="stable").tolist() if known[i][0] < hops[i]]
        hop = shortened[0] if shortened else int(np.argmin([longer for longer, _ in known]))
        row = known[hop][1]
        if row < 0:
            raise too_few(len(path), steps)
        usable[row] = False
        path.insert(hop, row)
        vector = space.rows.take(np.array([row]))
        points = np.insert(points, hop + 1, vector, axis=0)
        twin = _twins(space.rows, known, vector)
        inserts = [None if old[1] in twin else old for old in known]
        inserts[hop : hop + 1] = [None, None]
    return np.array(path, np.int64)


def _twins(rows: Rows, inserts: list[tuple[float, int]], vector: NDArray[np.float32]) -> set[int]:
    """Rows kept for insertion that are the same picture as `vector` (1, d)."""
    numbers = np.array(sorted({row for _, row in inserts if row >= 0}), np.int64)
    same = (squared_chords(rows.take(numbers), vector) < DUPLICATE)[:, 0]
    return set(numbers[same].tolist())


def _between(
    space: MorphSpace, points: NDArray[np.float32], hops: list[int], usable: NDArray[np.bool_]
) -> list[tuple[float, int]]:
    """For each hop i, from point i to i + 1, the usable row of least longer hop and that hop squared.

    Rows that duplicate any of `points` do not count; (inf, -1) where none is left.
    """
    best = [(np.inf, -1)] * len(hops)
    if space.search is not None and (count := min(_POOL, int(usable.sum()))):
        left = np.array(hops)
        middles = points[left] + points[left + 1]
        lengths = np.linalg.norm(middles, axis=1, keepdims=True)
        middles = np.where(lengths > 1e-3, middles / np.maximum(lengths, 1e-3), points[left])
        _, numbers = nearest(space.rows, middles, count, search=space.search, usable=usable)
        pool = np.unique(numbers)
        best = _closer(best, hops, pool, space.rows.take(pool), points)
        if all(row >= 0 for _, row in best):
            return best
    for start, block in space.rows.blocks(_BLOCK):
        open_rows = np.flatnonzero(usable[start : start + len(block)])
        best = _closer(best, hops, start + open_rows, block[open_rows], points)
    return best


def _closer(
    best: list[tuple[float, int]],
    hops: list[int],
    numbers: NDArray[np.int64],
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
) -> list[tuple[float, int]]:
    """Improve the best insert of each hop by the rows `vectors` (m, d), numbered ascending."""
    if not len(numbers):
        return best
    chords = squared_chords(vectors, points)
    chords[(chords < DUPLICATE).any(axis=1)] = np.inf
    improved = []
    for hop, old in zip(hops, best, strict=True):
        longer = np.maximum(chords[:, hop], chords[:, hop + 1])
        i = int(longer.argmin())
        improved.append((float(longer[i]), int(numbers[i])) if longer[i] < old[0] else old)
    return improved
