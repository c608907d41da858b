"""Paths of exactly n points by dynamic programming, against every combination."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.morph.methods.layered import Layered


def squared_chords_of(m: int, seed: int, dimensions: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(m + 2, dimensions))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(((rows[:, None] - rows[None]) ** 2).sum(axis=2), np.float32)


@settings(max_examples=80)
@given(m=st.integers(0, 8), seed=st.integers(0, 10_000), dimensions=st.integers(2, 6))
def test_every_length_has_the_smallest_largest_hop_of_all_rising_paths(
    m: int, seed: int, dimensions: int
) -> None:
    squared = squared_chords_of(m, seed, dimensions)
    order = np.random.default_rng(seed).permutation(m)
    least = Layered.of(squared, order).least_largest(m + 1)
    for points in range(m + 1):
        paths = combinations((order + 1).tolist(), points)
        best = min(max(squared[x, y] for x, y in pairwise([0, *path, m + 1])) for path in paths)
        assert least[points] == pytest.approx(best)
    assert np.isinf(least[m + 1])


@settings(max_examples=80)
@given(m=st.integers(1, 8), seed=st.integers(0, 10_000), shortest=st.floats(0, 2))
def test_hops_that_are_too_short_are_not_taken(m: int, seed: int, shortest: float) -> None:
    squared = squared_chords_of(m, seed, 3)
    order = np.random.default_rng(seed).permutation(m)
    least = Layered.of(squared, order, shortest=shortest).least_largest(m)
    for points in range(1, m + 1):
        paths = combinations((order + 1).tolist(), points)
        walks = [[squared[x, y] for x, y in pairwise([0, *path, m + 1])] for path in paths]
        best = min((max(hops) for hops in walks if min(hops) >= shortest), default=np.inf)
        assert least[points] == pytest.approx(best)


@settings(max_examples=80)
@given(
    m=st.integers(1, 8),
    points=st.integers(0, 8),
    seed=st.integers(0, 10_000),
    slack=st.sampled_from([1.0, 1.02, 1.3, 4.0]),
)
def test_within_the_limit_the_least_sum_of_weighted_squared_angles_wins(
    m: int, points: int, seed: int, slack: float
) -> None:
    points = min(points, m)
    squared = squared_chords_of(m, seed, 3)
    order = np.random.default_rng(seed).permutation(m)
    weights = np.random.default_rng(seed + 1).uniform(1, 3, m)
    layered = Layered.of(squared, order)
    limit = float(layered.least_largest(points)[points]) * slack
    chosen = layered.smoothest(points, limit, weights)
    angles = 2 * np.arcsin(np.sqrt(squared.astype(np.float64)) / 2)
    weight = {0: 1.0, m + 1: 1.0, **{int(row) + 1: weights[i] for i, row in enumerate(order)}}

    def cost(path: tuple[int, ...]) -> float:
        walk = [0, *path, m + 1]
        if max(squared[x, y] for x, y in pairwise(walk)) > limit:
            return np.inf
        return float(sum(angles[x, y] ** 2 * (weight[x] + weight[y]) / 2 for x, y in pairwise(walk)))

    rows = (order + 1).tolist()
    best = min(cost(path) for path in combinations(rows, points))
    found = tuple(rows[place] for place in chosen)
    assert len(found) == points
    assert points == 0 or cost(found) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(("heavy", "light"), [(1, 2), (2, 1)])
def test_hops_between_two_candidates_count_the_weights_of_both(heavy: int, light: int) -> None:
    # The second and the third candidate stand at the same place.
    at = np.array([0.0, 0.2, 0.4, 0.4, 0.6, 0.8])
    squared = (4 * np.sin(np.subtract.outer(at, at) / 2) ** 2).astype(np.float32)
    weights = np.ones(4)
    weights[heavy] = 1.25
    assert Layered.of(squared, np.arange(4)).smoothest(3, 4.0, weights).tolist() == [0, light, 3]
