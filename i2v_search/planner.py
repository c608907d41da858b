"""Which index a collection gets: a pure function of its size and of what is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from i2v_search.choices import IndexKind, SimilarityName

#: A flat scan of this many bytes takes a few milliseconds at the memory bandwidth of a laptop.
EXACT_BYTES = 64 * 2**20
PCA_DIMENSIONS = 256
CANDIDATES = 20


@dataclass(frozen=True)
class IndexPlan:
    """How an index will be built.

    Attributes:
        kind: ``"exact"``: every row compared in full; ``"pca"``: rows compared in `dimensions` principal
            components, the best `candidates` again in full.
        dimensions: of the vectors that are scanned.
        candidates: how many are re-ranked at first; raised at build until the recall target holds. 0 for
            exact.
        scanned_bytes: bytes read by one query.
        reason: why, in one sentence.
    """

    kind: Literal["exact", "pca"]
    dimensions: int
    candidates: int
    scanned_bytes: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return asdict(self)


def plan_index(
    rows: int,
    dimension: int,
    similarity: SimilarityName,
    *,
    kind: IndexKind = "auto",
    pca_dimensions: int = PCA_DIMENSIONS,
) -> IndexPlan:
    """Choose an index.

    Args:
        rows: live rows.
        dimension: of a vector.
        similarity: of the collection.
        kind: ``"auto"`` chooses by size; a named kind is followed where it makes sense.
        pca_dimensions: how many principal components a ``"pca"`` index scans.

    Returns:
        The plan.

    Example:
        >>> plan_index(500, 1280, "centred").kind
        'exact'
        >>> plan_index(100_000, 4096, "centred").kind
        'pca'
    """
    if similarity == "hamming":
        scanned = rows * -(-dimension // 8)
        return IndexPlan("exact", dimension, 0, scanned, f"{dimension}-bit codes are scanned whole")
    full, reduced = rows * dimension * 4, rows * pca_dimensions * 4
    if min(dimension, rows) <= pca_dimensions:
        reason = f"{rows} rows of {dimension} dimensions: nothing to gain from fewer dimensions"
        return IndexPlan("exact", dimension, 0, full, reason)
    if kind == "exact" or (kind == "auto" and full <= EXACT_BYTES):
        reason = "asked for" if kind == "exact" else f"all vectors fit {EXACT_BYTES >> 20} MiB"
        return IndexPlan("exact", dimension, 0, full, reason)
    reason = "asked for" if kind == "pca" else f"all vectors would take {full >> 20} MiB a query"
    return IndexPlan("pca", pca_dimensions, CANDIDATES, reduced, reason)
