"""95 % confidence intervals of measured means, and of the paired difference of two encoders.

Over queries, or over tags: the bootstrap with bias correction and acceleration (Efron, "Better Bootstrap
Confidence Intervals", JASA 1987); where every value is 0 or 1, Wilson's score interval, which knows that 50
successes of 50 do not mean certainty.

Over images, for the mean average precision of tags: random half-samples without replacement, recentred on the
measured value. A bootstrap draws images twice, and a positive beside its own copy ranks too well: with rare
tags its percentile interval missed the truth nearly always (docs/decisions/0007-evaluation.md). The spread
of a half-sample around the whole is that of the whole around its expectation (Shao & Wu, "A General Theory
for Jackknife Variance Estimation", Annals of Statistics 1989).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2000
HALF_SAMPLES = 400
CONFIDENCE = 0.95
#: Resamples drawn at once take at most about this many values.
_BATCH_VALUES = 2**21


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % confidence interval.

    Attributes:
        value: as measured; NaN where there was nothing to measure.
        low: lower end of the interval.
        high: upper end.
        count: how many values were averaged.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values; NaN becomes None."""
        return {name: None if np.isnan(value) else value for name, value in vars(self).items()}


def estimate_mean(values: NDArray[np.floating], *, seed: int = 0) -> Estimate:
    """The mean of one value per query (or tag), and how far other queries might move it.

    Args:
        values: (n,) float; NaN ones are left out.
        seed: seed of the resamples.

    Example:
        >>> print(estimate_mean(np.ones(50)))
        1.000 [0.929, 1.000]
    """
    counted = np.asarray(values, np.float64)
    counted = counted[~np.isnan(counted)]
    if not len(counted):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float(counted.mean())
    if np.all((counted == 0) | (counted == 1)):
        proportion = stats.binomtest(int(counted.sum()), len(counted)).proportion_ci(CONFIDENCE, "wilson")
        return Estimate(mean, float(proportion.low), float(proportion.high), len(counted))
    return Estimate(mean, *_bootstrap((counted,), _mean, seed), len(counted))


def paired_difference(ours: NDArray[np.floating], theirs: NDArray[np.floating], *, seed: int = 0) -> Estimate:
    """The mean of ours minus theirs, query by query.

    Args:
        ours: (n,) float, a value for each query.
        theirs: (n,) float for the same queries. A query that is NaN in either is left out.
        seed: seed of the resamples.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> print(paired_difference(np.array([0.5, 0.5, 0.5]), np.array([0.25, 0.25, 0.25])))
        0.250 [0.250, 0.250]
    """
    (differences,) = _paired(ours, theirs, lambda a, b: (a - b,))
    if not len(differences):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    low, high = _bootstrap((differences,), _mean, seed)
    return Estimate(float(differences.mean()), low, high, len(differences))


def relative_gain(ours: NDArray[np.floating], theirs: NDArray[np.floating], *, seed: int = 0) -> Estimate:
    """The mean of ours over the mean of theirs, minus 1: 0.1 is 10 % better.

    Args and errors are those of `paired_difference`; NaN where theirs has mean 0.

    Example:
        >>> print(relative_gain(np.array([0.6, 0.6]), np.array([0.5, 0.5])))
        0.200 [0.200, 0.200]
    """
    a, b = _paired(ours, theirs, lambda a, b: (a, b))
    if not len(a) or b.mean() == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), len(a))
    return Estimate(float(_gain(a, b)), *_bootstrap((a, b), _gain, seed), len(a))


def half_samples(count: int, *, samples: int = HALF_SAMPLES, seed: int = 0) -> NDArray[np.uint8]:
    """Choose half of the images again and again: (count, samples) uint8, 1 for those in the sample."""
    generator = np.random.default_rng(seed)
    chosen = np.zeros((count, samples), np.uint8)
    chosen[: count // 2] = 1
    return np.asarray(generator.permuted(chosen, axis=0, out=chosen))


def half_sampled_precision(
    positive: NDArray[np.bool_],
    scores: NDArray[np.floating],
    samples: NDArray[np.uint8],
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Mean average precision over tags in each half-sample.

    Args:
        positive: (n, t) bool.
        scores: (n, t) float.
        samples: (n, b) from `half_samples`.
        known: (n, t) bool, or None: all.

    Returns:
        (b,) float64; a tag without a positive in a sample is not counted in it.
    """
    total, counted = np.zeros(samples.shape[1]), np.zeros(samples.shape[1])
    for tag in range(positive.shape[1]):
        chosen = np.arange(len(positive)) if known is None else np.flatnonzero(known[:, tag])
        precision = _sampled_precision(positive[chosen, tag], scores[chosen, tag], samples, chosen)
        measured = ~np.isnan(precision)
        total[measured] += precision[measured]
        counted += measured
    return np.asarray(total / np.where(counted, counted, np.nan))


def recentred(value: float, replicates: NDArray[np.float64], count: int) -> Estimate:
    """An estimate whose interval is the spread of half-sampled replicates around their own mean."""
    replicates = replicates[~np.isnan(replicates)]
    if not len(replicates):
        return Estimate(value, float("nan"), float("nan"), count)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(replicates - replicates.mean(), [tail, 1 - tail])
    return Estimate(value, value + float(low), value + float(high), count)


def _sampled_precision(
    relevant: NDArray[np.bool_],
    scores: NDArray[np.floating],
    samples: NDArray[np.uint8],
    chosen: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Average precision of one tag in each sample: (b,), NaN where it has no positive."""
    order = np.argsort(-scores, kind="stable")
    falling, relevant = -scores[order], relevant[order]
    # Where each group of equal scores that has a positive ends; between two ends are only negatives.
    ends = np.unique(np.searchsorted(falling, falling[relevant], "right"))
    if not len(ends) or relevant.all():
        return np.full(samples.shape[1], np.nan)
    weights = samples[chosen[order[: ends[-1]]]]
    starts = np.concatenate([[0], ends[:-1]])
    seen = np.cumsum(np.add.reduceat(weights, starts, axis=0, dtype=np.int32), axis=0)
    hits = np.add.reduceat(weights * relevant[: ends[-1], None], starts, axis=0, dtype=np.int32)
    precision = np.cumsum(hits, axis=0) / np.maximum(seen, 1)
    found = hits.sum(axis=0)
    return np.asarray((hits * precision).sum(axis=0) / np.where(found, found, np.nan))


def _bootstrap(samples: tuple[NDArray[np.float64], ...], statistic: Any, seed: int) -> tuple[float, float]:
    """The BCa interval; the value itself where no resample can differ from it."""
    value = float(statistic(*samples))
    if all(np.ptp(values) < 1e-12 for values in samples):
        return value, value
    batch = max(1, _BATCH_VALUES // len(samples[0]))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # Data so few or so alike that the acceleration is not defined: the percentiles remain.
            warnings.simplefilter("ignore")
            interval = stats.bootstrap(
                samples,
                statistic,
                n_resamples=RESAMPLES,
                batch=batch,
                confidence_level=CONFIDENCE,
                method=method,
                paired=len(samples) > 1,
                vectorized=True,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite([interval.low, interval.high]).all():
            return float(interval.low), float(interval.high)
    return value, value


def _mean(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return np.asarray(values.mean(axis=axis))


def _gain(ours: NDArray[np.float64], theirs: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    means = theirs.mean(axis=axis)
    return np.asarray(ours.mean(axis=axis) / np.where(means == 0, np.nan, means) - 1)


def _paired(ours: NDArray[np.floating], theirs: NDArray[np.floating], make: Any) -> Any:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"ours {ours.shape} and theirs {theirs.shape} are not pairs")
    both = ~(np.isnan(ours) | np.isnan(theirs))
    return make(ours[both], theirs[both])
