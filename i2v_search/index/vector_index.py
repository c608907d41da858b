"""Search: a scanner proposes rows, the best of them are compared in full, and rows it has not seen are
scanned beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError
from i2v_search.escapes import JsonReady
from i2v_search.index.exact import best, best_of_blocks, candidates_for, checked_blocks, unindexed_rows
from i2v_search.index.planner import LIST_POINTS, PCA_ROWS, UNINDEXED_ROWS, IndexPlan
from i2v_search.index.projection import Form, learn_form, sample_positions
from i2v_search.index.protocol import Conditions
from i2v_search.index.scanners import Scanner, Settings, make_scanner, usual_settings
from i2v_search.index.similarity import BLOCK_BYTES, Similarity, position_blocks
from i2v_search.index.stored_scores import StoredScores
from i2v_search.index.threads import threads_for
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore

#: Up to this many allowed rows a filtered query compares all of them in full.
EXACT_FILTER_ROWS = 4096


@dataclass(frozen=True)
class Measured(JsonReady):
    """Measured values of a built index.

    Attributes:
        recall_at_10: share of a row's ten nearest others that it finds, on rows nothing was learned from or
            chosen by.
        query_ms: median time of one search, milliseconds.
        query_p99_ms: its 99th percentile.
    """

    recall_at_10: float
    query_ms: float
    query_p99_ms: float


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """Nearest neighbours among the live rows of a feature store.

    The index may be older than the store: live rows that it does not hold, the *unindexed
    rows*, are compared in full, and rows that were removed since are skipped.

    Attributes:
        store: the feature store.
        similarity: how vectors are compared.
        plan: what it was built by.
        scanner: what proposes rows.
        form: what the scanner's rows are of those of the search space.
        positions: (n,) int64, the store's position of each of the scanner's rows; -1 where the row is gone.
        trained: rows that were live when it was built.
        settings: settings of its searches.
        measured: what was found out when it was built; None before that.
    """

    store: FeatureStore
    similarity: Similarity
    plan: IndexPlan
    scanner: Scanner
    form: Form
    positions: NDArray[np.int64]
    trained: int
    settings: Settings
    measured: Measured | None = None

    @classmethod
    def build(
        cls,
        store: FeatureStore,
        similarity: SimilarityName,
        plan: IndexPlan,
        *,
        held_back: NDArray[np.int64] | None = None,
        report: Report = silent,
    ) -> VectorIndex:
        """Build an index in memory.

        Args:
            store: the feature store.
            similarity: its name; fitted here.
            plan: from `i2v_search.index.planner.plan_index`.
            held_back: positions of rows that nothing is learned from.
            report: called with the progress.
        """
        fitted = Similarity.fit(similarity, store, report)
        form = learn_form(store, fitted, plan, held_back, report)
        scanner = make_scanner(plan, similarity)
        index = cls(store, fitted, plan, scanner, form, store.live, len(store), usual_settings(plan))
        index._train(held_back, report)
        index._add(store.live, report)
        return index

    def extended(self, report: Report = silent) -> VectorIndex:
        """Move the unindexed rows into the scanner, which then serves only the returned index."""
        unindexed = self.unindexed
        self._add(unindexed, report)
        return replace(self, positions=np.concatenate([self.positions, unindexed]))

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        where: Conditions | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest live rows, see `i2v_search.index.protocol.SearchIndex.search`; `where` is not
        needed.
        """
        usable = self._usable if allowed is None else _both(allowed[self.positions], self._usable)
        unindexed = self.unindexed if allowed is None else self.unindexed[allowed[self.unindexed]]
        held = len(self.scanner) if usable is None else int(np.count_nonzero(usable))
        k = min(k, held + len(unindexed))
        if k == 0:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        if usable is not None and held <= (0 if allowed is None else EXACT_FILTER_ROWS):
            scores, positions = self._scan(
                queries, k, np.sort(np.concatenate([self.positions[usable], unindexed]))
            )
        else:
            scores, positions = self._propose(queries, k, usable, held)
            if len(unindexed):
                beside, found = self._scan(queries, min(k, len(unindexed)), unindexed)
                scores, positions = np.hstack([scores, beside]), np.hstack([positions, found])
            scores, positions = best(scores, positions, k)
        self.store.check(positions.reshape(-1))
        return scores, positions

    @cached_property
    def stored(self) -> StoredScores:
        """Scores with rows of the store."""
        return StoredScores(self.similarity, self.store)

    @cached_property
    def unindexed(self) -> NDArray[np.int64]:
        """(t,) int64: positions of the live rows that the scanner does not hold, ascending."""
        return unindexed_rows(self.store, self.positions)

    @property
    def recall_at_10(self) -> float:
        """As measured when it was built; 1 for an index that compares every row in full."""
        return self.measured.recall_at_10 if self.measured else 1.0

    @property
    def approximate(self) -> bool:
        """Whether rows are proposed by less than a comparison in full."""
        return self.settings.candidates > 0

    @cached_property
    def _usable(self) -> NDArray[np.bool_] | None:
        """(n,) bool over the scanner's rows: those that are live; None if all are."""
        usable = self.store.is_live(self.positions)
        return None if usable.all() else usable

    def _propose(
        self, queries: NDArray[np.float32], k: int, usable: NDArray[np.bool_] | None, held: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """At least min(k, held) rows of the scanner with their scores."""
        wanted = min(candidates_for(k, self.settings.candidates), held)
        with threads_for(len(queries)):
            distances, rows = self._scanned(self.form.apply(queries), wanted, usable)
            positions = self.positions[rows]
            # Distances as FAISS expands them for a batch, |x|^2 + |y|^2 - 2 <x, y>, lose what is near.
            if self.approximate or self.similarity.euclidean:
                return self._compare(queries, positions), positions
        if self.similarity.name == "hamming":
            scores = 1 - 2 * distances / np.float32(self.store.dimension)
        else:
            scores = np.clip(distances, -1, 1)
        return np.asarray(scores, np.float32), positions

    def _scanned(
        self, queries: NDArray[Any], wanted: int, usable: NDArray[np.bool_] | None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Rows found by the scanner, checked against those it can hold."""
        fix = f"rebuild it: i2v-search index --collection {self.store.directory}"
        try:
            distances, rows = self.scanner.search(queries, wanted, usable, self.settings)
        except RuntimeError as error:
            raise CollectionDamagedError(f"the index cannot be searched ({error}); {fix}") from error
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self.positions):
            raise CollectionDamagedError(f"the index returns rows that do not exist; {fix}")
        return distances, rows

    def _compare(self, queries: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of queries (m, d), each with rows of its own (m, c), in full: (m, c) float32."""
        self.store.check(np.unique(positions))
        return np.stack([self.stored.of(query, line) for query, line in zip(queries, positions, strict=True)])

    def _scan(
        self, queries: NDArray[np.float32], k: int, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Exact search among some positions, in blocks."""
        return best_of_blocks(queries, k, self._compared(positions), self.similarity)

    def _compared(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Positions and their rows in the search space, in blocks."""
        if positions is self.unindexed and len(positions) <= UNINDEXED_ROWS:
            yield positions, self._tail_rows
        else:
            yield from checked_blocks(self.store, self.similarity, positions)

    @cached_property
    def _tail_rows(self) -> NDArray[np.float32]:
        self.store.check(self.unindexed)
        return self.similarity.embed_rows(self.store, self.unindexed)

    def _train(self, held_back: NDArray[np.int64] | None, report: Report) -> None:
        if self.scanner.index.is_trained:
            return
        sample = sample_positions(self.store, max(PCA_ROWS, LIST_POINTS * self.plan.lists), held_back)
        rows = np.empty((len(sample), self.plan.dimensions), np.float32)
        done = 0
        for block in position_blocks(self.store, sample):
            embedded = self.similarity.embed_rows(self.store, block)
            rows[done : done + len(block)] = self.form.apply(embedded)
            done += len(block)
            report(Progress("gathering a sample", done, len(sample)))
        report(Progress("training the index", 0, None))
        self.scanner.train(rows)
        report(Progress("training the index", 1, 1))

    def _add(self, positions: NDArray[np.int64], report: Report) -> None:
        done, held = 0, list[NDArray[Any]]()
        for block in position_blocks(self.store, positions):
            held.append(self.form.apply(self.similarity.embed_rows(self.store, block)))
            done += len(block)
            # BLAS threads spin after each product, and FAISS's would wait for them: add many rows at a time.
            if sum(rows.nbytes for rows in held) >= BLOCK_BYTES or done == len(positions):
                self.scanner.add(np.concatenate(held))
                held = []
            report(Progress("indexing", done, len(positions)))


def _both(first: NDArray[np.bool_], second: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return first if second is None else first & second
