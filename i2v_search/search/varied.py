"""A varied order of a collection's pictures: what to look at first where nothing is asked for.

1. Pictures that show badly come last, shuffled: narrow strips, those of a few pixels (`shows_well`), and
   those of one colour, where colours are known.
2. The vectors of an even sample of the others, of at most `_NUMBERS` numbers, are reduced to `_COMPONENTS`
   principal components and divided into groups of like pictures (k-means). Groups take turns, a group of n
   pictures ``sqrt(n)`` times as often as a group of one, each with its most typical picture first.
3. Among the first `FRONT` pictures none follows a near copy of one of the `_APART` before it, or two of its
   own folder, as long as one of the next `_AHEAD` does neither.
4. What is not in the sample follows, shuffled.

The order depends on the stored vectors, sizes, colours, ids and paths alone. Time and memory are bounded by
the sample: about a second and 100 MB on two cores, however large the collection is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.pca import leading_eigenvectors
from i2v_search.index.similarity import position_blocks
from i2v_search.search.colours import blank_rows
from i2v_search.store.feature_store import FeatureStore

#: Numbers of all vectors of the sample: 16,384 rows of 4,096.
_NUMBERS: Final = 2**26
_COMPONENTS: Final = 32
#: Rows that principal components and groups are fitted to.
_FITTED: Final = 512
_GROUPED: Final = 8192
_GROUPS: Final = 64
#: Pictures of a group, on the average, that a collection must have to be divided further.
_SMALL_GROUP: Final = 4
_ROUNDS: Final = 8
#: Pictures among which neighbours are kept apart.
FRONT: Final = 4096
_AHEAD: Final = 64
_APART: Final = 4
#: Cosine, of the principal components, from which two pictures are as good as copies.
_NEAR: Final = np.float32(0.9)
#: A picture shows well with at least as many pixels on its shorter side, which is no less than that share of
#: the longer one.
_LEAST_SIDE: Final = 16
_LEAST_SHARE: Final = 0.25


def varied_order(store: FeatureStore) -> NDArray[np.int64]:
    """(n,) int64: positions of the live rows of a feature store, each once, in a varied order.

    Example:
        >>> from i2v_search import Collection
        >>> store = Collection.open("index/art").store
        >>> sorted({store.path(position).split("/")[0] for position in varied_order(store)[:5].tolist()})
        ['birds', 'dogs', 'fruit']
    """
    live = store.live[np.argsort(scrambled(store.ids[store.live]), kind="stable")]
    well = shows_well(store.column("width", live), store.column("height", live))
    well &= ~blank_rows(store)[live]
    return np.concatenate([_arranged(store, live[well]), live[~well]])


def shows_well(widths: NDArray[np.integer], heights: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(n,) widths and heights in pixels -> (n,) bool: whether there is something to see in a small tile.

    >>> shows_well(np.array([640, 1, 6000]), np.array([480, 1, 300])).tolist()
    [True, False, False]
    """
    shorter, longer = np.minimum(widths, heights), np.maximum(widths, heights)
    return np.asarray((shorter >= _LEAST_SIDE) & (shorter >= _LEAST_SHARE * longer))


def scrambled(ids: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint64]:
    """Numbers that look random and depend on id and seed alone: a picture that comes or goes moves no other.

    The finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

    Args:
        ids: (n,) int64.
        seed: from 0 to 2**64 - 1.

    Returns:
        (n,) uint64, different for different ids.
    """
    mixed = ids.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _arranged(store: FeatureStore, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that come shuffled, in a varied order."""
    sample = rows[: max(1, _NUMBERS // store.dimension)]
    if len(sample) < 3:
        return rows
    points = _reduced(store, sample)
    order = _in_turns(points, _groups(points))
    front = order[:FRONT]
    order[:FRONT] = front[_kept_apart(points[front], _folders(store, sample[front]))]
    return np.concatenate([sample[order], rows[len(sample) :]])


def _reduced(store: FeatureStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, k) float32: unit rows of principal components; a row that is the mean stays zero."""
    fitted = store.take(rows[:_FITTED])
    mean = fitted.mean(axis=0)
    fitted -= mean
    # Of few rows: the products of all pairs have the same eigenvalues as the covariance, and are soon had.
    count = min(_COMPONENTS, store.dimension, len(fitted))
    values, vectors = leading_eigenvectors((fitted @ fitted.T).astype(np.float64), count)
    components = fitted.T @ (vectors / np.sqrt(np.maximum(values, 1e-9))).astype(np.float32)
    points = np.empty((len(rows), count), np.float32)
    stored = np.argsort(rows)  # read as they lie in the file
    done = 0
    for block in position_blocks(store, rows[stored]):
        points[stored[done : done + len(block)]] = (store.take(block) - mean) @ components
        done += len(block)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), np.float32(1e-6))
    return points


def _groups(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n,) int64: the group of each point, by spherical k-means after k-means++."""
    fitted = points[:_GROUPED]
    count = max(1, min(_GROUPS, len(points) // _SMALL_GROUP))
    random = np.random.default_rng(0)
    centres = fitted[:1]
    farness = np.maximum(1 - fitted @ centres[0], 0)
    while len(centres) < count and farness.sum() > 0:
        weights = farness.astype(np.float64)
        chosen = fitted[random.choice(len(fitted), p=weights / weights.sum())]
        centres = np.concatenate([centres, chosen[None]])
        farness = np.minimum(farness, np.maximum(1 - fitted @ chosen, 0))
    for _ in range(_ROUNDS):
        nearest = (fitted @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, fitted)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, np.float32(1e-6)), centres)
    return np.asarray((points @ centres.T).argmax(axis=1))


def _in_turns(points: NDArray[np.float32], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the points as their groups take turns."""
    sizes = np.bincount(groups)
    centres = np.stack([points[groups == group].sum(axis=0) for group in range(len(sizes))])
    typical = np.einsum("ij,ij->i", points, centres[groups])
    first = np.lexsort((-typical, groups))[np.concatenate([[0], np.cumsum(sizes)[:-1]])[sizes > 0]]
    later = np.ones(len(points), bool)
    later[first] = False
    members = np.lexsort((later, groups))  # of each group in turn: its first, then the others as they come
    turns = np.empty(len(points))
    turns[members] = np.arange(len(points)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.argsort((turns + 0.5) / np.sqrt(sizes[groups]), kind="stable")


def _kept_apart(points: NDArray[np.float32], folders: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the points, which are in order, with what is alike moved apart as little as possible."""
    waiting, chosen = list(range(len(points))), list[int]()
    while waiting:
        ahead = np.array(waiting[:_AHEAD])
        fits = (points[ahead] @ points[chosen[-_APART:]].T < _NEAR).all(axis=1)
        before = folders[chosen[-2:]]
        if len(before) == 2 and before[0] == before[1]:
            fits &= folders[ahead] != before[0]
        chosen.append(waiting.pop(int(fits.argmax())))
    return np.array(chosen, np.int64)


def _folders(store: FeatureStore, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) int64: a number that rows of one folder have in common."""
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(path.rpartition("/")[0], len(numbers)) for path in store.paths_at(rows)], np.int64
    )
