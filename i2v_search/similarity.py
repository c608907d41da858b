"""How two vectors are compared: the space in which the index, the queries and the morph work.

==========  ==============================================  ================================
name        row in the search space                         score of two rows
==========  ==============================================  ================================
cosine      ``u``, the unit vector                          inner product
centred     ``(u - m) / |u - m|``, m the collection's mean  inner product
hamming     ``sign(u - m) / sqrt(d)``                       inner product = 1 - 2 h / d
l2          ``u * norm``, the encoder's own vector          1 / (1 + Euclidean distance)
==========  ==============================================  ================================

``h`` is the Hamming distance of the d-bit codes. Centring is the default: it raised the mAP of retrieval by
label on four sets (docs/decisions/0002-default-encoder.md). The mean belongs to the collection; one from
other data did not help.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.store import FeatureStore

BLOCK_BYTES = 32 * 2**20
#: Unit rows whose mean is this long are all the same up to float16 rounding (a single one always is):
#: centred on it, nothing would be left to compare.
ALL_ALIKE = 1 - 1e-6
#: Below this share of |x|^2 + |y|^2 a squared distance is computed again without cancellation.
_CANCELLED = 0.01


@dataclass(frozen=True)
class Similarity:
    """A named similarity, fitted to one collection.

    Attributes:
        name: see the table above.
        mean: (d,) float32, the mean of the live unit rows; zeros where the similarity does not centre.
    """

    name: SimilarityName
    mean: NDArray[np.float32]

    @classmethod
    def fit(cls, name: SimilarityName, store: FeatureStore) -> Similarity:
        """Compute what the similarity needs from the live rows, in bounded memory."""
        mean = np.zeros(store.dimension)
        if name in {"centred", "hamming"}:
            for block in position_blocks(store):
                mean += unit(store.take(block)).sum(axis=0, dtype=np.float64) / len(store)
        if np.linalg.norm(mean) > ALL_ALIKE:
            mean[:] = 0
        return cls(name, mean.astype(np.float32))

    @property
    def euclidean(self) -> bool:
        """Whether rows are compared by distance rather than by inner product."""
        return self.name == "l2"

    def embed(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map an encoder's vectors into the search space.

        Args:
            vectors: (m, d) float32 of any length.

        Returns:
            (m, d) float32; unit rows except for l2. A row equal to the mean stays zero: it is like nothing.
        """
        if self.name == "l2":
            return vectors
        centred = unit(vectors) - self.mean
        if self.name == "hamming":
            signs = np.where(centred > 0, 1, -1) / np.sqrt(vectors.shape[1])
            return np.asarray(signs, np.float32)
        return unit(centred)

    def embed_rows(self, store: FeatureStore, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of the feature store in the search space, (m, d) float32."""
        rows = store.take(positions)
        return self.embed(rows * store.norms(positions)[:, None] if self.euclidean else rows)

    def scores(self, queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of embedded queries (m, d) against embedded rows (n, d): (m, n) float32, at most 1."""
        products = queries @ rows.T
        if not self.euclidean:
            return np.asarray(np.clip(products, -1, 1))
        lengths = (queries**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1)
        squared = lengths - 2 * products
        for number, near in enumerate(squared < _CANCELLED * lengths):
            squared[number, near] = ((rows[near] - queries[number]) ** 2).sum(axis=1)
        return self.score_distances(squared)

    def score_distances(self, squared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of squared Euclidean distances."""
        return (1 / (1 + np.sqrt(np.maximum(squared, 0)))).astype(np.float32)

    def combine(self, embedded: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """One query out of several embedded examples: their weighted sum, as Rocchio's relevance feedback
        does.

        Args:
            embedded: (m, d) float32 examples in the search space.
            weights: (m,) float32; negative ones push away.

        Returns:
            (1, d) float32 in the search space.
        """
        total = weights @ embedded
        if self.euclidean:
            positive = float(np.maximum(weights, 0).sum())
            return np.asarray(total / (positive or 1.0), np.float32)[None]
        if self.name == "hamming" and len(embedded) > 1:
            return (np.where(total > 0, 1, -1).astype(np.float32) / np.float32(np.sqrt(len(total))))[None]
        return unit(total[None])


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; rows of length zero stay zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.float32(1e-12)), np.float32)


def position_blocks(store: FeatureStore) -> Iterator[NDArray[np.int64]]:
    """Positions of the live rows in blocks whose float32 vectors take at most `BLOCK_BYTES`."""
    size = max(1, BLOCK_BYTES // (4 * store.dimension))
    for start in range(0, len(store.live), size):
        yield store.live[start : start + size]
