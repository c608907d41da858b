"""Confidence intervals hold what they promise: on synthetic worlds, 95 % of them contain the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.training.evaluation.intervals import (
    Estimate,
    estimate_mean,
    half_sampled_precision,
    half_samples,
    paired_difference,
    recentred,
    relative_gain,
)
from i2v_search.training.evaluation.metrics import tag_precision


def share_containing(truth: float, estimates: list[Estimate]) -> float:
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]))


def test_intervals_of_a_skewed_mean_contain_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    estimates = [estimate_mean(generator.exponential(size=80)) for _ in range(200)]
    assert 0.89 <= share_containing(1.0, estimates) <= 0.99


def test_intervals_of_a_proportion_do_so_too_and_never_promise_certainty() -> None:
    generator = np.random.default_rng(1)
    estimates = [estimate_mean((generator.random(60) < 0.95).astype(float)) for _ in range(300)]
    assert 0.92 <= share_containing(0.95, estimates) <= 0.99
    perfect = estimate_mean(np.ones(50))
    # Wilson's lower end for n of n is n / (n + z^2).
    assert (perfect.value, perfect.high) == (1, 1)
    assert perfect.low == pytest.approx(50 / (50 + 1.959964**2), abs=1e-6)


def test_intervals_of_a_paired_difference_contain_the_truth_and_use_the_pairing() -> None:
    generator = np.random.default_rng(2)
    estimates = []
    for _ in range(150):
        hard = generator.normal(size=60)
        a, b = hard + 0.1 * generator.normal(size=60) + 0.05, hard + 0.1 * generator.normal(size=60)
        estimates.append(paired_difference(a, b))
        assert estimates[-1].high - estimates[-1].low < 0.2
    assert 0.88 <= share_containing(0.05, estimates) <= 0.99


def test_a_gain_is_the_ratio_of_the_means_minus_1() -> None:
    generator = np.random.default_rng(3)
    theirs = generator.random(200)
    gain = relative_gain(1.1 * theirs, theirs)
    assert gain.value == pytest.approx(0.1)
    assert gain.low == pytest.approx(0.1)
    assert gain.high == pytest.approx(0.1)
    assert np.isnan(relative_gain(theirs, 0 * theirs).value)


def test_intervals_of_tag_precision_over_images_hold_the_expected_value() -> None:
    """The expectation at this number of images: what measuring on another set of this size would give."""
    tags, images = 12, 150
    separation = np.linspace(0.5, 3, tags)

    def measure(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        positive = generator.random((images, tags)) < 0.08
        shared = 0.5 * generator.normal(size=(images, 1))
        return positive, generator.normal(size=(images, tags)) + shared + separation * positive

    worlds = [measure(np.random.default_rng(seed)) for seed in range(80)]
    values = [tag_precision(*world).mean() for world in worlds]
    samples = half_samples(images, samples=150)
    estimates = [
        recentred(value, half_sampled_precision(*world, samples), tags)
        for value, world in zip(values, worlds, strict=True)
    ]
    assert 0.88 <= share_containing(float(np.mean(values)), estimates) <= 1.0
    width = float(np.mean([estimate.high - estimate.low for estimate in estimates]))
    assert 0.8 < width / (3.92 * np.std(values)) < 1.3


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_half_sampled_precision_is_that_of_its_half(seed: int) -> None:
    generator = np.random.default_rng(seed)
    positive, known = generator.random((30, 5)) < 0.5, generator.random((30, 5)) < 0.8
    scores = generator.integers(0, 6, (30, 5)).astype(np.float32)
    samples = half_samples(30, samples=7, seed=seed)
    found = half_sampled_precision(positive, scores, samples, known)
    for number in range(7):
        half = samples[:, number] == 1
        kept = tag_precision(positive[half], scores[half], known[half])
        # A tag that every image of the half has still counts there, as 1.
        every = np.where((kept.positives > 0) & ~kept.counted, 1.0, kept.average_precision)
        assert found[number] == pytest.approx(np.nanmean(every))


def test_half_samples_are_halves_and_follow_their_seed() -> None:
    samples = half_samples(31, samples=50, seed=4)
    assert (samples.sum(axis=0) == 15).all()
    assert samples.sum(axis=1).std() > 0
    np.testing.assert_array_equal(samples, half_samples(31, samples=50, seed=4))
    assert (samples != half_samples(31, samples=50, seed=5)).any()


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(5).random(70)
    assert estimate_mean(values, seed=1) == estimate_mean(values, seed=1)
    assert estimate_mean(values, seed=1) != estimate_mean(values, seed=2)


def test_values_that_were_not_measured_are_left_out() -> None:
    values = np.array([0.2, np.nan, 0.4, 0.9])
    assert estimate_mean(values).count == 3
    assert estimate_mean(values).value == pytest.approx(0.5)
    assert paired_difference(values, np.array([0.1, 0.1, np.nan, 0.4])).count == 2
    assert estimate_mean(np.array([])).to_dict() == {"value": None, "low": None, "high": None, "count": 0}
    assert np.isnan(paired_difference(np.array([]), np.array([])).value)


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3], [0.1, 0.4], [0.5, 0.5, 0.5000001]])
def test_few_or_equal_values_still_give_a_finite_interval(values: list[float]) -> None:
    estimate = estimate_mean(np.array(values))
    assert estimate.low <= estimate.value + 1e-9
    assert estimate.high >= estimate.value - 1e-9


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="pairs"):
        paired_difference(np.zeros(3), np.zeros(2))
