"""The most gradual sequence of a few pictures: a short open path through all of them.

Up to `EXACT` pictures the shortest path is found (Held & Karp, J. SIAM 10(1), 1962). More begin with the
nearest-neighbour path from several starts, which is improved by reversing parts (2-opt) and moving single
pictures until neither shortens it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Distances of so many pictures are kept at once, 4 bytes each.
MOST_IN_SEQUENCE: Final = 5000
#: So many pictures are put in the best order of all.
EXACT: Final = 9
#: Starts of the nearest-neighbour path that are tried, and the number of pictures from which one has to do.
_STARTS: Final = 6
_MANY: Final = 600
#: Times all places are gone through; each time shortens the path.
_SWEEPS: Final = 30
_LEAST: Final = 1e-7


def hop_angles(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) unit rows -> (n, n) float32: the angles between them in radians, as the hops of a morph."""
    return np.asarray(np.arccos(np.clip(rows @ rows.T, -1, 1)), np.float32)


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
    if count <= EXACT:
        order = _shortest(distances.astype(np.float64))
    else:
        starts = np.linspace(0, count - 1, _STARTS if count < _MANY else 1).astype(np.int64)
        paths = [_improved(distances, _nearest_path(distances, start)) for start in starts.tolist()]
        order = min(paths, key=lambda path: path_length(distances, path))
    return order if order.index(0) <= count - 1 - order.index(0) else order[::-1]


def path_length(distances: NDArray[np.float32], order: list[int]) -> float:
    """The sum of the distances from each item to the next."""
    return float(distances[order[:-1], order[1:]].sum())


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
    left = np.ones(len(distances), bool)
    order = [start]
    left[start] = False
    while left.any():
        near = np.where(left, distances[order[-1]], np.inf)
        order.append(int(np.argmin(near)))
        left[order[-1]] = False
    return order


def _improved(distances: NDArray[np.float32], order: list[int]) -> list[int]:
    """A path that neither a reversed part nor a moved item shortens."""
    count = len(order)
    # Both ends of the path meet an item that is near to all: so every part has something on both sides.
    padded = np.zeros((count + 1, count + 1), np.float64)
    padded[:count, :count] = distances
    path = np.array([count, *order, count], np.int64)
    for _ in range(_SWEEPS):
        shorter = [step(padded, path, place) for place in range(1, count + 1) for step in (_reverse, _move)]
        if not any(shorter):
            break
    return [int(item) for item in path[1:-1]]


def _reverse(distances: NDArray[np.float64], path: NDArray[np.int64], place: int) -> bool:
    """Reverse the part from a place that shortens the path most; False if none does."""
    here, ends, after = path[place], path[place + 1 : -1], path[place + 2 :]
    before = path[place - 1]
    if not len(ends):
        return False
    gained = (
        distances[before, here] + distances[ends, after] - distances[before, ends] - distances[here, after]
    )
    best = int(np.argmax(gained))
    if gained[best] <= _LEAST:
        return False
    end = place + 2 + best
    path[place:end] = path[place:end][::-1].copy()
    return True


def _move(distances: NDArray[np.float64], path: NDArray[np.int64], place: int) -> bool:
    """Move the item of a place to where it shortens the path most; False if nowhere."""
    before, here, after = path[place - 1 : place + 2]
    saved = distances[before, here] + distances[here, after] - distances[before, after]
    rest = np.delete(path, place)
    added = distances[rest[:-1], here] + distances[here, rest[1:]] - distances[rest[:-1], rest[1:]]
    best = int(np.argmin(added))
    if saved - added[best] <= _LEAST:
        return False
    path[:] = np.insert(rest, best + 1, here)
    return True
