"""All pairs of unit rows that are close, exactly, without comparing every row with every other.

An orthogonal projection brings no two rows further apart. Rows are sorted into cells of the projection on
their three strongest directions, or five, as wide as two close rows can lie apart, and only rows of
neighbouring cells are compared: first in 64 directions, and in full where these leave it open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

#: Up to so many rows all pairs are compared: learning the directions would take longer.
FEW_ROWS = 4096
#: Cells of three directions, or of five where there are so many rows that they fill those.
_AXES, _MORE_AXES, _MANY_ROWS = 3, 5, 100_000
_DIRECTIONS = 64
_LEARNED = 8192
_BLOCK = 2048
_PAIRS = 4096
#: What rounding in float32 may add to a distance.
_ROUNDED = 1e-3

_Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def close_pairs(rows: NDArray[np.float32], least: float) -> Iterator[_Pairs]:
    """Pairs of rows with a product of at least `least`, in no order; each once, the lower number first.

    Memory is 800 bytes a row, and some blocks.

    Args:
        rows: (n, d) float32, of length 1.
        least: below 1.

    Yields:
        (m,) int64, (m,) int64 and their products, (m,) float32.

    Example:
        >>> rows = np.eye(3, dtype=np.float32)[[0, 1, 0]]
        >>> [(left.tolist(), right.tolist()) for left, right, _ in close_pairs(rows, 0.9)]
        [([0], [2])]
    """
    everything = np.arange(len(rows))
    if len(rows) <= FEW_ROWS:
        yield from _between(
            rows, _Halves.of(rows), everything, everything, least=least, most=2 - 2 * least + _ROUNDED
        )
        return
    radius = float(np.sqrt(2 - 2 * least)) + _ROUNDED
    reduced = _reduced(rows)
    axes = min(_AXES if len(rows) < _MANY_ROWS else _MORE_AXES, reduced.shape[1])
    places = np.floor(reduced[:, :axes] / radius).astype(np.int64)
    order = np.lexsort(places.T[::-1])
    changes = np.any(np.diff(places[order], axis=0, prepend=np.iinfo(np.int64).min), axis=1)
    members = np.split(order, np.flatnonzero(changes)[1:])
    cells = {tuple(places[cell[0]].tolist()): cell for cell in members}
    # Half of the cells around one: each pair of cells is met once.
    around = [step for step in product((-1, 0, 1), repeat=axes) if step > (0,) * axes]
    halves = _Halves.of(reduced)
    for place, cell in cells.items():
        yield from _between(rows, halves, cell, cell, least=least, most=radius**2)
        near = [cells.get(tuple(a + b for a, b in zip(place, step, strict=True))) for step in around]
        if others := [other for other in near if other is not None]:
            yield from _between(rows, halves, cell, np.concatenate(others), least=least, most=radius**2)


@dataclass(frozen=True)
class _Halves:
    """Rows so that the product of a left one and a right one is minus half of their squared distance."""

    left: NDArray[np.float32]
    right: NDArray[np.float32]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> _Halves:
        lengths = -0.5 * np.einsum("ij,ij->i", rows, rows)[:, None]
        ones = np.ones_like(lengths)
        return cls(np.hstack([rows, lengths, ones]), np.hstack([rows, ones, lengths]))


def _between(
    rows: NDArray[np.float32],
    halves: _Halves,
    cell: NDArray[np.int64],
    other: NDArray[np.int64],
    *,
    least: float,
    most: float,
) -> Iterator[_Pairs]:
    """Close pairs of one row of each group, or of one group; `most` is the largest squared distance."""
    for first in range(0, len(cell), _BLOCK):
        ours = cell[first : first + _BLOCK]
        left_rows = halves.left[ours]
        for second in range(first if other is cell else 0, len(other), _BLOCK):
            theirs = other[second : second + _BLOCK]
            left, right = np.nonzero(left_rows @ halves.right[theirs].T >= -0.5 * most)
            left, right = ours[left], theirs[right]
            if other is cell and first == second:
                once = left < right
                left, right = left[once], right[once]
            for start in range(0, len(left), _PAIRS):
                one, two = left[start : start + _PAIRS], right[start : start + _PAIRS]
                products = np.einsum("ij,ij->i", rows[one], rows[two])
                close = products >= least
                if close.any():
                    low, high = np.minimum(one, two)[close], np.maximum(one, two)[close]
                    yield low, high, products[close]


def _reduced(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, at most 64) rows in their strongest directions, the strongest first."""
    sample = rows[:: max(1, len(rows) // _LEARNED)].astype(np.float64)
    sample = sample - sample.mean(axis=0)
    size = rows.shape[1]
    chosen = (max(0, size - _DIRECTIONS), size - 1)
    _, vectors = scipy.linalg.eigh(sample.T @ sample, subset_by_index=chosen, check_finite=False)
    directions = np.ascontiguousarray(vectors[:, ::-1], np.float32)
    reduced = np.empty((len(rows), directions.shape[1]), np.float32)
    for first in range(0, len(rows), _BLOCK):
        reduced[first : first + _BLOCK] = rows[first : first + _BLOCK] @ directions
    return reduced
