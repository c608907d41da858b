"""The neighbour graph of a collection for paths: symmetric k-NN edges, made connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.knn import KnnGraph, occurrences_of, symmetric_csr
from i2v_search.morph.graph.spanning import SpanningTree


@dataclass(frozen=True)
class Bridge:
    """An edge that joins two parts of the graph that no neighbour relation joins.

    Attributes:
        a, b: row numbers, a < b.
        squared: squared chord distance of the two rows.
    """

    a: int
    b: int
    squared: float


@dataclass(frozen=True, eq=False)
class Network:
    """Graph for paths: symmetric edges, with their derived values.

    Attributes:
        edges: (n, n) scipy.sparse.csr_array float32 of squared chord distances, symmetric, sorted indices, no
            stored zero.
        bridges: the edges added by `connect`, in the order they were found.
        occurrences: (n,) int32, the k-occurrence N_k of each row: among the k nearest of how many other rows
            it is. Rows with many are hubs (Radovanovic et al. 2010). Zeros where it is not given.
        stored_tree: the spanning tree, where it is known already.

    Raises:
        MorphError: `occurrences` or the tree is not of n rows.
    """

    edges: scipy.sparse.csr_array
    bridges: tuple[Bridge, ...] = ()
    occurrences: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    stored_tree: SpanningTree | None = None

    def __post_init__(self) -> None:
        n = self.edges.shape[0]
        if not len(self.occurrences):
            object.__setattr__(self, "occurrences", np.zeros(n, np.int32))
        tree = n if self.stored_tree is None else len(self.stored_tree.parent)
        if (len(self.occurrences), tree) != (n, n):
            raise MorphError(
                f"a network of {n} rows has occurrences of {len(self.occurrences)} and a tree of {tree}"
            )

    @classmethod
    def of(cls, graph: KnnGraph) -> Network:
        """The union graph of a k-NN graph, with its occurrences; it may have several parts.

        Example:
            >>> import numpy as np
            >>> near = KnnGraph(np.array([[1], [0], [1]], np.int32), np.array([[1], [1], [2]], np.float32))
            >>> Network.of(near).occurrences.tolist()
            [1, 2, 0]
        """
        edges = symmetric_csr(graph)
        return cls(edges, occurrences=occurrences_of(edges, graph.neighbours.shape[1]))

    @cached_property
    def hub_limit(self) -> float:
        """The k-occurrence above which a row is a hub."""
        return hub_limit(self.occurrences)

    @cached_property
    def tree(self) -> SpanningTree:
        """The minimum spanning forest of the edges; found when it is first requested, unless it is stored."""
        return SpanningTree.of(self.edges) if self.stored_tree is None else self.stored_tree


def hub_limit(occurrences: NDArray[np.int32]) -> float:
    """The k-occurrence above which a row is a hub: mean + 2 standard deviations of all N_k.

    Radovanovic, Nanopoulos and Ivanovic, "Hubs in Space", JMLR 2010: in many dimensions a few points are
    among the nearest of very many others.

    Args:
        occurrences: (n,) int32, in how many other rows' k nearest each row is.

    Example:
        >>> hub_limit(np.array([0, 2, 2, 4], np.int32)).__round__(4)
        4.8284
    """
    return float(occurrences.mean() + 2 * occurrences.std()) if len(occurrences) else np.inf
