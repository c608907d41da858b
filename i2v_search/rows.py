"""The live rows of an index as `i2v_search.morph` wants them, and the file that keeps their graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.arrays import read_arrays, write_arrays
from i2v_search.errors import CollectionDamagedError, MorphError
from i2v_search.index import VectorIndex
from i2v_search.manifest import FileRecord
from i2v_search.morph import KnnGraph, Network, build_graph, connect, symmetric_csr
from i2v_search.progress import Progress, Report
from i2v_search.similarity import unit

GRAPH_NEIGHBOURS = 15


class UnitRows:
    """Satisfies `i2v_search.morph.Rows` over the rows that an index scans, in its search space.

    Row i is the index's i-th; rows that were removed since it was built are still counted, and masked by
    `alive`.

    Args:
        index: the index.
    """

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self.positions = index.positions
        store = index.store
        live = np.zeros(store.rows + 1, bool)
        live[store.live] = True
        #: (n,) bool: rows that are live.
        self.alive = live[self.positions]
        self._numbers = np.full(store.rows, -1, np.int64)
        kept = np.flatnonzero(self.positions >= 0)
        self._numbers[self.positions[kept]] = kept

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.positions)

    def number_of(self, position: int) -> int | None:
        """Row with a position of the store; None where the index does not scan it."""
        number = int(self._numbers[position])
        return None if number < 0 else number

    def usable(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """(n,) bool: live rows that a mask over the positions of the store allows; None for all rows."""
        if allowed is not None:
            return allowed[self.positions] & self.alive
        return None if self.alive.all() else self.alive

    @property
    def approximate(self) -> bool:
        """Whether the index finds neighbours faster than an exact scan, and compares by inner product."""
        return self._index.approximate and not self._index.similarity.euclidean

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) int64 -> (m, d) float32 unit rows; a row that is gone from the store is like nothing."""
        index, positions = self._index, self.positions[numbers]
        rows = index.similarity.embed_rows(index.store, np.maximum(positions, 0))
        rows[positions < 0] = 0
        return self.unit(rows)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All rows in order, as (number of the first, (at most size, d) float32)."""
        for start in range(0, len(self), size):
            yield start, self.take(np.arange(start, min(start + size, len(self))))

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Satisfies `i2v_search.morph.Search` where the index compares by inner product, not for l2."""
        scores, positions = self._index.search(queries, k, self._searched)
        return np.asarray(2 - 2 * scores, np.float32), self._numbers[positions]

    @cached_property
    def _searched(self) -> NDArray[np.bool_] | None:
        """The positions that are rows here; None where all live ones are."""
        return self._numbers >= 0 if len(self._index.tail) else None

    @staticmethod
    def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows; a row of length zero, which is like nothing, becomes the first axis."""
        scaled = unit(rows)
        scaled[~np.any(scaled, axis=1), 0] = 1
        return scaled


def save_graph(rows: UnitRows, path: Path, report: Report) -> FileRecord:
    """Build the k-NN graph and keep it in a file: ``neighbours`` (n, k) int32, ``squared`` float32.

    The exact scan serves small collections; where the index is approximate, it finds the neighbours.
    """
    total = len(rows)
    search = rows.search if rows.approximate else None
    graph = build_graph(
        rows,
        GRAPH_NEIGHBOURS,
        search=search,
        progress=lambda done: report(Progress("connecting", done, total)),
    )
    return write_arrays(path, {"neighbours": graph.neighbours, "squared": graph.squared})


def load_network(rows: UnitRows, directory: Path, record: FileRecord) -> Network:
    """Read a graph that `save_graph` kept, its parts joined by their closest pairs.

    Raises:
        CollectionDamagedError: the file is missing, changed, or not the graph of these rows.
    """
    arrays = read_arrays(directory, record)
    try:
        graph = KnnGraph(arrays["neighbours"], arrays["squared"])
    except (KeyError, MorphError) as error:
        raise CollectionDamagedError(
            f"{directory / record.name} is not a graph ({error}); rebuild it: i2v-search index"
        ) from error
    if len(graph.neighbours) != len(rows):
        raise CollectionDamagedError(
            f"{directory / record.name} has {len(graph.neighbours)} rows, expected {len(rows)}; "
            "rebuild it: i2v-search index"
        )
    return connect(rows, Network(symmetric_csr(graph)))
