"""The most gradual sequence, against every order of few pictures and a known one of many."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.morph import sequence
from i2v_search.morph.sequence import EXACT, gradual_sequence, hop_angles, path_length, sequence_quality
from i2v_search.morph.sorted_grid import grid_hops, sorted_grid
from i2v_search.morph.tour_search import improved_tour


def angles(count: int, seed: int, dimension: int = 3) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return hop_angles(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@settings(max_examples=20)
@given(st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_of_few_the_shortest_of_all_orders(count: int, seed: int) -> None:
    distances = angles(count, seed) if count else np.zeros((0, 0), np.float32)
    order = gradual_sequence(distances)
    assert sorted(order) == list(range(count))
    if count > 1:
        best = min(path_length(distances, list(each)) for each in permutations(range(count)))
        assert path_length(distances, order) == pytest.approx(best, abs=1e-5)
        assert order.index(0) <= count - 1 - order.index(0)


@pytest.mark.parametrize("count", [EXACT + 1, 40, 700])
def test_points_of_a_line_come_in_a_row(count: int) -> None:
    places = np.random.default_rng(count).permutation(count).astype(np.float32)
    order = gradual_sequence(np.abs(places[:, None] - places))
    steps = np.diff(places[order])
    assert set(steps.tolist()) in ({1.0}, {-1.0})


def test_what_is_improved_comes_near_the_shortest_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "EXACT", 2)
    longer = []
    for seed in range(8):
        distances = angles(7, seed, 6)
        best = min(path_length(distances, list(each)) for each in permutations(range(7)))
        longer.append(path_length(distances, gradual_sequence(distances)) / best)
    assert max(longer) < 1.03
    assert np.median(longer) < 1.001


@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_no_order_passes_the_bounds(count: int, seed: int) -> None:
    distances = angles(count, seed, 4)
    orders = [list(each) for each in permutations(range(count))]
    quality = sequence_quality(distances, orders[0])
    shortest = min(path_length(distances, order) for order in orders)
    assert quality.least_length <= shortest + 1e-5
    largest = min(float(distances[order[:-1], order[1:]].max()) for order in orders)
    assert quality.least_largest_hop <= largest + 1e-6


def test_the_bound_of_the_length_is_near() -> None:
    distances = angles(200, 1, 8)
    quality = sequence_quality(distances, gradual_sequence(distances))
    assert 0.9 < quality.least_length / quality.length <= 1


def test_a_long_hop_is_not_taken_where_short_ones_lead_as_far() -> None:
    turn = np.arange(60) * np.pi / 70
    rows = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    shuffled = np.random.default_rng(0).permutation(60)
    distances = hop_angles(rows[shuffled])
    quality = sequence_quality(distances, gradual_sequence(distances))
    assert quality.largest_hop == pytest.approx(quality.least_largest_hop, abs=1e-3)


@settings(max_examples=40)
@given(st.integers(3, 40), st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_a_tour_only_gets_shorter_and_keeps_its_items(count: int, seed: int, kicks: int) -> None:
    draw = np.random.default_rng(seed)
    places = draw.normal(size=(count, 2))
    costs = np.linalg.norm(places[:, None] - places, axis=2).astype(np.float32)
    start = draw.permutation(count).tolist()
    lengths = [float(costs[tour, np.roll(tour, -1)].sum()) for tour in (start, improved_tour(costs, start))]
    kicked = improved_tour(costs, start, kicks=kicks)
    assert sorted(kicked) == sorted(start)
    assert lengths[1] <= lengths[0] + 1e-4
    assert float(costs[kicked, np.roll(kicked, -1)].sum()) <= lengths[1] + 1e-4


def test_on_a_grid_neighbours_both_ways_are_alike() -> None:
    across, down = (each.ravel() for each in np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 6)))
    rows = np.stack([across, down, np.ones(54)], axis=1)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    shuffled = np.random.default_rng(2).permutation(54)
    order = gradual_sequence(hop_angles(rows[shuffled]))
    cells = sorted_grid(rows[shuffled], order, 9)
    assert sorted(cells) == list(range(54))
    best, found = (grid_hops(rows, each, 9).mean() for each in (list(range(54)), shuffled[cells].tolist()))
    snake = grid_hops(rows[shuffled], order, 9).mean()
    assert best <= found < (best + snake) / 2
