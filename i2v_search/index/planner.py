"""Choice of an index and its predicted cost: pure functions of the size of a collection and its requirements.

=========  ====================================================================  ======================
kind       what a query does                                                     bytes in memory a row
=========  ====================================================================  ======================
exact      compares every row in full                                            4 d, or d / 8 for codes
pca        compares every row in D principal components of 8 bits,               D; with the first
           and the best again in full; many rows first in product codes of       stage 1.25 D + 8
           4 bits (two components each), of which the best are compared so
codes      compares every row in d sign bits, and the best again in full         d / 8
ivf        compares the rows of the nearest lists in product codes of 4 bits,    D / 4 + 8, and D with
           the best of them perhaps in D components of 8 bits, and the best      the middle stage
           of those again in full
hnsw       walks a graph of neighbours in D components of 8 bits,                D + 264
           and compares the best again in full
=========  ====================================================================  ======================

"In full" reads the float16 rows of the feature store from disk. The plan is the simplest kind whose predicted
memory and time meet the wishes and that is not much slower than another; what it really takes and finds is
measured when it is built. Rates are those measured on two cores for a build and on one for a search
(benchmarks/RESULTS.md, *scale*).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from i2v_search.arguments import plain_numbers
from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.escapes import JsonReady

if TYPE_CHECKING:
    from i2v_search.store.manifest import IndexRecord

PlannedKind: TypeAlias = Literal["exact", "pca", "codes", "ivf", "hnsw"]

PCA_DIMENSIONS = 256
#: Rows re-ranked in full for ten results, at first; raised at build until the recall target holds.
CANDIDATES = 20
RECALL_TARGET = 0.99
#: A search that takes no longer than this feels instant, with everything around it.
LATENCY_MS = 5.0
#: Rows from which ``pca`` has a first stage of product codes: with fewer there is nothing to save.
CODED_ROWS = 8192
#: Rows that principal components are learned from: of a million, four times as many explain 0.1 % more.
PCA_ROWS = 65_536
#: Neighbours of a node of the HNSW graph; twice as many on its lowest level.
HNSW_NEIGHBOURS = 32

#: A simpler kind may take so many times as long as the fastest.
_SIMPLER = 1.25
_MIN_LISTS, _MAX_LISTS = 16, 65_536
_MIN_LISTED_ROWS = 256
#: One row in so many lies in the lists that a query looks into, about.
_SCANNED_SHARE = 16
#: Points that each list's centre is learned from.
LIST_POINTS = 64

# Measured; see the module's text.
_SCAN = {"exact": 14e9, "pca": 15e9, "codes": 10e9, "products": 25e9}  # bytes per second
_OVERHEAD_MS = 0.15
_SHORTLIST_MS = 0.1  # some hundred rows compared in components
_RERANKED_ELEMENTS = 0.5e9  # elements of rows read and compared in full, a second
_PASS_ELEMENTS = 0.14e9  # elements read, widened and projected, a second
_PRODUCTS = 100e9  # multiplications a second, in products of large matrices
_EIGENVECTORS = 2e10  # d^3 a second
_TUNING_SECONDS = 2.0
_HNSW_ROWS = 700.0  # rows of 256 dimensions linked a second
_PROCESS_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Cost(JsonReady):
    """Cost of an index.

    Attributes:
        memory_bytes: held while searching, besides the program itself.
        build_memory_bytes: the most that building takes, the program included.
        disk_bytes: of its files.
        build_seconds: to build it, on two cores.
        query_ms: of one search, milliseconds.
    """

    memory_bytes: int = 0
    build_memory_bytes: int = 0
    disk_bytes: int = 0
    build_seconds: float = 0.0
    query_ms: float = 0.0


@dataclass(frozen=True)
class IndexPlan(JsonReady):
    """Plan of an index, before it is built.

    Attributes:
        kind: index kind, see the table of this module.
        dimensions: scanned dimensions: all, principal components, or bits.
        candidates: number of rows re-ranked in full at first; raised at build until the recall target is
            reached. 0 for exact.
        lists: number of lists of an ``"ivf"`` index.
        refined: whether rows are proposed by product codes, and the best compared in components of 8 bits.
        scanned_bytes: approximate bytes read by one query before the re-rank.
        reason: reason for the kind, in one sentence.
        predicted: predicted cost.
        shortfall: requirements that cannot be met and by how much; empty if all can.

    Example:
        >>> from i2v_search import Collection
        >>> plan = Collection.open("index/art").plan()
        >>> plan.kind, plan.reason
        ('exact', '15 rows: no other index is faster')
    """

    kind: PlannedKind
    dimensions: int
    candidates: int = 0
    lists: int = 0
    refined: bool = False
    scanned_bytes: int = 0
    reason: str = ""
    predicted: Cost = Cost()
    shortfall: str = ""


def plan_index(
    rows: int,
    dimension: int,
    similarity: SimilarityName,
    *,
    kind: IndexKind = "auto",
    pca_dimensions: int = PCA_DIMENSIONS,
    memory_bytes: int | None = None,
    recall_target: float = RECALL_TARGET,
    latency_ms: float = LATENCY_MS,
) -> IndexPlan:
    """Choose an index.

    Args:
        rows: live rows.
        dimension: dimension of a vector.
        similarity: similarity of the collection.
        kind: ``"auto"`` takes the simplest that meets the wishes, and the fastest of those that fit the
            memory where none does; a named kind is followed where it makes sense.
        pca_dimensions: principal components of the kinds that use them.
        memory_bytes: the most that building and searching may take; None for no limit.
        recall_target: recall@10; 1 leaves ``"auto"`` only the exact index.
        latency_ms: how long a search may take, milliseconds.

    Returns:
        The plan.

    Example:
        >>> plan_index(500, 4096, "centred").kind
        'exact'
        >>> plan_index(100_000, 4096, "centred").kind
        'pca'
        >>> plan = plan_index(1_000_000, 4096, "centred", memory_bytes=2 * 10**9)
        >>> plan.kind, plan.lists, plan.shortfall
        ('ivf', 4096, '')
    """
    size = _Size(rows, dimension, min(pca_dimensions, dimension))
    if similarity == "hamming":
        plan = size.exact_codes()
        reason = f"{dimension}-bit codes are scanned in full"
    elif rows <= pca_dimensions and kind != "codes":
        plan = size.exact()
        reason = f"{rows} rows: no other index is faster"
    elif kind == "auto":
        plan, reason = _choose(size, memory_bytes, recall_target, latency_ms)
    else:
        reason = "asked for"
        if kind == "codes" and similarity == "l2":
            kind, reason = "pca", "in place of codes: signs say nothing of lengths, which l2 compares"
        elif kind == "ivf" and rows < _MIN_LISTED_ROWS:
            kind, reason = "pca", f"in place of ivf: lists need at least {_MIN_LISTED_ROWS:,} rows"
        plan = size.of(kind)()
        if kind == "ivf" and not _fits(plan, memory_bytes):
            plan, reason = size.lean_ivf(), "asked for; without components, to save memory"
    return _finished(plan, reason, memory_bytes, latency_ms)


def _choose(
    size: _Size, memory_bytes: int | None, recall_target: float, latency_ms: float
) -> tuple[IndexPlan, str]:
    exact = size.exact()
    if recall_target >= 1:
        return exact, "recall 1 requires exact comparison with every row"
    plans = [exact, size.pca(), size.ivf(), size.lean_ivf()]
    fitting = [plan for plan in plans if _fits(plan, memory_bytes)]
    fastest = min((plan.predicted.query_ms for plan in fitting), default=0.0)
    for plan in fitting:
        query_ms = plan.predicted.query_ms
        if plan is exact and query_ms <= latency_ms:
            return plan, f"exact comparison takes {query_ms:.1f} ms"
        if query_ms <= min(latency_ms, _SIMPLER * fastest):
            return plan, f"exact comparison would take {_too_much(exact, memory_bytes)} per query"
    if fitting:
        return min(fitting, key=lambda plan: plan.predicted.query_ms), "fastest kind within the memory limit"
    return min(plans, key=lambda plan: plan.predicted.build_memory_bytes), "lowest memory"


def _too_much(exact: IndexPlan, memory_bytes: int | None) -> str:
    needed = f"{exact.scanned_bytes / 2**20:,.0f} MiB"
    return f"{needed} of memory and {exact.predicted.query_ms:,.0f} ms" if memory_bytes else needed


def _fits(plan: IndexPlan, memory_bytes: int | None) -> bool:
    return memory_bytes is None or plan.predicted.build_memory_bytes <= memory_bytes


def _finished(plan: IndexPlan, reason: str, memory_bytes: int | None, latency_ms: float) -> IndexPlan:
    short = []
    if not _fits(plan, memory_bytes):
        assert memory_bytes is not None  # noqa: S101 - or it would fit
        short.append(
            f"predicted build memory {plan.predicted.build_memory_bytes / 1e6:,.0f} MB exceeds the limit "
            f"of {memory_bytes / 1e6:,.0f} MB"
        )
    if plan.predicted.query_ms > latency_ms:
        short.append(
            f"predicted search time {plan.predicted.query_ms:.1f} ms exceeds the {latency_ms:g} ms target"
        )
    return IndexPlan(**{**vars(plan), "reason": reason, "shortfall": "; ".join(short)})


@dataclass(frozen=True)
class IndexOptions(JsonReady):
    """Options of an index.

    Attributes:
        kind: ``"auto"`` takes the simplest kind that meets the other options.
        pca_dimensions: principal components of the kinds that use them.
        memory_bytes: limit for building and searching; None takes half of the machine's memory.
        recall_target: minimum recall@10.
        latency_ms: target search time in milliseconds.
        graph: whether to build the graph that morphs walk on; None leaves it to the number of images.

    Example:
        >>> IndexOptions(memory_bytes=2 * 10**9).plan(1_000_000, 4096, "centred").kind
        'ivf'
    """

    kind: IndexKind = "auto"
    pca_dimensions: int = PCA_DIMENSIONS
    memory_bytes: int | None = None
    recall_target: float = RECALL_TARGET
    latency_ms: float = LATENCY_MS
    graph: bool | None = None

    def __post_init__(self) -> None:
        plain_numbers(self)

    @classmethod
    def of(cls, record: IndexRecord | None) -> Self:
        """Options of the last build of an index."""
        wishes = record.wishes if record else None
        return cls(**wishes.model_dump(exclude={"reduced"})) if wishes else cls()

    def plan(self, rows: int, dimension: int, similarity: SimilarityName) -> IndexPlan:
        """The plan for a collection."""
        return plan_index(
            rows,
            dimension,
            similarity,
            kind=self.kind,
            pca_dimensions=self.pca_dimensions,
            memory_bytes=self.memory_bytes,
            recall_target=self.recall_target,
            latency_ms=self.latency_ms,
        )


@dataclass(frozen=True)
class _Size:
    """The plans for one collection, with their costs but without reasons."""

    rows: int
    dimension: int
    reduced: int

    def of(self, kind: IndexKind) -> Callable[[], IndexPlan]:
        return {"exact": self.exact, "pca": self.pca, "codes": self.codes, "hnsw": self.hnsw}.get(
            kind, self.ivf
        )

    def exact(self) -> IndexPlan:
        scanned = 4 * self.rows * self.dimension
        query_ms = _scan_ms("exact", scanned)
        return self._plan("exact", self.dimension, scanned, self._cost(scanned, 1, query_ms), candidates=0)

    def exact_codes(self) -> IndexPlan:
        scanned = self.rows * -(-self.dimension // 8)
        cost = self._cost(scanned, 2, _scan_ms("codes", scanned))
        return self._plan("exact", self.dimension, scanned, cost, candidates=0)

    def codes(self) -> IndexPlan:
        scanned = self.rows * -(-self.dimension // 8)
        query_ms = _scan_ms("codes", scanned) + self._rerank_ms()
        return self._plan("codes", self.dimension, scanned, self._cost(scanned, 3, query_ms))

    def pca(self) -> IndexPlan:
        memory = scanned = self.rows * self.reduced
        query_ms = _scan_ms("pca", scanned)
        if refined := self.rows >= CODED_ROWS:
            scanned = self.rows * self._product_bytes
            memory += scanned + 8 * self.rows
            query_ms = _scan_ms("products", scanned) + _SHORTLIST_MS
        cost = self._cost(memory, 3, query_ms + self._rerank_ms(), pca=True)
        return self._plan("pca", self.reduced, scanned, cost, refined=refined)

    def ivf(self) -> IndexPlan:
        return self._ivf(refined=True)

    def lean_ivf(self) -> IndexPlan:
        return self._ivf(refined=False)

    def hnsw(self) -> IndexPlan:
        memory = self.rows * (self.reduced + 8 * HNSW_NEIGHBOURS + 8)
        scanned = 500 * self.reduced
        seconds = self.rows / _HNSW_ROWS * self.reduced / 256
        cost = self._cost(memory, 3, 1.0 + self._rerank_ms(), pca=True, seconds=seconds)
        return self._plan("hnsw", self.reduced, scanned, cost)

    def _ivf(self, *, refined: bool) -> IndexPlan:
        lists = _lists(self.rows)
        row = self._product_bytes + 8 + refined * self.reduced
        centres = 4 * lists * self.reduced + 32 * lists * self.reduced  # and tables of what is between
        learned = min(self.rows, LIST_POINTS * lists)
        seconds = 10 * learned * lists * self.reduced / _PRODUCTS
        scanned = 4 * lists * self.reduced + self.rows // _SCANNED_SHARE * (self.reduced // 4)
        candidates = CANDIDATES if refined else 10 * CANDIDATES
        query_ms = 0.5 + _scan_ms("codes", scanned) + self._rerank_ms(2 * candidates)
        cost = self._cost(
            self.rows * row + centres, 3, query_ms, pca=True, seconds=seconds, learned=4 * learned
        )
        return self._plan(
            "ivf", self.reduced, scanned, cost, candidates=candidates, lists=lists, refined=refined
        )

    def _plan(
        self,
        kind: PlannedKind,
        dimensions: int,
        scanned: int,
        cost: Cost,
        *,
        candidates: int = CANDIDATES,
        lists: int = 0,
        refined: bool = False,
    ) -> IndexPlan:
        return IndexPlan(kind, dimensions, candidates, lists, refined, scanned, predicted=cost)

    @property
    def _product_bytes(self) -> int:
        """Of a row's product code: 4 bits for two components."""
        return -(-self.reduced // 4)

    def _rerank_ms(self, candidates: int = 2 * CANDIDATES) -> float:
        return 1e3 * candidates * self.dimension / _RERANKED_ELEMENTS

    def _cost(
        self,
        scanned: int,
        passes: int,
        query_ms: float,
        *,
        pca: bool = False,
        seconds: float = 0.0,
        learned: int = 0,
    ) -> Cost:
        """Costs of an index of `scanned` bytes, for `passes` over all vectors and `seconds` besides."""
        components = 4 * self.reduced * self.dimension * pca
        memory = scanned + components + 8 * self.rows
        moments = 3 * 8 * self.dimension**2 * pca
        building = max(moments, memory + learned * self.reduced)
        seconds += passes * self.rows * self.dimension / _PASS_ELEMENTS
        seconds += pca * min(self.rows, PCA_ROWS) * self.dimension**2 / _PRODUCTS
        seconds += pca * (self.dimension**3 / _EIGENVECTORS + _TUNING_SECONDS)
        disk = memory + 4 * self.dimension
        return Cost(memory, _PROCESS_BYTES + building, disk, round(seconds, 3), round(query_ms, 3))


def _scan_ms(kind: str, scanned: int) -> float:
    return _OVERHEAD_MS + 1e3 * scanned / _SCAN[kind]


def _lists(rows: int) -> int:
    """About four times the root of the number of rows, a power of two (FAISS's own guideline)."""
    power = round(math.log2(4 * math.sqrt(max(rows, 1))))
    return min(max(1 << power, _MIN_LISTS), _MAX_LISTS)


#: New rows up to this many are scanned in full beside the index.
UNINDEXED_ROWS = 1024
#: An index whose share of removed rows is larger is built again.
DEAD_SHARE = 0.25

Upkeep: TypeAlias = Literal["keep", "extend", "rebuild"]


def plan_upkeep(built: PlannedKind, trained: int, indexed: int, unindexed: int, plan: IndexPlan) -> Upkeep:
    """The update of an index after rows were added and removed.

    Args:
        built: its kind.
        trained: live rows when it was built; what it learned fits those.
        indexed: rows in it that are still live.
        unindexed: live rows that are not in it.
        plan: for all live rows.

    Returns:
        ``"keep"``: new rows are scanned beside it; ``"extend"``: they are added to it; ``"rebuild"``: it is
        made again, because another kind suits better, because it has doubled since it was built, because much
        of it was removed, or because it is so small that this takes no time.

    Example:
        >>> plan = plan_index(1_000_100, 4096, "centred")
        >>> plan_upkeep("ivf", 1_000_000, 1_000_000, 100, plan)
        'keep'
        >>> plan_upkeep("ivf", 1_000_000, 1_000_000, 10_000, plan)
        'extend'
    """
    if plan.kind == "exact" or built != plan.kind or indexed < trained * (1 - DEAD_SHARE):
        return "rebuild"
    if indexed + unindexed > 2 * trained:
        return "rebuild"
    return "extend" if unindexed > UNINDEXED_ROWS else "keep"
