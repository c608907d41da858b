"""The default method: smallest largest hop, always nearer to B, nothing twice."""

from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import ArrayRows, squared_chords
from i2v_search.morph.judging import graph_facts
from i2v_search.morph.methods.gradual import gradual
from i2v_search.morph.methods.layered import Layered
from i2v_search.morph.methods.space import MorphSpace
from i2v_search.morph.quality import measure


def unit(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), np.float32)


def space_of(matrix: NDArray[np.float32], k: int = 15) -> MorphSpace:
    rows = ArrayRows(matrix)
    return MorphSpace(rows, connect(rows, Network.of(build_graph(rows, k=k))))


def arc(*angles: float) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1).astype(np.float32)


def beside_arc(at: tuple[float, float], away: tuple[float, float], *, above: bool) -> NDArray[np.float32]:
    """The row that is `away` (two angles) from the two points of the arc `at` two angles."""
    first, second = (np.array([np.cos(angle), np.sin(angle)]) for angle in at)
    flat = np.linalg.solve([first, second], np.cos(away))
    aside = np.sqrt(1 - flat @ flat) * (1 if above else -1)
    return np.array([[*flat, aside]], np.float32)


def points_of(matrix: NDArray[np.float32], rows: tuple[int, ...], b: int) -> NDArray[np.float32]:
    return matrix[[0, *rows, b]]


def rising_rows(squared: NDArray[np.float32]) -> list[int]:
    """Rows between the first and the last by their progress <x, B - A>, in that order."""
    progress = squared[0] - squared[-1]
    between = np.flatnonzero(np.abs(progress) < squared[0, -1])
    return [row for row in between[np.argsort(progress[between])].tolist() if 0 < row < len(squared) - 1]


@settings(max_examples=80)
@given(
    n=st.integers(16, 45), d=st.integers(4, 8), steps=st.integers(1, 6), seed=st.integers(0, 10_000),
    graph=st.booleans(),
)  # fmt: skip
def test_of_a_few_rows_the_largest_hop_is_the_smallest_of_all_rising_paths(
    n: int, d: int, steps: int, seed: int, graph: bool
) -> None:
    matrix = unit(np.random.default_rng(seed).normal(size=(n, d)))
    squared = squared_chords(matrix, matrix)
    # Near duplicates are left out, which this oracle does not do.
    distinct = ~np.tril(squared < 0.1, -1).any(axis=1)
    matrix = matrix[distinct][np.argsort(squared[0, distinct])]
    squared = squared_chords(matrix, matrix)
    last = len(matrix) - 1
    rising = rising_rows(squared)
    assume(len(rising) >= steps)
    space = space_of(matrix, 3) if graph else MorphSpace(ArrayRows(matrix))
    best = Layered.of(squared, np.array(rising) - 1).least_largest(steps)[steps]
    path = gradual(space, 0, last, steps)
    hops = [squared[x, y] for x, y in pairwise([0, *path.rows, last])]
    assert np.sqrt(max(hops)) <= np.sqrt(best) * 1.021


def test_the_largest_hop_may_be_two_percent_longer_where_that_makes_the_others_shorter() -> None:
    ends = arc(0.0, 1.2)
    least = beside_arc((0.0, 1.2), (1.0, 1.0), above=True)
    longer, too_long = (beside_arc((0.0, 1.2), away, above=False) for away in ((1.015, 0.7), (1.03, 0.65)))
    assert gradual(space_of(np.concatenate([ends, least, longer])), 0, 1, 1).rows == (3,)
    assert gradual(space_of(np.concatenate([ends, least, too_long])), 0, 1, 1).rows == (2,)


@pytest.mark.parametrize(
    ("end", "short", "even"),
    [(1.7, 0.42, 0.5), (1.6, 0.38, 0.46), (1.4, 0.25, 0.38)],
    ids=["0.6", "half", "a third"],
)
def test_a_hop_is_not_much_shorter_than_the_largest_where_that_can_be(
    end: float, short: float, even: float
) -> None:
    # From 0 on the hop to 0.8 is the largest in any case. By the row `short` from there the sum of squares
    # is least; by the last one, off the way, no hop is shorter than `even`.
    on_the_way = arc(0.0, 0.8, 0.8 + short, end)
    aside = beside_arc((0.8, end), (even, even), above=True)
    matrix = np.concatenate([on_the_way, aside])
    assert gradual(space_of(matrix), 0, 3, 2).rows == (1, 4)
    assert gradual(space_of(on_the_way), 0, 3, 2).rows == (1, 2)


@settings(max_examples=40)
@given(n=st.integers(60, 300), steps=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_nothing_comes_twice_and_progress_rises_unless_turning_makes_the_largest_hop_a_tenth_smaller(
    n: int, steps: int, seed: int
) -> None:
    matrix = unit(np.random.default_rng(seed).normal(size=(n, 12)))
    space = space_of(matrix, 10)
    path = gradual(space, 0, n - 1, steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("i2v_search.morph.methods.gradual"), "_WORTH_TURNING", np.inf)
        straight = gradual(space, 0, n - 1, steps)
    found, rising = (measure(points_of(matrix, each.rows, n - 1)) for each in (path, straight))
    assert len(set(path.rows)) == len(path.rows) == steps
    assert (found.repeats, found.endpoint_clones, rising.monotonicity) == (0, 0, 1.0)
    chords = [2 * np.sin(each.largest_hop / 2) for each in (found, rising)]
    assert path == straight or chords[0] / 1.02 < chords[1] / 1.1


def test_a_winding_collection_is_followed_where_straight_on_there_is_nothing() -> None:
    # Three quarters of a circle: from end to end the way straight is a quarter, the other way three.
    angles = np.linspace(0, 1.5 * np.pi, 61)
    matrix = np.stack([np.cos(angles), np.sin(angles), np.zeros(61)], axis=1).astype(np.float32)
    path = gradual(space_of(matrix, 4), 0, 60, 19)
    assert path.rows == tuple(sorted(path.rows))
    largest = measure(points_of(matrix, path.rows, 60)).largest_hop
    assert largest <= 1.02 * 4 * angles[1]


def test_rows_beside_the_walk_are_taken_in_the_order_of_its_rows() -> None:
    # Rows 0 to 10 of the walk are 0.45 apart on most of a circle; each has a row aside, in a direction of its
    # own, a little before it and one a little after it. The way straight across is full of others.
    turns, places = 0.45 * np.arange(11), np.arange(11)
    walk, beside = np.zeros((11, 21)), np.zeros((2, 11, 21))
    walk[:, 0], walk[:, 1] = np.cos(turns), np.sin(turns)
    for side, shift in zip(beside, (-0.15, 0.15), strict=True):
        side[:, 0], side[:, 1] = np.cos(0.4) * np.cos(turns + shift), np.cos(0.4) * np.sin(turns + shift)
        side[places, 2 + places] = np.sin(0.4)
    others = np.zeros((60, 21))
    others[:, 13:] = np.sin(0.9) * unit(np.random.default_rng(0).normal(size=(60, 8)))
    middle = (turns[0] + turns[10]) / 2 + np.pi
    others[:, 0], others[:, 1] = np.cos(0.9) * np.cos(middle), np.cos(0.9) * np.sin(middle)
    matrix = unit(np.concatenate([walk, beside[0], beside[1], others]))
    path = gradual(space_of(matrix, 6), 0, 10, 18)
    assert measure(points_of(matrix, path.rows, 10)).largest_hop < 0.53


def test_near_duplicates_are_left_out_while_others_are_left() -> None:
    matrix = arc(0.0, 0.3, 0.6, 0.9, 1.2, 0.31, 0.61, 0.02, 1.19)
    assert gradual(space_of(matrix, 3), 0, 4, 3).rows == (1, 2, 3)
    # Even where the near duplicate would leave the largest hop smaller.
    farther = beside_arc((0.8, 1.6), (0.9, 0.5), above=True)
    crowd = np.concatenate([arc(0.0, 0.8, 0.9, 1.6), farther])
    assert gradual(space_of(crowd), 0, 3, 2).rows == (1, 4)
    # Asked for more than there are different ones, it takes them too.
    assert len(gradual(space_of(matrix, 3), 0, 4, 6).rows) == 6
    with pytest.raises(MorphError, match="8 intermediates requested, but only 7"):
        gradual(space_of(matrix, 3), 0, 4, 8)


def test_exact_copies_are_never_taken() -> None:
    matrix = arc(0.0, 0.5, 1.0, 0.5, 0.0, 1.0)
    assert gradual(space_of(matrix, 3), 0, 2, 1).rows == (1,)
    with pytest.raises(MorphError, match="only 1 rows are usable"):
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
    # Four on a way aside would make it 1.6 % smaller: too little.
    turns = np.linspace(0, 1, 6)[1:-1]
    aside = unit(np.stack([np.cos(2 * turns), np.sin(2 * turns), -0.52 * np.sin(np.pi * turns)], axis=1))
    assert gradual(space_of(np.concatenate([matrix, aside])), 0, 4, None).rows == (1, 2, 3)
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
        with pytest.raises(MorphError, match=f"cannot have {steps} intermediates; use 0 to 1,000"):
            gradual(space_of(arc(0.0, 0.5, 1.0)), 0, 2, steps)


def test_an_end_that_is_alone_is_told() -> None:
    angles = np.array([0.0, 0.1, 0.2, 0.3, 1.5])
    rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    space = MorphSpace(rows, connect(rows, Network.of(build_graph(rows, k=2))))
    alone = graph_facts(space, [0, 4], [2]).alone
    assert alone == pytest.approx((0.1, 1.2), abs=1e-3)
    outside = np.array([np.cos(0.34), np.sin(0.34)], np.float32)
    alone = graph_facts(space, [outside, 4], [2]).alone
    assert alone == pytest.approx((0.04, 1.2), abs=1e-3)


def test_auto_takes_an_image_between_that_makes_no_hop_longer() -> None:
    angles = np.array([0.0, 1.0, 0.5])
    rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    assert gradual(MorphSpace(rows), 0, 1, None).rows == (2,)
    turns = np.eye(3, dtype=np.float32)
    equal = ArrayRows(np.concatenate([turns, -turns[2:]]))
    assert len(gradual(MorphSpace(equal), 0, 1, None).rows) == 1
