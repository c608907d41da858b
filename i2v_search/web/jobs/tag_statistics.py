"""Tags of a whole collection: number of images, and co-occurrence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from i2v_search.encoders.lite_tags import attributes
from i2v_search.encoders.lite_text import LiteText
from i2v_search.search.tag_query import MAX_TAG
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.telling import telling_order
from i2v_search.tags.vocabulary import TAG_THRESHOLD

#: Cosine of the meanings of a text and of a tag that is suggested for it.
ALIKE = 0.5


@dataclass(frozen=True)
class CountedTag:
    """A tag, its number of images, and its co-occurrence with another."""

    name: str
    category: str
    count: int
    score: float = 0.0


class TagStatistics:
    """Tags of the live images, at the default threshold, as a sparse matrix.

    Memory: about 5 bytes per tag and image.

    Args:
        store: the feature store.

    Example:
        >>> import tempfile
        >>> from i2v_search import Collection, sample_directory
        >>> birds = Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"])
        >>> tags = TagStatistics(birds.store)
        >>> tags.similar("bird", 1)[0].score <= 1
        True
    """

    def __init__(self, store: FeatureStore) -> None:
        categories: dict[str, str] = {}
        for part in store.parts:
            for tag in part.vocabulary:
                categories.setdefault(tag.name, tag.category)
        self.names, self.categories = list(categories), list(categories.values())
        #: Whether a tag is suggested: no rating, and none that is too long to ask for.
        self._is_offered = [
            category != "rating" and len(name) <= MAX_TAG for name, category in categories.items()
        ]
        numbers = {name: number for number, name in enumerate(self.names)}
        alive = np.full(store.rows, -1, np.int64)
        alive[store.live] = np.arange(len(store.live))
        pieces: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        sums = np.zeros(len(self.names))
        least = np.float32(np.float16(TAG_THRESHOLD))
        for first, part in zip(store.first_positions, store.parts, strict=True):
            rows, entries, probabilities = part.all_tag_entries()
            own = np.array([numbers[tag.name] for tag in part.vocabulary], np.int64)
            places = alive[first + rows]
            kept = (places >= 0) & (probabilities >= least)
            pieces.append((places[kept], own[entries[kept]]))
            sums += np.bincount(own[entries[kept]], probabilities[kept], minlength=len(sums))
        rows = np.concatenate([rows for rows, _ in pieces] or [np.empty(0, np.int64)])
        columns = np.concatenate([columns for _, columns in pieces] or [np.empty(0, np.int64)])
        shape = (len(store.live), len(self.names))
        matrix = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1  # a row may carry a name in two categories
        self._matrix, self._by_tag = matrix, matrix.tocsc()
        self._counts = np.diff(self._by_tag.indptr).astype(np.int64)
        self._numbers, self._confidence = numbers, sums / np.maximum(self._counts, 1)
        self._meanings: NDArray[np.float32] | None = None
        #: Names of the ratings that images have.
        self.ratings = sorted(name for name, category in categories.items() if category == "rating")

    def starting(self, prefix: str, limit: int) -> list[CountedTag]:
        """Tags with a name or a word that starts with `prefix`: names first, more frequent first. Without a
        prefix, those that say most about the collection first.

        A hyphen parts words as a space does.
        """
        if not prefix:
            order = telling_order(
                self._counts, self._confidence, attributes_among(self.names), self._matrix.shape[0]
            )
            used = [n for n in order.tolist() if self._counts[n] and self._is_offered[n]]
            return [self._counted(n, 0.0) for n in used[:limit]]
        start = prefix.replace("-", " ")
        found = [
            (not spaced.startswith(start), -count, name, category)
            for name, category, count, is_offered in zip(
                self.names, self.categories, self._counts.tolist(), self._is_offered, strict=True
            )
            if count and is_offered and f" {start}" in f" {(spaced := name.replace('-', ' '))}"
        ]
        return [CountedTag(name, category, -less) for _, less, name, category in sorted(found)[:limit]]

    def meaning(self, text: str, words: LiteText, limit: int) -> list[CountedTag]:
        """Tags that mean much the same as a text in any language, the nearest first."""
        wanted = words.meanings([text])[0]
        if not wanted.any():
            return []
        if self._meanings is None:
            self._meanings = words.meanings(self.names)
        alike = self._meanings @ wanted
        order = np.argsort(-alike, kind="stable").tolist()
        chosen = [n for n in order if alike[n] >= ALIKE and self._counts[n] and self._is_offered[n]]
        return [self._counted(n, float(min(alike[n], 1))) for n in chosen[:limit]]

    def similar(self, name: str, limit: int) -> list[CountedTag] | None:
        """Tags that occur on the same images as another, by the cosine of their columns; None for an unknown
        tag."""
        number = self._numbers.get(name)
        if number is None or not self._counts[number]:
            return None
        images = self._by_tag[:, [number]].indices
        together = np.asarray(self._matrix[images].sum(axis=0)).ravel()
        scores = together / np.sqrt(np.maximum(self._counts, 1) * self._counts[number])
        scores[number] = 0
        order = [n for n in np.lexsort((np.arange(len(scores)), -scores)).tolist() if scores[n] > 0]
        chosen = [n for n in order if self._is_offered[n]][:limit]
        return [self._counted(n, float(min(scores[n], 1))) for n in chosen]

    def _counted(self, number: int, score: float) -> CountedTag:
        return CountedTag(self.names[number], self.categories[number], int(self._counts[number]), score)


def attributes_among(names: Sequence[str]) -> NDArray[np.bool_]:
    """(t,) which tags are attributes of a person: hair, skin, an expression."""
    known = attributes()
    return np.array([name in known for name in names], bool)
