"""The file that keeps the network morphs walk on, ``graph-N.h5``: opening it computes nothing.

==================  =======================================================================================
``indptr``          (n + 1,) and ``indices``, ``squared`` (m,): the edges in compressed sparse rows
``occurrences``     (n,) int32, the k-occurrence of each row
``bridges/rows``    (b, 2) int32 and ``bridges/squared`` (b,): the edges that join separate parts
``tree/parent``     (n,) int32, ``tree/squared`` and ``tree/depth``: the spanning tree
``tail``            (t,) int64: the store's positions of the last t rows, which the index does not hold
==================  =======================================================================================

The first n - t rows are those of the index. Format 2 once kept ``neighbours`` and ``squared``, (n, k), alone:
such a file is still read, and the rest is computed from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError, MorphError
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.growth import follow
from i2v_search.morph.graph.knn import KnnGraph, build_graph
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.graph.spanning import SpanningTree
from i2v_search.progress import Progress, Report
from i2v_search.store.arrays import map_arrays, write_arrays
from i2v_search.store.manifest import FileRecord

GRAPH_NEIGHBOURS = 15

Arrays = dict[str, NDArray[Any]]


def build_network(rows: UnitRows, report: Report) -> Network:
    """Build the k-NN graph of the live rows, symmetric and connected.

    The exact scan serves small collections; where the index is approximate, it finds the neighbours and the
    bridges. Memory is some 1,500 bytes a row, and that of what finds the neighbours.
    """
    alive, search = rows.alive, rows.search if rows.approximate else None
    k = min(GRAPH_NEIGHBOURS, int(alive.sum()) - 1)
    if rows.joinable:
        squared, neighbours = rows.neighbours_of_all(k, report)
        graph = KnnGraph(neighbours, squared)
    else:
        graph = build_graph(
            rows,
            k,
            search=search,
            usable=alive,
            progress=lambda done: report(Progress("connecting", done, len(rows))),
        )
    report(Progress("joining parts", 0, None))
    built = len(graph.neighbours)
    numbers = np.where(alive[:built], np.arange(built), -1)
    network = follow(rows, Network.of(graph), numbers, alive, k=GRAPH_NEIGHBOURS, search=search)
    network = connect(rows, network, members=None if alive.all() else np.flatnonzero(alive), search=search)
    report(Progress("joining parts", 1, 1))
    return network


def save_network(rows: UnitRows, network: Network, path: Path) -> FileRecord:
    """Keep a network of these rows in a file."""
    tree = network.tree
    ends = np.array([(bridge.a, bridge.b) for bridge in network.bridges], np.int32)
    return write_arrays(
        path,
        {
            "indptr": network.edges.indptr,
            "indices": network.edges.indices,
            "squared": network.edges.data,
            "occurrences": network.occurrences,
            "bridges/rows": ends.reshape(-1, 2),
            "bridges/squared": np.array([bridge.squared for bridge in network.bridges], np.float32),
            "tree/parent": tree.parent,
            "tree/squared": tree.squared,
            "tree/depth": tree.depth,
            "tail": rows.positions[rows.indexed :],
        },
    )


def load_network(rows: UnitRows, directory: Path, record: FileRecord) -> Network:
    """Read a network that `save_network` kept.

    Rows that came or went since it was written are joined to it and taken from it in memory; the file is
    mapped, not copied, where nothing changed.

    Raises:
        CollectionDamagedError: the file is missing, changed, or not the network of these rows; or a new row
            differs from its checksum.
    """
    arrays, path = map_arrays(directory, record), directory / record.name
    try:
        if "neighbours" in arrays:
            network = Network.of(KnnGraph(arrays["neighbours"], arrays["squared"]))
            unindexed = np.empty(0, np.int64)
        else:
            network, unindexed = _network_of(arrays)
    except (KeyError, MorphError) as error:
        raise CollectionDamagedError(
            f"{path} is not a graph ({error}); rebuild it: i2v-search index"
        ) from error
    indexed = network.edges.shape[0] - len(unindexed)
    if indexed != rows.indexed:
        raise CollectionDamagedError(
            f"{path} has {indexed} rows of the index, expected {rows.indexed}; rebuild it: i2v-search index"
        )
    search = rows.search if rows.approximate else None
    if "neighbours" in arrays:
        network = connect(rows, network, search=search)
    numbers = np.concatenate([np.arange(indexed), rows.numbers_of(unindexed)])
    new = rows.alive.copy()
    new[numbers[numbers >= 0]] = False
    rows.check(np.flatnonzero(new))
    return follow(rows, network, numbers, rows.alive, k=GRAPH_NEIGHBOURS, search=search)


def remap_unindexed(
    directory: Path, record: FileRecord, mapping: NDArray[np.int64], path: Path
) -> FileRecord:
    """Carry a network over to a store whose rows have other positions.

    Args:
        directory: directory of the collection.
        record: the network's file.
        mapping: (rows,) int64, the new position of each old one, -1 for those that are gone.
        path: path of the new file; none is written where the file names no positions.

    Returns:
        The file for the new store.

    Raises:
        CollectionDamagedError: the file is missing, changed, or names positions that are not there.
    """
    arrays = map_arrays(directory, record)
    unindexed = arrays.get("tail", np.empty(0, np.int64))
    if not len(unindexed):
        return record
    if not np.all((unindexed >= -1) & (unindexed < len(mapping))):
        raise CollectionDamagedError(
            f"{directory / record.name} refers to rows that do not exist; rebuild it: i2v-search index"
        )
    return write_arrays(path, {**arrays, "tail": np.where(unindexed < 0, -1, mapping[unindexed])})


def _network_of(arrays: Arrays) -> tuple[Network, NDArray[np.int64]]:
    """The network and its unindexed rows; every number that is followed later is inside its bounds."""
    indptr, indices, squared = (arrays[name] for name in ("indptr", "indices", "squared"))
    n = len(indptr) - 1
    _require(
        indptr.ndim == 1 and indptr.dtype == indices.dtype and indptr.dtype.kind == "i" and n >= 0,
        "its edges are of another type",
    )
    _require(
        indptr[0] == 0 and bool(np.all(np.diff(indptr) >= 0)) and indices.shape == (indptr[-1],),
        "its edges do not fit its rows",
    )
    _require(_inside(indices, n), f"its edges lead outside 0..{n - 1}")
    rising = np.diff(indices) > 0
    rising[indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(indices))] - 1] = True
    _require(bool(rising.all()), "the edges of a row are not in order")
    _require(
        squared.dtype == np.float32 and squared.shape == indices.shape and _lengths(squared),
        "its edges have no lengths",
    )
    occurrences, unindexed = arrays["occurrences"], arrays["tail"]
    _require(occurrences.dtype == np.int32 and occurrences.shape == (n,), "its occurrences are of other rows")
    _require(
        unindexed.dtype == np.int64 and unindexed.ndim == 1 and len(unindexed) <= n,
        "it has more unindexed rows than rows",
    )
    ends, lengths = arrays["bridges/rows"], arrays["bridges/squared"]
    _require(
        ends.dtype == np.int32 and ends.shape == (len(lengths), 2) and _inside(ends, n),
        f"its bridges lead outside 0..{n - 1}",
    )
    _require(lengths.dtype == np.float32 and _lengths(lengths), "its bridges have no lengths")
    bridges = tuple(Bridge(a, b, s) for (a, b), s in zip(ends.tolist(), lengths.tolist(), strict=True))
    tree = SpanningTree(arrays["tree/parent"], arrays["tree/squared"], arrays["tree/depth"])
    edges = scipy.sparse.csr_array((squared, indices, indptr), shape=(n, n))
    edges.has_canonical_format = True
    return Network(edges, bridges, occurrences, tree), unindexed


def _inside(numbers: NDArray[Any], n: int) -> bool:
    return not numbers.size or bool(numbers.min() >= 0 and numbers.max() < n)


def _lengths(squared: NDArray[np.float32]) -> bool:
    """Whether they are squared chords, 0 left out."""
    return not squared.size or bool(squared.min() > 0 and squared.max() <= 5)


def _require(sound: bool, problem: str) -> None:
    if not sound:
        raise MorphError(problem)
