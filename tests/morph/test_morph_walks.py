"""Walks on a graph: bidirectional delta-stepping against SciPy and networkx."""

from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import ArrayRows
from i2v_search.morph.methods.bidirectional import HopCost, cheapest_walk
from i2v_search.morph.methods.methods import minimax
from i2v_search.morph.methods.space import MorphSpace


def random_graph(n: int, edges: int, seed: int, *, ties: bool) -> csr_array:
    """Symmetric graph of n rows; with `ties` its lengths are small whole numbers."""
    draw = np.random.default_rng(seed)
    first, second = draw.integers(0, n, (2, edges))
    first, second = first[first != second], second[first != second]
    lengths = draw.integers(1, 4, len(first)) if ties else draw.uniform(0.01, 2, len(first))
    dense = np.zeros((n, n), np.float32)
    dense[first, second] = lengths
    return csr_array(np.maximum(dense, dense.T))


def links_of(graph: csr_array, row: int, usable: NDArray[np.bool_]) -> dict[int, float]:
    here = slice(*graph.indptr[row : row + 2])
    rows, squared = graph.indices[here].tolist(), graph.data[here].tolist()
    return {x: length for x, length in zip(rows, squared, strict=True) if usable[x]}


@dataclass(frozen=True)
class Question:
    """A way from row 0 to row n - 1 of a random graph, of whose other rows only some may be used."""

    graph: csr_array
    usable: NDArray[np.bool_]

    @classmethod
    def of(cls, shape: tuple[int, int, int, bool], masked: float) -> "Question":
        n, count, seed, ties = shape
        usable = np.random.default_rng(seed + 1).random(n) >= masked
        usable[[0, -1]] = False
        return cls(random_graph(n, count, seed, ties=ties), usable)

    def walk(self, hops: HopCost, *, dearer: float = 1.0) -> list[int] | None:
        last = len(self.usable) - 1
        return cheapest_walk(
            self.graph,
            (links_of(self.graph, 0, self.usable), links_of(self.graph, last, self.usable)),
            hops,
            usable=self.usable,
            direct=float(self.graph[0, last]) or np.inf,
            dearer=dearer,
        )


def without(graph: csr_array, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n, n) lengths of the edges between usable rows and the ends 0 and n - 1; 0 = none."""
    kept = usable.copy()
    kept[[0, -1]] = True
    return np.asarray(graph.toarray() * kept[:, None] * kept[None, :])


graphs = st.tuples(st.integers(3, 40), st.integers(0, 160), st.integers(0, 10_000), st.booleans())


@settings(max_examples=150)
@given(shape=graphs, power=st.sampled_from([0.5, 1.0, 2.0, 4.0]), masked=st.floats(0, 0.5))
def test_the_cheapest_walk_costs_what_scipy_finds(
    shape: tuple[int, int, int, bool], power: float, masked: float
) -> None:
    question = Question.of(shape, masked)
    n, usable = len(question.usable), question.usable
    walk = question.walk(HopCost(power=power))
    dense = without(question.graph, usable).astype(np.float64)
    expected = dijkstra(csr_array(dense ** (power / 2)), indices=0)[n - 1]
    if walk is None:
        assert np.isinf(expected)
    else:
        assert usable[walk].all()
        assert len(set(walk)) == len(walk)
        cost = sum(dense[x, y] ** (power / 2) for x, y in pairwise([0, *walk, n - 1]))
        assert all(dense[x, y] > 0 for x, y in pairwise([0, *walk, n - 1]))
        assert cost == pytest.approx(expected, rel=1e-6)


@settings(max_examples=150)
@given(shape=graphs, masked=st.floats(0, 0.5))
def test_the_smallest_largest_hop_is_that_of_a_minimum_spanning_tree(
    shape: tuple[int, int, int, bool], masked: float
) -> None:
    question = Question.of(shape, masked)
    n = len(question.usable)
    walk = question.walk(HopCost(largest=True))
    dense = without(question.graph, question.usable)
    tree = nx.minimum_spanning_tree(nx.from_numpy_array(dense))
    if not nx.has_path(tree, 0, n - 1):
        assert walk is None
        return
    assert walk is not None
    expected = max(dense[x, y] for x, y in pairwise(nx.shortest_path(tree, 0, n - 1)))
    assert max(dense[x, y] for x, y in pairwise([0, *walk, n - 1])) == expected


def test_hops_above_the_limit_are_not_taken() -> None:
    ring = csr_array(np.array([[0, 1, 0, 3], [1, 0, 1, 0], [0, 1, 0, 1], [3, 0, 1, 0]], np.float32))
    usable = np.array([False, True, True, False])
    links = {1: 1.0}, {2: 1.0}
    assert cheapest_walk(ring, links, HopCost(power=0.1), usable=usable, direct=3.0) == []
    assert cheapest_walk(ring, links, HopCost(power=0.1, limit=2), usable=usable, direct=3.0) == [1, 2]
    assert cheapest_walk(ring, links, HopCost(limit=0.5), usable=usable, direct=3.0) is None


@settings(max_examples=60)
@given(n=st.integers(5, 60), k=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_minimax_has_the_smallest_largest_hop_and_then_the_least_sum_of_squares(
    n: int, k: int, seed: int
) -> None:
    matrix = np.random.default_rng(seed).normal(size=(n, 4))
    matrix = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)
    rows = ArrayRows(matrix)
    network = connect(rows, Network.of(build_graph(rows, k=k)))
    path = minimax(MorphSpace(rows, network), 0, n - 1)
    oracle = nx.from_numpy_array(network.edges.toarray())
    tree = nx.minimum_spanning_tree(oracle)
    limit = max(tree[x][y]["weight"] for x, y in pairwise(nx.shortest_path(tree, 0, n - 1)))
    within = nx.Graph([edge for edge in oracle.edges(data=True) if edge[2]["weight"] <= limit])
    walk = [0, *path.rows, n - 1]
    hops = [oracle[x][y]["weight"] for x, y in pairwise(walk)]
    assert max(hops) == limit
    assert sum(hops) == pytest.approx(nx.dijkstra_path_length(within, 0, n - 1), rel=1e-5)


def masked_oracle(space: MorphSpace, allowed: NDArray[np.bool_]) -> nx.Graph:
    """The graph of the allowed rows and both ends, which join their 15 nearest; bridged where need be."""
    n = len(space.rows)
    assert space.network is not None
    inner = np.flatnonzero(allowed[1:-1]) + 1
    vectors = space.rows.take(np.arange(n)).astype(np.float64)
    squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    graph = nx.Graph()
    for end in (0, n - 1):
        for row in inner[np.argsort(squared[end, inner])][:15].tolist():
            graph.add_edge(end, row, weight=squared[end, row])

    def add_edges(network: Network) -> None:
        for x, y in zip(*(ends.tolist() for ends in network.edges.nonzero()), strict=True):
            if {x, y} <= {0, n - 1, *inner.tolist()}:
                graph.add_edge(x, y, weight=squared[x, y])

    add_edges(space.network)
    if not nx.has_path(graph, 0, n - 1):
        add_edges(connect(space.rows, space.network, members=inner))
    return graph


@settings(max_examples=60)
@given(
    n=st.integers(6, 60), k=st.integers(1, 5), seed=st.integers(0, 10_000), masked=st.floats(0.1, 0.9),
)  # fmt: skip
def test_minimax_among_allowed_rows_has_the_smallest_largest_hop_and_then_the_least_sum_of_squares(
    n: int, k: int, seed: int, masked: float
) -> None:
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(n, 4))
    rows = ArrayRows((matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32))
    space = MorphSpace(rows, connect(rows, Network.of(build_graph(rows, k=k))))
    allowed = draw.random(n) >= masked
    allowed[draw.integers(1, n - 1)] = True
    walk = [0, *minimax(space, 0, n - 1, allowed=allowed).rows, n - 1]
    assert allowed[walk[1:-1]].all()
    oracle = masked_oracle(space, allowed)
    assert all(oracle.has_edge(x, y) for x, y in pairwise(walk))
    hops = [oracle[x][y]["weight"] for x, y in pairwise(walk)]
    tree = nx.minimum_spanning_tree(oracle)
    limit = max(tree[x][y]["weight"] for x, y in pairwise(nx.shortest_path(tree, 0, n - 1)))
    assert max(hops) == pytest.approx(limit, rel=1e-5)
    within = nx.Graph([edge for edge in oracle.edges(data=True) if edge[2]["weight"] <= limit * (1 + 1e-5)])
    assert sum(hops) == pytest.approx(nx.dijkstra_path_length(within, 0, n - 1), rel=1e-4)


@settings(max_examples=60)
@given(shape=graphs, dearer=st.floats(1, 4))
def test_a_walk_that_may_be_dearer_is_at_most_so_many_times_as_dear(
    shape: tuple[int, int, int, bool], dearer: float
) -> None:
    question = Question.of(shape, masked=0.0)
    last = len(question.usable) - 1
    walk = question.walk(HopCost(), dearer=dearer)
    expected = dijkstra(csr_array(question.graph.astype(np.float64)), indices=0)[last]
    assert (walk is None) == np.isinf(expected)
    if walk is not None:
        cost = sum(float(question.graph[x, y]) for x, y in pairwise([0, *walk, last]))
        assert cost <= expected * dearer * (1 + 1e-6)
