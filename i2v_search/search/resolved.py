"""A query image that was found: a row of the feature store, or a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.similarity import Similarity
from i2v_search.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Resolved:
    """An example found: where it is, or what it is.

    Attributes:
        label: for people.
        position: of its row in the feature store, None for an image from outside.
        vector: (d,) of the encoder, float64 where it was given as a vector; None for a row.
        sha256: of its file's content, None where there is no file.
        tags: names of the tags that the encoder gives an image from outside, at least as probable as
            `TAG_THRESHOLD`; those of a row are in the feature store.
    """

    label: str
    position: int | None = None
    vector: NDArray[np.floating] | None = None
    sha256: str | None = None
    tags: tuple[str, ...] = ()

    def embed(self, store: FeatureStore, similarity: Similarity) -> NDArray[np.float32]:
        """(d,) float32 in the search space."""
        if self.position is not None:
            return np.asarray(similarity.embed_rows(store, np.array([self.position]))[0])
        assert self.vector is not None  # noqa: S101 - one of the two is always there
        return np.asarray(similarity.embed(self.vector[None])[0])
