"""The index to create on a Milvus server: pure functions of the planner's choice.

===========  ======================  ==============  =====================================================
planned      on a cluster            on Milvus Lite  why
===========  ======================  ==============  =====================================================
exact, pca   FLAT                    FLAT            every row is compared
codes        FLAT                    FLAT            Milvus ranks the components instead
ivf          SCANN                   IVF_SQ8         lists of 4-bit codes with a second look; Lite has none
hnsw         HNSW_SQ                 HNSW_SQ         a graph over 8-bit numbers
===========  ======================  ==============  =====================================================

The best that the server proposes are compared again with the rows of the feature store, whatever the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from i2v_search.choices import SimilarityName
from i2v_search.index.milvus.connection import MAX_ROWS
from i2v_search.index.planner import HNSW_NEIGHBOURS, IndexPlan

#: Up to so many bytes of float32 rows an exact plan sends whole rows; more are reduced.
WHOLE_BYTES: Final = 128 * 2**20
#: Numbers of a vector that a cluster takes at most.
MAX_DIMENSIONS: Final = 32_768

MilvusKind: TypeAlias = Literal["FLAT", "SCANN", "IVF_SQ8", "HNSW_SQ"]


@dataclass(frozen=True)
class MilvusPlan:
    """Plan of the index on a server.

    Attributes:
        kind: of Milvus's index.
        metric: ``"IP"`` for unit rows, ``"L2"`` where distances are compared.
        build: parameters of the index.
        dimensions: dimensions of a vector there.
        whole: whether rows are sent whole, not as principal components.
        note: what was planned and is not there; empty if nothing is.
    """

    kind: MilvusKind
    metric: Literal["IP", "L2"]
    build: dict[str, int | str | bool]
    dimensions: int
    whole: bool
    note: str = ""

    def search_parameters(self, effort: int, limit: int) -> dict[str, Any]:
        """Parameters of a search for `limit` rows that looks into `effort` lists, or keeps so many nodes."""
        if self.kind == "SCANN":
            return {"nprobe": effort, "reorder_k": min(MAX_ROWS, max(limit, 4 * limit))}
        if self.kind == "IVF_SQ8":
            return {"nprobe": effort}
        return {"ef": min(MAX_ROWS, max(effort, limit))} if self.kind == "HNSW_SQ" else {}

    @property
    def efforts(self) -> list[int]:
        """Efforts worth trying, doubling; the last leaves nothing out, as far as the index can."""
        lists = int(self.build.get("nlist", 0))
        if lists:
            return [2**power for power in range(2, 17) if 2**power < lists] + [lists]
        return [2**power for power in range(5, 13)] if self.kind == "HNSW_SQ" else [0]


def plan_milvus(
    plan: IndexPlan, rows: int, dimension: int, similarity: SimilarityName, *, pca_dimensions: int, lite: bool
) -> MilvusPlan:
    """Translate the planner's choice.

    Args:
        plan: from `i2v_search.index.planner.plan_index`.
        rows: live rows.
        dimension: dimension of a stored vector.
        similarity: similarity of the collection.
        pca_dimensions: principal components to send.
        lite: whether the server is Milvus Lite.

    Example:
        >>> from i2v_search.index.planner import plan_index
        >>> planned = plan_index(1_000_000, 4096, "centred", memory_bytes=2 * 10**9)
        >>> plan_milvus(planned, 10**6, 4096, "centred", pca_dimensions=256, lite=False).kind
        'SCANN'
        >>> plan_milvus(planned, 10**6, 4096, "centred", pca_dimensions=256, lite=True).note
        'Milvus Lite has no SCANN; uses IVF_SQ8'
    """
    whole = plan.kind == "exact" and 4 * rows * dimension <= WHOLE_BYTES and dimension <= MAX_DIMENSIONS
    dimensions = dimension if whole else min(pca_dimensions, dimension)
    metric: Literal["IP", "L2"] = "L2" if similarity == "l2" else "IP"
    kind: MilvusKind = "FLAT"
    build: dict[str, int | str | bool] = {}
    note = ""
    if plan.kind == "ivf":
        kind, build = ("IVF_SQ8", {}) if lite else ("SCANN", {"with_raw_data": True})
        build["nlist"] = plan.lists
        note = "Milvus Lite has no SCANN; uses IVF_SQ8" if lite else ""
    elif plan.kind == "hnsw":
        kind, build = "HNSW_SQ", {"M": HNSW_NEIGHBOURS, "efConstruction": 200, "sq_type": "SQ8"}
    elif plan.kind == "codes":
        note = "sign codes are not sent; compares the components of every row"
    return MilvusPlan(kind, metric, build, dimensions, whole, note)
