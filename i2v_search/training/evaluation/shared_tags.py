"""Retrieval by shared tags: are the pictures nearest to a picture those that show the most of what it shows?

Where pictures have several characters and no label says which counts, relevance is a degree: the Jaccard
index of the tags of two pictures. The ranking is measured by the normalised discounted cumulative gain
(Jarvelin & Kekalainen 2002) of its first ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.training.evaluation.intervals import Estimate, estimate_mean
from i2v_search.training.evaluation.retrieval import first_of_each, fit_similarity, score_blocks

TOP = 10


@dataclass(frozen=True)
class SharedTags:
    """Quality of retrieval by shared tags.

    Attributes:
        ndcg_at_10: mean over queries, 1 where the ten that share most come first, in order.
        pictures: that were searched.
        queries: (q,) int64, rows of the vectors that were queries.
        per_query: (q,) float64.
    """

    ndcg_at_10: Estimate
    pictures: int
    queries: NDArray[np.int64]
    per_query: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the values of single queries."""
        return {
            "ndcg_at_10": self.ndcg_at_10.to_dict(),
            "pictures": self.pictures,
            "queries": len(self.queries),
        }


def shared_tags(
    vectors: NDArray[np.float32],
    tags: Sequence[Sequence[str]],
    *,
    similarity: SimilarityName = "centred",
    contents: Sequence[str] | None = None,
    seed: int = 0,
) -> SharedTags | None:
    """Rank all other pictures for every picture, and measure how much of its tags the first ten have.

    A picture that shares no tag with any other is searched, but is no query. Only the first of several
    pictures with the same content takes part.

    Args:
        vectors: (n, d) float32 of any length, as an encoder gives them.
        tags: names of the tags of each.
        similarity: how they are compared; centred by the mean of these vectors.
        contents: n values, the same for pictures with the same content; None: all differ.
        seed: seed of the interval's resamples.

    Returns:
        None where no two pictures share a tag.

    Example:
        >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
        >>> found = shared_tags(vectors, ["a", "a", "b", "b"], similarity="cosine")
        >>> found.ndcg_at_10.value if found else None
        1.0
    """
    kept = first_of_each(contents) if contents is not None else np.arange(len(tags))
    table = _table([tags[row] for row in kept.tolist()])
    sizes = np.asarray(table.sum(axis=1)).ravel()
    fitted = fit_similarity(similarity, vectors[kept])
    rows = fitted.embed(vectors[kept])
    discounts = 1 / np.log2(np.arange(TOP) + 2)
    queries, values = [], []
    for start, scores in score_blocks(fitted, rows, np.arange(len(kept))):
        asked = np.arange(start, start + len(scores))
        common = (table[asked] @ table.T).toarray()
        gains = common / np.maximum(sizes[asked][:, None] + sizes - common, 1)
        for line, query in enumerate(asked.tolist()):
            others = np.delete(gains[line], query)
            best = np.sort(others)[::-1][:TOP]
            if len(best) and best[0] > 0:
                found = others[np.argsort(-np.delete(scores[line], query), kind="stable")[:TOP]]
                queries.append(query)
                values.append(
                    float((found * discounts[: len(found)]).sum() / (best * discounts[: len(best)]).sum())
                )
    if not queries:
        return None
    per_query = np.array(values)
    return SharedTags(estimate_mean(per_query, seed=seed), len(kept), kept[np.array(queries)], per_query)


def _table(tags: Sequence[Sequence[str]]) -> Any:
    """(n, t) float32 sparse: 1 where a picture has a tag."""
    places: dict[str, int] = {}
    entries = [[places.setdefault(name, len(places)) for name in sorted(set(own))] for own in tags]
    ends = np.cumsum([0, *map(len, entries)])
    numbers = np.fromiter((number for own in entries for number in own), np.int64, int(ends[-1]))
    shape = (len(tags), max(1, len(places)))
    return scipy.sparse.csr_array((np.ones(len(numbers), np.float32), numbers, ends), shape=shape)
