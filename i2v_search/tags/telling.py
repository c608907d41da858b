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


#: A name of a part is a tag of this share of its images at least, and so many times as common as elsewhere.
COMMON, RARE = 0.3, 2.0


def telling_of_parts(
    counts: NDArray[np.floating], sizes: NDArray[np.int64], confidence: NDArray[np.floating]
) -> NDArray[np.intp]:
    """The tag that says most about each part of a set of images: common there and rare elsewhere.

    What it says is its share in the part times the logarithm of how many times as common it is there as
    elsewhere, times its mean probability.

    Args:
        counts: (parts, t) images of each part with each tag.
        sizes: (parts,) images of each part.
        confidence: (t,) mean probability of each tag.

    Returns:
        (parts,) places of the tags; -1 where no tag is on `COMMON` of the part and `RARE` times as common as
        elsewhere.

    Example:
        >>> counts = np.array([[8.0, 5, 1], [8, 0, 0], [8, 1, 9]])
        >>> telling_of_parts(counts, np.array([10, 10, 10]), np.ones(3)).tolist()
        [1, -1, 2]
    """
    if not counts.size:
        return np.full(len(sizes), -1, np.intp)
    share = counts / np.maximum(sizes, 1)[:, None]
    others = np.maximum(sizes.sum() - sizes, 1)[:, None]
    elsewhere = np.maximum((counts.sum(axis=0) - counts) / others, 1 / others)
    times = share / elsewhere
    says = np.where(
        (share >= COMMON) & (times >= RARE), share * np.log2(np.maximum(times, 1)) * confidence, 0
    )
    best = says.argmax(axis=1)
    return np.where(says[np.arange(len(says)), best] > 0, best, -1)
