"""The default method: smallest largest hop, always nearer to B, nothing twice."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph import ArrayRows, MorphSpace, Network, build_graph, connect, gradual, measure
from i2v_search.morph.layered import Layered
from i2v_search.morph.rows import squared_chords


def unit(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), np.float32)


def space_of(matrix: NDArray[np.float32], k: int = 15) -> MorphSpace:
    rows = ArrayRows(matrix)
    return MorphSpace(rows, connect(rows, Network.of(build_graph(rows, k=k))))


def arc(*angles: float) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1).astype(np.float32)


def points_of(matrix: NDArray[np.float32], rows: tuple[int, ...], b: int) -> NDArray[np.float32]:
    return matrix[[0, *rows, b]]


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(4, 45), d=st.integers(2, 8), steps=st.integers(1, 6), seed=st.integers(0, 10_000),
    graph=st.booleans(),
)  # fmt: skip
def test_of_a_few_rows_the_largest_hop_is_the_smallest_of_all_rising_paths(
    n: int, d: int, steps: int, seed: int, graph: bool
) -> None:
    matrix = unit(np.random.default_rng(seed).normal(size=(n, d)))
    space = space_of(matrix, 3) if graph else MorphSpace(ArrayRows(matrix))
    squared = squared_chords(matrix[[0, *range(1, n)]], matrix)
    progress = squared[0] - squared[n - 1]
    rising = [row for row in np.argsort(progress).tolist() if 0 < row < n - 1]
    rising = [row for row in rising if abs(progress[row]) < squared[0, n - 1]]
    near = (squared < 0.1).sum() > n  # near duplicates are left out, which this oracle does not do
    if len(rising) < steps or near:
        return
    best = Layered.of(squared, np.array(rising) - 1).least_largest(steps)[steps]
    path = gradual(space, 0, n - 1, steps)
    hops = [squared[x, y] for x, y in pairwise([0, *path.rows, n - 1])]
    assert np.sqrt(max(hops)) <= np.sqrt(best) * 1.021


@settings(deadline=None, max_examples=40)
@given(n=st.integers(60, 300), steps=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_in_many_dimensions_progress_always_rises_and_nothing_comes_twice(
    n: int, steps: int, seed: int
) -> None:
    matrix = unit(np.random.default_rng(seed).normal(size=(n, 12)))
    path = gradual(space_of(matrix, 10), 0, n - 1, steps)
    quality = measure(points_of(matrix, path.rows, n - 1))
    assert len(set(path.rows)) == len(path.rows) == steps
    assert (quality.monotonicity, quality.repeats, quality.endpoint_clones) == (1.0, 0, 0)


def test_a_winding_collection_is_followed_where_straight_on_there_is_nothing() -> None:
    # Three quarters of a circle: from end to end the way straight is a quarter, the other way three.
    angles = np.linspace(0, 1.5 * np.pi, 61)
    matrix = np.stack([np.cos(angles), np.sin(angles), np.zeros(61)], axis=1).astype(np.float32)
    path = gradual(space_of(matrix, 4), 0, 60, 19)
    assert path.rows == tuple(sorted(path.rows))
    largest = measure(points_of(matrix, path.rows, 60)).largest_hop
    assert largest <= 1.02 * 4 * angles[1]


def test_near_duplicates_are_left_out_while_others_are_left() -> None:
    matrix = arc(0.0, 0.3, 0.6, 0.9, 1.2, 0.31, 0.61, 0.02, 1.19)
    assert gradual(space_of(matrix, 3), 0, 4, 3).rows == (1, 2, 3)
    # Asked for more than there are different ones, it takes them too.
    assert len(gradual(space_of(matrix, 3), 0, 4, 6).rows) == 6
    with pytest.raises(MorphError, match="8 intermediates asked for, but only 7"):
        gradual(space_of(matrix, 3), 0, 4, 8)


def test_exact_copies_are_never_taken() -> None:
    matrix = arc(0.0, 0.5, 1.0, 0.5, 0.0, 1.0)
    assert gradual(space_of(matrix, 3), 0, 2, 1).rows == (1,)
    with pytest.raises(MorphError, match="only 1 rows can be used"):
        gradual(space_of(matrix, 3), 0, 2, 2)


@pytest.mark.parametrize(("hub", "other"), [(1, 2), (2, 1)])
def test_of_two_equal_ways_the_one_without_a_hub_is_taken(hub: int, other: int) -> None:
    crowd = np.eye(3)[2] + np.random.default_rng(0).normal(0, 0.1, (30, 3))
    space = space_of(unit(np.vstack([[[1, 0, 0], [1, 1, 0.4], [1, 1, -0.4], [0, 1, 0]], crowd])), 3)
    assert space.network is not None
    occurrences = np.zeros(len(space.rows), np.int32)
    occurrences[hub] = 100
    network = Network(space.network.edges, occurrences=occurrences)
    assert gradual(MorphSpace(space.rows, network), 0, 3, 1).rows == (other,)


def test_without_a_wish_it_takes_as_many_as_make_the_largest_hop_smaller() -> None:
    matrix = arc(0.0, 0.5, 1.0, 1.5, 2.0)
    assert gradual(space_of(matrix, 2), 0, 4, None).rows == (1, 2, 3)
    gap = arc(0.0, 0.1, 0.2, 1.0, 1.1, 1.2, 1.3)
    # The gap from 0.2 to 1.0 stays: more images than are needed to reach it change nothing.
    path = gradual(space_of(gap, 2), 0, 6, None)
    assert len(path.rows) < 5
    assert measure(points_of(gap, path.rows, 6)).largest_hop == pytest.approx(0.8, abs=1e-3)
    assert path.bridges


def test_a_filter_that_cuts_the_graph_leaves_the_great_circle() -> None:
    matrix = arc(0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    allowed = np.array([True, False, True, False, True, True])
    assert gradual(space_of(matrix, 1), 0, 5, 2, allowed=allowed).rows == (2, 4)


def test_no_steps_is_no_intermediate() -> None:
    assert gradual(space_of(arc(0.0, 0.5, 1.0)), 0, 2, 0).rows == ()
    for steps in (-1, 1001):
        with pytest.raises(MorphError, match=f"cannot have {steps} intermediates; ask for 0 to 1,000"):
            gradual(space_of(arc(0.0, 0.5, 1.0)), 0, 2, steps)
