"""A network that follows its collection: rows come, rows go, and what stays keeps its edges."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.morph.graph import neighbours as near
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.knn import canonical, occurrences_of, union_of
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.graph.rows import Rows, Search


def follow(
    rows: Rows,
    network: Network,
    numbers: NDArray[np.int64],
    alive: NDArray[np.bool_],
    *,
    k: int = 15,
    search: Search | None = None,
) -> Network:
    """Carry a network over to rows that came, went or moved.

    Each row that is alive and new is joined to its k nearest rows that are alive; edges of rows that are not
    alive are dropped, and the parts that are left are bridged. The edges between rows that stay are kept as
    they are: a row that loses a neighbour is given no other.

    Args:
        rows: the n rows that are there now.
        network: network of m rows.
        numbers: (m,) int64, the number among `rows` of each row of the network; -1 where it is gone.
        alive: (n,) bool; other rows have no edges.
        k: neighbours of a row.
        search: finds them, and the bridges, where reading all rows takes too long; it must answer with
            rows that are alive only.

    Returns:
        The network of n rows, connected over those that are alive; `network` itself where nothing changed.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.knn import build_graph
        >>> angles = np.array([0.0, 0.1, 0.2, 0.3])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> three = ArrayRows(rows.take(np.arange(3)))
        >>> network = Network.of(build_graph(three, k=1))
        >>> grown = follow(rows, network, np.arange(3), np.array([True, False, True, True]), k=1)
        >>> grown.edges.nonzero()[0].tolist(), grown.bridges[0].a, grown.bridges[0].b
        ([0, 2, 2, 3], 0, 2)
    """
    n = len(rows)
    living = np.where((numbers >= 0) & alive[numbers], numbers, -1)
    known = np.zeros(n, np.bool_)
    known[living[living >= 0]] = True
    new = np.flatnonzero(alive & ~known)
    lost = living[np.flatnonzero(np.diff(network.edges.indptr))]
    if not len(new) and np.array_equal(numbers, np.arange(n)) and (lost >= 0).all():
        return network
    edges = _moved(network.edges, living, n)
    if len(new):
        edges = canonical(edges.maximum(_joining(rows, new, alive, k, search)))
    bridges = []
    for bridge in network.bridges:
        a, b = sorted((int(living[bridge.a]), int(living[bridge.b])))
        if a >= 0:
            bridges.append(Bridge(a, b, bridge.squared))
    members = None if alive.all() else np.flatnonzero(alive)
    bridged = connect(rows, Network(edges, tuple(bridges)), members=members, search=search)
    return Network(bridged.edges, bridged.bridges, occurrences_of(bridged.edges, k))


def _moved(edges: scipy.sparse.csr_array, living: NDArray[np.int64], n: int) -> scipy.sparse.csr_array:
    """The edges between rows that stay, under their new numbers, (n, n)."""
    entries = edges.tocoo()
    first, second = (living[ends] for ends in entries.coords)
    kept = (first >= 0) & (second >= 0)
    return canonical(
        scipy.sparse.coo_array((entries.data[kept], (first[kept], second[kept])), shape=(n, n)).tocsr()
    )


def _joining(
    rows: Rows, new: NDArray[np.int64], alive: NDArray[np.bool_], k: int, search: Search | None
) -> scipy.sparse.csr_array:
    """(n, n) symmetric edges between new rows and their k nearest."""
    neighbours = np.full((len(new), k), -1, np.int32)
    squared = np.full((len(new), k), np.inf, np.float32)
    for start in range(0, len(new), near.QUERIES):
        here = new[start : start + near.QUERIES]
        queries = rows.take(here)
        if search is None:
            found = near.scan(rows, queries, k, own=here, usable=alive)
        else:
            found = near.searched(search, queries, k, own=here)
        width = found[1].shape[1]
        squared[start : start + len(here), :width], neighbours[start : start + len(here), :width] = found
    return union_of(new, neighbours, squared, len(rows))
