"""Tagging, measured as in Illustration2Vec's table: mean average precision for each category of tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.training.evaluation.intervals import (
    Estimate,
    estimate_mean,
    half_sampled_precision,
    half_samples,
    recentred,
)
from i2v_search.training.evaluation.metrics import tag_precision

#: A tag is learned well enough to be of use from this average precision on.
GOOD = 0.4
EVERY = "all"


@dataclass(frozen=True)
class TagScore:
    """One tag: its average precision over `known` images, `positives` of which have it."""

    name: str
    category: str
    average_precision: float
    positives: int
    known: int


@dataclass(frozen=True)
class CategoryScore:
    """Mean average precision of a category.

    Attributes:
        category: its name, or ``"all"``.
        over_images: the interval says what other images of the same kind would give with these tags.
        over_tags: the interval says what other tags of the same kind would give on these images.
        good: tags whose average precision is above the threshold.
        tags: that were counted.
        replicates: (b,) float64, the mean in each half-sample of the images.
    """

    category: str
    over_images: Estimate
    over_tags: Estimate
    good: int
    tags: int
    replicates: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the replicates."""
        return {
            "category": self.category,
            "over_images": self.over_images.to_dict(),
            "over_tags": self.over_tags.to_dict(),
            "good": self.good,
            "tags": self.tags,
        }


@dataclass(frozen=True)
class Tagging:
    """Quality of the tags.

    Attributes:
        categories: in the order in which the vocabulary has them, then ``"all"``.
        tags: every tag that was counted.
        threshold: threshold of a good average precision.
        images: that were tagged.
        missing: tags of the vocabulary that could not be counted: no known image has them, or all do.
    """

    categories: tuple[CategoryScore, ...]
    tags: tuple[TagScore, ...]
    threshold: float
    images: int
    missing: int

    @property
    def all(self) -> CategoryScore:
        """The mean over all tags."""
        return self.categories[-1]

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values, the best tags first."""
        best = sorted(self.tags, key=lambda tag: (-tag.average_precision, tag.name))
        return {
            "categories": [category.to_dict() for category in self.categories],
            "tags": [vars(tag) for tag in best],
            "threshold": self.threshold,
            "images": self.images,
            "missing": self.missing,
        }


def tagging(
    positive: NDArray[np.bool_],
    scores: NDArray[np.floating],
    names: Sequence[str],
    categories: Sequence[str],
    *,
    known: NDArray[np.bool_] | None = None,
    threshold: float = GOOD,
    seed: int = 0,
) -> Tagging:
    """Measure tags by category.

    Average precision is that of `i2v_search.training.evaluation.metrics.average_precision`, over the images
    of which it is known whether they have the tag; a category's is the mean over its tags, each counting the
    same.

    Args:
        positive: (n, t) bool, image i has tag j.
        scores: (n, t) float, the probabilities an encoder or tagger gave.
        names: t names.
        categories: t categories, any words.
        known: (n, t) bool, or None: all are known.
        threshold: threshold of a good average precision.
        seed: seed of the samples behind the intervals; the same seed gives two encoders the same samples.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> positive = np.array([[True], [False], [True], [False]])
        >>> found = tagging(positive, np.array([[0.9], [0.2], [0.8], [0.1]]), ["hat"], ["general"])
        >>> found.all.over_images.value, found.all.good
        (1.0, 1)
    """
    if positive.shape[1:] != (len(names),) or len(names) != len(categories):
        raise ValueError(f"{positive.shape} needs as many names ({len(names)}) and categories")
    precision = tag_precision(positive, scores, known)
    counted, kinds = precision.counted, np.array(categories, dtype=object)
    samples = half_samples(len(positive), seed=seed)
    groups = {name: counted & (kinds == name) for name in dict.fromkeys(categories)} | {EVERY: counted}
    scored = []
    for name, chosen in groups.items():
        if chosen.any() or name == EVERY:
            masks = None if known is None else known[:, chosen]
            replicates = half_sampled_precision(positive[:, chosen], scores[:, chosen], samples, masks)
            values = precision.average_precision[chosen]
            over_tags = estimate_mean(values, seed=seed)
            over_images = recentred(over_tags.value, replicates, len(values))
            good = int(np.count_nonzero(values > threshold))
            scored.append(CategoryScore(name, over_images, over_tags, good, len(values), replicates))
    tags = tuple(
        TagScore(
            names[i],
            categories[i],
            float(precision.average_precision[i]),
            int(precision.positives[i]),
            int(precision.known[i]),
        )
        for i in np.flatnonzero(counted).tolist()
    )
    return Tagging(tuple(scored), tags, threshold, len(positive), int(np.count_nonzero(~counted)))
