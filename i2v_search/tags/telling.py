"""Which tags say most about a set of images, for those that are offered first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def telling_order(
    counts: NDArray[np.int64], confidence: NDArray[np.floating], behind: NDArray[np.bool_], images: int
) -> NDArray[np.intp]:
    """Order of tags: first those that divide the images best and are surest.

    What a tag says of an image is the entropy of having it, in bits, times its mean probability: one bit at
    most, for a sure tag on half of the images; nothing for a tag on all of them. A rare tag comes late, and
    of equal ones the more frequent comes first.

    Args:
        counts: (t,) images with each tag.
        confidence: (t,) mean probability of each tag on them.
        behind: (t,) tags that come behind all others, such as attributes of persons.
        images: how many there are.

    Returns:
        (t,) places of the tags, the most telling first.

    Example:
        >>> counts, sure = np.array([4, 2, 2, 1]), np.array([1.0, 0.9, 0.6, 0.9])
        >>> telling_order(counts, sure, np.zeros(4, bool), 4).tolist()
        [1, 3, 2, 0]
    """
    share = np.clip(counts / max(images, 1), 1e-12, 1)
    rest = np.clip(1 - share, 1e-12, 1)
    bits = -share * np.log2(share) - rest * np.log2(rest)
    return np.lexsort((np.arange(len(counts)), -counts, -(bits * confidence).round(9), behind))
