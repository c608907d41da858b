"""Images of a collection in their most gradual order, in a row or on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.escapes import JsonReady
from i2v_search.morph.sequence import SequenceQuality, gradual_sequence, hop_angles, sequence_quality
from i2v_search.morph.sorted_grid import grid_hops, sorted_grid
from i2v_search.store.feature_store import FeatureStore


@dataclass(frozen=True)
class GradualOrder(JsonReady):
    """Images in an order in which each is as like the one before it as can be.

    Attributes:
        ids: of the images; on a grid from left to right and from top to bottom.
        paths: their paths in the collection.
        hops: angle in radians from each image to the next; on a grid those to the right and down, of any pair
            once.
        quality: of the order in a row, from which the grid is made.
        columns: of the grid; None for a row.

    Example:
        >>> from i2v_search import Collection
        >>> order = Collection.open("index/art").order(paths="fruit", columns=3)
        >>> len(order.ids), len(order.hops), order.columns
        (7, 8, 3)
    """

    ids: tuple[int, ...]
    paths: tuple[str, ...]
    hops: tuple[float, ...]
    quality: SequenceQuality
    columns: int | None = None


def order_rows(
    store: FeatureStore, positions: NDArray[np.int64], rows: NDArray[np.float32], columns: int | None
) -> GradualOrder:
    """Put images in their most gradual order.

    Args:
        store: the feature store.
        positions: (n,) int64, of the images in it.
        rows: (n, d) float32, their unit rows in the search space.
        columns: of a grid; None for a row.
    """
    distances = hop_angles(rows)
    order = gradual_sequence(distances)
    quality = sequence_quality(distances, order)
    hops = distances[order[:-1], order[1:]].astype(np.float64)
    if columns is not None:
        order = sorted_grid(rows, order, columns)
        hops = grid_hops(rows, order, columns)
    chosen = positions[order].tolist() if order else []
    return GradualOrder(
        tuple(int(store.ids[position]) for position in chosen),
        tuple(store.path(position) for position in chosen),
        tuple(hops.tolist()),
        quality,
        columns,
    )
