"""The threshold of every tag for the best F0.5, F1 and F2, as Illustration2Vec publishes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2v_search.tags.vocabulary import TAG_THRESHOLD

BETAS = (0.5, 1.0, 2.0)


def best_thresholds(
    positive: NDArray[np.bool_], probabilities: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Threshold of each tag for the best F score over the images with a known value.

    F_beta = (1 + beta^2) TP / ((1 + beta^2) TP + beta^2 FN + FP). A threshold lies half-way between two
    probabilities that occur, so that rounding does not matter. A tag that no known image has gets
    `TAG_THRESHOLD`.

    Args:
        positive: (n, t) bool.
        probabilities: (n, t) in [0, 1].
        known: (n, t) bool.

    Returns:
        (t, 3) float32, for F0.5, F1 and F2.

    Example:
        >>> positive = np.array([[True], [False]])
        >>> best_thresholds(positive, np.array([[0.75], [0.25]], np.float32), np.ones((2, 1), bool)).tolist()
        [[0.5, 0.5, 0.5]]
    """
    thresholds = np.full((positive.shape[1], len(BETAS)), TAG_THRESHOLD, np.float32)
    for tag, chosen in enumerate(known.T):
        relevant, scores = positive[chosen, tag], probabilities[chosen, tag].astype(np.float64)
        if not relevant.any():
            continue
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        found, taken = np.cumsum(relevant[order])[last], last + 1
        between = (ranked[last] + np.append(ranked[last[1:]], 0.0)) / 2
        for column, beta in enumerate(BETAS):
            f_score = (1 + beta**2) * found / (beta**2 * relevant.sum() + taken)
            thresholds[tag, column] = between[np.argmax(f_score)]
    return thresholds
