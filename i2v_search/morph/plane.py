"""A morph in two dimensions among the images most like those on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.index.protocol import SearchIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.stops import Stop
from i2v_search.search.resolved import Resolved
from i2v_search.store.feature_store import FeatureStore

#: Neighbours found for each image of a morph, unless told otherwise.
MORPH_NEIGHBOURS = 6


@dataclass(frozen=True, eq=False)
class MorphMap(JsonReady):
    """A morph and its neighbours in the plane.

    The horizontal axis is the direction from A to B: 0 at A, 1 at B. The vertical axis is the first principal
    component of the rest of all these images, in the same scale; neither is distorted.

    Attributes:
        stops: stops of the morph.
        ids: ids of the n neighbours, those nearest to a stop first.
        coordinates: (stops + n, 2) float32: coordinates of the stops in order, then of the neighbours.
        shown: share of the variance of the stops that the plane shows, in [0, 1].

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> drawn = art.morph_map(art.morph("birds/owl.webp", "fruit/apple.webp", steps=1))
        >>> drawn.coordinates.shape[0] == len(drawn.stops) + len(drawn.ids)
        True
    """

    stops: tuple[Stop, ...]
    ids: tuple[int, ...]
    coordinates: NDArray[np.float32]
    shown: float


def map_morph(
    store: FeatureStore,
    index: SearchIndex,
    stops: Sequence[Stop],
    found: Sequence[Resolved],
    *,
    neighbours: int,
    allowed: NDArray[np.bool_] | None,
) -> MorphMap:
    """Find the neighbours of a morph and lay all of them out.

    Args:
        store: the feature store.
        index: finds the neighbours.
        stops: stops of the morph.
        found: where they are, or what they are.
        neighbours: neighbours of each stop, at most.
        allowed: (rows,) bool over the positions of the store: which may be shown; None for all.
    """
    if neighbours < 0:
        raise QueryError(f"neighbours must be at least 0, not {neighbours}")
    vectors = np.stack([place.embed(store, index.similarity) for place in found])
    own = {place.position for place in found}
    scores, positions = index.search(vectors, neighbours + len(own), allowed)
    pairs = sorted(
        (-score, position)
        for line_scores, line in zip(scores.tolist(), positions.tolist(), strict=True)
        for score, position in [
            pair for pair in zip(line_scores, line, strict=True) if pair[1] >= 0 and pair[1] not in own
        ][:neighbours]
    )
    chosen = list(dict.fromkeys(position for _, position in pairs))
    rows = index.similarity.embed_rows(store, np.array(chosen, np.int64)) if chosen else vectors[:0]
    coordinates, shown = flatten(UnitRows.unit(vectors), UnitRows.unit(rows))
    return MorphMap(tuple(stops), tuple(store.ids[chosen].tolist()), coordinates, shown)


def flatten(path: NDArray[np.float32], around: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Project points on the way from the first to the last of a path, and on what is left.

    Args:
        path: (m, d) float32 unit rows, m at least 2, the first and the last different.
        around: (n, d) float32 unit rows.

    Returns:
        (m + n, 2) float32, and the share of the variance of `path` that it keeps.

    Example:
        >>> corner = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
        >>> flat, shown = flatten(corner, corner[:0])
        >>> flat[1].round(3), round(shown, 3)
        (array([ 0.5  , -0.866], dtype=float32), 1.0)
    """
    points = np.concatenate([path, around]).astype(np.float64) - path[0]
    way = points[len(path) - 1].copy()
    length = float(np.linalg.norm(way))
    across = points @ way / length
    left = points - across[:, None] * (way / length)
    # A path counts as much as all that is around it; its ends lie on the axis.
    weights = np.concatenate([np.ones(len(path)), np.full(len(around), len(path) / max(len(around), 1))])
    _, _, directions = np.linalg.svd(left * np.sqrt(weights)[:, None], full_matrices=False)
    down = left @ directions[0]
    furthest = np.argmax(np.abs(down[: len(path)]))
    if down[furthest] > 0:
        down = -down
    flat = np.stack([across, down], axis=1)
    centred = points[: len(path)] - points[: len(path)].mean(axis=0)
    kept = flat[: len(path)] - flat[: len(path)].mean(axis=0)
    return np.asarray(flat / length, np.float32), float((kept**2).sum() / (centred**2).sum())
