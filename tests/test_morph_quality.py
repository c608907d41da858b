"""The numbers that judge a morph, against hand-made answers."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph import measure


def circle(*angles: float) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_even_points_of_a_great_circle_are_perfect() -> None:
    quality = measure(circle(0, 0.3, 0.6, 0.9))
    assert quality.hops == pytest.approx((0.3, 0.3, 0.3), abs=1e-6)
    assert quality.direct == pytest.approx(0.9, abs=1e-6)
    assert quality.largest_hop_ratio == pytest.approx(1, abs=1e-6)
    assert quality.detour == pytest.approx(1, abs=1e-6)
    assert quality.monotonicity == 1
    assert quality.repeats == 0


def test_a_walk_that_turns_back() -> None:
    quality = measure(circle(0, 0.6, 0.2, 1.0))
    assert quality.hops == pytest.approx((0.6, 0.4, 0.8), abs=1e-6)
    assert quality.largest_hop_ratio == pytest.approx(0.8 / 0.6, abs=1e-5)
    assert quality.detour == pytest.approx(1.8, abs=1e-5)
    assert quality.monotonicity == pytest.approx(2 / 3)


def test_a_side_step_costs_detour_but_is_no_turn() -> None:
    side = np.array([[1, 0, 0], [0.5, 0.5, np.sqrt(0.5)], [0, 1, 0]], np.float32)
    quality = measure(side)
    assert quality.hops == pytest.approx((np.pi / 3, np.pi / 3), abs=1e-6)
    assert quality.detour == pytest.approx(4 / 3, abs=1e-6)
    assert quality.monotonicity == 1


def test_standing_still_is_not_progress_and_is_a_repeat() -> None:
    quality = measure(circle(0, 0.5, 0.5, 0.5, 1))
    assert quality.repeats == 2
    assert quality.monotonicity == 0.5
    assert quality.hops[1] == 0


def test_small_hops_keep_their_digits() -> None:
    assert measure(circle(0, 2e-3)).hops[0] == pytest.approx(2e-3, rel=1e-4)


def test_opposite_ends_are_half_a_turn_apart() -> None:
    assert measure(np.array([[1, 0], [-1, 0]], np.float32)).direct == pytest.approx(np.pi)


def test_equal_ends_have_no_detour() -> None:
    quality = measure(circle(0.4, 0.4))
    assert quality.detour is None
    assert quality.largest_hop_ratio == 1
    assert quality.repeats == 1


def test_every_number_survives_json() -> None:
    quality = measure(circle(0, 0.3, 1))
    assert json.loads(json.dumps(quality.to_dict())) == {
        "hops": list(quality.hops),
        "direct": quality.direct,
        "largest_hop_ratio": quality.largest_hop_ratio,
        "detour": quality.detour,
        "monotonicity": 1.0,
        "repeats": 0,
    }


@pytest.mark.parametrize("points", [circle(0), np.ones(4, np.float32)])
def test_a_morph_has_two_ends(points: NDArray[np.float32]) -> None:
    with pytest.raises(MorphError, match="at least two points"):
        measure(points)
