"""The best that a morph could be: exact answers on the complete graph of a collection, by plain NumPy.

Distances are squared chords; `angle` turns them into radians. The (n, n) matrix of 14,000 rows takes 0.8 GB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024
_SOME = 128


def chord_matrix(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared chords of all pairs of unit rows (n, d), (n, n) float32, 0 on the diagonal."""
    chords = np.empty((len(vectors), len(vectors)), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = chords[start : start + _BLOCK]
        np.matmul(vectors[start : start + _BLOCK], vectors.T, out=block)
        block *= -2
        block += 2
        np.maximum(block, 0, out=block)
    np.fill_diagonal(chords, 0)
    return chords


def angle(squared: float) -> float:
    """Radians between unit vectors of a squared chord."""
    return float(2 * np.arcsin(min(np.sqrt(squared) / 2, 1.0)))


def occurrences(chords: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """In how many other rows' k nearest each row is, (n,) int32."""
    counts = np.zeros(len(chords), np.int32)
    for start in range(0, len(chords), _BLOCK):
        block = chords[start : start + _BLOCK].copy()
        np.fill_diagonal(block[:, start:], np.inf)
        counts += np.bincount(np.argpartition(block, k - 1, axis=1)[:, :k].ravel(), minlength=len(chords))
    return counts


def least_largest_hop(
    chords: NDArray[np.float32], a: int, b: int, hops: int, *, bound: float = np.inf
) -> float:
    """The smallest largest hop of any walk from A to B over all rows, squared.

    F_1(y) = chord(A, y), F_{j+1}(y) = min over x of max(F_j(x), chord(x, y)), from both ends until they meet.
    A walk may stay where it is: so this is the best for at most so many hops, and no path of different rows
    is better.

    Args:
        chords: (n, n) of `chord_matrix`.
        a, b: rows.
        hops: number of intermediates and one.
        bound: largest hop of a walk that is known; what is behind longer hops is not looked at.
    """
    if hops == 1:
        return float(chords[a, b])
    left, right = chords[a], chords[b]
    for _ in range(hops - 2):
        if np.count_nonzero(left <= bound) > np.count_nonzero(right <= bound):
            left, right = right, left
        bound = min(bound, float(np.maximum(left, right).min()))
        left = _one_hop_more(chords, left, bound)
    return min(bound, float(np.maximum(left, right).min()))


def _one_hop_more(
    chords: NDArray[np.float32], reach: NDArray[np.float32], bound: float
) -> NDArray[np.float32]:
    """(n,): how one hop more reaches every row; too large where that is behind a hop above the bound."""
    best = reach.copy()
    near = np.flatnonzero(reach <= bound)
    for start in range(0, len(near), _SOME):
        some = near[start : start + _SOME]
        np.minimum(best, np.maximum(chords[some], reach[some, None]).min(axis=0), out=best)
    return best


@dataclass(frozen=True, eq=False)
class CompleteTree:
    """The minimum spanning tree of the complete graph, by Prim's algorithm.

    Attributes:
        parent: (n,) int64; the root's is itself.
        squared: (n,) float32, squared chord to the parent.
        turn: (n,) int64, when each row was joined; every parent before its children.
    """

    parent: NDArray[np.int64]
    squared: NDArray[np.float32]
    turn: NDArray[np.int64]

    @classmethod
    def of(cls, chords: NDArray[np.float32]) -> CompleteTree:
        """The tree of all rows, from row 0 on."""
        n = len(chords)
        parent, turn = np.zeros(n, np.int64), np.zeros(n, np.int64)
        squared, outside = chords[0].copy(), np.ones(n, bool)
        outside[0] = False
        for number in range(1, n):
            row = int(np.where(outside, squared, np.inf).argmin())
            outside[row], turn[row] = False, number
            closer = outside & (chords[row] < squared)
            squared[closer], parent[closer] = chords[row][closer], row
        return cls(parent, squared, turn)

    def bottleneck(self, a: int, b: int) -> float:
        """The smallest largest hop of any path from A to B, of however many rows, squared."""
        largest = 0.0
        while a != b:
            if self.turn[a] < self.turn[b]:
                a, b = b, a
            largest = max(largest, float(self.squared[a]))
            a = int(self.parent[a])
        return largest
