"""Waypoints: legs, how images are shared out to them, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph.rows import ArrayRows
from i2v_search.morph.methods.methods import METHODS
from i2v_search.morph.methods.route import route
from i2v_search.morph.methods.space import End, MorphSpace


def random_rows(n: int, d: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def space_of(matrix: NDArray[np.float32]) -> MorphSpace:
    rows = ArrayRows(matrix)
    return MorphSpace(rows, connect(rows, Network.of(build_graph(rows, k=5))))


def arc(*angles: float) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.integration
@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(METHODS)),
    seed=st.integers(0, 10_000),
    waypoints=st.integers(1, 3),
    free=st.integers(0, 8),
    outside=st.booleans(),
)
def test_no_image_comes_twice_and_the_way_back_is_the_reverse(
    name: str, seed: int, waypoints: int, free: int, outside: bool
) -> None:
    matrix = random_rows(60, 6, seed)
    ends: list[End] = [0, *range(10, 10 + waypoints), 59]
    if outside:
        ends[1] = random_rows(1, 6, seed + 1)[0]
    steps = waypoints + free
    legs = route(space_of(matrix), ends, steps, name)
    rows = [row for leg in legs for row in leg.rows]
    assert len(rows) == len(set(rows)) == free
    assert not set(rows) & {end for end in ends if isinstance(end, int)}
    back = route(space_of(matrix), ends[::-1], steps, name)
    assert [leg.reversed() for leg in back[::-1]] == list(legs)


def test_longer_legs_get_more_images() -> None:
    space = space_of(arc(*np.linspace(0, 2, 41)))
    legs = route(space, [0, 30, 40], 9, "gradual")
    assert [len(leg.rows) for leg in legs] == [6, 2]


@pytest.mark.parametrize(
    ("ends", "named"),
    [
        ([0, 20, 0], "both ends of the morph are the same picture"),
        ([0, 21], "both ends of the morph are the same picture"),
        ([0, 10, 20, 0], "both ends of the morph are the same picture"),
        ([0, 0, 20], "A and waypoint 1 of the morph are the same picture"),
        ([0, 10, 21, 20], "A and waypoint 2 of the morph are the same picture"),
        ([0, 10, 20, 20], "waypoint 2 and B of the morph are the same picture"),
        ([0, 10, 15, 10, 20], "waypoint 1 and waypoint 3 of the morph are the same picture"),
    ],
)
def test_no_picture_is_asked_for_twice(ends: list[End], named: str) -> None:
    matrix = np.concatenate([arc(*np.linspace(0, 1, 21)), arc(0.0)])  # row 21 is a copy of row 0
    asked = [ends, ends[::-1]] if "both" in named else [ends]
    for one in [*asked, [matrix[end] if isinstance(end, int) else end for end in ends]]:
        with pytest.raises(MorphError, match=named):
            route(space_of(matrix), one, 5, "gradual")


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("copies", [1, 9])
def test_no_leg_takes_a_copy_of_what_another_shows(name: str, copies: int) -> None:
    angles = np.linspace(0, 1, 13)
    matrix = arc(*angles, *np.repeat(angles, copies))
    legs = route(space_of(matrix), [0, 6, 12], 9, name)
    shown = [0, *legs[0].rows, 6, *legs[1].rows, 12]
    assert len(shown) == 11
    assert len({round(float(np.arctan2(y, x)), 4) for x, y in matrix[shown]}) == 11


def test_where_only_copies_are_left_there_is_no_path() -> None:
    matrix = arc(*np.linspace(0, 1, 5), *np.linspace(0, 1, 5))
    with pytest.raises(MorphError, match="rows are usable"):
        route(space_of(matrix), [0, 2, 4], 4, "line")


def test_waypoints_need_not_meet_the_filter_that_intermediates_meet() -> None:
    allowed = np.arange(21) % 2 == 0
    legs = route(space_of(arc(*np.linspace(0, 1, 21))), [0, 11, 20], 5, "gradual", allowed=allowed)
    assert all(row % 2 == 0 for leg in legs for row in leg.rows)


def test_without_a_number_each_leg_chooses() -> None:
    legs = route(space_of(arc(0.0, 0.5, 1.0, 1.5, 2.0)), [0, 2, 4], None, "gradual")
    assert [leg.rows for leg in legs] == [(1,), (3,)]


def test_wrong_questions_are_refused() -> None:
    space = space_of(arc(0.0, 0.5, 1.0, 1.5, 2.0))
    with pytest.raises(MorphError, match="at least two ends, got 1"):
        route(space, [0], 2, "gradual")
    with pytest.raises(MorphError, match="1 images cannot hold 2 waypoints; use 2 or more"):
        route(space, [0, 1, 2, 4], 1, "gradual")
    with pytest.raises(MorphError, match="the same picture"):
        route(space, [0, 0, 4], 3, "gradual")
    with pytest.raises(MorphError, match="there is no row 9"):
        route(space, [0, 9, 4], 3, "gradual")
