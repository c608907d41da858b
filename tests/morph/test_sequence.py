"""The most gradual sequence, against every order of few pictures and a known one of many."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.morph import sequence
from i2v_search.morph.sequence import EXACT, gradual_sequence, hop_angles, path_length


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
