"""Measures of a ranking: average precision, precision at k.

Items of equal score have no order. Average precision counts them as scikit-learn's
`average_precision_score` does, at the end of their group; precision at k is its mean over all their orders.
Neither depends on the order in which items are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TagPrecision:
    """Average precision of every tag.

    Attributes:
        average_precision: (t,) float64; NaN where no known image has the tag, or every one: such a tag is
            not counted.
        positives: (t,) int64, known images that have the tag.
        known: (t,) int64, images of which it is known whether they have the tag.
    """

    average_precision: NDArray[np.float64]
    positives: NDArray[np.int64]
    known: NDArray[np.int64]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(t,) bool: the tags that have a positive and a negative, so that there is something to rank."""
        return (self.positives > 0) & (self.positives < self.known)

    def mean(self) -> float:
        """Mean average precision over the tags that are counted; NaN without any."""
        found = self.average_precision[self.counted]
        return float(found.mean()) if len(found) else float("nan")


def average_precision(relevant: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Average precision of one ranking.

    The sum over the distinct scores, descending, of the gain in recall times the precision there: no
    interpolation (Zhu, "Recall, Precision and Average Precision", 2004, as in scikit-learn).

    Args:
        relevant: (n,) bool.
        scores: (n,) float, higher is better.

    Returns:
        In (0, 1]; NaN where nothing is relevant.

    Raises:
        ValueError: a score is NaN, or the shapes differ.

    Example:
        >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
        0.8333333333333333
    """
    relevant, scores = _checked(relevant, scores)
    return ranked_average_precision(np.sort(scores), np.sort(scores[relevant]))


def tag_precision(
    positive: NDArray[np.bool_], scores: NDArray[np.floating], known: NDArray[np.bool_] | None = None
) -> TagPrecision:
    """Average precision of every tag over the images of which it is known whether they have it.

    Args:
        positive: (n, t) bool, image i has tag j.
        scores: (n, t) float, for instance probabilities.
        known: (n, t) bool; None: all. Where it is False, `positive` means nothing.

    Raises:
        ValueError: the shapes differ, or the score of a known pair is NaN.

    Example:
        >>> positive = np.array([[True, False], [False, False], [True, False]])
        >>> tag_precision(positive, np.array([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5]])).mean()
        0.8333333333333333
    """
    if positive.shape != scores.shape or (known is not None and known.shape != positive.shape):
        raise ValueError(
            f"positive {positive.shape}, scores {scores.shape} and known "
            f"{None if known is None else known.shape} need one shape"
        )
    tags = positive.shape[1]
    precision = np.full(tags, np.nan)
    positives, counted = np.zeros(tags, np.int64), np.zeros(tags, np.int64)
    for tag in range(tags):
        chosen = slice(None) if known is None else known[:, tag]
        relevant = positive[chosen, tag]
        positives[tag], counted[tag] = np.count_nonzero(relevant), len(relevant)
        if 0 < positives[tag] < counted[tag]:
            precision[tag] = average_precision(relevant, scores[chosen, tag])
    return TagPrecision(precision, positives, counted)


def ranked_average_precision(scores: NDArray[np.floating], relevant: NDArray[np.floating]) -> float:
    """Average precision from rising scores: (n,) of all items, and (p,) of the relevant ones among them."""
    if not len(relevant):
        return float("nan")
    at_least = len(scores) - np.searchsorted(scores, relevant, "left")
    relevant_at_least = len(relevant) - np.searchsorted(relevant, relevant, "left")
    return float(np.mean(relevant_at_least / at_least))


def ranked_precision(scores: NDArray[np.floating], relevant: NDArray[np.floating], k: int) -> float:
    """Precision at k from rising scores: (n,) of all items, and (p,) of the relevant ones among them."""
    if k < 1:
        raise ValueError(f"precision at k needs a k of at least 1, not {k}")
    if k >= len(scores):
        return len(relevant) / k
    last = scores[-k]
    above = len(scores) - int(np.searchsorted(scores, last, "right"))
    level = len(scores) - above - int(np.searchsorted(scores, last, "left"))
    relevant_above = len(relevant) - int(np.searchsorted(relevant, last, "right"))
    relevant_level = len(relevant) - relevant_above - int(np.searchsorted(relevant, last, "left"))
    return (relevant_above + (k - above) * relevant_level / level) / k


def _checked(
    relevant: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    if relevant.shape != scores.shape or relevant.ndim != 1:
        raise ValueError(f"relevant {relevant.shape} and scores {scores.shape} need the same shape (n,)")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: it has no rank")
    return relevant.astype(bool, copy=False), scores
