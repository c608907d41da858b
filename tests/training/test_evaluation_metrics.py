"""Measures of a ranking agree with scikit-learn, with brute force and with sums done by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    precision_score,
)

from i2v_search.training.evaluation.metrics import (
    average_precision,
    ranked_precision,
    tag_precision,
)

# Few different scores, so that ties are the rule.
ITEMS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


def precision_at_k(relevant: NDArray[np.bool_], scores: NDArray[np.floating], k: int) -> float:
    return ranked_precision(np.sort(scores), np.sort(scores[relevant]), k)


def arrays(items: list[tuple[bool, int]]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    relevant, scores = zip(*items, strict=True)
    return np.array(relevant, bool), np.array(scores, np.float32) / np.float32(3)


def test_average_precision_of_a_ranking_done_by_hand() -> None:
    relevant = np.array([True, False, True, False, False])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert average_precision(relevant, scores) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(relevant, -scores) == pytest.approx((1 / 3 + 2 / 5) / 2)


def test_equal_scores_share_the_precision_at_the_end_of_their_group() -> None:
    relevant = np.array([True, False, True])
    assert average_precision(relevant, np.array([2.0, 2.0, 1.0])) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert average_precision(relevant, np.zeros(3)) == pytest.approx(2 / 3)


def test_average_precision_without_anything_relevant_is_not_a_number() -> None:
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))


@given(ITEMS)
def test_average_precision_is_that_of_scikit_learn_ties_included(items: list[tuple[bool, int]]) -> None:
    relevant, scores = arrays(items)
    if relevant.any():
        expected = average_precision_score(relevant, scores)
        assert average_precision(relevant, scores) == pytest.approx(expected, abs=1e-12)


@given(ITEMS, st.randoms(use_true_random=False))
def test_measures_ignore_the_order_of_the_items_and_keep_their_bounds(
    items: list[tuple[bool, int]], random: np.random.RandomState
) -> None:
    relevant, scores = arrays(items)
    shuffled = list(items)
    random.shuffle(shuffled)
    again, other = arrays(shuffled)
    for k in (1, 3, 10):
        value = precision_at_k(relevant, scores, k)
        assert value == pytest.approx(precision_at_k(again, other, k))
        assert 0 <= value <= min(1, np.count_nonzero(relevant) / k)
    if relevant.any():
        precision = average_precision(relevant, scores)
        assert precision == pytest.approx(average_precision(again, other))
        assert np.count_nonzero(relevant) / len(relevant) / len(relevant) <= precision <= 1


@given(ITEMS)
def test_a_better_score_of_a_relevant_item_never_costs_precision(items: list[tuple[bool, int]]) -> None:
    relevant, scores = arrays(items)
    if relevant.any():
        raised = scores + 0.5 * relevant
        assert average_precision(relevant, raised) >= average_precision(relevant, scores) - 1e-12


def test_the_mean_over_queries_is_scikit_learns_label_ranking_average_precision() -> None:
    generator = np.random.default_rng(1)
    relevant = generator.random((30, 25)) < 0.3
    relevant[:, 0] = True
    scores = generator.integers(0, 9, (30, 25)).astype(np.float64)
    ours = np.mean([average_precision(*line) for line in zip(relevant, scores, strict=True)])
    assert ours == pytest.approx(label_ranking_average_precision_score(relevant, scores))


def test_precision_at_k_without_ties_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    for k in (1, 5, 10):
        relevant, scores = generator.random(50) < 0.3, generator.permutation(50).astype(float)
        assert precision_at_k(relevant, scores, k) == pytest.approx(
            precision_score(relevant, scores >= 50 - k)
        )


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_precision_at_k_of_equal_scores_is_the_mean_over_all_their_orders(k: int) -> None:
    relevant = np.array([True, False, False, True, True])
    scores = np.array([3.0, 2.0, 2.0, 2.0, 1.0])
    orders = [order for order in permutations(range(5)) if np.all(np.diff(scores[list(order)]) <= 0)]
    expected = np.mean([np.count_nonzero(relevant[list(order[:k])]) / k for order in orders])
    assert precision_at_k(relevant, scores, k) == pytest.approx(expected)


def test_precision_at_10_divides_by_10_also_where_fewer_are_relevant_or_exist() -> None:
    assert precision_at_k(np.array([True] * 3 + [False] * 20), -np.arange(23.0), 10) == pytest.approx(0.3)
    assert precision_at_k(np.array([True, True]), np.array([1.0, 0.5]), 10) == pytest.approx(0.2)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_every_tag_is_that_of_scikit_learn_over_the_images_where_it_is_known(seed: int) -> None:
    generator = np.random.default_rng(seed)
    positive = generator.random((40, 6)) < generator.random(6)
    known = generator.random((40, 6)) < 0.7
    scores = generator.integers(0, 8, (40, 6)).astype(np.float32)
    found = tag_precision(positive, scores, known)
    for tag in range(6):
        chosen = known[:, tag]
        truth = positive[chosen, tag]
        assert (found.positives[tag], found.known[tag]) == (truth.sum(), len(truth))
        assert found.counted[tag] == (0 < truth.sum() < len(truth))
        if found.counted[tag]:
            expected = average_precision_score(truth, scores[chosen, tag])
            assert found.average_precision[tag] == pytest.approx(expected)
        else:
            assert np.isnan(found.average_precision[tag])


def test_what_is_unknown_changes_nothing() -> None:
    generator = np.random.default_rng(4)
    positive, known = generator.random((30, 4)) < 0.4, generator.random((30, 4)) < 0.6
    scores = generator.random((30, 4))
    changed = np.where(known, scores, generator.random((30, 4)) * 9)
    flipped = np.where(known, positive, ~positive)
    assert tag_precision(positive, scores, known).mean() == tag_precision(flipped, changed, known).mean()


def test_the_mean_leaves_out_tags_that_no_known_image_has_and_tags_that_all_have() -> None:
    positive = np.array([[True, False, True, True], [False, False, True, False], [False, False, True, False]])
    known = np.array([[True, True, True, False], [True, True, True, True], [True, True, True, True]])
    scores = np.array([[0.2, 0.5, 0.1, 0.9], [0.9, 0.1, 0.2, 0.5], [0.1, 0.3, 0.3, 0.4]])
    found = tag_precision(positive, scores, known)
    assert found.counted.tolist() == [True, False, False, False]
    assert found.mean() == pytest.approx(1 / 2)
    assert np.isnan(tag_precision(positive[:, 1:2], scores[:, 1:2]).mean())


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        average_precision(np.array([True, False]), np.array([np.nan, 1.0]))
    with pytest.raises(ValueError, match="same shape"):
        average_precision(np.array([True]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="at least 1"):
        precision_at_k(np.array([True]), np.array([1.0]), 0)
    with pytest.raises(ValueError, match="one shape"):
        tag_precision(np.zeros((2, 3), bool), np.zeros((2, 2)))
