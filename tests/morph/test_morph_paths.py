"""Morph paths: known answers, independent shortest paths, exactly n steps, reversal, filters and errors."""

from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from i2v_search.errors import MorphError
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.growth import follow
from i2v_search.morph.graph.knn import build_graph, symmetric_csr
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import ArrayRows, Search
from i2v_search.morph.methods.methods import METHODS, Method, geodesic, line
from i2v_search.morph.methods.space import MorphSpace
from i2v_search.morph.quality import measure

both_methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def unit(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(matrix / np.linalg.norm(matrix, axis=-1, keepdims=True), np.float32)


def random_rows(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def arc(angles: NDArray[np.float64], d: int = 5) -> NDArray[np.float32]:
    """Points of one great circle, turned into d dimensions."""
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(d, 2)))[0].T
    return unit(np.stack([np.cos(angles), np.sin(angles)], axis=1) @ basis)


def space_of(matrix: NDArray[np.float32], k: int = 15) -> MorphSpace:
    rows = ArrayRows(matrix)
    return MorphSpace(rows, connect(rows, Network(symmetric_csr(build_graph(rows, k)))))


def exact_search(matrix: NDArray[np.float32]) -> Search:
    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        squared = (2 - 2 * queries @ matrix.T).astype(np.float32)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(squared, order, axis=1), order

    return search


def squared_matrix(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = matrix.astype(np.float64)
    return np.asarray(((wide[:, None] - wide[None]) ** 2).sum(axis=2))


# --- known answers


@both_methods
def test_points_of_an_arc_come_back_in_order(method: Method) -> None:
    shuffled = np.random.default_rng(1).permutation(9)
    space = space_of(arc(np.linspace(0, 1.2, 9)[shuffled]), k=3)
    a, b = (int(np.flatnonzero(shuffled == end)[0]) for end in (0, 8))
    path = method(space, a, b, 7)
    assert shuffled[list(path.rows)].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert path.bridges == ()


def test_line_picks_the_even_points_of_a_dense_arc() -> None:
    space = space_of(arc(np.linspace(0, 1, 101)))
    assert line(space, 0, 100, 3).rows == (25, 50, 75)


def test_line_ignores_rows_far_from_the_arc() -> None:
    on_arc, elsewhere = arc(np.linspace(0, 1, 9)), random_rows(300, 5, seed=8)
    close = (elsewhere @ on_arc.T).max(axis=1) > 0.98
    space = MorphSpace(ArrayRows(np.concatenate([on_arc, elsewhere[~close]])))
    assert line(space, 0, 8, 7).rows == (1, 2, 3, 4, 5, 6, 7)


def test_line_never_turns_back_where_the_greedy_choice_would() -> None:
    matrix = random_rows(200, 3, seed=5)
    for a, b in [(0, 1), (2, 3), (4, 5)]:
        path = line(MorphSpace(ArrayRows(matrix)), a, b, 12)
        progress = matrix[list(path.rows)] @ (matrix[b] - matrix[a])
        assert (np.diff(progress) > 0).all()


def test_line_is_the_best_increasing_choice_of_all() -> None:
    """Oracle: every ordered choice of 3 among 14 rows."""
    matrix = random_rows(16, 3, seed=2)
    share = np.arange(1, 4)[:, None] / 4
    angle = np.arccos(matrix[0] @ matrix[1])
    targets = (np.sin((1 - share) * angle) * matrix[0] + np.sin(share * angle) * matrix[1]) / np.sin(angle)
    order = np.argsort(matrix[2:] @ (matrix[1] - matrix[0])) + 2
    best = min(
        combinations(order.tolist(), 3), key=lambda chosen: ((matrix[list(chosen)] - targets) ** 2).sum()
    )
    assert line(MorphSpace(ArrayRows(matrix)), 0, 1, 3).rows == best


def test_line_between_opposite_ends_still_answers() -> None:
    matrix = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
    assert len(set(line(MorphSpace(ArrayRows(matrix)), 0, 3, 3).rows) - {0, 3}) == 3


def test_geodesic_follows_a_curved_manifold_where_the_line_jumps() -> None:
    """A three-quarter turn of a circle of latitude: the straight way crosses the empty cap."""
    turn = np.linspace(0, 1.5 * np.pi, 120)
    matrix = unit(np.stack([np.cos(turn), np.sin(turn), np.full(120, 0.7)], axis=1))
    space = space_of(matrix, k=4)
    natural = geodesic(space, 0, 119).rows
    assert list(natural) == sorted(natural)
    assert len(natural) > 20
    along, across = geodesic(space, 0, 119, 11).rows, line(space, 0, 119, 11).rows
    assert list(along) == sorted(along)
    hops = [measure(matrix[[0, *rows, 119]]).hops for rows in (along, across)]
    assert max(hops[0]) < 0.6 * max(hops[1])


def test_geodesic_follows_a_swiss_roll() -> None:
    rng = np.random.default_rng(0)
    t = 1.5 * np.pi * (1 + 2 * rng.random(1500))
    roll = np.stack([t * np.cos(t), t * np.sin(t), 6 * rng.random(1500)], axis=1)
    # Lifted far from the origin, the roll keeps its shape when its points are made unit vectors.
    matrix = unit(np.concatenate([roll / 15, np.full((1500, 1), 4.0)], axis=1))
    a, b = int(t.argmin()), int(t.argmax())
    rows = list(geodesic(space_of(matrix, k=8), a, b).rows)
    assert (np.diff(t[[a, *rows, b]]) > -0.2).all()
    assert np.diff(t[[a, *rows, b]]).max() < 1.0


def test_an_end_beside_the_other_needs_no_intermediate() -> None:
    space = space_of(arc(np.array([0.0, 0.1, 0.2])), k=2)
    assert geodesic(space, 0, 1).rows == ()
    assert geodesic(space, 0, 1, 0).rows == ()
    assert line(space, 0, 1, 0).rows == ()


# --- independent shortest paths


@settings(max_examples=60)
@given(
    n=st.integers(3, 60),
    d=st.integers(4, 8),
    k=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    power=st.sampled_from([1.0, 2.0, 3.0]),
)
def test_natural_geodesic_costs_what_scipy_and_networkx_find(
    n: int, d: int, k: int, seed: int, power: float
) -> None:
    matrix = random_rows(n, d, seed)
    space = space_of(matrix, k)
    assert space.network is not None
    edges = space.network.edges.astype(np.float64)
    edges.data **= power / 2
    path = geodesic(space, 0, n - 1, power=power)
    walk = [0, *path.rows, n - 1]
    # A morph leaves duplicates out; in 4 or more dimensions so few random rows hold none.
    cost = sum(float(edges[x, y]) for x, y in pairwise(walk))
    assert all(edges[x, y] > 0 for x, y in pairwise(walk))
    assert cost == pytest.approx(dijkstra(edges, indices=0)[n - 1], rel=1e-5)
    assert cost == pytest.approx(
        nx.dijkstra_path_length(nx.from_scipy_sparse_array(edges), 0, n - 1), rel=1e-5
    )


@settings(max_examples=40)
@given(n=st.integers(6, 60), seed=st.integers(0, 10_000), share=st.floats(0.2, 1.0), outside=st.booleans())
def test_masked_geodesic_is_shortest_among_the_allowed(
    n: int, seed: int, share: float, outside: bool
) -> None:
    """Oracle: networkx on the allowed rows, both ends joined to their 15 nearest, bridged if need be."""
    matrix = random_rows(n, 4, seed)
    space = space_of(matrix[: n - 2] if outside else matrix, 4)
    allowed = np.random.default_rng(seed).random(len(space.rows)) < share
    allowed[2:4] = True
    ends = (matrix[n - 2], matrix[n - 1]) if outside else (0, 1)
    path = geodesic(space, *ends, allowed=allowed)
    assert allowed[list(path.rows)].all()

    assert space.network is not None
    a, b = (n - 2, n - 1) if outside else (0, 1)
    inner = np.array([row for row in np.flatnonzero(allowed) if row not in {a, b}])
    squared = squared_matrix(matrix)
    oracle = nx.Graph()
    for end in (a, b):
        near = inner[np.argsort(squared[end, inner])][:15]
        oracle.add_edges_from((end, int(row)) for row in near)
        if outside and squared[a, b] <= squared[end, near].max():
            oracle.add_edge(a, b)
    known = {*inner.tolist(), *(() if outside else (a, b))}

    def add_edges(network: Network) -> None:
        pairs = zip(*(numbers.tolist() for numbers in network.edges.nonzero()), strict=True)
        oracle.add_edges_from((x, y) for x, y in pairs if x in known and y in known)

    add_edges(space.network)
    if not nx.has_path(oracle, a, b):
        add_edges(connect(space.rows, space.network, members=inner))
    walk = [a, *path.rows, b]
    assert all(oracle.has_edge(x, y) for x, y in pairwise(walk))
    cost = sum(squared[x, y] for x, y in pairwise(walk))
    shortest = nx.dijkstra_path_length(oracle, a, b, weight=lambda x, y, _: float(squared[x, y]))
    assert cost == pytest.approx(shortest, rel=1e-4)


# --- exactly n


@settings(max_examples=60)
@given(
    n=st.integers(3, 50),
    seed=st.integers(0, 10_000),
    share=st.floats(0, 1),
    name=st.sampled_from(sorted(METHODS)),
    searched=st.booleans(),
)
def test_exactly_n_distinct_intermediates_and_the_way_back_is_the_reverse(
    n: int, seed: int, share: float, name: str, searched: bool
) -> None:
    matrix = random_rows(n, 4, seed)
    space = space_of(matrix, 3)
    if searched:
        space = MorphSpace(space.rows, space.network, exact_search(matrix))
    steps = round(share * (n - 2))
    path = METHODS[name](space, 0, n - 1, steps)
    assert len(path.rows) == len(set(path.rows)) == steps
    assert not {0, n - 1} & set(path.rows)
    assert METHODS[name](space, n - 1, 0, steps) == path.reversed()
    assert METHODS[name](space, 0, n - 1, steps) == path


def test_thinning_keeps_the_subset_with_the_smallest_largest_hop_then_the_least_sum_of_squares() -> None:
    matrix = arc(np.sort(np.random.default_rng(4).uniform(0, 1.5, 14)))
    space = space_of(matrix, k=2)
    natural = geodesic(space, 0, 13).rows
    angles = 2 * np.arcsin(np.sqrt(squared_matrix(matrix)) / 2)

    def cost(chosen: tuple[int, ...]) -> tuple[float, float]:
        hops = [float(angles[x, y]) for x, y in pairwise([0, *chosen, 13])]
        return round(max(hops), 5), sum(hop**2 for hop in hops)

    assert len(natural) > 4
    for steps in (1, 2, 3, 4):
        best = min(combinations(natural, steps), key=cost)
        assert geodesic(space, 0, 13, steps).rows == best


def test_an_added_row_halves_the_largest_hop_best() -> None:
    """Oracle: of all other rows, the one whose longer distance to the two ends is least."""
    for seed in range(10):
        matrix = random_rows(40, 3, seed)
        space = space_of(matrix, k=39)
        squared = squared_matrix(matrix)
        longer = np.maximum(squared[0], squared[1])
        longer[[0, 1]] = np.inf
        adjacent = geodesic(space, 0, 1, power=0.5)
        assert adjacent.rows == ()
        assert geodesic(space, 0, 1, 1, power=0.5).rows == (int(longer.argmin()),)


def test_densifying_never_makes_the_largest_hop_longer() -> None:
    matrix = random_rows(400, 4)
    space = space_of(matrix)
    natural = geodesic(space, 0, 1).rows
    hops = [
        max(measure(matrix[[0, *geodesic(space, 0, 1, steps).rows, 1]]).hops)
        for steps in range(len(natural), len(natural) + 6)
    ]
    assert hops == sorted(hops, reverse=True)


@both_methods
def test_too_few_rows_is_an_error_that_counts_them(method: Method) -> None:
    matrix = random_rows(6, 3)
    with pytest.raises(MorphError, match="5 intermediates requested, but only 4 rows"):
        method(space_of(matrix), 0, 1, 5)
    with_duplicates = np.concatenate([matrix, matrix])
    with pytest.raises(MorphError, match="5 intermediates requested, but only 4 rows"):
        method(space_of(with_duplicates), 0, 1, 5)


# --- duplicates, masks, outside ends, gaps


@both_methods
@pytest.mark.parametrize("searched", [False, True])
def test_duplicates_of_ends_and_of_one_another_never_appear(method: Method, searched: bool) -> None:
    matrix = np.repeat(random_rows(12, 4), 40, axis=0)
    space = space_of(matrix, 5)
    if searched:
        space = MorphSpace(space.rows, space.network, exact_search(matrix))
    path = method(space, 0, 479, 10)
    assert sorted(row // 40 for row in path.rows) == list(range(1, 11))
    assert measure(matrix[[0, *path.rows, 479]]).repeats == 0


def test_a_natural_path_skips_duplicates_of_its_ends() -> None:
    matrix = np.repeat(arc(np.linspace(0, 1, 6)), 3, axis=0)
    assert [row // 3 for row in geodesic(space_of(matrix, 5), 0, 17).rows] == [1, 2, 3, 4]


@both_methods
def test_only_allowed_rows_are_intermediates(method: Method) -> None:
    matrix = arc(np.linspace(0, 1, 21))
    allowed = np.zeros(21, np.bool_)
    allowed[4:17:4] = True
    assert method(space_of(matrix, 2), 0, 20, 4, allowed=allowed).rows == (4, 8, 12, 16)
    with pytest.raises(MorphError, match="only 4 rows"):
        method(space_of(matrix, 2), 0, 20, 5, allowed=allowed)


@both_methods
def test_rows_that_are_gone_are_no_intermediates(method: Method) -> None:
    rows = ArrayRows(arc(np.linspace(0, 1, 11)))
    alive = np.ones(11, np.bool_)
    alive[[3, 7]] = False
    network = follow(rows, Network.of(build_graph(rows, 2)), np.arange(11), alive, k=2)
    space = MorphSpace(rows, network, alive=alive)
    assert method(space, 0, 10, 7).rows == (1, 2, 4, 5, 6, 8, 9)
    with pytest.raises(MorphError, match="8 intermediates requested, but only 7 rows"):
        method(space, 0, 10, 8)


def test_allowed_rows_that_fall_apart_are_bridged_and_reported() -> None:
    matrix = arc(
        np.concatenate([np.linspace(0, 0.4, 30), np.linspace(0.4, 1, 10)[1:-1], np.linspace(1, 1.4, 30)])
    )
    space = space_of(matrix, 2)
    allowed = np.ones(68, np.bool_)
    allowed[30:38] = False
    path = geodesic(space, 0, 67, allowed=allowed)
    assert [(bridge.a, bridge.b) for bridge in path.bridges] == [(29, 38)]
    assert geodesic(space, 0, 67).bridges == ()


@both_methods
def test_nothing_allowed_is_an_error(method: Method) -> None:
    space = space_of(random_rows(20, 4), 3)
    with pytest.raises(MorphError, match="relax the filters"):
        method(space, 0, 1, 3, allowed=np.zeros(20, np.bool_))


@both_methods
@pytest.mark.parametrize("searched", [False, True])
def test_ends_may_come_from_outside(method: Method, searched: bool) -> None:
    matrix = arc(np.linspace(0, 1, 11))
    inside = matrix[1:-1]
    space = space_of(inside, 3)
    if searched:
        space = MorphSpace(space.rows, space.network, exact_search(inside))
    assert method(space, matrix[0], matrix[-1], 9).rows == tuple(range(9))
    assert method(space, matrix[-1], matrix[0], 9).rows == tuple(range(8, -1, -1))
    assert method(space, matrix[0], 8, 8).rows == tuple(range(8))
    assert method(space, 8, matrix[0], 8).rows == tuple(range(7, -1, -1))


@both_methods
def test_a_row_equal_to_an_outside_end_is_no_intermediate(method: Method) -> None:
    matrix = arc(np.linspace(0, 1, 6))
    assert method(space_of(matrix, 2), matrix[0], matrix[5], 4).rows == (1, 2, 3, 4)


def test_a_path_across_a_gap_reports_the_bridge() -> None:
    matrix = arc(np.concatenate([np.linspace(0, 0.2, 20), np.linspace(1, 1.2, 20)]))
    space = space_of(matrix, 3)
    path = geodesic(space, 0, 39, 4)
    assert [(bridge.a, bridge.b) for bridge in path.bridges] == [(19, 20)]
    assert geodesic(space, 39, 0, 4).bridges == path.bridges
    assert geodesic(space, 0, 10, 4).bridges == ()


def test_a_network_that_was_never_connected_is_bridged_on_the_way() -> None:
    rows = ArrayRows(arc(np.concatenate([np.linspace(0, 0.2, 20), np.linspace(1, 1.2, 20)])))
    space = MorphSpace(rows, Network(symmetric_csr(build_graph(rows, 3))))
    assert [(bridge.a, bridge.b) for bridge in geodesic(space, 0, 39).bridges] == [(19, 20)]


# --- refusals


@both_methods
def test_wrong_ends_steps_and_masks_are_refused(method: Method) -> None:
    matrix = random_rows(10, 4)
    space = space_of(matrix, 3)
    twin = space_of(np.concatenate([matrix, matrix[:1]]), 3)
    with pytest.raises(MorphError, match="no row 10: the collection has 10 rows"):
        method(space, 0, 10, 2)
    with pytest.raises(MorphError, match="no row -1"):
        method(space, -1, 3, 2)
    with pytest.raises(MorphError, match="same picture"):
        method(space, 3, 3, 2)
    with pytest.raises(MorphError, match="same picture"):
        method(twin, 0, 10, 2)
    with pytest.raises(MorphError, match="same picture"):
        method(space, 0, matrix[0], 2)
    with pytest.raises(MorphError, match="length 1"):
        method(space, 0, 2 * matrix[1], 2)
    with pytest.raises(MorphError, match=r"\(d,\) vector of length 1, got shape \(1, 4\)"):
        method(space, 0, matrix[1:2], 2)
    with pytest.raises(MorphError, match="5 dimensions but the rows have 4"):
        method(space, 0, random_rows(1, 5)[0], 2)
    with pytest.raises(MorphError, match="cannot have -1 intermediates"):
        method(space, 0, 1, -1)
    with pytest.raises(MorphError, match=r"\(10,\) bool mask"):
        method(space, 0, 1, 2, allowed=np.ones(9, np.bool_))


def test_a_geodesic_needs_a_fitting_graph_and_a_positive_power() -> None:
    space, other = space_of(random_rows(10, 4), 3), space_of(random_rows(9, 4), 3)
    with pytest.raises(MorphError, match="requires the neighbour graph"):
        geodesic(MorphSpace(space.rows), 0, 1, 2)
    with pytest.raises(MorphError, match="graph has 9 rows, the collection 10"):
        geodesic(MorphSpace(space.rows, other.network), 0, 1, 2)
    with pytest.raises(MorphError, match="above 0, got 0"):
        geodesic(space, 0, 1, 2, power=0)
