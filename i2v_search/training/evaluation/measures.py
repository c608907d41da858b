"""All that was measured of one encoder on one set, and how much better one encoder is than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.escapes import JsonReady
from i2v_search.training.evaluation.edited_copies import CopyRecall
from i2v_search.training.evaluation.encoding import Encoded
from i2v_search.training.evaluation.intervals import Estimate, paired_difference, recentred, relative_gain
from i2v_search.training.evaluation.recall import IndexRecall
from i2v_search.training.evaluation.retrieval import Retrieval
from i2v_search.training.evaluation.shared_tags import SharedTags
from i2v_search.training.evaluation.tags import Tagging


@dataclass(frozen=True)
class Measures:
    """Measures of one encoder on one data set; None or empty if not requested or not applicable.

    Attributes:
        encoder: its name.
        retrieval: retrieval by label.
        tags: mean average precision by category.
        copies: recall of the originals of edited copies.
        recall: recall@10 of every kind of index.
        left_out: why a part that was asked does not apply, by part.
        encoded: the vectors themselves, to continue from; not in `to_dict`.
        shared: retrieval by shared tags.
    """

    encoder: str
    retrieval: Retrieval | None
    tags: Tagging | None
    copies: CopyRecall | None
    recall: tuple[IndexRecall, ...]
    left_out: Mapping[str, str]
    encoded: Encoded
    shared: SharedTags | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "encoder": self.encoder,
            "dimension": self.encoded.vectors.shape[1],
            "retrieval": self.retrieval.to_dict() if self.retrieval else None,
            "shared": self.shared.to_dict() if self.shared else None,
            "tags": self.tags.to_dict() if self.tags else None,
            "copies": self.copies.to_dict() if self.copies else None,
            "recall": [index.to_dict() for index in self.recall],
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True)
class Difference(JsonReady):
    """Gain of the first encoder over the second.

    Attributes:
        measure: ``"mAP"`` for instance.
        difference: the first minus the second, paired.
        gain: the first over the second, minus 1; None where only the difference has an interval.
    """

    measure: str
    difference: Estimate
    gain: Estimate | None


def differences(measures: Sequence[Measures], *, seed: int = 0) -> tuple[Difference, ...]:
    """Gains of the first of two encoders over the second.

    Args:
        measures: measures of both on the same pictures; where they could not read the same ones, or there is
            only one encoder, nothing is compared.
        seed: seed of the intervals' resamples.
    """
    if len(measures) < 2 or not np.array_equal(measures[0].encoded.rows, measures[1].encoded.rows):
        return ()
    first, second = measures[:2]
    pairs: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    if first.retrieval and second.retrieval:
        for place, name in enumerate(("P@1", "P@10", "mAP")):
            pairs.append((name, first.retrieval.per_query[:, place], second.retrieval.per_query[:, place]))
    if first.shared and second.shared:
        pairs.append(("nDCG@10", first.shared.per_query, second.shared.per_query))
    if first.copies and second.copies:
        for name in first.copies.found:
            pairs.append((f"copies: {name}", first.copies.found[name], second.copies.found[name]))
        pairs.append(("copies: mean", first.copies.per_query, second.copies.per_query))
    found = [
        Difference(name, paired_difference(a, b, seed=seed), relative_gain(a, b, seed=seed))
        for name, a, b in pairs
    ]
    if first.tags and second.tags:
        found += _tag_differences(first.tags, second.tags)
    return tuple(found)


def _tag_differences(first: Tagging, second: Tagging) -> list[Difference]:
    """By category, where both heads were measured on the same tags: the half-samples are the same."""
    if [(tag.name, tag.category) for tag in first.tags] != [(tag.name, tag.category) for tag in second.tags]:
        return []
    return [
        Difference(
            f"tags: {a.category}",
            recentred(a.over_images.value - b.over_images.value, a.replicates - b.replicates, a.tags),
            None,
        )
        for a, b in zip(first.categories, second.categories, strict=True)
    ]
