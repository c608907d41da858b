"""What morphs are tried on: collections, and rows in memory, with pairs of ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.morph_oracle import chord_matrix
from i2v_search.index.index_files import current_index, load_index
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import DUPLICATE, ArrayRows
from i2v_search.morph.graph_file import load_network
from i2v_search.morph.methods.space import MorphSpace
from i2v_search.search.tag_table import TagTable
from i2v_search.store.feature_store import FeatureStore

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class MorphSet:
    """Rows to walk on.

    Attributes:
        space: what the methods are given.
        vectors: (n, d) float32, the same rows in memory.
        chords: (n, n) float32 squared chords.
        tags: (n, t) float32, 1 where a row has a tag; None where nothing is tagged.
    """

    space: MorphSpace
    vectors: NDArray[np.float32]
    chords: NDArray[np.float32]
    tags: csr_array | None = None

    def pairs(self, count: int, seed: int) -> Pairs:
        """Random pairs of rows that are not the same picture."""
        draw = np.random.default_rng(seed).integers(0, len(self.vectors), (2 * count, 2))
        kept = draw[self.chords[draw[:, 0], draw[:, 1]] >= DUPLICATE][:count]
        return [(int(a), int(b)) for a, b in kept]


def load_rows(directory: Path) -> UnitRows:
    """The rows of an indexed collection."""
    return UnitRows(load_index(FeatureStore(directory)))


def load_graph(rows: UnitRows) -> Network:
    """The stored graph of a collection's rows."""
    store = FeatureStore(rows.directory)
    return load_network(rows, rows.directory, current_index(store).files["graph"])


def space_of(directory: Path) -> MorphSpace:
    """The space of an indexed collection with a graph, as `Collection.morph` makes it by default."""
    rows = load_rows(directory)
    return MorphSpace(rows, load_graph(rows), rows.search)


def collection_set(directory: Path) -> MorphSet:
    """All rows of an indexed collection, with their tags."""
    space, store = space_of(directory), FeatureStore(directory)
    rows = load_rows(directory)
    vectors = rows.take(np.arange(len(rows)))
    table = TagTable(store)
    numbers = [table.numbers_at(int(position)) for position in rows.positions]
    ends = np.cumsum([0, *map(len, numbers)])
    columns = np.concatenate(numbers)
    shape = (len(rows), len(table.names))
    tags = (
        csr_array((np.ones(len(columns), np.float32), columns, ends), shape=shape) if len(columns) else None
    )
    return MorphSet(space, vectors, chord_matrix(vectors), tags)


def array_set(vectors: NDArray[np.float32], k: int = 15) -> MorphSet:
    """Rows in memory on their exact k-NN graph."""
    rows = ArrayRows(vectors)
    network = connect(rows, Network.of(build_graph(rows, k)))
    return MorphSet(MorphSpace(rows, network), vectors, chord_matrix(vectors))
