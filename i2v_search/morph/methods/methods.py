"""The methods that find a morph: which rows lead from A to B.

A method is a function `(space, a, b, steps, *, allowed=None) -> MorphPath`. Every method is deterministic,
never repeats a row, never uses an exact duplicate of an end or of another row of the path, and finds from B
to A the reverse of what it finds from A to B.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import squared_chords
from i2v_search.morph.methods.bidirectional import HopCost
from i2v_search.morph.methods.gradual import gradual
from i2v_search.morph.methods.shortest import GraphWalks
from i2v_search.morph.methods.space import (
    End,
    MorphPath,
    MorphSpace,
    Task,
    check_steps,
    fresh,
    great_circle,
    task_of,
    too_few,
)
from i2v_search.morph.methods.spacing import cheapest_increasing, densify, thin

_POOL = 32


class Method(Protocol):
    """A way to find a morph."""

    def __call__(
        self,
        space: MorphSpace,
        a: End,
        b: End,
        steps: int | None,
        *,
        allowed: NDArray[np.bool_] | None = None,
    ) -> MorphPath:
        """Return a path with exactly `steps` intermediates, or with as many as the method chooses."""


def line(
    space: MorphSpace, a: End, b: End, steps: int | None, *, allowed: NDArray[np.bool_] | None = None
) -> MorphPath:
    """Pick the rows that lie nearest `steps` evenly spaced points of the great circle from A to B.

    The rows are chosen together: among the 32 nearest rows of every point, the distinct rows whose progress
    <x, B - A> never falls and whose sum of squared chords to their points is least (dynamic programming).

    Args:
        space: rows, and a search if there is one; no network is needed.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates.
        allowed: (n,) bool; only these rows may be intermediates.

    Raises:
        MorphError: `steps` is None, an end does not exist, the ends are the same picture, or fewer
            than `steps` rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> line(MorphSpace(rows), 0, 1, 2).rows
        (2, 3)
    """
    task = task_of(space, a, b, allowed)
    if steps is None:
        raise MorphError("method 'line' needs a number of steps")
    check_steps(steps)
    if steps == 0:
        return task.answer(())
    targets = great_circle(task.a.vector, task.b.vector, steps)
    count = int(task.usable.sum())
    pool = _POOL
    while True:
        _, found = nearest(space.rows, targets, pool, search=space.search, usable=task.usable)
        candidates = np.unique(found)
        vectors = space.rows.take(candidates)
        new = fresh(vectors, task.ends)
        candidates, vectors = candidates[new], vectors[new]
        if len(candidates) >= steps:
            break
        if pool >= count:
            raise too_few(len(candidates), steps)
        pool *= 4
    progress = vectors @ (task.b.vector - task.a.vector)
    order = np.lexsort((candidates, progress))
    chosen = cheapest_increasing(squared_chords(targets, vectors[order]))
    return task.answer(tuple(candidates[order[chosen]].tolist()))


def geodesic(
    space: MorphSpace,
    a: End,
    b: End,
    steps: int | None = None,
    *,
    allowed: NDArray[np.bool_] | None = None,
    power: float = 2.0,
) -> MorphPath:
    """Walk along the collection: the shortest path on the k-NN graph, an edge of length d costing d^power.

    With a power above 1 many short hops are cheaper than one long hop, so the path stays where pictures are
    dense (Isomap, Tenenbaum et al. 2000, is power 1). An end from outside the collection is joined to its 15
    nearest rows; with `allowed`, so is an end that is a row, and if the allowed rows alone are not connected
    they are bridged.

    A path with more than `steps` rows is thinned to those whose largest hop is smallest, and of such to those
    of least sum of squared angles. To a path with fewer, rows are added one by one, each into the largest hop
    (x, y) for which an unused row is closer to x and to y than they are to each other, namely the row m of
    least max(d(x, m), d(m, y)); where no hop has such a row, into the hop where that maximum is least. With a
    `space.search`, m is sought among the 32 rows nearest the hop's midpoint, otherwise among all rows.

    Args:
        space: rows and network, and a search if there is one.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates; None = as many as the shortest path has.
        allowed: (n,) bool; only these rows may be intermediates.
        power: exponent of the cost of an edge, above 0.

    Raises:
        MorphError: there is no network, an end does not exist, the ends are the same picture, or fewer than
            `steps` rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.network import Network
        >>> from i2v_search.morph.graph.knn import build_graph, symmetric_csr
        >>> from i2v_search.morph.graph.bridging import connect
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> network = connect(rows, Network(symmetric_csr(build_graph(rows, k=2))))
        >>> geodesic(MorphSpace(rows, network), 0, 1).rows
        (2, 3)
    """
    if not power > 0:
        raise MorphError(f"the power of a hop's cost must be above 0, got {power}")
    check_steps(steps)
    task = task_of(space, a, b, allowed)
    walks = GraphWalks(space, _network(space), task)
    return _of_length(space, task, walks, walks.bridged(HopCost(power=power)), steps)


def minimax(
    space: MorphSpace,
    a: End,
    b: End,
    steps: int | None = None,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> MorphPath:
    """Walk along the collection so that the largest hop is as small as on any path of the k-NN graph.

    Of the paths with that largest hop it is the one of least sum of squared hops. The largest hop is read
    from the graph's minimum spanning tree, or searched for among the allowed rows. Ends from outside,
    `allowed` and `steps` are treated as by `geodesic`.

    Args:
        space: rows and network, and a search if there is one.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates; None = as many as the path has.
        allowed: (n,) bool; only these rows may be intermediates.

    Raises:
        MorphError: there is no network, an end does not exist, the ends are the same picture, or fewer than
            `steps` rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.network import Network
        >>> from i2v_search.morph.graph.knn import build_graph
        >>> from i2v_search.morph.graph.bridging import connect
        >>> angles = np.array([0.0, 0.9, 0.3, 0.7])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> network = connect(rows, Network.of(build_graph(rows, k=2)))
        >>> minimax(MorphSpace(rows, network), 0, 1).rows
        (2, 3)
    """
    check_steps(steps)
    task = task_of(space, a, b, allowed)
    walks = GraphWalks(space, _network(space), task)
    walk = walks.bridged(HopCost(limit=walks.least_largest()))
    return _of_length(space, task, walks, walk, steps)


def _network(space: MorphSpace) -> Network:
    network = space.network
    if network is None:
        raise MorphError(
            "this method requires the neighbour graph of the collection; build it, or use method "
            "'gradual', which does not"
        )
    if network.edges.shape[0] != len(space.rows):
        raise MorphError(
            f"the graph has {network.edges.shape[0]} rows, the collection {len(space.rows)}; rebuild it"
        )
    return network


def _of_length(
    space: MorphSpace, task: Task, walks: GraphWalks, walk: NDArray[np.int64], steps: int | None
) -> MorphPath:
    """A walk of the graph without duplicates, thinned or filled to `steps` rows."""
    bridges = walks.crossed(walk)
    vectors = space.rows.take(walk)
    new = fresh(vectors, task.ends)
    interior, vectors = walk[new], vectors[new]
    if steps is not None and len(interior) > steps:
        points = np.concatenate([task.ends[:1], vectors, task.ends[1:]])
        interior = interior[thin(squared_chords(points, points), steps)]
    elif steps is not None and len(interior) < steps:
        interior = densify(space, task, interior, steps)
    return task.answer(tuple(interior.tolist()), bridges)


METHODS: Mapping[str, Method] = MappingProxyType(
    {"gradual": gradual, "geodesic": geodesic, "minimax": minimax, "line": line}
)
"""The methods by name."""
