"""Interface of an index for search, morphs and duplicates, independent of the backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.similarity import Similarity
from i2v_search.index.stored_scores import StoredScores
from i2v_search.store.feature_store import FeatureStore


@dataclass(frozen=True)
class Conditions:
    """Conditions that every allowed row meets, for a backend that can filter by itself.

    They may let more rows pass than are allowed, never fewer: the mask that comes with them decides.

    Attributes:
        tags: names that a row has with at least `tag_threshold`.
        without: names that it does not.
        tag_threshold: probability from which a row has a tag.
        rating: its most probable rating.
        max_explicit: the most that its rating ``explicit`` may have.
    """

    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tag_threshold: float = 0.0
    rating: str | None = None
    max_explicit: float | None = None


class SearchIndex(Protocol):
    """Nearest neighbours among the live rows of a feature store."""

    @property
    def store(self) -> FeatureStore:
        """The feature store."""
        ...

    @property
    def similarity(self) -> Similarity:
        """Similarity of the vectors."""
        ...

    @property
    def stored(self) -> StoredScores:
        """Scores with rows of the store."""
        ...

    @property
    def positions(self) -> NDArray[np.int64]:
        """(n,) int64: the store's position of each of its rows, in order; -1 where the row is gone."""
        ...

    @property
    def unindexed(self) -> NDArray[np.int64]:
        """(t,) int64: positions of the live rows that are not among `positions`, ascending."""
        ...

    @property
    def approximate(self) -> bool:
        """Whether rows are proposed by less than a comparison in full."""
        ...

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        where: Conditions | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest live rows.

        Args:
            queries: (m, d) float32 in the search space (`Similarity.embed`).
            k: how many.
            allowed: (rows,) bool over the positions of the store, True where a row may be returned; None
                allows all.
            where: what `allowed` was made from, where the caller knows; never needed, for some backends
                quicker.

        Returns:
            Scores (m, k') float32, descending, and positions (m, k') int64, where k' = min(k, number of
            allowed live rows). Equal scores are ordered by position.

        Raises:
            CollectionDamagedError: a row that was compared in full differs from its checksum.
            SearchServerError: the index is on a server, which cannot be reached.
        """
        ...
