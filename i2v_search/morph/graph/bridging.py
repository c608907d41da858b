"""Bridges: the separate parts of a network joined by their closest pairs of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.morph.graph import neighbours as near
from i2v_search.morph.graph.knn import canonical
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.graph.rows import SMALLEST, Rows, Search, squared_chords

#: Results requested from a search, and the maximum requested where all of them are of the row's own
#: part.
_ANSWERS, _MOST_ANSWERS = 32, 512
#: Rows of a part that a search cannot get out of, whose partner is then sought among all rows.
_READ_ROWS = 64


def connect(
    rows: Rows,
    network: Network,
    *,
    members: NDArray[np.int64] | None = None,
    search: Search | None = None,
) -> Network:
    """Bridge the separate parts of a network by the closest pairs of rows until one part is left.

    In each round every part but the largest gets an edge to the nearest row outside it (Boruvka's algorithm
    for the minimum spanning tree of the parts), so p parts take at most log2(p) rounds, each a skip the
    rows for every 2,048 rows outside the largest part, or a search for each of these rows.

    Args:
        rows: the n rows the network is made of.
        network: edges and the bridges already known.
        members: (m,) int64 ascending; only these rows, and the edges among them, are looked at. All rows by
            default.
        search: finds the pairs instead of skips the rows, for large collections; see
            `closest_pairs` for how exactly.

    Returns:
        The network with the new edges, and with the new bridges after the old ones.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.knn import build_graph
        >>> angles = np.array([0.0, 0.1, 1.0, 1.1])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> parts = Network.of(build_graph(rows, k=1))
        >>> [(bridge.a, bridge.b) for bridge in connect(rows, parts).bridges]
        [(1, 2)]
    """
    if members is not None and not len(members):
        return network
    inner = network.edges if members is None else network.edges[members][:, members]
    parts, labels = scipy.sparse.csgraph.connected_components(inner, directed=False)
    found: list[Bridge] = []
    while parts > 1:
        pairs = closest_pairs(rows, members, labels, search)
        found += [Bridge(*pair) for pair in pairs]
        ends = np.array([pair[:2] for pair in pairs])
        joined = labels[ends if members is None else np.searchsorted(members, ends)]
        between = scipy.sparse.coo_array((np.ones(len(pairs), np.int8), joined.T), shape=(parts, parts))
        parts, groups = scipy.sparse.csgraph.connected_components(between, directed=False)
        labels = groups[labels]
    if not found:
        return network
    ends = np.array([(bridge.a, bridge.b) for bridge in found])
    lengths = np.array([bridge.squared for bridge in found], np.float32)
    data = np.maximum(lengths, np.float32(SMALLEST))
    both = (ends.T.ravel(), ends[:, ::-1].T.ravel())
    n = len(rows)
    bridged = scipy.sparse.coo_array((np.concatenate([data, data]), both), shape=(n, n)).tocsr()
    return Network(
        canonical(network.edges.maximum(bridged)), network.bridges + tuple(found), network.occurrences
    )


def closest_pairs(
    rows: Rows,
    numbers: NDArray[np.int64] | None,
    labels: NDArray[np.int32],
    search: Search | None = None,
) -> list[tuple[int, int, float]]:
    """For every part but the largest, the closest pair of a row inside and a row outside.

    With a search they are the closest that it finds, looking as far as the 512 nearest rows of a row. A part
    of which no row has an outside row among those is left from the best of 64 of its rows, evenly chosen,
    whose partners are sought among all rows.

    Args:
        rows: all rows.
        numbers: (m,) int64, ascending, the rows that count; None for all.
        labels: (m,) int32, the part of each.
        search: finds rows near a query; the pairs are exact without.

    Returns:
        (row, row, squared chord) of pairs that close no ring, the shortest first.
    """
    asking = np.flatnonzero(labels != np.argmax(np.bincount(labels)))
    if search is None:
        squared, partner = _read(rows, numbers, labels, asking)
    else:
        squared, partner = _searched(search, rows, numbers, labels, asking)
    order = np.lexsort((partner, asking, squared, labels[asking]))
    _, firsts = np.unique(labels[asking][order], return_index=True)
    closest = order[firsts]
    group = np.arange(labels.max() + 1)
    pairs = []
    for i in closest[np.argsort(squared[closest], kind="stable")]:
        part, other = group[labels[asking[i]]], group[labels[partner[i]]]
        if part == other:
            # Two parts chose each other, or equal distances close a ring.
            continue
        group[group == other] = part
        a, b = sorted((int(asking[i]), int(partner[i])))
        if numbers is not None:
            a, b = int(numbers[a]), int(numbers[b])
        pairs.append((a, b, float(squared[i])))
    return pairs


def _read(
    rows: Rows, numbers: NDArray[np.int64] | None, labels: NDArray[np.int32], asking: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared chord and place of the closest row of another part, for every asking one: exact."""
    squared = np.full(len(asking), np.inf, np.float32)
    partner = np.zeros(len(asking), np.int64)
    for start in range(0, len(asking), near.QUERIES):
        here = slice(start, start + near.QUERIES)
        queries = rows.take(asking[here] if numbers is None else numbers[asking[here]])
        own = labels[asking[here]]
        for first, block in _blocks(rows, numbers):
            chords = squared_chords(queries, block)
            chords[own[:, None] == labels[None, first : first + len(block)]] = np.inf
            column = chords.argmin(axis=1)
            closest = chords[np.arange(len(chords)), column]
            better = closest < squared[here]
            squared[here][better] = closest[better]
            partner[here][better] = first + column[better]
    return squared, partner


def _searched(
    search: Search,
    rows: Rows,
    numbers: NDArray[np.int64] | None,
    labels: NDArray[np.int32],
    asking: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """`_read` by a search; rows that need not be asked any further keep an infinite chord."""
    part = np.full(len(rows) + 1, -1, np.int64)  # -1, no answer, meets the additional last entry
    part[:-1] = labels if numbers is None else -1
    if numbers is not None:
        part[numbers] = labels
    squared = np.full(len(asking), np.inf, np.float32)
    partner = np.zeros(len(asking), np.int64)
    own, best = labels[asking], np.full(labels.max() + 1, np.inf, np.float32)
    reach = np.zeros(len(asking), np.float32)
    open_, answers = np.arange(len(asking)), min(_ANSWERS, len(rows))
    while len(open_):
        for start in range(0, len(open_), near.QUERIES):
            here = open_[start : start + near.QUERIES]
            queries = rows.take(asking[here] if numbers is None else numbers[asking[here]])
            chords, ids = search(queries, answers)
            chords = np.array(chords, np.float32)
            reach[here] = chords[:, -1]
            chords[(part[ids] < 0) | (part[ids] == own[here, None])] = np.inf
            column = chords.argmin(axis=1)
            squared[here] = chords[np.arange(len(here)), column]
            partner[here] = ids[np.arange(len(here)), column]
        if answers >= min(_MOST_ANSWERS, len(rows)):
            break
        answers = min(4 * answers, len(rows))
        np.minimum.at(best, own, squared)
        # A row that found none outside may still be closer to one than the rows that did.
        open_ = np.flatnonzero(np.isinf(squared) & (reach < best[own]))
    if numbers is not None:
        found = np.isfinite(squared)
        partner[found] = np.searchsorted(numbers, partner[found])
    left = np.setdiff1d(own, own[np.isfinite(squared)])
    if len(left):
        some = np.concatenate([_spread(np.flatnonzero(own == label)) for label in left])
        squared[some], partner[some] = _read(rows, numbers, labels, asking[some])
    return squared, partner


def _spread(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `_READ_ROWS` of them, evenly."""
    return places[:: -(-len(places) // _READ_ROWS)]


def _blocks(rows: Rows, numbers: NDArray[np.int64] | None) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of the rows `numbers`, read in sequence where they are all the rows there are."""
    if numbers is None:
        yield from rows.blocks(near.COLUMNS)
    else:
        for start in range(0, len(numbers), near.COLUMNS):
            yield start, rows.take(numbers[start : start + near.COLUMNS])
