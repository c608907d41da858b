"""Learning what some pictures have in common, to find more of them: a linear classifier on stored vectors.

Ridge regression to +1 and -1, with both classes of the same weight, has one minimum: no step size to choose,
no epochs, the same answer each time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Pictures that stand for all others.
OTHERS: Final = 2000
#: Weight of the penalty on long weight vectors, beside the mean squared error of unit rows.
PENALTY: Final = 0.01
#: Share of the first residual that may be left, and steps that it takes at most: the penalty bounds them.
_EXACT: Final = 1e-6
_MOST_STEPS: Final = 200


def learned_direction(liked: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """What parts some rows from others: the higher the inner product, the more a row is like the first.

    Args:
        liked: (n, d) unit rows, n > 0.
        others: (m, d) unit rows, m > 0; a few that are like the first do no harm.

    Returns:
        (d,) float32. Its threshold is left out: it does not change an order.

    Example:
        >>> liked, others = np.eye(3, dtype=np.float32)[:1], np.eye(3, dtype=np.float32)[1:]
        >>> direction = learned_direction(liked, others)
        >>> bool((liked @ direction > others @ direction).all())
        True
    """
    rows = np.concatenate([liked, others], dtype=np.float32)
    weights = np.concatenate([np.full(len(liked), 0.5 / len(liked)), np.full(len(others), 0.5 / len(others))])
    wanted = np.concatenate([np.ones(len(liked)), -np.ones(len(others))])
    # The weighted means are taken off, which is what a threshold would do.
    rows -= weights.astype(np.float32) @ rows
    wanted -= weights @ wanted
    rows *= np.sqrt(weights).astype(np.float32)[:, None]
    return _ridge(rows, (wanted * np.sqrt(weights)).astype(np.float32))


def _ridge(rows: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (d,) direction with the least squared error and penalty, by conjugate gradients (Hestenes and
    Stiefel, 1952): with 4,096 dimensions the rows are read ten times or so, and no matrix is made of them."""
    found = np.zeros(rows.shape[1], np.float32)
    left = step = wanted @ rows
    size = begin = float(left @ left)
    for _ in range(_MOST_STEPS):
        if size <= _EXACT**2 * begin:
            break
        moved = (rows @ step) @ rows + np.float32(PENALTY) * step
        length = np.float32(size / float(step @ moved))
        found = found + length * step
        left = left - length * moved
        size, before = float(left @ left), size
        step = left + np.float32(size / before) * step
    return found
