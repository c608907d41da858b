"""The cheapest walk between two ends of a graph, searched from both at once, whole frontiers at a time.

Delta-stepping (Meyer and Sanders 2003): all rows whose cost lies within a bucket above the lowest are
expanded together by array operations, and again if a later one makes them cheaper. A search from each side
(Pohl 1971) reads some thousand rows of a large graph where one from A alone would read them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray

_Cost = TypeVar("_Cost", float, NDArray[np.float64])

#: Edges that stand for all others when the width of a bucket is chosen.
_SAMPLE = 1024
#: Costs that do not add up all lie within the range of one hop: a bucket is that part of it.
_SHARE_OF_LARGEST = 0.1


@dataclass(frozen=True, kw_only=True)
class HopCost:
    """Cost of hops, and its sum along a path.

    Attributes:
        power: a hop of length d costs d^power.
        largest: a walk costs as much as its dearest hop, instead of the sum of all.
        limit: squared length above which a hop is not taken.
    """

    power: float = 2.0
    largest: bool = False
    limit: float = np.inf

    def of(self, squared: NDArray[np.float32]) -> NDArray[np.float64]:
        """Cost of hops with these squared lengths."""
        exact = np.maximum(squared.astype(np.float64), 0.0)
        costs = exact if self.power == 2 else exact ** (self.power / 2)
        if self.limit < np.inf:
            costs[squared > self.limit] = np.inf
        return costs

    def walk(self, first: _Cost, then: _Cost) -> _Cost:
        """Cost of two walks in a row."""
        return np.maximum(first, then) if self.largest else first + then


class _Side:
    """State of the search from one end: costs, predecessors, and the rows left to expand."""

    def __init__(self, links: Mapping[int, float], rows: int, hops: HopCost) -> None:
        self.cost = np.full(rows, np.inf)
        self.parent = np.full(rows, -1, np.int32)
        self.is_open = np.zeros(rows, np.bool_)
        self.open = np.array(sorted(links), np.int64)
        self.cost[self.open] = hops.of(np.array([links[row] for row in self.open.tolist()], np.float32))
        self.is_open[self.open] = True
        self._writer = np.empty(rows, np.int32)

    @property
    def lowest(self) -> float:
        return float(self.cost[self.open].min(initial=np.inf))

    def leave(self, width: float) -> NDArray[np.int64]:
        """Take the rows of the lowest bucket."""
        in_bucket = self.cost[self.open] <= self.lowest + width
        leaving, self.open = self.open[in_bucket], self.open[~in_bucket]
        self.is_open[leaving] = False
        return leaving

    def reach(
        self, rows: NDArray[np.int32], costs: NDArray[np.float64], parents: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Note cheaper costs of rows, of which some may come several times, and return these rows once."""
        np.minimum.at(self.cost, rows, costs)
        cheapest = costs == self.cost[rows]
        rows = rows[cheapest]
        self.parent[rows] = parents[cheapest]
        # Whoever wrote last stands for a row: faster than to sort them.
        every = np.arange(len(rows), dtype=np.int32)
        self._writer[rows] = every
        rows = rows[self._writer[rows] == every]
        fresh = rows[~self.is_open[rows]]
        self.is_open[fresh] = True
        self.open = np.concatenate([self.open, fresh])
        return rows

    def chain(self, row: int) -> list[int]:
        """Rows from `row` back to the end."""
        rows = [row]
        while (row := int(self.parent[row])) >= 0:
            rows.append(row)
        return rows


def cheapest_walk(
    edges: scipy.sparse.csr_array,
    links: tuple[Mapping[int, float], Mapping[int, float]],
    hops: HopCost,
    *,
    usable: NDArray[np.bool_],
    direct: float = np.inf,
    dearer: float = 1.0,
) -> list[int] | None:
    """Find the cheapest walk between two ends that are themselves not rows of the search.

    Args:
        edges: (n, n) csr_array float32, symmetric squared lengths.
        links: rows joined to A and to B, with squared lengths; all usable.
        hops: what hops cost.
        usable: (n,) bool, rows that may be entered.
        direct: squared length of A to B, if they are joined.
        dearer: how many times as dear as the cheapest walk the one found may be: it is found sooner.

    Returns:
        The rows between A and B in order, or None if none connect them.

    Example:
        >>> ring = scipy.sparse.csr_array(np.array([[0, 1, 9], [1, 0, 1], [9, 1, 0]], np.float32))
        >>> cheapest_walk(ring, ({0: 0.1}, {2: 0.1}), HopCost(), usable=np.ones(3, bool))
        [0, 1, 2]
    """
    rows = edges.shape[0]
    sides = (_Side(links[0], rows, hops), _Side(links[1], rows, hops))
    best = float(hops.of(np.array([direct], np.float32))[0])
    meeting = -1
    width = _bucket(edges, hops)
    touched = np.intersect1d(sides[0].open, sides[1].open).astype(np.int32)
    while True:
        if len(touched):
            through = hops.walk(sides[0].cost[touched], sides[1].cost[touched])
            if through.min() < best:
                best = float(through.min())
                meeting = int(touched[through == best].min())
        lowest = sides[0].lowest, sides[1].lowest
        if not hops.walk(*lowest) * dearer < best:
            break
        # Any order of turns is correct; the smaller frontier first keeps the two searches of one size.
        turn = 0 if len(sides[0].open) <= len(sides[1].open) else 1
        bound = lowest[1 - turn]
        touched = _expand(edges, sides[turn], hops, (usable, width, bound, best))
    if meeting < 0:
        return None if np.isinf(best) else []
    return sides[0].chain(meeting)[::-1] + sides[1].chain(meeting)[1:]


def _expand(
    edges: scipy.sparse.csr_array,
    side: _Side,
    hops: HopCost,
    limits: tuple[NDArray[np.bool_], float, float, float],
) -> NDArray[np.int32]:
    """Continue from the rows of the lowest bucket, and return those that became cheaper."""
    usable, width, bound, best = limits
    leaving = side.leave(width)
    begins = edges.indptr[leaving].astype(np.int64)
    degrees = edges.indptr[leaving + 1] - begins
    owner = np.repeat(np.arange(len(leaving)), degrees)
    slots = np.arange(len(owner)) + np.repeat(begins - (np.cumsum(degrees) - degrees), degrees)
    reached = edges.indices[slots]
    costs = hops.walk(side.cost[leaving][owner], hops.of(edges.data[slots]))
    useful = costs < np.where(usable[reached], side.cost[reached], -np.inf)
    if best < np.inf:
        # From a row that the other side has still to leave, what is left to go costs at least its lowest; one
        # that it has left gave its edge to this row, and was met, before.
        useful &= hops.walk(costs, np.full_like(costs, bound)) < best
    return side.reach(reached[useful], costs[useful], leaving[owner[useful]])


def _bucket(edges: scipy.sparse.csr_array, hops: HopCost) -> float:
    """Width of a bucket that keeps both rounds and repeated work few: a typical hop."""
    if not edges.nnz:
        return 0.0
    typical = float(np.median(HopCost(power=hops.power).of(edges.data[:: max(1, edges.nnz // _SAMPLE)])))
    return typical * _SHARE_OF_LARGEST if hops.largest else typical
