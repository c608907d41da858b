"""Retrieval by label: do the pictures nearest to a picture have its label?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.index.similarity import Similarity, unit
from i2v_search.training.evaluation.intervals import Estimate, estimate_mean
from i2v_search.training.evaluation.metrics import ranked_average_precision, ranked_precision

#: Scores computed at once take at most this many bytes.
BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Retrieval:
    """Quality of retrieval by label.

    Attributes:
        precision_at_1: mean over queries.
        precision_at_10: likewise; the denominator is 10 also where a label has fewer other pictures.
        mean_average_precision: likewise, over the whole ranking.
        pictures: that were searched.
        labels: that some query has.
        queries: (q,) int64, rows of the vectors that were queries.
        per_query: (q, 3) float64: precision at 1, at 10, and average precision of each.
    """

    precision_at_1: Estimate
    precision_at_10: Estimate
    mean_average_precision: Estimate
    pictures: int
    labels: int
    queries: NDArray[np.int64]
    per_query: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the values of single queries."""
        return {
            "precision_at_1": self.precision_at_1.to_dict(),
            "precision_at_10": self.precision_at_10.to_dict(),
            "mean_average_precision": self.mean_average_precision.to_dict(),
            "pictures": self.pictures,
            "labels": self.labels,
            "queries": len(self.queries),
        }


def retrieval(
    vectors: NDArray[np.float32],
    labels: Sequence[str],
    *,
    similarity: SimilarityName = "centred",
    contents: Sequence[str] | None = None,
    seed: int = 0,
) -> Retrieval:
    """Rank all other pictures for every picture, and measure where those of its label are.

    A picture whose label nobody shares, or whose label is "", is searched, but is no query. Only the first of
    several pictures with the same content takes part: the rest would be found without any understanding.
    Precision at 10 divides by 10, always.

    Args:
        vectors: (n, d) float32 of any length, as an encoder gives them.
        labels: n labels.
        similarity: how they are compared; centred by the mean of these vectors.
        contents: n values, the same for pictures with the same content, such as a SHA-256; None: all differ.
        seed: seed of the intervals' resamples.

    Raises:
        ValueError: the lengths differ.

    Example:
        >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
        >>> retrieval(vectors, ["a", "a", "b", "b"], similarity="cosine").precision_at_1.value
        1.0
    """
    if len(vectors) != len(labels) or (contents is not None and len(contents) != len(labels)):
        raise ValueError(f"{len(vectors)} vectors need as many labels and contents, not {len(labels)}")
    kept = first_of_each(contents) if contents is not None else np.arange(len(labels))
    names, numbers, counts = np.unique(np.array(labels)[kept], return_inverse=True, return_counts=True)
    counts[names == ""] = 0
    queries = np.flatnonzero(counts[numbers] > 1)
    fitted = fit_similarity(similarity, vectors[kept])
    rows = fitted.embed(vectors[kept])
    per_query = np.empty((len(queries), 3))
    for start, scores in score_blocks(fitted, rows, queries):
        for place, (query, line) in enumerate(
            zip(queries[start : start + len(scores)], scores, strict=True), start
        ):
            relevant = numbers == numbers[query]
            others = np.sort(np.delete(line, query))
            relevant[query] = False
            wanted = np.sort(line[relevant])
            per_query[place] = (
                ranked_precision(others, wanted, 1),
                ranked_precision(others, wanted, 10),
                ranked_average_precision(others, wanted),
            )
    at_1, at_10, mean = (estimate_mean(column, seed=seed) for column in per_query.T)
    labelled = int(np.count_nonzero(counts > 1))
    return Retrieval(at_1, at_10, mean, len(kept), labelled, kept[queries], per_query)


def nearest(
    vectors: NDArray[np.float32],
    queries: NDArray[np.int64],
    k: int,
    *,
    similarity: SimilarityName = "centred",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest other rows of some rows, by exact search.

    Args:
        vectors: (n, d) float32.
        queries: (q,) int64 rows.
        k: at most n - 1 are found.
        similarity: how vectors are compared.

    Returns:
        Rows (q, k') int64 and scores (q, k') float32, best first; equal scores by row.
    """
    fitted = fit_similarity(similarity, vectors)
    rows = fitted.embed(vectors)
    k = min(k, len(vectors) - 1)
    found, best = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for start, scores in score_blocks(fitted, rows, queries):
        chosen = slice(start, start + len(scores))
        scores[np.arange(len(scores)), queries[chosen]] = -np.inf
        found[chosen] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best[chosen] = np.take_along_axis(scores, found[chosen], 1)
    return found, best


def fit_similarity(name: SimilarityName, vectors: NDArray[np.float32]) -> Similarity:
    """A similarity fitted to vectors in memory, as `Similarity.fit` fits one to a feature store.

    Args:
        name: name of the similarity.
        vectors: (n, d) float32 of any length.
    """
    return Similarity.of_rows(name, [unit(vectors)], len(vectors), vectors.shape[1])


def score_blocks(
    fitted: Similarity, rows: NDArray[np.float32], queries: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Scores of some rows against all, as (place of the first query, (b, n) float32), in bounded memory."""
    size = max(1, BLOCK_BYTES // (4 * len(rows)))
    for start in range(0, len(queries), size):
        scores = fitted.scores(rows[queries[start : start + size]], rows)
        if fitted.name == "hamming":
            # Codes at the same distance are equal, whatever the order of a float32 sum makes of it.
            scores = np.rint(scores * rows.shape[1]) / np.float32(rows.shape[1])
        yield start, scores


def first_of_each(contents: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the first of each content, ascending.

    >>> first_of_each(["a", "b", "a"]).tolist()
    [0, 1]
    """
    return np.sort(np.unique(np.array(contents), return_index=True)[1])
