"""Quality of a morph by the k-NN graph: the best possible largest hop, and hubs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.neighbours import LINKS, nearest
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import DUPLICATE
from i2v_search.morph.methods.space import End, MorphSpace, TaskEnd, task_end


@dataclass(frozen=True, eq=False)
class GraphFacts:
    """Values for `i2v_search.morph.quality.measure` that depend on the graph; None without a graph.

    Attributes:
        hubs: (m - 1,) bool, which of the images between the ends are hubs.
        bottleneck: smallest possible largest hop in radians.
        alone: angle in radians from A and from B to the nearest other picture; None with a mask.
    """

    hubs: NDArray[np.bool_] | None = None
    bottleneck: float | None = None
    alone: tuple[float, float] | None = None


def graph_facts(
    space: MorphSpace, ends: Sequence[End], between: Sequence[int | None], *, masked: bool = False
) -> GraphFacts:
    """Look a path up in the graph.

    Args:
        space: rows, network and search.
        ends: A, the waypoints, B.
        between: row numbers of all images between A and B, None for a waypoint from outside.
        masked: whether only some rows were allowed: of those alone the best possible is not known.
    """
    if space.network is None:
        return GraphFacts()
    occurrences = space.network.occurrences
    limit = space.network.hub_limit
    hubs = np.array([row is not None and occurrences[row] > limit for row in between], bool)
    if masked:
        return GraphFacts(hubs)
    stops = [task_end(space.rows, end) for end in ends]
    joined = [_joined(space, stop) for stop in stops]
    alone = (
        _to_nearest(space.network, stops[0], joined[0]),
        _to_nearest(space.network, stops[-1], joined[-1]),
    )
    return GraphFacts(hubs, _least_largest(space.network, stops, joined), alone)


def least_largest_hop(space: MorphSpace, network: Network, ends: Sequence[End]) -> float:
    """The smallest largest hop of any path through the ends, with any number of images, in radians.

    On the graph it is the largest edge along the minimum spanning tree; an end from outside the collection
    enters it through one of its 15 nearest rows. The hop straight from one end to the next counts too.

    Args:
        space: rows, and a search if there is one.
        network: with the spanning tree of these rows.
        ends: A, the waypoints, B: two or more.

    Example:
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.network import Network
        >>> from i2v_search.morph.graph.knn import build_graph, symmetric_csr
        >>> from i2v_search.morph.graph.bridging import connect
        >>> turns = np.array([0.0, 0.3, 1.0, 1.1])
        >>> rows = ArrayRows(np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32))
        >>> network = connect(rows, Network(symmetric_csr(build_graph(rows, k=1))))
        >>> round(least_largest_hop(MorphSpace(rows), network, [0, 3]), 3)
        0.7
    """
    stops = [task_end(space.rows, end) for end in ends]
    return _least_largest(network, stops, [_joined(space, stop) for stop in stops])


def _least_largest(
    network: Network, stops: Sequence[TaskEnd], joined: Sequence[Mapping[int, float]]
) -> float:
    squared = 0.0
    for number, (first, last) in enumerate(pairwise(stops)):
        straight = float(((first.vector.astype(np.float64) - last.vector) ** 2).sum())
        squared = max(squared, network.tree.joining(joined[number], joined[number + 1], straight))
    return float(2 * np.arcsin(min(np.sqrt(squared) / 2, 1.0)))


def _to_nearest(network: Network, end: TaskEnd, joined: Mapping[int, float]) -> float:
    """Angle from an end to the nearest picture that is not the same; half a turn if there is none."""
    squared = np.array([*joined.values()], np.float32)
    if end.row is not None:
        squared = network.edges.data[slice(*network.edges.indptr[end.row : end.row + 2])]
    others = squared[squared >= DUPLICATE]
    return float(2 * np.arcsin(min(np.sqrt(float(others.min(initial=4.0))) / 2, 1.0)))


def _joined(space: MorphSpace, end: TaskEnd) -> dict[int, float]:
    """Rows through which an end enters the graph, with their squared chords to it, ascending."""
    if end.row is not None:
        return {end.row: 0.0}
    squared, rows = nearest(space.rows, end.vector[None], LINKS, search=space.search)
    return dict(zip(rows[0].tolist(), squared[0].tolist(), strict=True))
