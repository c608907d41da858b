"""Multi-label sigmoid cross-entropy over the tags that somebody annotated."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

MAX_POSITIVE_WEIGHT = 100.0


def cross_entropy_sum(
    logits: Tensor,
    positive: Tensor,
    known: Tensor,
    positive_weight: Tensor | None = None,
    *,
    focus: float = 0.0,
    margin: float = 0.0,
) -> Tensor:
    """Sum over the known entries of -w y log p - (1 - y) q**focus log(1 - q), with p = sigmoid(logit).

    q = max(p - margin, 0): with a focus or a margin this is the asymmetric loss (Ridnik et al. 2021,
    "Asymmetric Loss For Multi-Label Classification", its gamma for positives 0), without them q = p and it is
    the cross-entropy.

    It is computed from the logits and so neither overflows nor loses small probabilities. An unknown entry
    contributes nothing and has no gradient, whatever its logit. Divide by the number of known entries of the
    whole update for the mean.

    Args:
        logits: (n, t) of any float type; computed in float32.
        positive: (n, t) bool, y.
        known: (n, t) bool.
        positive_weight: (t,) float32, w; None for 1.
        focus: how little sure negatives count.
        margin: probability up to which negatives do not count.

    Returns:
        A float32 scalar.

    Example:
        >>> yes = torch.tensor([[True, True]])
        >>> float(cross_entropy_sum(torch.tensor([[0.0, 9.0]]), yes, torch.tensor([[True, False]])))
        0.6931471824645996
    """
    # Not a product with the mask: 0 * inf is NaN.
    certain = torch.where(known, logits.float(), 0.0)
    losses = F.binary_cross_entropy_with_logits(
        certain, positive.float(), pos_weight=positive_weight, reduction="none"
    )
    if focus or margin:
        shifted = (torch.sigmoid(certain) - margin).clamp(min=0)
        # The plain loss of a negative is exact where the probability is nearly 1.
        absent = -torch.log1p(-shifted) if margin else losses
        losses = torch.where(positive, losses, absent * shifted**focus if focus else absent)
    return torch.where(known, losses, 0.0).sum()


def positive_weights(
    positive: NDArray[np.bool_], known: NDArray[np.bool_], exponent: float
) -> NDArray[np.float32] | None:
    """(negatives / positives) ** exponent of each tag, at most `MAX_POSITIVE_WEIGHT`; None for exponent 0.

    Args:
        positive: (n, t) bool.
        known: (n, t) bool.
        exponent: from 0, no weights, to 1, where a tag's positives weigh as much as its negatives.

    Returns:
        (t,) float32.

    Example:
        >>> positive_weights(np.array([[True], [False], [False]]), np.ones((3, 1), bool), 1)
        array([2.], dtype=float32)
    """
    return weights_of_counts((positive & known).sum(axis=0), known.sum(axis=0), exponent)


def weights_of_counts(
    positives: NDArray[np.int64], known: NDArray[np.int64], exponent: float
) -> NDArray[np.float32] | None:
    """`positive_weights` of (t,) numbers of pictures that have each tag, and of which it is known.

    >>> weights_of_counts(np.array([1]), np.array([3]), 1)
    array([2.], dtype=float32)
    """
    if not exponent:
        return None
    ratio = (known - positives) / np.maximum(positives, 1)
    return np.asarray(np.clip(ratio, 1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT) ** exponent, np.float32)
