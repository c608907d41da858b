"""The FAISS index: built from the feature store, searched, kept in two derived files. FAISS is used nowhere
else.

``search-N.h5`` holds the similarity's mean and the principal components, ``search-N.faiss`` the vectors to
scan: the rows in the search space (exact), their principal components (pca), or packed sign bits (hamming).
Row i of the index is the i-th live row of the feature store at the generation it was built from; any other
generation is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from i2v_search.arrays import check_file, read_arrays, write_arrays
from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError, IndexStaleError
from i2v_search.files import file_sha256, replacing
from i2v_search.manifest import FileRecord, IndexRecord
from i2v_search.pca import PrincipalComponents, fit_pca
from i2v_search.planner import IndexPlan
from i2v_search.progress import Progress, Report, silent
from i2v_search.similarity import Similarity, position_blocks
from i2v_search.store import Damage, FeatureStore

# The stubs of faiss describe its C++ constructors, not the Python ones that take keywords and arrays.
_faiss: Any = faiss

RECALL_QUERIES = 200
MAX_CANDIDATES = 4096
#: Below this many allowed rows a filtered query scans them all in full dimension.
EXACT_FILTER_ROWS = 4096


class VectorIndex:
    """Nearest neighbours among the live rows of a feature store.

    Args:
        store: the feature store the index was built from.
        similarity: fitted to it.
        scanned: a FAISS flat index with one row per live row.
        pca: the projection of the scanned rows, None where they are the full rows or codes.
        candidates: how many rows are re-ranked in full dimension, 0 for none.
    """

    def __init__(
        self,
        store: FeatureStore,
        similarity: Similarity,
        scanned: Any,
        pca: PrincipalComponents | None = None,
        candidates: int = 0,
    ) -> None:
        self.store = store
        self.similarity = similarity
        self.candidates = candidates
        self.recall_at_10 = 1.0
        self._scanned = scanned
        self._pca = pca

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        similarity: SimilarityName,
        plan: IndexPlan,
        *,
        recall_target: float = 0.99,
        report: Report = silent,
    ) -> VectorIndex:
        """Build an index in memory, re-ranking as many candidates as the recall target needs.

        Args:
            store: the feature store.
            similarity: its name; fitted here.
            plan: from `i2v_search.planner.plan_index`.
            recall_target: recall@10 against exact search, measured on `RECALL_QUERIES` rows.
            report: told about progress.
        """
        fitted = Similarity.fit(similarity, store)
        pca = None
        if plan.kind == "pca":
            blocks = (fitted.embed_rows(store, block) for block in position_blocks(store))
            pca = fit_pca(blocks, plan.dimensions, centre=similarity == "l2")
        index = cls(
            store, fitted, _empty_index(similarity, plan.dimensions, store.dimension), pca, plan.candidates
        )
        done = 0
        for block in position_blocks(store):
            index._scanned.add(index._scannable(fitted.embed_rows(store, block)))
            done += len(block)
            report(Progress("indexing", done, len(store)))
        if pca is not None:
            index._raise_candidates(recall_target, report)
        return index

    @classmethod
    def load(cls, store: FeatureStore) -> VectorIndex:
        """Load the index the manifest names.

        Raises:
            IndexStaleError: there is none, or it was built from other rows.
            CollectionDamagedError: its files are missing or not what they claim to be.
        """
        record = current_index(store)
        arrays = read_arrays(store.directory, record.files["arrays"])
        path = store.directory / record.files["faiss"].name
        check_file(path, record.files["faiss"].sha256)
        shapes: dict[str, tuple[int, ...]] = {"mean": (store.dimension,)}
        if record.kind == "pca":
            shapes["pca_mean"] = (store.dimension,)
            shapes["components"] = (record.dimensions, store.dimension)
            shapes["explained_variance_ratio"] = (record.dimensions,)
        found = {name: values.shape for name, values in arrays.items()}
        if found != shapes:
            raise CollectionDamagedError(
                f"{record.files['arrays'].name} holds {found}, expected {shapes}; "
                "rebuild it: i2v-search index"
            )
        scanned = _read_faiss(path, record, store)
        pca = None
        if record.kind == "pca":
            names = ("pca_mean", "components", "explained_variance_ratio")
            pca = PrincipalComponents(*(arrays[name].astype(np.float32) for name in names))
        similarity = Similarity(record.similarity, arrays["mean"].astype(np.float32))
        index = cls(store, similarity, scanned, pca, record.candidates)
        index.recall_at_10 = record.recall_at_10
        return index

    def save(self, number: int, plan: IndexPlan) -> IndexRecord:
        """Write the index's files next to the feature store; the record goes into the manifest.

        Args:
            number: for the files' names, never used before.
            plan: the plan it was built by.
        """
        arrays = {"mean": self.similarity.mean}
        if self._pca is not None:
            arrays |= {
                "pca_mean": self._pca.mean,
                "components": self._pca.components,
                "explained_variance_ratio": self._pca.explained_variance_ratio,
            }
        directory = self.store.directory
        path = directory / f"search-{number:05d}.faiss"
        write = faiss.write_index_binary if self.similarity.name == "hamming" else faiss.write_index
        _write_faiss(path, lambda temporary: write(self._scanned, str(temporary)))
        return IndexRecord(
            generation=self.store.manifest.generation,
            rows=self.store.rows,
            live_rows=len(self.store),
            similarity=self.similarity.name,
            kind=plan.kind,
            dimensions=plan.dimensions,
            candidates=self.candidates,
            recall_at_10=self.recall_at_10,
            files={
                "arrays": write_arrays(directory / f"search-{number:05d}.h5", arrays),
                "faiss": FileRecord(name=path.name, sha256=file_sha256(path)),
            },
        )

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest live rows.

        Args:
            queries: (m, d) float32 in the search space (`Similarity.embed`).
            k: how many.
            allowed: (n,) bool over the live rows, True where a row may be returned; None allows all.

        Returns:
            Scores (m, k') float32, falling, and live row numbers (m, k') int64, where k' = min(k, number of
            allowed rows). Equal scores are ordered by row number.
        """
        available = len(self.store) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, available)
        if k == 0:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        if allowed is not None and (available <= EXACT_FILTER_ROWS or self.similarity.name == "hamming"):
            return self._scan(queries, k, np.flatnonzero(allowed))
        scores, rows = self._search_scanned(queries, self._candidates_for(k), allowed)
        # Distances as FAISS expands them for a batch, |x|^2 + |y|^2 - 2 <x, y>, lose what is near.
        if self._pca is not None or self.similarity.euclidean:
            scores = np.stack(
                [self._exact_scores(query, found) for query, found in zip(queries, rows, strict=True)]
            )
        return _best(scores, rows, k)

    def rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Live rows in the search space, (m, d) float32."""
        return self.similarity.embed_rows(self.store, self.store.live[numbers])

    def _candidates_for(self, k: int) -> int:
        """How many rows to re-rank for k results: as many for each as recall@10 was measured with."""
        return max(k, -(-self.candidates * k // 10), self.candidates)

    def _search_scanned(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        k = min(k, len(self.store) if allowed is None else int(np.count_nonzero(allowed)))
        parameters = None
        if allowed is not None:
            parameters = _faiss.SearchParameters(
                sel=_faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            )
        distances, rows = self._scanned.search(self._scannable(queries), k, params=parameters)
        if self.similarity.name == "hamming":
            scores = 1 - 2 * distances / np.float32(self.store.dimension)
        elif self.similarity.euclidean:
            scores = self.similarity.score_distances(distances)
        else:
            scores = np.clip(distances, -1, 1)
        return np.asarray(scores, np.float32), rows

    def _exact_scores(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self.similarity.scores(query[None], self.rows_of(rows))[0])

    def _scan(
        self, queries: NDArray[np.float32], k: int, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Exact search among some live rows, in blocks."""
        size = max(1, EXACT_FILTER_ROWS)
        best_scores = np.empty((len(queries), 0), np.float32)
        best_rows = np.empty((len(queries), 0), np.int64)
        for start in range(0, len(numbers), size):
            block = numbers[start : start + size]
            scores = np.hstack([best_scores, self.similarity.scores(queries, self.rows_of(block))])
            rows = np.hstack([best_rows, np.broadcast_to(block, (len(queries), len(block)))])
            best_scores, best_rows = _best(scores, rows, k)
        return best_scores, best_rows

    def _scannable(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """Rows of the search space as the FAISS index stores them."""
        if self.similarity.name == "hamming":
            return np.packbits(rows > 0, axis=1)
        return np.ascontiguousarray(rows if self._pca is None else self._pca.transform(rows))

    def _raise_candidates(self, target: float, report: Report) -> None:
        """Double the candidates until recall@10 on a sample of rows reaches the target; record it."""
        generator = np.random.default_rng(0)
        sample = generator.choice(len(self.store), min(RECALL_QUERIES, len(self.store)), replace=False)
        queries = self.rows_of(np.sort(sample))
        truth = self._scan(queries, 10, np.arange(len(self.store)))[0]
        limit = min(MAX_CANDIDATES, len(self.store))
        while True:
            found = self.search(queries, 10)[0]
            # By score: of several copies of a picture any will do.
            self.recall_at_10 = float(np.mean(found >= truth[:, -1:] - 1e-5))
            report(Progress("measuring recall", self.candidates, limit))
            if self.recall_at_10 >= target or self.candidates >= limit:
                return
            self.candidates = min(2 * self.candidates, limit)


def verify_index(store: FeatureStore) -> list[Damage]:
    """Compare the index's files with their checksums; what differs or is missing."""
    damages = []
    for file in (store.manifest.index.files if store.manifest.index else {}).values():
        try:
            check_file(store.directory / file.name, file.sha256)
        except CollectionDamagedError as error:
            damages.append(Damage(file.name, str(error)))
    return damages


def is_current(store: FeatureStore) -> bool:
    """Whether there is an index and it describes the feature store as it is."""
    record, rows = store.manifest.index, (store.manifest.generation, store.rows, len(store))
    return record is not None and (record.generation, record.rows, record.live_rows) == rows


def current_index(store: FeatureStore) -> IndexRecord:
    """The manifest's index if it describes the store as it is.

    Raises:
        IndexStaleError: there is none, or rows were added or removed since it was built.
    """
    record, fix = store.manifest.index, f"run: i2v-search index --collection {store.directory}"
    if record is None:
        raise IndexStaleError(f"the collection {store.directory} has no index; {fix}")
    if not is_current(store):
        raise IndexStaleError(
            f"the index of {store.directory} knows {record.live_rows} images of generation "
            f"{record.generation}, the feature store has {len(store)} of generation "
            f"{store.manifest.generation}; {fix}"
        )
    return record


def _empty_index(similarity: SimilarityName, dimensions: int, dimension: int) -> Any:
    if similarity == "hamming":
        return faiss.IndexBinaryFlat(dimension + (-dimension % 8))
    return (faiss.IndexFlatL2 if similarity == "l2" else faiss.IndexFlatIP)(dimensions)


def _read_faiss(path: Path, record: IndexRecord, store: FeatureStore) -> Any:
    read = faiss.read_index_binary if record.similarity == "hamming" else faiss.read_index
    # What FAISS allocates while it reads can be no more than the file holds.
    faiss.set_deserialization_vector_byte_limit(path.stat().st_size)
    try:
        scanned = read(str(path))
    except (RuntimeError, MemoryError) as error:
        raise CollectionDamagedError(
            f"{path} cannot be read ({error}); rebuild it: i2v-search index"
        ) from error
    dimensions = record.dimensions if record.kind == "pca" else store.dimension
    expected = _empty_index(record.similarity, dimensions, store.dimension)
    if (type(scanned), scanned.ntotal, scanned.d) != (type(expected), len(store), expected.d):
        raise CollectionDamagedError(
            f"{path} holds {type(scanned).__name__}, {scanned.ntotal} rows of {scanned.d} dimensions, "
            f"expected {type(expected).__name__}, {len(store)} of {expected.d}; rebuild it: i2v-search index"
        )
    return scanned


def _write_faiss(path: Path, write: Callable[[Path], None]) -> None:
    with replacing(path) as temporary:
        try:
            write(temporary)
        except RuntimeError as error:
            raise OSError(f"cannot write {path}: {error}") from error


def _best(
    scores: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k highest scores of each line, falling, ties by row number."""
    order = np.stack([np.lexsort((line_rows, -line)) for line, line_rows in zip(scores, rows, strict=True)])[
        :, :k
    ]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
