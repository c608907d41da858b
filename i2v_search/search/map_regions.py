"""Regions of a map and their names: tags that are common there and rare elsewhere.

Regions are clusters of the places on the map, of several sizes. A region whose tags say nothing of it has no
name and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import vq
from scipy.sparse import csr_array

from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.telling import telling_of_parts
from i2v_search.tags.vocabulary import TAG_THRESHOLD

#: Clusters of each level, where there are enough images.
LEVELS: Final = (8, 32, 128)
#: A cluster has so many images on average, or there are fewer clusters.
_FEWEST: Final = 12
#: Clusters are found among an even sample of this many images.
_LEARNED: Final = 5000
_STEPS: Final = 20


@dataclass(frozen=True)
class MapRegion:
    """A named region of a map.

    Attributes:
        name: name of a tag.
        x: the middle of the region, in [0, 1].
        y: likewise.
        images: number of images of the region.
        level: 0 for the largest regions.
    """

    name: str
    x: float
    y: float
    images: int
    level: int


def name_regions(
    store: FeatureStore, positions: NDArray[np.int64], coordinates: NDArray[np.float32]
) -> list[MapRegion]:
    """Find the regions of a map that tags can name, the largest of each level first.

    Args:
        store: the feature store.
        positions: (n,) of the images on the map.
        coordinates: (n, 2) in [0, 1].

    Returns:
        At most one region of each name and level.
    """
    names, tags, confidence = _tags(store, positions)
    regions: list[MapRegion] = []
    for level, clusters in enumerate(LEVELS):
        count = min(clusters, len(positions) // _FEWEST)
        if count < 2 or not names:
            break
        own = _clusters(coordinates, count)
        sizes = np.bincount(own, minlength=count)
        membership = csr_array((np.ones(len(own), np.float32), (own, np.arange(len(own)))), (count, len(own)))
        best = telling_of_parts(np.asarray((membership @ tags).todense()), sizes, confidence)
        used: set[int] = set()
        for cluster in np.argsort(-sizes, kind="stable").tolist():
            tag = int(best[cluster])
            if tag < 0 or tag in used:
                continue
            used.add(tag)
            # The place of the image in the middle: the mean of a crescent lies outside it.
            members = coordinates[own == cluster]
            middle = members[((members - np.median(members, axis=0)) ** 2).sum(axis=1).argmin()]
            x, y = (round(float(value), 4) for value in middle)
            regions.append(MapRegion(names[tag], x, y, int(sizes[cluster]), level))
    return regions


def _clusters(coordinates: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """(n,) the cluster of each place."""
    step = -(-len(coordinates) // _LEARNED)
    sample = coordinates[::step].astype(np.float64)
    middles = sample[np.random.default_rng(0).choice(len(sample), count, replace=False)]
    for _ in range(_STEPS):
        own = vq(sample, middles)[0]
        sizes = np.bincount(own, minlength=count)
        sums = np.stack([np.bincount(own, values, minlength=count) for values in sample.T], axis=1)
        middles = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], middles)
    return np.asarray(vq(coordinates.astype(np.float64), middles)[0], np.intp)


def _tags(
    store: FeatureStore, positions: NDArray[np.int64]
) -> tuple[list[str], csr_array, NDArray[np.float64]]:
    """Names of the tags other than ratings, (n, tags) which image has which, and (tags,) their mean
    probability."""
    numbers: dict[str, int] = {}
    for part in store.parts:
        for tag in part.vocabulary:
            if tag.category != "rating":
                numbers.setdefault(tag.name, len(numbers))
    places = np.full(store.rows, -1, np.int64)
    places[positions] = np.arange(len(positions))
    rows, columns, sums = [np.empty(0, np.int64)], [np.empty(0, np.int64)], np.zeros(len(numbers))
    least = np.float32(np.float16(TAG_THRESHOLD))
    for first, part in zip(store.first_positions, store.parts, strict=True):
        own = np.array([numbers.get(t.name, -1) if t.category != "rating" else -1 for t in part.vocabulary])
        part_rows, entries, probabilities = part.all_tag_entries()
        place = places[first + part_rows]
        named = own[entries] if len(own) else np.empty(0, np.int64)
        kept = (place >= 0) & (named >= 0) & (probabilities >= least)
        rows.append(place[kept])
        columns.append(named[kept])
        sums += np.bincount(named[kept], probabilities[kept], minlength=len(numbers))
    shape = (len(positions), len(numbers))
    indices = np.concatenate(rows), np.concatenate(columns)
    matrix = csr_array((np.ones(len(indices[0]), np.float32), indices), shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1  # an image may carry a name in two categories
    counts = np.bincount(matrix.indices, minlength=len(numbers))
    return list(numbers), matrix, sums / np.maximum(counts, 1)
