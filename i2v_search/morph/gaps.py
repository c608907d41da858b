"""What a collection lacks for its morphs: the gaps that images would have to fill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from i2v_search.escapes import JsonReady
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.gaps import TreeGap, tree_gaps
from i2v_search.morph.graph.network import Network
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import TAG_THRESHOLD

#: Tags named of a gap, and of each of its sides, at most.
_NAMED = 4


@dataclass(frozen=True)
class GapSide(JsonReady):
    """One side of a gap.

    Attributes:
        images: number of images that lie on this side, up to the next larger gap.
        ids: some of them, those first from which the smallest hops lead to the gap; the first is at its edge.
        paths: their paths in the collection.
        tags: what most of these have, and few of the other side.

    Example:
        >>> from i2v_search import Collection
        >>> side = Collection.open("index/art").gaps(1)[0].sides[0]
        >>> side.images, side.paths[0]
        (7, 'fruit/bananas.webp')
    """

    images: int
    ids: tuple[int, ...]
    paths: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Gap(JsonReady):
    """Two groups of images that no morph connects without a large hop.

    Attributes:
        sides: the smaller group first.
        hop: angle in radians of the smallest hop between them.
        share: of all pairs of images, those whose best path has no larger hop than this and needs it.
        gain: by how much the largest hop of the best path would fall with an image halfway, in the mean of
            all pairs of images, in radians.
        tags: what images of both sides have; an image between them would have it too.

    Example:
        >>> from i2v_search import Collection
        >>> gap = Collection.open("index/art").gaps(1)[0]
        >>> gap.sides[0].images <= gap.sides[1].images, 0 < gap.share < 1, gap.gain < gap.hop / 2
        (True, True, True)
    """

    sides: tuple[GapSide, GapSide]
    hop: float
    share: float
    gain: float
    tags: tuple[str, ...]


def find_gaps(
    store: FeatureStore, rows: UnitRows, network: Network, *, count: int, smallest: int
) -> tuple[Gap, ...]:
    """The gaps whose filling would shorten morphs most, the best first.

    Args:
        store: the feature store.
        rows: its rows in the search space.
        network: the graph of these rows.
        count: gaps, at most.
        smallest: images that both sides have at least.
    """
    images = int(np.count_nonzero(rows.alive))
    pairs = images * (images - 1) / 2
    return tuple(
        _described(store, rows, gap, pairs) for gap in tree_gaps(network.tree, count, smallest=smallest)
    )


def _described(store: FeatureStore, rows: UnitRows, gap: TreeGap, pairs: float) -> Gap:
    positions = [rows.positions[list(near)].tolist() for near in gap.near]
    counts = [Counter(name for place in side for name in _tags(store, place)) for side in positions]
    shares = [
        {name: n / len(side) for name, n in found.items()}
        for found, side in zip(counts, positions, strict=True)
    ]
    both = {name: min(share, shares[1][name]) for name, share in shares[0].items() if name in shares[1]}
    sides = [
        GapSide(
            size,
            tuple(int(store.ids[place]) for place in side),
            tuple(store.path(place) for place in side),
            _most({name: share - other.get(name, 0) for name, share in own.items()}),
        )
        for size, side, own, other in zip(gap.sizes, positions, shares, shares[::-1], strict=True)
    ]
    share = gap.sizes[0] * gap.sizes[1] / pairs
    return Gap((sides[0], sides[1]), gap.angle, share, gap.gain / pairs, _most(both))


def _most(shares: dict[str, float]) -> tuple[str, ...]:
    """The tags with the largest shares; none that hardly an image has."""
    found = [name for name in sorted(shares, key=lambda name: (-shares[name], name)) if shares[name] >= 0.15]
    return tuple(found[:_NAMED])


def _tags(store: FeatureStore, position: int) -> set[str]:
    """What an image shows, by its plausible tags."""
    return {
        tag.name
        for tag in store.record(position).tags
        if tag.probability >= TAG_THRESHOLD and tag.category not in {"rating", "meta"}
    }
