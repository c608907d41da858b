"""Pictures of a map laid side by side: each gets a cell of its own near to where it belongs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

#: Cells for each picture: what is left free shows where groups end.
ROOM = 1.7
#: A grid of more cells is solved in windows of this many cells a side: the exact assignment takes cubic time.
_WHOLE_CELLS = 1500
_WINDOW = 20
_ROUNDS = 4
#: How much further apart points fan out with every round that left some without a cell.
_GROWTH = 0.3
#: The page is at most this much wider than high, or higher than wide.
_LONGEST = 1.6


@dataclass(frozen=True, eq=False)
class MapLayout:
    """Cells of a grid, at most one picture in each.

    Attributes:
        columns: cells in a row.
        rows: cells in a column.
        cells: (n, 2) int32, column and row of each picture.
    """

    columns: int
    rows: int
    cells: NDArray[np.int32]


def lay_out(coordinates: NDArray[np.float32], *, room: float = ROOM) -> MapLayout:
    """Give every point a cell of its own with the least sum of squared moves.

    The least over all for small maps. On larger ones points first take free cells nearby, which makes round
    groups of round groups; then windows of the grid that overlap are solved one by one.

    Args:
        coordinates: (n, 2) float32, finite.
        room: cells for each point, at least 1.

    Example:
        >>> layout = lay_out(np.array([[0, 0], [0, 0], [1, 1]], np.float32), room=1.0)
        >>> layout.columns, layout.rows, len(np.unique(layout.cells, axis=0))
        (2, 2, 3)
    """
    count = len(coordinates)
    low = coordinates.min(axis=0) if count else np.zeros(2)
    extent = np.ptp(coordinates, axis=0) if count else np.zeros(2)
    shape = float(np.clip((extent[0] or 1e-9) / (extent[1] or 1e-9), 1 / _LONGEST, _LONGEST))
    if not extent.any():
        shape = 1.0
    columns = max(1, round(math.sqrt(count * room * shape)))
    rows = max(1, math.ceil(count * room / columns))
    size = np.array([columns, rows])
    points = np.where(extent > 0, (coordinates - low) / np.maximum(extent, 1e-9), 0.5) * size
    if columns * rows <= _WHOLE_CELLS:
        return MapLayout(columns, rows, _assign(points, (0, columns), (0, rows)))
    cells = _nearest_free(points, columns, rows)
    for round_ in range(_ROUNDS):
        shift = _WINDOW // 2 * (round_ % 2)
        for left in range(-shift, columns, _WINDOW):
            for top in range(-shift, rows, _WINDOW):
                across = max(0, left), min(columns, left + _WINDOW)
                down = max(0, top), min(rows, top + _WINDOW)
                inside = ((cells >= (across[0], down[0])) & (cells < (across[1], down[1]))).all(axis=1)
                members = np.flatnonzero(inside)
                cells[members] = _assign(points[members], across, down)
    return MapLayout(columns, rows, cells)


def _nearest_free(points: NDArray[np.float64], columns: int, rows: int) -> NDArray[np.int32]:
    """(n, 2) int32: round by round, points want the nearest free cell, and it goes to the nearest of them."""
    free = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=2).reshape(-1, 2)
    cells, waiting = np.zeros((len(points), 2), np.int32), np.arange(len(points))
    tries = 0
    while len(waiting):
        tree = cKDTree(free + 0.5)
        _, wanted = tree.query(points[waiting])
        away, wanted = tree.query(_fanned_out(points[waiting], wanted, 1 + tries * _GROWTH))
        order = np.lexsort((away, wanted))
        taken, first = np.unique(wanted[order], return_index=True)
        winners = order[first]
        cells[waiting[winners]] = free[taken]
        tries += 1
        waiting, free = np.delete(waiting, winners), np.delete(free, taken, axis=0)
    return cells


def _fanned_out(points: NDArray[np.float64], wanted: NDArray[np.int64], apart: float) -> NDArray[np.float64]:
    """Points that want the same cell, moved around it as the seeds of a sunflower are, each with a cell's
    room.
    """
    order = np.argsort(wanted, kind="stable")
    _, first, sizes = np.unique(wanted[order], return_index=True, return_counts=True)
    ranks = np.empty(len(points), np.int64)
    ranks[order] = np.arange(len(points)) - np.repeat(first, sizes)
    radius, angle = apart * np.sqrt(ranks / np.pi), ranks * np.pi * (3 - np.sqrt(5))
    return np.asarray(points + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _assign(points: NDArray[np.float64], across: tuple[int, int], down: tuple[int, int]) -> NDArray[np.int32]:
    """(m, 2) int32: the cells of a window for its points, the least sum of squared moves."""
    column, row = (part.ravel() for part in np.meshgrid(np.arange(*across), np.arange(*down)))
    cost = (points[:, :1] - (column + 0.5)) ** 2 + (points[:, 1:] - (row + 0.5)) ** 2
    taken = linear_sum_assignment(cost)[1]
    return np.stack([column[taken], row[taken]], axis=1).astype(np.int32)
