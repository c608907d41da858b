"""The spanning tree: the weight of networkx's, and the best possible largest edge by brute force."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from i2v_search.errors import MorphError
from i2v_search.morph.graph.spanning import SpanningTree


@st.composite
def graphs(draw: st.DrawFn) -> NDArray[np.float32]:
    """Symmetric matrices; few different lengths give ties, few edges several parts."""
    n = draw(st.integers(1, 14))
    share = draw(st.floats(0, 0.6))
    lengths = draw(st.integers(1, 30))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    matrix = generator.integers(1, lengths + 1, (n, n)) * (generator.random((n, n)) < share) / 8
    upper = np.triu(matrix, 1).astype(np.float32)
    return upper + upper.T


def minimax(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Smallest largest edge between all pairs, by Floyd and Warshall's scheme."""
    best = np.where(matrix > 0, matrix, np.inf).astype(np.float64)
    np.fill_diagonal(best, 0)
    for middle in range(len(best)):
        best = np.minimum(best, np.maximum(best[:, middle, None], best[None, middle]))
    return best


@given(matrix=graphs())
def test_bottlenecks_are_those_of_brute_force(matrix: NDArray[np.float32]) -> None:
    tree = SpanningTree.of(csr_array(matrix))
    rows = range(len(matrix))
    np.testing.assert_array_equal([[tree.bottleneck(a, b) for b in rows] for a in rows], minimax(matrix))


@given(matrix=graphs())
def test_it_is_a_minimum_spanning_forest_of_the_graph(matrix: NDArray[np.float32]) -> None:
    tree = SpanningTree.of(csr_array(matrix))
    graph = nx.from_numpy_array(matrix)
    children = np.flatnonzero(tree.parent >= 0)
    np.testing.assert_array_equal(tree.squared[children], matrix[children, tree.parent[children]])
    assert len(matrix) - len(children) == nx.number_connected_components(graph)
    assert tree.squared.sum() == pytest.approx(nx.minimum_spanning_tree(graph).size(weight="weight"))
    assert [values.dtype.str for values in (tree.parent, tree.squared, tree.depth)] == ["<i4", "<f4", "<i4"]


def test_a_long_chain_is_climbed_without_recursion() -> None:
    n = 5000
    rows = np.arange(n, dtype=np.int32)
    matrix = csr_array((np.arange(1, n, dtype=np.float32), (rows[:-1], rows[1:])), shape=(n, n))
    tree = SpanningTree.of((matrix + matrix.T).tocsr())
    assert tree.bottleneck(0, n - 1) == n - 1
    assert tree.bottleneck(7, 100) == 100


@pytest.mark.parametrize(
    ("parent", "squared", "depth"),
    [
        ([-1, 5], [0, 1], [0, 1]),
        ([-1, -2], [0, 1], [0, 1]),
        ([1, 0], [1, 1], [0, 1]),
        ([-1, 0], [0, 1], [0, 2]),
        ([-1, 0], [0, np.nan], [0, 1]),
        ([-1, 0], [0, 1, 1], [0, 1]),
    ],
)
def test_arrays_that_are_no_forest_are_refused(
    parent: list[int], squared: list[float], depth: list[int]
) -> None:
    with pytest.raises(MorphError, match="rebuild it"):
        SpanningTree(np.array(parent, np.int32), np.array(squared, np.float32), np.array(depth, np.int32))
