"""The FAISS structures: each proposes rows for a query, out of vectors in the form it keeps them.

A scanner numbers its rows 0, 1, 2... in the order they were added and knows nothing of the feature store.
Rows are compared by inner product, by Euclidean distance for l2, or by Hamming distance (codes). The lists of
``ivf`` and the graph of ``hnsw`` are always Euclidean, which for rows of unit length is the same order: FAISS
clusters and links by it better.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError
from i2v_search.files import replacing
from i2v_search.index.planner import HNSW_NEIGHBOURS, LIST_POINTS, IndexPlan

# The stubs of faiss describe its C++ constructors, not the Python ones that take keywords and arrays.
_faiss: Any = faiss

#: Steps of the clustering that makes lists.
_CLUSTERING_STEPS: Final = 10
#: Candidates considered when a row is linked into an HNSW graph.
_HNSW_EFFORT: Final = 80
#: Bytes of the tables that FAISS computes for a file of lists; its own limit.
_MAX_TABLES: Final = 2**31
#: With fewer allowed rows than this share, lists and graphs are left aside for a scan of the components.
_SPARSE: Final = 1 / 8


@dataclass(frozen=True)
class Settings:
    """The parameters of a search, tuned when an index is built.

    Attributes:
        candidates: rows compared in full for ten results; 0 where the scan itself is exact.
        effort: lists looked into (ivf) or nodes kept in mind (hnsw); 0 for scans.
        shortlist: rows that leave the product codes for the middle stage; 0 if there is none.
    """

    candidates: int = 0
    effort: int = 0
    shortlist: int = 0


class Scanner:
    """A scan of every row; the structures below scan less.

    Args:
        index: of FAISS.
    """

    def __init__(self, index: Any) -> None:
        self.index = index

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.index.ntotal)

    def train(self, rows: NDArray[np.float32]) -> None:
        """Learn from a sample of rows, (m, D) float32, where the structure learns anything."""
        self.index.train(rows)

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows behind the others: (m, D) float32, or (m, d / 8) uint8 codes."""
        self.index.add(rows)

    def search(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None, settings: Settings
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Propose rows.

        Args:
            queries: (m, D) like the rows.
            k: how many, at most as many as are allowed.
            allowed: (n,) bool, True where a row may be proposed; None allows all.
            settings: how hard to try.

        Returns:
            FAISS's own distances or inner products and row numbers, (m, k), best first. The distances of
            ``ivf`` and ``hnsw`` are those of their last stage.
        """
        return self.scan(queries, k, allowed)

    def scan(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """`search` among every allowed row."""
        if isinstance(self.index, faiss.IndexFlat):
            # FAISS multiplies matrices only from this many numbers on; it is faster from far fewer.
            _faiss.cvar.distance_compute_blas_threshold = 4 * self.index.d
        selector = None if allowed is None else _selector(allowed)
        parameters = None if selector is None else _faiss.SearchParameters(sel=selector)
        distances, rows = self.index.search(queries, k, params=parameters)
        return distances, rows

    def _filled(
        self,
        found: tuple[NDArray[Any], NDArray[np.int64]],
        queries: NDArray[Any],
        allowed: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The found rows, completed by a scan if a structure found fewer rows than requested."""
        distances, rows = found
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):
            distances[short], rows[short] = self.scan(queries[short], rows.shape[1], allowed)
        return distances, rows


class IvfScanner(Scanner):
    """Lists of product codes, or a single one, optionally with a middle stage of 8-bit components."""

    def search(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None, settings: Settings
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """See `Scanner.search`."""
        share = 1.0 if allowed is None else np.count_nonzero(allowed) / len(self)
        refined = isinstance(self.index, faiss.IndexRefine)
        if refined and share < _SPARSE:
            return self.scan(queries, k, allowed)
        lists = faiss.extract_index_ivf(self.index)
        # More results, or fewer rows that count, take more lists for the same recall.
        wanted = settings.effort * max(1.0, k / max(1, settings.candidates)) ** 0.5 / max(share, 1e-9)
        options: dict[str, Any] = {"nprobe": int(min(lists.nlist, max(1, np.ceil(wanted))))}
        if allowed is not None:
            options["sel"] = _selector(allowed)
        parameters = _faiss.IVFSearchParameters(**options)
        if refined:
            factor = max(2.0, min(settings.shortlist / max(1, settings.candidates), len(self) / k))
            parameters = _faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters)
        return self._filled(self.index.search(queries, k, params=parameters), queries, allowed)

    def scan(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """See `Scanner.scan`: in the middle stage or, without one, in every list."""
        selector = {} if allowed is None else {"sel": _selector(allowed)}
        if isinstance(self.index, faiss.IndexRefine):
            found = self.index.refine_index.search(queries, k, params=_faiss.SearchParameters(**selector))
        else:
            parameters = _faiss.IVFSearchParameters(nprobe=self.index.nlist, **selector)
            found = self.index.search(queries, k, params=parameters)
        return found


class HnswScanner(Scanner):
    """A graph of neighbours over 8-bit components."""

    def search(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None, settings: Settings
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """See `Scanner.search`."""
        if allowed is not None and np.count_nonzero(allowed) < _SPARSE * len(self):
            return self.scan(queries, k, allowed)
        options: dict[str, Any] = {"efSearch": max(min(settings.effort, len(self)), 2 * k)}
        if allowed is not None:
            options["sel"] = _selector(allowed)
        found = self.index.search(queries, k, params=_faiss.SearchParametersHNSW(**options))
        return self._filled(found, queries, allowed)

    def scan(
        self, queries: NDArray[Any], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """See `Scanner.scan`."""
        parameters = None if allowed is None else _faiss.SearchParameters(sel=_selector(allowed))
        return self.index.storage.search(queries, k, params=parameters)  # type: ignore[no-any-return]


def make_scanner(plan: IndexPlan, similarity: SimilarityName) -> Scanner:
    """An empty structure for a plan; it has yet to be trained."""
    metric = faiss.METRIC_L2 if similarity == "l2" else faiss.METRIC_INNER_PRODUCT
    size = plan.dimensions
    if plan.kind == "codes" or similarity == "hamming":
        return Scanner(faiss.IndexBinaryFlat(size + (-size % 8)))
    if plan.kind == "exact":
        return Scanner(_faiss.IndexFlat(size, metric))
    if plan.kind == "pca" and not plan.refined:
        return Scanner(_components(size, metric))
    if plan.kind == "hnsw":
        graph = _faiss.IndexHNSWSQ(size, _faiss.ScalarQuantizer.QT_8bit, HNSW_NEIGHBOURS, faiss.METRIC_L2)
        graph.hnsw.efConstruction = _HNSW_EFFORT
        return HnswScanner(graph)
    return IvfScanner(_lists(plan))


def usual_settings(plan: IndexPlan) -> Settings:
    """Settings of an index that nobody has tuned."""
    effort = {"ivf": 16, "hnsw": 64}.get(plan.kind, 0)
    return Settings(plan.candidates, effort, 10 * plan.candidates * plan.refined)


def _lists(plan: IndexPlan) -> Any:
    # Two components share a code of 4 bits; an odd one out has its own.
    codes = -(-plan.dimensions // 2) if plan.dimensions % 2 == 0 else plan.dimensions
    # A single list is what FAISS's own flat scan of product codes is not: it can leave rows out.
    lists = _faiss.index_factory(plan.dimensions, f"IVF{max(1, plan.lists)},PQ{codes}x4fs", faiss.METRIC_L2)
    lists.cp.niter = _CLUSTERING_STEPS
    lists.cp.max_points_per_centroid = LIST_POINTS
    # FAISS would complain on the error stream about few points; the recall is measured.
    lists.cp.min_points_per_centroid = lists.pq.cp.min_points_per_centroid = 1
    if not plan.refined:
        return lists
    both = _faiss.IndexRefine(lists, _components(plan.dimensions, faiss.METRIC_L2))
    both.k_factor = 1
    return both


def _components(size: int, metric: int) -> Any:
    return _faiss.IndexScalarQuantizer(size, _faiss.ScalarQuantizer.QT_8bit, metric)


def _selector(allowed: NDArray[np.bool_]) -> Any:
    return _faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def write_scanner(scanner: Scanner, path: Path) -> None:
    """Write the FAISS file, atomically."""
    binary = isinstance(scanner.index, faiss.IndexBinary)
    write: Callable[[Any, str], None] = faiss.write_index_binary if binary else faiss.write_index
    with replacing(path) as temporary:
        try:
            write(scanner.index, str(temporary))
        except RuntimeError as error:
            raise OSError(f"cannot write {path}: {error}") from error


def read_scanner(path: Path, plan: IndexPlan, similarity: SimilarityName, rows: int) -> Scanner:
    """Read a FAISS file whose checksum was compared, and see that it is what the plan says.

    Raises:
        CollectionDamagedError: it is not.
    """
    expected = make_scanner(plan, similarity)
    binary = isinstance(expected.index, faiss.IndexBinary)
    # What FAISS allocates while it reads can be no more than the file holds, or than the tables that it
    # computes for lists.
    tables = min(64 * max(1, plan.lists) * plan.dimensions, _MAX_TABLES)
    faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, tables))
    try:
        index = faiss.read_index_binary(str(path)) if binary else faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:
        raise CollectionDamagedError(
            f"{path} cannot be read ({error}); rebuild it: i2v-search index"
        ) from error
    found, wanted = _described(index), _described(expected.index)
    if plan.kind == "pca" and found[0].startswith("IndexFlat "):
        wanted = _described(_faiss.IndexFlat(plan.dimensions, expected.index.metric_type))  # of format 1
    if found != wanted or (index.ntotal, index.d) != (rows, expected.index.d):
        raise CollectionDamagedError(
            f"{path} holds {' over '.join(found)}, {index.ntotal} rows of {index.d} dimensions, expected "
            f"{' over '.join(wanted)}, {rows} of {expected.index.d}; rebuild it: i2v-search index"
        )
    scanner = copy.copy(expected)
    scanner.index = index
    return scanner


def _described(index: Any) -> tuple[str, ...]:
    """The kinds of a FAISS index and of those inside it."""
    if isinstance(index, faiss.IndexRefine):
        return ("IndexRefine", *_described(_down(index.base_index)), *_described(_down(index.refine_index)))
    name = "IndexFlat" if isinstance(index, faiss.IndexFlat) else type(index).__name__
    return (f"{name} of metric {index.metric_type}",)


def _down(index: Any) -> Any:
    return faiss.downcast_index(index)
