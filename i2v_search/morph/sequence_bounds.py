"""Bounds that no order of pictures can pass: of the length, and of the largest hop."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Distances looked at to raise the bound of the length, and how often it is raised at most.
_LOOKED: Final = 20_000_000
_MOST_ROUNDS: Final = 60


def least_largest(distances: NDArray[np.float32]) -> float:
    """A largest hop that no path through all items can undercut.

    No spanning tree, and so no path, has a smaller largest edge than the minimum spanning tree. And all items
    but the two ends have two neighbours: of the distances to the second nearest the third largest is needed.

    Args:
        distances: (n, n) float32, symmetric.

    Example:
        >>> star = np.array([[0, 1, 1, 1], [1, 0, 2, 2], [1, 2, 0, 2], [1, 2, 2, 0]], np.float32)
        >>> least_largest(star)  # its spanning tree needs 1 only
        2.0
    """
    count = len(distances)
    if count < 2:
        return 0.0
    bound = float(_tree(distances)[1].max())
    if count > 2:
        seconds = np.sort(np.partition(distances, 2, axis=1)[:, 2])
        bound = max(bound, float(seconds[-3]))
    return bound


def least_length(distances: NDArray[np.float32]) -> float:
    """A length that no path through all items can undercut: of one-trees, raised by subgradients.

    Held and Karp, "The traveling-salesman problem and minimum spanning trees", Operations Research 18(6),
    1970. The path is a tour through one more item at distance 0 from all, which every one-tree is rooted in.
    Of many items it is raised less often, of 5,000 not at all.

    Args:
        distances: (n, n) float32, symmetric.

    Example:
        >>> star = np.array([[0, 1, 1, 1], [1, 0, 2, 2], [1, 2, 0, 2], [1, 2, 2, 0]], np.float32)
        >>> round(least_length(star), 1)  # the shortest path: 1 + 1 + 2
        4.0
    """
    count = len(distances)
    if count < 3:
        return float(distances[0, -1]) if count else 0.0
    exact = distances.astype(np.float64)
    prices = np.zeros(count)
    best, step = 0.0, float(distances.mean()) / 4
    for _ in range(1 + min(_MOST_ROUNDS, _LOOKED // count**2)):
        pairs, lengths = _tree(exact + prices[:, None] + prices)
        ends = np.argsort(prices, kind="stable")[:2]
        degrees = np.bincount(pairs.ravel(), minlength=count)
        degrees[ends] += 1
        best = max(best, float(lengths.sum() + prices[ends].sum() - 2 * prices.sum()))
        prices += step * (degrees - 2)
        step *= 0.93
    return best


def _tree(distances: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The minimum spanning tree of all items: (n - 1, 2) pairs and (n - 1,) lengths (Prim)."""
    count = len(distances)
    joined = distances[0].copy()
    nearest = np.zeros(count, np.int64)
    joined[0] = np.inf
    pairs, lengths = np.empty((count - 1, 2), np.int64), np.empty(count - 1, distances.dtype)
    left = np.ones(count, bool)
    left[0] = False
    for number in range(count - 1):
        item = int(joined.argmin())
        pairs[number], lengths[number] = (nearest[item], item), joined[item]
        left[item] = False
        closer = distances[item] < joined
        closer &= left
        joined[closer] = distances[item][closer]
        nearest[closer] = item
        joined[item] = np.inf
    return pairs, lengths
