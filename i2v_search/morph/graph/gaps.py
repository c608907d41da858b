"""Gaps of a graph: the hops that no path between two groups avoids, by what filling each would gain.

The smallest possible largest hop between two rows is the largest edge on the way between them along the
minimum spanning tree (`i2v_search.morph.graph.spanning`): the edge by which Kruskal's algorithm joins the
groups that they are in. With one more row halfway these groups meet by hops half as long, and each pair of
their rows has the larger of that and of the next largest edge on its way. How large that is stands in the
dendrogram of the joins (Gower and Ross, "Minimum spanning trees and single linkage cluster analysis", 1969):
the way from a row to all of a group that joins its own is as large as the hop that joins them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.spanning import SpanningTree


@dataclass(frozen=True)
class TreeGap:
    """An edge of a spanning tree, as a gap between two groups.

    Attributes:
        ends: the rows at its ends; the first in the smaller group.
        sizes: rows of their groups: those that reach each other by no smaller largest hop.
        angle: of the edge, in radians.
        gain: by how much the smallest possible largest hop falls with a row halfway, summed over all pairs of
            the two groups, in radians.
        near: rows of both groups; the end first, then those that reach it by the smallest hops.
    """

    ends: tuple[int, int]
    sizes: tuple[int, int]
    angle: float
    gain: float
    near: tuple[tuple[int, ...], tuple[int, ...]]


def tree_gaps(tree: SpanningTree, count: int, *, smallest: int = 1, near: int = 12) -> list[TreeGap]:
    """The gaps whose filling would shorten the largest hops of all paths most, the best first.

    Args:
        tree: of the graph. Two parts without a path are no gap: nothing says how far apart they are.
        count: gaps, at most.
        smallest: rows that both groups have at least. With 1, each row that has nothing like it is a gap.
        near: rows to name of each group, at most.

    Example:
        Three rows close to each other, three more, and one alone, further away still:

        >>> import scipy
        >>> squared = np.array([0.01, 0.01, 0.5, 0.01, 0.01, 1.0], np.float32)
        >>> row = scipy.sparse.diags_array([squared, squared], offsets=[-1, 1], shape=(7, 7)).tocsr()
        >>> [(gap.ends, gap.sizes) for gap in tree_gaps(SpanningTree.of(row.astype(np.float32)), 2)]
        [((3, 2), (3, 3)), ((6, 5), (1, 6))]
    """
    joins = _Joins(tree)
    # No pair gains more than half of the hop.
    bounds = joins.angles / 2 * joins.sizes.prod(axis=1)
    bounds[joins.sizes.min(axis=1, initial=len(tree.parent)) < smallest] = 0
    best: list[tuple[float, int]] = []
    for place in np.argsort(-bounds, kind="stable").tolist():
        if bounds[place] <= (best[-1][0] if len(best) == count else 0):
            break
        best = sorted([*best, (joins.gain(place), place)], key=lambda each: -each[0])[:count]
    return [joins.gap(place, gain, near) for gain, place in best if gain > 0]


class _Joins:
    """The edges of a spanning tree in the order in which they join its rows, the smallest first.

    Group i < n is the row i, group n + j what the j-th edge makes of two groups.
    """

    def __init__(self, tree: SpanningTree) -> None:
        self._rows = rows = len(tree.parent)
        edges = np.flatnonzero(tree.parent >= 0)
        squared = tree.squared[edges].astype(np.float64)
        order = np.argsort(squared, kind="stable")
        #: (edges,) radians.
        self.angles = 2 * np.arcsin(np.minimum(np.sqrt(squared[order]) / 2, 1))
        self._ends = np.stack([edges, tree.parent[edges]], axis=1)[order].tolist()
        self._above = list(range(rows + len(edges)))
        self._parts: list[tuple[int, int]] = []
        self._sizes = [1] * rows
        shortcuts = list(self._above)
        for group, (one, other) in enumerate(self._ends, rows):
            parts = _topmost(shortcuts, one), _topmost(shortcuts, other)
            for part in parts:
                self._above[part] = shortcuts[part] = group
            self._parts.append(parts)
            self._sizes.append(self._sizes[parts[0]] + self._sizes[parts[1]])
        #: (edges, 2) int64, rows of the groups of both ends.
        self.sizes = np.array([[self._sizes[part] for part in parts] for parts in self._parts], np.int64)
        self.sizes = self.sizes.reshape(-1, 2)

    def gain(self, place: int) -> float:
        """`TreeGap.gain` of an edge."""
        least = self.angles[place] / 2
        one, other = (self._ways(end, place, least) for end in self._ends[place])
        # Each way of the one with those of the other that are smaller, and all others with themselves.
        smaller = np.searchsorted(other[0], one[0])
        rows = np.concatenate([[0], np.cumsum(other[1])])
        sums = np.concatenate([[0], np.cumsum(other[0] * other[1])])
        largest = one[1] @ (one[0] * rows[smaller] + sums[-1] - sums[smaller])
        return float(self.angles[place] * self.sizes[place].prod() - largest)

    def gap(self, place: int, gain: float, near: int) -> TreeGap:
        """An edge as a gap, the smaller group first."""
        (one, other), (first, last) = self._ends[place], self.sizes[place].tolist()
        named = [tuple(islice(self._nearest(end, place), near)) for end in (one, other)]
        if first > last:
            one, other, first, last = other, one, last, first
            named.reverse()
        return TreeGap((one, other), (first, last), float(self.angles[place]), gain, (named[0], named[1]))

    def _joined(self, row: int, place: int) -> Iterator[tuple[int, int]]:
        """What joins the group of a row before an edge does: each edge, and the group that it brings."""
        group = row
        while (above := self._above[group]) < self._rows + place:
            one, other = self._parts[above - self._rows]
            yield above - self._rows, other if one == group else one
            group = above

    def _ways(self, row: int, place: int, least: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The largest hops from a row to those of its group, ascending, none below `least`; their rows."""
        ways, counts = [0.0], [1]
        for edge, group in self._joined(row, place):
            ways.append(self.angles[edge])
            counts.append(self._sizes[group])
        return np.maximum(ways, least), np.array(counts, np.int64)

    def _nearest(self, row: int, place: int) -> Iterator[int]:
        """A row and the others of its group, those first that it reaches by the smallest hops."""
        return chain([row], *(self._members(group) for _, group in self._joined(row, place)))

    def _members(self, group: int) -> Iterator[int]:
        waiting = [group]
        while waiting:
            group = waiting.pop()
            if group < self._rows:
                yield group
            else:
                waiting += self._parts[group - self._rows]


def _topmost(shortcuts: list[int], group: int) -> int:
    """The group that holds another, and which nothing holds yet."""
    while shortcuts[group] != group:
        shortcuts[group] = shortcuts[shortcuts[group]]
        group = shortcuts[group]
    return group
