"""Pictures on a full grid so that neighbours in rows and in columns are alike.

Each cell wants what is around it: the mean of the vectors there, which reaches less and less far. Some cells
at a time, drawn at random, share out their pictures again so that they are nearest in sum to what the cells
want (linear assignment sorting; Barthel, Hezel, Jung and Schall, "Improved Evaluation and Generation of Grid
Layouts using Distance Preservation Quality and Linear Assignment Sorting", Computer Graphics Forum 42, 2023).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

#: Components that the rows are compared by.
_COMPONENTS: Final = 48
#: Cells that share out their pictures at a time.
_SHARED: Final = 160
#: What the reach is multiplied by from round to round, and the rounds at each reach.
_SHRINK: Final = 0.85
_ROUNDS: Final = 2
_LAST_ROUNDS: Final = 6


def sorted_grid(rows: NDArray[np.float32], order: list[int], columns: int) -> list[int]:
    """Lay pictures out on a grid; the last row may have fewer.

    Args:
        rows: (n, d) float32 unit rows.
        order: each of the n numbers once: what the grid begins with, in rows that turn like a snake.
        columns: cells of a row.

    Returns:
        The numbers from left to right and from top to bottom.

    Example:
        >>> angles = np.array([0.0, 0.1, 0.2, 0.3])
        >>> rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        >>> sorted(sorted_grid(rows, [0, 2, 1, 3], 2))
        [0, 1, 2, 3]
    """
    count = len(order)
    if count < 3:
        return list(order)
    points = _components(rows)
    height = -(-count // columns)
    cells = np.array(_snake(order, columns))
    draw = np.random.default_rng(0)
    reach, final = max(columns, height) / 2, 0
    while final < _LAST_ROUNDS:
        final += reach <= 1
        reach = max(reach * _SHRINK, 1.0)
        for _ in range(_ROUNDS):
            wanted = _around(points[cells], height, columns, round(reach))
            shuffled = draw.permutation(count)
            for some in np.array_split(shuffled, -(-count // _SHARED)):
                here = cells[some]
                _, chosen = scipy.optimize.linear_sum_assignment(-(wanted[some] @ points[here].T))
                cells[some] = here[chosen]
    return [int(item) for item in cells]


def grid_hops(rows: NDArray[np.float32], cells: list[int], columns: int) -> NDArray[np.float64]:
    """The angles in radians between pictures that are side by side or one below the other on a grid."""
    placed = rows[cells].astype(np.float64)
    beside = np.einsum("ij,ij->i", placed[:-1], placed[1:])[np.arange(1, len(cells)) % columns != 0]
    below = np.einsum("ij,ij->i", placed[:-columns], placed[columns:])
    return np.asarray(np.arccos(np.clip(np.concatenate([beside, below]), -1, 1)))


def _snake(order: list[int], columns: int) -> list[int]:
    rows = [order[start : start + columns] for start in range(0, len(order), columns)]
    return [item for number, row in enumerate(rows) for item in (row[::-1] if number % 2 else row)]


def _components(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, c) float32: the rows in the directions in which they differ most."""
    centred = rows - rows.mean(axis=0)
    if min(rows.shape) > _COMPONENTS:
        draw = np.random.default_rng(0).normal(size=(rows.shape[1], 2 * _COMPONENTS)).astype(np.float32)
        basis, _ = np.linalg.qr(centred.T @ (centred @ draw))
        centred = centred @ basis
        values, directions = np.linalg.eigh(centred.T @ centred)
        centred = centred @ directions[:, np.argsort(-values)[:_COMPONENTS]]
    return np.ascontiguousarray(centred, np.float32)


def _around(points: NDArray[np.float32], height: int, columns: int, reach: int) -> NDArray[np.float32]:
    """(n, c): the mean of the points around each cell, those that are not there left out."""
    count, width = points.shape
    grid = np.zeros((height * columns, width + 1), np.float32)
    grid[:count, :width], grid[:count, width] = points, 1
    side = 2 * reach + 1
    sums = scipy.ndimage.uniform_filter(grid.reshape(height, columns, -1), (side, side, 1), mode="constant")
    sums = sums.reshape(height * columns, -1)[:count]
    return np.asarray(sums[:, :width] / sums[:, width:])
