"""The numbers that judge a morph, against hand-made answers."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import kendalltau

from i2v_search.errors import MorphError
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph.network import Network, hub_limit
from i2v_search.morph.graph.rows import ArrayRows
from i2v_search.morph.judging import graph_facts, least_largest_hop
from i2v_search.morph.methods.space import MorphSpace, great_circle
from i2v_search.morph.quality import arc_distances, measure, order_along, progress_along


def circle(*angles: float) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_between_opposite_ends_points_divide_the_straight_segment() -> None:
    end = np.array([0.6, 0.8, 0.0], np.float32)
    expected = np.array([0.5 * end, 0 * end, -0.5 * end])
    np.testing.assert_allclose(great_circle(end, -end, 3), expected, atol=1e-6)


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
    quality = measure(circle(0, 0.4, 1), hubs=np.array([True]), bottleneck=0.5)
    assert json.loads(json.dumps(quality.to_dict())) == {
        "hops": list(quality.hops),
        "direct": quality.direct,
        "largest_hop_ratio": quality.largest_hop_ratio,
        "detour": quality.detour,
        "monotonicity": 1.0,
        "repeats": 0,
        "deviation": quality.deviation,
        "largest_deviation": quality.largest_deviation,
        "near_duplicates": 0,
        "endpoint_clones": 0,
        "hub_share": 1.0,
        "bottleneck": 0.5,
        "tag_order": None,
        "alone": None,
        "largest_hop": quality.largest_hop,
        "mean_hop": quality.mean_hop,
        "regret": quality.regret,
    }


def test_largest_and_mean_hop_and_regret() -> None:
    quality = measure(circle(0, 0.3, 1), bottleneck=0.5)
    assert (quality.largest_hop, quality.mean_hop) == pytest.approx((0.7, 0.5), abs=1e-6)
    assert quality.regret == pytest.approx(1.4, abs=1e-6)
    unknown = measure(circle(0, 0.3, 1))
    assert (unknown.bottleneck, unknown.regret, unknown.hub_share, unknown.tag_order) == (None,) * 4


def test_a_point_off_the_way_deviates_by_its_latitude() -> None:
    latitude = 0.4
    aside = [np.cos(0.5) * np.cos(latitude), np.sin(0.5) * np.cos(latitude), np.sin(latitude)]
    points = np.array(
        [[1, 0, 0], [np.cos(0.2), np.sin(0.2), 0], aside, [np.cos(1), np.sin(1), 0]], np.float32
    )
    quality = measure(points)
    assert quality.deviation == pytest.approx(latitude / 2, abs=1e-6)
    assert quality.largest_deviation == pytest.approx(latitude, abs=1e-6)
    assert measure(points[[0, 3]]).deviation == measure(points[[0, 3]]).largest_deviation == 0


def test_behind_an_end_the_end_is_nearest() -> None:
    assert measure(circle(0, -0.3, 1)).deviation == pytest.approx(0.3, abs=1e-6)
    assert measure(circle(0, 1.25, 1)).deviation == pytest.approx(0.25, abs=1e-6)


def test_equal_and_opposite_ends_have_deviations_too() -> None:
    assert measure(circle(0.4, 0.9, 0.4)).deviation == pytest.approx(0.5, abs=1e-6)
    assert measure(np.array([[1, 0, 0], [0, 0.6, 0.8], [-1, 0, 0]], np.float32)).deviation == 0


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_arc_distances_are_the_least_over_the_arc(seed: int, d: int) -> None:
    random = np.random.default_rng(seed)
    a, b, x = (v / np.linalg.norm(v) for v in random.standard_normal((3, d)))
    angle = float(np.arccos(np.clip(a @ b, -1, 1)))
    assume(0.01 < angle < 3.13)

    def away(share: float) -> float:
        point = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
        return float(2 * np.arcsin(min(float(np.linalg.norm(point - x)) / 2, 1.0)))

    best: float = min(np.linspace(0, 1, 401).tolist(), key=away)
    refined = minimize_scalar(away, bounds=(max(0.0, best - 0.005), min(1.0, best + 0.005)), method="bounded")
    assert arc_distances(x[None], a, b)[0] == pytest.approx(min(away(best), refined.fun), abs=1e-4)


def test_with_waypoints_each_leg_is_judged_by_itself() -> None:
    there_and_back = circle(0, 0.5, 1.0, 0.6, 0.2)
    assert measure(there_and_back).monotonicity == 0.5
    by_legs = measure(there_and_back, legs=[2])
    assert by_legs.monotonicity == 1
    assert by_legs.deviation == pytest.approx(0, abs=1e-6)
    assert by_legs.hops == measure(there_and_back).hops


def test_progress_is_the_projection_and_legs_count_by_their_length() -> None:
    points = circle(0, 0.3, 0.9, 1.2)
    projected = (points - points[0]) @ (points[-1] - points[0])
    assert progress_along(points) == pytest.approx(projected / projected[-1], abs=1e-6)
    with_waypoint = progress_along(circle(0, 1.0, 0.5, 0.0), [1])
    assert with_waypoint == pytest.approx([0, 0.5, 0.75, 1], abs=1e-6)
    assert progress_along(circle(0, -0.5, 2.0, 1)).tolist() == [0, 0, 1, 1]


def test_near_duplicates_are_pairs_that_are_not_repeats() -> None:
    # A squared chord of 0.1 is an angle of 0.317.
    quality = measure(circle(0, 0.31, 1, 1, 1.32, 2))
    assert quality.repeats == 1
    assert quality.near_duplicates == 1
    assert measure(circle(0, 0.1, 0.2)).near_duplicates == 3
    assert measure(circle(0, 0.1, 0.2), near=0.15**2).near_duplicates == 2


def test_endpoint_clones_are_intermediates_equal_to_an_end() -> None:
    assert measure(circle(0, 0, 0.5, 1)).endpoint_clones == 1
    assert measure(circle(0, 1, 0, 0.5, 1)).endpoint_clones == 2
    assert measure(circle(0, 0.5, 1)).endpoint_clones == 0
    assert measure(circle(0, 0.5, 1), legs=[1]).endpoint_clones == 0
    assert measure(circle(0, 0.5, 0.5, 1), legs=[1]).endpoint_clones == 1


def test_hubs_are_two_standard_deviations_above_the_mean() -> None:
    occurrences = np.array([1] * 30 + [12], np.int32)
    limit = hub_limit(occurrences)
    assert limit == pytest.approx(occurrences.mean() + 2 * occurrences.std())
    assert (occurrences > limit).tolist() == [False] * 30 + [True]
    assert measure(circle(0, 0.5, 1, 2), hubs=np.array([True, False])).hub_share == 0.5
    assert measure(circle(0, 2), hubs=np.empty(0, bool)).hub_share is None


def test_tags_that_change_steadily_are_in_order() -> None:
    shares = np.linspace(0, 1, 6)
    tags = np.stack([1 - shares, shares], axis=1).astype(np.float32)
    points = circle(*(shares * 1.2))
    assert measure(points, tags=tags).tag_order == 1
    backwards = tags[[0, 4, 3, 2, 1, 5]]
    assert measure(points, tags=backwards).tag_order == -1
    assert measure(points[:4], tags=tags[:4]).tag_order is None
    for end in (0, -1):
        nothing = tags.copy()
        nothing[end] = 0
        assert measure(points, tags=nothing).tag_order is None
    assert measure(points, tags=np.ones((6, 2), np.float32)).tag_order is None


@given(st.lists(st.integers(0, 5), min_size=3, max_size=15))
def test_the_order_is_kendalls_tau_of_scipy(gained: list[int]) -> None:
    nearness = np.array([[0, 0], *([0, g] for g in gained), [0, 9]], np.float64)
    expected = kendalltau(np.arange(len(gained)), gained).statistic
    found = order_along(nearness)
    assert (found is None) == bool(np.isnan(expected))
    assert found is None or found == pytest.approx(expected)


def brute_force_bottleneck(points: NDArray[np.float32], a: int, b: int) -> float:
    """Smallest largest angle over every path, by Floyd and Warshall's algorithm with max for plus."""
    chords = np.linalg.norm(points[:, None].astype(np.float64) - points[None], axis=2)
    best = 2 * np.arcsin(np.minimum(chords / 2, 1))
    for k in range(len(best)):
        best = np.minimum(best, np.maximum(best[:, k : k + 1], best[k : k + 1, :]))
    return float(best[a, b])


@pytest.mark.parametrize("seed", range(8))
def test_the_bottleneck_is_the_best_of_all_paths(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.standard_normal((14, 4)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    inside, outside = ArrayRows(points[:12]), points[12:]
    space = MorphSpace(inside, Network.of(build_graph(inside, k=11)))
    assert space.network is not None
    expected = brute_force_bottleneck(points[:12], 0, 5)
    assert least_largest_hop(space, space.network, [0, 5]) == pytest.approx(expected, abs=1e-5)
    legs = [brute_force_bottleneck(points[:12], *leg) for leg in ((0, 7), (7, 5))]
    assert least_largest_hop(space, space.network, [0, 7, 5]) == pytest.approx(max(legs), abs=1e-5)
    expected = brute_force_bottleneck(points, 12, 13)
    assert least_largest_hop(space, space.network, [*outside]) == pytest.approx(expected, abs=1e-5)


def test_of_filtered_rows_the_best_possible_is_not_known() -> None:
    rows = ArrayRows(circle(0, 0.3, 0.6, 0.9))
    space = MorphSpace(rows, Network.of(build_graph(rows, k=2)))
    assert graph_facts(space, [0, 3], [1, 2]).bottleneck == pytest.approx(0.3, abs=1e-3)
    facts = graph_facts(space, [0, 3], [1, 2], masked=True)
    assert facts.bottleneck is None
    assert facts.hubs is not None


def test_without_a_graph_nothing_is_known_of_hubs_and_bottleneck() -> None:
    rows = ArrayRows(circle(0, 0.5, 1, 1.5))
    facts = graph_facts(MorphSpace(rows), [0, 3], [1, 2])
    assert (facts.hubs, facts.bottleneck) == (None, None)
    known = graph_facts(MorphSpace(rows, Network.of(build_graph(rows, k=2))), [0, 3], [1, None])
    assert known.hubs is not None
    assert known.hubs.tolist() == [False, False]
    assert known.bottleneck == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("points", [circle(0), np.ones(4, np.float32)])
def test_a_morph_has_two_ends(points: NDArray[np.float32]) -> None:
    with pytest.raises(MorphError, match="at least two points"):
        measure(points)


def test_facts_about_other_points_are_refused() -> None:
    points = circle(0, 0.5, 1)
    for legs in ([0], [2], [1, 1]):
        with pytest.raises(MorphError, match="waypoints of 3 points"):
            measure(points, legs=legs)
    with pytest.raises(MorphError, match="3 points have 1 between the ends, got 2 hubs"):
        measure(points, hubs=np.array([True, False]))
    with pytest.raises(MorphError, match="need as many rows of tags"):
        measure(points, tags=np.ones((2, 4), np.float32))
