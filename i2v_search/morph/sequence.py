"""The most gradual sequence of pictures: an open path through all of them, without long hops where it can be.

Up to `EXACT` pictures the shortest path is found (Held & Karp, J. SIAM 10(1), 1962). More begin with the
nearest-neighbour path, which local search improves (`i2v_search.morph.tour_search`). What part of a
hop is longer than the largest hop has to be costs more than its length, so that a long hop is taken only if
it saves several shorter ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.sequence_bounds import least_largest, least_length
from i2v_search.morph.tour_search import improved_tour

#: Distances of so many pictures are kept at once, 4 bytes each.
MOST_IN_SEQUENCE: Final = 5000
#: So many pictures are put in the best order of all.
EXACT: Final = 9
#: What a hop costs more for each radian above what the largest hop has to be.
_LONG: Final = 4.0
#: Kicks for each picture, and their most times the pictures: a larger tour is turned more slowly.
_KICKS_EACH, _KICKED = 4, 1_500_000
#: Rows whose angles are computed at a time.
_BLOCK: Final = 512


@dataclass(frozen=True)
class SequenceQuality:
    """How gradual a sequence is, and how gradual any order of these pictures could be at most.

    Attributes:
        length: sum of the hops in radians.
        largest_hop: in radians; 0 with fewer than two pictures.
        least_length: no order is shorter.
        least_largest_hop: no order has a smaller largest hop.

    Example:
        >>> places = np.array([4.0, 1.0, 3.0, 2.0], np.float32)
        >>> quality = sequence_quality(np.abs(places[:, None] - places), [0, 2, 3, 1])
        >>> quality.length, quality.least_length, quality.largest_hop, quality.least_largest_hop
        (3.0, 3.0, 1.0, 1.0)
    """

    length: float
    largest_hop: float
    least_length: float
    least_largest_hop: float


def hop_angles(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) unit rows -> (n, n) float32: the angles between them in radians, as the hops of a morph."""
    count = len(rows)
    angles = np.zeros((count, count), np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        cosines = rows[start:stop] @ rows[start:].T
        np.arccos(np.clip(cosines, -1, 1, out=cosines), out=cosines)
        angles[start:stop, start:] = cosines
        angles[start:, start:stop] = cosines.T
    return angles


def gradual_sequence(distances: NDArray[np.float32]) -> list[int]:
    """Put items in an order in which each is near the one before it.

    Args:
        distances: (n, n) float32, symmetric.

    Returns:
        Each of the n numbers once. Of the two directions, the one in which the item that is first now comes
        nearer to the beginning.

    Example:
        >>> places = np.array([4.0, 1.0, 3.0, 2.0], np.float32)
        >>> gradual_sequence(np.abs(places[:, None] - places))
        [0, 2, 3, 1]
    """
    count = len(distances)
    if count < 3:
        return list(range(count))
    order = _shortest(distances.astype(np.float64)) if count <= EXACT else _searched(distances)
    return order if order.index(0) <= count - 1 - order.index(0) else order[::-1]


def path_length(distances: NDArray[np.float32], order: list[int]) -> float:
    """The sum of the distances from each item to the next."""
    return float(distances[order[:-1], order[1:]].sum())


def sequence_quality(distances: NDArray[np.float32], order: list[int]) -> SequenceQuality:
    """How gradual an order is, beside bounds that no order passes.

    Args:
        distances: (n, n) float32, symmetric.
        order: each of the n numbers once.
    """
    hops = distances[order[:-1], order[1:]]
    return SequenceQuality(
        length=float(hops.sum(dtype=np.float64)),
        largest_hop=float(hops.max(initial=0)),
        least_length=least_length(distances),
        least_largest_hop=least_largest(distances),
    )


def _searched(distances: NDArray[np.float32]) -> list[int]:
    """A path found by local search: a tour through one more item that is near to all."""
    count = len(distances)
    above = distances - np.float32(least_largest(distances))
    costs = np.zeros((count + 1, count + 1), np.float32)
    costs[:count, :count] = np.maximum(above, 0, out=above)
    costs *= np.float32(_LONG)
    costs[:count, :count] += distances
    np.fill_diagonal(costs, 0)
    start = [count, *_nearest_path(distances, 0)]
    tour = improved_tour(costs, start, kicks=min(_KICKS_EACH * count, _KICKED // count))
    begin = tour.index(count)
    return [*tour[begin + 1 :], *tour[:begin]]


def _shortest(distances: NDArray[np.float64]) -> list[int]:
    """The shortest path, by the shortest one through each subset that ends in each of its items."""
    count = len(distances)
    lengths = np.full((1 << count, count), np.inf)
    before = np.full((1 << count, count), -1, np.int64)
    for item in range(count):
        lengths[1 << item, item] = 0
    for subset in range(1, 1 << count):
        for last in range(count):
            if not subset >> last & 1 or subset == 1 << last:
                continue
            reached = lengths[subset & ~(1 << last)] + distances[:, last]
            before[subset, last] = np.argmin(reached)
            lengths[subset, last] = reached[before[subset, last]]
    subset, last = (1 << count) - 1, int(np.argmin(lengths[-1]))
    order = [last]
    while (previous := int(before[subset, last])) >= 0:
        subset, last = subset & ~(1 << last), previous
        order.append(last)
    return order


def _nearest_path(distances: NDArray[np.float32], start: int) -> list[int]:
    taken = np.zeros(len(distances), np.float32)
    order = [start]
    for _ in range(len(distances) - 1):
        taken[order[-1]] = np.inf
        order.append(int(np.argmin(distances[order[-1]] + taken)))
    return order
