"""The k-NN graph: equal to brute force, ties by row number, symmetric, connected by the closest pairs."""

from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from i2v_search.errors import MorphError
from i2v_search.morph.graph import bridging, neighbours
from i2v_search.morph.graph.bridging import closest_pairs, connect
from i2v_search.morph.graph.knn import KnnGraph, build_graph, symmetric_csr
from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import ArrayRows, squared_chords


def random_rows(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    matrix = np.random.default_rng(seed).normal(size=(n, d))
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), np.float32)


def tied_rows(n: int, seed: int = 0) -> NDArray[np.float32]:
    """Rows with entries +-1/2: inner products are exact in float32, so equal distances are truly equal."""
    return (np.random.default_rng(seed).integers(0, 2, (n, 4)) - 0.5).astype(np.float32)


def brute_force(matrix: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    wide = matrix.astype(np.float64)
    squared = ((wide[:, None] - wide[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), order


class CountingRows:
    """Rows that note the largest block or batch asked for."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._rows = ArrayRows(matrix)
        self.largest = 0

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        self.largest = max(self.largest, len(numbers))
        return self._rows.take(numbers)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        self.largest = max(self.largest, size)
        return self._rows.blocks(size)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of uneven small size, so that small data crosses many block borders."""
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    monkeypatch.setattr(neighbours, "COLUMNS", 11)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("k", [1, 5, 15])
def test_graph_equals_brute_force(k: int) -> None:
    matrix = random_rows(103, 6)
    squared, order = brute_force(matrix, k)
    found = build_graph(ArrayRows(matrix), k)
    np.testing.assert_array_equal(found.neighbours, order)
    np.testing.assert_allclose(found.squared, squared, atol=1e-5)
    assert found.neighbours.dtype == np.int32
    assert found.squared.dtype == np.float32


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(5))
def test_ties_go_to_the_lower_row_number_across_block_borders(seed: int) -> None:
    matrix = tied_rows(60, seed)
    np.testing.assert_array_equal(build_graph(ArrayRows(matrix), 9).neighbours, brute_force(matrix, 9)[1])


def test_block_sizes_do_not_change_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ArrayRows(tied_rows(50))
    whole = build_graph(rows, 6)
    monkeypatch.setattr(neighbours, "QUERIES", 3)
    monkeypatch.setattr(neighbours, "COLUMNS", 4)
    np.testing.assert_array_equal(build_graph(rows, 6).neighbours, whole.neighbours)


def test_a_row_is_never_its_own_neighbour_even_among_duplicates() -> None:
    matrix = np.repeat(random_rows(3, 4), 5, axis=0)
    found = build_graph(ArrayRows(matrix), 4)
    assert not (found.neighbours == np.arange(15)[:, None]).any()
    np.testing.assert_array_equal(found.neighbours[7], [5, 6, 8, 9])


@pytest.mark.parametrize(("n", "width"), [(0, 0), (1, 0), (2, 1), (5, 4)])
def test_k_larger_than_the_collection_gives_all_other_rows(n: int, width: int) -> None:
    found = build_graph(ArrayRows(random_rows(n, 3)), 15)
    assert found.neighbours.shape == (n, width)
    assert symmetric_csr(found).nnz == n * width


def test_k_below_one_is_refused() -> None:
    with pytest.raises(MorphError, match="at least 1, got 0"):
        build_graph(ArrayRows(random_rows(3, 3)), 0)


def test_no_more_than_a_block_is_read_at_once() -> None:
    rows = CountingRows(random_rows(50, 3))
    connect(rows, Network(symmetric_csr(build_graph(rows, 2))))
    assert rows.largest == 4096


def test_progress_is_told_after_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "QUERIES", 4)
    told: list[int] = []
    build_graph(ArrayRows(random_rows(10, 3)), 2, progress=told.append)
    assert told == [4, 8, 10]


def test_a_given_search_replaces_the_scan_and_gives_the_same_graph() -> None:
    matrix = random_rows(80, 5)
    rows = ArrayRows(matrix)

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        squared = (2 - 2 * queries @ matrix.T).astype(np.float32)
        order = np.argsort(squared, axis=1)[:, :k]
        return np.take_along_axis(squared, order, axis=1), order

    exact, searched = build_graph(rows, 6), build_graph(rows, 6, search=search)
    np.testing.assert_array_equal(searched.neighbours, exact.neighbours)
    np.testing.assert_allclose(searched.squared, exact.squared, atol=1e-6)


def test_a_search_that_finds_too_little_leaves_gaps_that_are_no_edges() -> None:
    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        ids = np.full((len(queries), k), -1)
        ids[:, 0] = 1
        return np.full(ids.shape, 0.5, np.float32), ids

    found = build_graph(ArrayRows(random_rows(4, 3)), 2, search=search)
    assert found.neighbours.tolist() == [[1, -1], [-1, -1], [1, -1], [1, -1]]
    assert symmetric_csr(found).nnz == 6


def test_nearest_skips_rows_that_are_not_usable_and_falls_back_to_reading_all() -> None:
    matrix = random_rows(40, 4)
    usable = np.zeros(40, np.bool_)
    usable[[3, 17, 30]] = True

    def useless(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return np.zeros((len(queries), k), np.float32), np.tile(np.arange(k), (len(queries), 1))

    for search in (None, useless):
        squared, numbers = nearest(ArrayRows(matrix), matrix[:1], 5, search=search, usable=usable)
        assert sorted(numbers[0].tolist()) == [3, 17, 30]
        assert (np.diff(squared[0]) >= 0).all()


def test_where_as_many_rows_are_not_usable_as_are_wanted_one_search_is_enough() -> None:
    matrix = random_rows(40, 4)
    rows = CountingRows(matrix)
    order = np.argsort(-(matrix @ matrix[0]), kind="stable")
    usable = np.ones(40, np.bool_)
    usable[order[:5]] = False

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return (2 - 2 * matrix[order[:k]] @ queries[0])[None], order[None, :k]

    _, numbers = nearest(rows, matrix[:1], 5, search=search, usable=usable)
    assert numbers[0].tolist() == order[5:10].tolist()
    assert rows.largest == 0


def test_union_graph_is_symmetric_and_holds_both_directions() -> None:
    found = build_graph(ArrayRows(random_rows(60, 4)), 3)
    edges = symmetric_csr(found)
    assert (edges != edges.T).nnz == 0
    expected = {frozenset((i, int(j))) for i, near in enumerate(found.neighbours) for j in near}
    rows, columns = edges.nonzero()
    assert {frozenset(pair) for pair in zip(rows.tolist(), columns.tolist(), strict=True)} == expected


def test_duplicates_stay_joined_in_the_sparse_graph() -> None:
    # Of the second, inner products are exactly 1, and distances exactly 0.
    for row in (random_rows(1, 4), np.eye(1, 4, dtype=np.float32)):
        edges = symmetric_csr(build_graph(ArrayRows(np.tile(row, (4, 1))), 2))
        assert connected_components(edges, directed=False)[0] == 1
        assert edges.data.min() > 0


def test_a_damaged_graph_is_refused() -> None:
    with pytest.raises(MorphError, match=r"rows outside 0\.\.1"):
        KnnGraph(np.array([[1], [2]], np.int32), np.ones((2, 1), np.float32))
    with pytest.raises(MorphError, match=r"two \(n, k\) arrays"):
        KnnGraph(np.zeros((2, 1), np.int32), np.ones((2, 2), np.float32))


def test_a_network_whose_parts_are_of_different_sizes_is_refused() -> None:
    edges, three = csr_array((4, 4), dtype=np.float32), csr_array((3, 3), dtype=np.float32)
    with pytest.raises(MorphError, match="4 rows has occurrences of 3 and a tree of 4"):
        Network(edges, occurrences=np.zeros(3, np.int32))
    with pytest.raises(MorphError, match="4 rows has occurrences of 4 and a tree of 3"):
        Network(edges, stored_tree=Network(three).tree)


def test_rounding_makes_no_squared_chord_negative() -> None:
    matrix = random_rows(200, 32)
    assert (np.einsum("ij,ij->i", matrix, matrix) > 1).any()
    assert squared_chords(matrix, matrix).min() == 0


def test_rows_must_be_a_matrix_of_unit_rows() -> None:
    with pytest.raises(MorphError, match="row 1 has length 2 instead of 1"):
        ArrayRows(np.array([[1, 0], [0, 2]], np.float32))
    with pytest.raises(MorphError, match="row 0 has length nan"):
        ArrayRows(np.array([[np.nan, 0]], np.float32))
    with pytest.raises(MorphError, match="matrix"):
        ArrayRows(np.ones(3, np.float32))


def test_two_clusters_are_bridged_by_their_closest_pair() -> None:
    angles = np.array([0.0, 0.01, 0.02, 1.0, 1.01, 1.02])
    rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    network = connect(rows, Network(symmetric_csr(build_graph(rows, 2))))
    (bridge,) = network.bridges
    assert (bridge.a, bridge.b) == (2, 3)
    assert bridge.squared == pytest.approx(4 * np.sin(0.49) ** 2, rel=1e-4)
    assert network.edges[2, 3] == network.edges[3, 2] == pytest.approx(bridge.squared)


@pytest.mark.integration
@settings(max_examples=30)
@given(n=st.integers(2, 40), seed=st.integers(0, 1000), copies=st.integers(1, 3))
def test_bridges_are_the_minimum_spanning_tree_of_the_parts(n: int, seed: int, copies: int) -> None:
    """Oracle: networkx's spanning tree of all rows, with the edges of the graph made free."""
    matrix = np.repeat(random_rows(n, 3, seed), copies, axis=0)
    rows = ArrayRows(matrix)
    edges = symmetric_csr(build_graph(rows, 1))
    parts = connected_components(edges, directed=False)[0]
    network = connect(rows, Network(edges))
    assert connected_components(network.edges, directed=False)[0] == 1
    assert len(network.bridges) == parts - 1

    complete = nx.Graph()
    wide = matrix.astype(np.float64)
    for i in range(len(matrix)):
        for j in range(i):
            complete.add_edge(i, j, weight=0.0 if edges[i, j] else ((wide[i] - wide[j]) ** 2).sum())
    tree = nx.minimum_spanning_tree(complete)
    assert sum(bridge.squared for bridge in network.bridges) == pytest.approx(
        tree.size(weight="weight"), abs=1e-4
    )


@pytest.mark.parametrize("members", [None, np.arange(0, 60, 2)], ids=["all", "some"])
def test_an_exact_search_finds_the_pairs_that_reading_all_rows_finds(
    members: NDArray[np.int64] | None,
) -> None:
    matrix = random_rows(60, 4)
    labels = np.random.default_rng(1).integers(0, 4, 60 if members is None else len(members)).astype(np.int32)

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        squared = np.square(queries[:, None] - matrix[None]).sum(axis=2)
        order = np.argsort(squared, axis=1)[:, :k]
        return np.take_along_axis(squared, order, axis=1), order

    read = closest_pairs(ArrayRows(matrix), members, labels)
    searched = closest_pairs(ArrayRows(matrix), members, labels, search)
    assert [pair[:2] for pair in searched] == [pair[:2] for pair in read]
    np.testing.assert_allclose([pair[2] for pair in searched], [pair[2] for pair in read], atol=1e-5)


def test_connect_looks_only_at_members() -> None:
    angles = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    chain = Network(symmetric_csr(build_graph(rows, 1)))
    bridged = connect(rows, chain, members=np.array([0, 2, 4]))
    assert [(bridge.a, bridge.b) for bridge in bridged.bridges] == [(0, 2), (2, 4)]
    assert connect(rows, chain, members=np.array([], np.int64)) is chain


def test_a_connected_network_is_returned_as_it_is() -> None:
    rows = ArrayRows(random_rows(20, 3))
    network = Network(symmetric_csr(build_graph(rows, 15)))
    assert connect(rows, network) is network


@settings(max_examples=40)
@given(n=st.integers(2, 30), seed=st.integers(0, 1000), answers=st.integers(1, 4))
def test_a_search_finds_the_same_bridges(n: int, seed: int, answers: int) -> None:
    """Also where the first answers are all of the row's own part, and a farther row is the closest pair's."""
    matrix = np.repeat(random_rows(n, 3, seed), 3, axis=0)
    matrix += 0.02 * random_rows(len(matrix), 3, seed + 1)
    rows = ArrayRows(matrix / np.linalg.norm(matrix, axis=1, keepdims=True))

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return nearest(rows, queries, k)

    network = Network(symmetric_csr(build_graph(rows, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridging, "_ANSWERS", answers)
        searched = connect(rows, network, search=search)
    exact = connect(rows, network)
    assert [(b.a, b.b) for b in searched.bridges] == [(b.a, b.b) for b in exact.bridges]


def test_a_row_whose_first_answers_are_of_its_own_part_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The row at 2.0 finds a way out at once; that of the row at 0.03, behind its neighbours, is shorter."""
    angles = np.array([0.0, 0.01, 0.02, 0.03, 2.0, 0.13, 0.14, 0.15, 2.15, 2.16, 2.17, 2.18])
    rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    edges = np.zeros((12, 12), np.float32)
    for a in (*range(4), *range(5, 11)):
        edges[a, a + 1] = edges[a + 1, a] = 1

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return nearest(rows, queries, k)

    monkeypatch.setattr(bridging, "_ANSWERS", 3)
    network = connect(rows, Network(csr_array(edges)), search=search)
    assert [(bridge.a, bridge.b) for bridge in network.bridges] == [(3, 5)]
