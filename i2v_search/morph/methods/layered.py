"""A path of exactly n points through candidates in a fixed order, by dynamic programming layer by layer.

Because every hop leads to a later candidate, no candidate comes twice, and a path of n points is the n-th
layer of a graph without rings: the best one costs n m^2 operations for m candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Layered:
    """Candidates in order, and how far they are from one another and from both ends.

    Attributes:
        from_a: (m,) squared hops from A.
        hops: (m, m) squared hops; those that do not lead to a later candidate are not taken.
        to_b: (m,) squared hops to B.
        direct: squared hop from A to B.
    """

    from_a: NDArray[np.float32]
    hops: NDArray[np.float32]
    to_b: NDArray[np.float32]
    direct: float

    @classmethod
    def of(
        cls, squared: NDArray[np.float32], order: NDArray[np.int64], *, shortest: float = 0.0
    ) -> "Layered":
        """Take candidates in an order.

        Args:
            squared: (m + 2, m + 2) squared distances of A, the candidates and B.
            order: which candidates, from 0, and in what order.
            shortest: squared distance of two candidates, or of one and an end, that is no hop: too little
                changes.
        """
        rows = order + 1
        hops = squared[np.ix_(rows, rows)]
        hops[np.tril_indices(len(rows))] = np.inf
        from_a, to_b = squared[0, rows], squared[rows, -1]
        for each in (from_a, hops, to_b):
            each[each < shortest] = np.inf
        return cls(from_a, hops, to_b, float(squared[0, -1]))

    def least_largest(self, most: int) -> NDArray[np.float64]:
        """The smallest possible largest hop, squared, of paths with 0, 1, ... points; inf where none is.

        Args:
            most: points of the longest path.

        Returns:
            (most + 1,) float64.

        Example:
            >>> at = np.array([0.0, 1.0, 2.0, 6.0])
            >>> line = Layered.of(np.subtract.outer(at, at).astype(np.float32) ** 2, np.array([0, 1]))
            >>> np.sqrt(line.least_largest(2)).tolist()
            [6.0, 4.0, 4.0]
        """
        least = np.full(most + 1, np.inf)
        least[0] = self.direct
        so_far = self.from_a
        for points in range(1, most + 1):
            if points > 1:
                so_far = np.maximum(so_far[:, None], self.hops).min(axis=0, initial=np.inf)
            least[points] = np.maximum(so_far, self.to_b).min(initial=np.inf)
        return least

    def smoothest(self, points: int, limit: float, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Of the paths whose hops are at most `limit` squared, the one of least sum of squared angles.

        Args:
            points: how many; a path of so many within the limit must exist.
            limit: squared length of the largest hop allowed.
            weights: (m,) what a candidate multiplies its hops by; a hop takes the mean of its two ends'.

        Returns:
            (points,) places of the candidates in the order.
        """
        if points == 0:
            return np.empty(0, np.int64)
        within = _squared_angles(self.hops, limit) * ((weights[:, None] + weights[None, :]) / 2)
        total = _squared_angles(self.from_a, limit) * (1 + weights) / 2
        came_from = np.zeros((points, len(weights)), np.int64)
        for point in range(1, points):
            reach = total[:, None] + within
            came_from[point] = reach.argmin(axis=0)
            total = reach.min(axis=0)
        return trace(came_from, int((total + _squared_angles(self.to_b, limit) * (1 + weights) / 2).argmin()))


def trace(came_from: NDArray[np.int64], last: int) -> NDArray[np.int64]:
    """Candidates chosen for each of s points, given the last and the best one before each (s, m)."""
    chosen = [last]
    for before in came_from[:0:-1]:
        chosen.append(int(before[chosen[-1]]))
    return np.array(chosen[::-1], np.int64)


def _squared_angles(squared: NDArray[np.float32], limit: float) -> NDArray[np.float64]:
    """Squared angles of unit rows from their squared chords; inf above the limit."""
    angles = 2 * np.arcsin(np.sqrt(np.clip(squared, 0, 4, dtype=np.float64)) / 2)
    return np.where(squared <= limit, angles**2, np.inf)
