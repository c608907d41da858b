"""What the morph benchmark takes for the truth: its oracle, its trees, its manifolds with known answers."""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from benchmarks.manifolds import Manifold, lift, swiss_roll, two_moons
from benchmarks.morph_contestants import contestants
from benchmarks.morph_judging import judge
from benchmarks.morph_oracle import CompleteTree, angle, chord_matrix, least_largest_hop, occurrences
from benchmarks.morph_sets import array_set


def _random_rows(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _by_trying_all(chords: NDArray[np.float32], a: int, b: int, hops: int) -> float:
    walks = product(range(len(chords)), repeat=hops - 1)
    return min(max(float(chords[x, y]) for x, y in pairwise([a, *between, b])) for between in walks)


@pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_oracle_finds_what_trying_every_walk_finds(hops: int, seed: int) -> None:
    chords = chord_matrix(_random_rows(7, 3, seed))
    for a, b in ((0, 6), (5, 2)):
        assert least_largest_hop(chords, a, b, hops) == _by_trying_all(chords, a, b, hops)


@pytest.mark.parametrize("hops", [2, 3, 5, 8])
def test_a_bound_that_is_a_known_walk_does_not_change_the_oracle(hops: int) -> None:
    chords = chord_matrix(_random_rows(200, 5, 3))
    free = least_largest_hop(chords, 0, 1, hops)
    assert least_largest_hop(chords, 0, 1, hops, bound=float(chords[0, 1])) == free
    assert least_largest_hop(chords, 0, 1, hops, bound=free) == free


def test_the_oracle_with_many_hops_is_the_bottleneck_of_the_complete_tree() -> None:
    chords = chord_matrix(_random_rows(60, 4, 5))
    tree = CompleteTree.of(chords)
    for a, b in ((0, 1), (7, 30), (59, 12)):
        assert least_largest_hop(chords, a, b, 59) == tree.bottleneck(a, b)


def test_the_complete_tree_has_the_weight_of_scipys() -> None:
    chords = chord_matrix(_random_rows(80, 4, 6))
    assert CompleteTree.of(chords).squared.sum() == pytest.approx(minimum_spanning_tree(chords).sum(), 1e-6)


def test_chords_are_angles_and_hubs_are_counted_without_the_row_itself() -> None:
    angles = np.array([0.0, 0.2, 0.5])
    chords = chord_matrix(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    assert angle(float(chords[0, 2])) == pytest.approx(0.5, abs=1e-6)
    assert occurrences(chords, 1).tolist() == [1, 2, 0]


def test_lifted_rows_have_the_kernel_as_their_cosine() -> None:
    places = np.random.default_rng(0).uniform(0, 10, (50, 3))
    rows = lift(places, 3.0)
    squared = ((places[:, None] - places) ** 2).sum(axis=-1)
    np.testing.assert_allclose(rows @ rows.T, np.exp(-squared / 18), atol=1e-5)


@pytest.mark.parametrize("make", [swiss_roll, two_moons])
def test_going_along_a_manifold_is_right_and_jumping_over_a_gap_is_astray(
    make: Callable[[], Manifold],
) -> None:
    manifold = make()
    along = np.argsort(manifold.truth[:, 0])
    if make is swiss_roll:
        along = along[np.abs(manifold.truth[along, 1] - 10) < 2]
    straight = along[:: len(along) // 50].tolist()
    assert manifold.order(straight) > 0.95
    assert manifold.astray(straight) == 0
    # Half a winding on; the other moon.
    assert manifold.astray([straight[0], straight[len(straight) // 3]]) == 1


def test_a_perfect_path_has_no_error_and_a_reversed_one_the_opposite_order() -> None:
    line = Manifold(np.arange(11.0)[:, None])
    assert line.error([0, 2, 4, 6, 8, 10]) == pytest.approx(0)
    assert line.order([0, 2, 4, 6, 8, 10]) == 1
    assert line.order([0, 8, 6, 4, 2, 10]) == -1
    assert line.length([0, 8, 6, 4, 2, 10]) == pytest.approx(2.2)


def test_no_contestant_beats_the_oracle() -> None:
    rows = array_set(_random_rows(120, 6, 8))
    judged = judge(rows, rows.pairs(6, 1), 3, contestants())
    for outcome in judged.outcomes.values():
        assert (outcome.all_of("largest_hop") >= judged.best * (1 - 1e-4)).all()
        assert (judged.best >= judged.unlimited).all()
    assert judged.outcomes["greedy line"].all_of("repeats").sum() == 0
    assert "| geodesic |" in judged.summary
    assert "| geodesic |" in judged.details
