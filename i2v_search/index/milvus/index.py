"""Search on Milvus: the server proposes rows, the feature store compares them again in full.

What the server answers is only ever a proposal. Filters are decided here, rows that were sent but changed or
went since are skipped, rows that came since are compared in full beside it, and where too few of those
proposed qualify the server is requested more; in the end every row that is allowed is compared here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import IndexStaleError
from i2v_search.index.exact import best, best_of_blocks, candidates_for, checked_blocks, unindexed_rows
from i2v_search.index.index_files import MAX_UNINDEXED, load_space
from i2v_search.index.milvus.connection import MAX_ROWS, MilvusAddress, MilvusServer
from i2v_search.index.milvus.proposals import Allowed, Proposer
from i2v_search.index.milvus.state import Edition, read_space, read_state, require_same_encoder
from i2v_search.index.milvus.vector_space import Space
from i2v_search.index.protocol import Conditions
from i2v_search.index.similarity import Similarity
from i2v_search.index.stored_scores import StoredScores
from i2v_search.index.vector_index import EXACT_FILTER_ROWS
from i2v_search.store.feature_store import FeatureStore

#: Seconds for which a search is repeated: a server may close an idle connection, or be restarted.
_PATIENCE: Final = 5.0
#: Where the server proposes fewer than wanted of so many rows, all are compared here; of more, those it has.
_SCANNED_ROWS: Final = 100_000


@dataclass(frozen=True, eq=False)
class MilvusIndex:
    """Satisfies `i2v_search.index.protocol.SearchIndex` with a Milvus server behind it.

    Attributes:
        store: the feature store.
        server: the connection.
        edition: what is there.
        space: what its vectors were made by.
    """

    store: FeatureStore
    server: MilvusServer
    edition: Edition
    space: Space

    @classmethod
    def open(cls, store: FeatureStore, uri: str | None = None) -> MilvusIndex:
        """Connect to the server that a collection was sent to.

        Args:
            store: the feature store.
            uri: see `MilvusAddress.parse`.

        Raises:
            SearchServerError: nothing answers, or the client is not installed.
            IndexStaleError: the collection was not sent, or the server is too far behind.
            EncoderMismatchError: what was sent was made by another encoder.
        """
        address = MilvusAddress.parse(uri, store.directory.resolve().name)
        fix = f"run: i2v-search push --collection {store.directory} --milvus-uri {address.text}"
        if address.uri.endswith(".db") and not Path(address.uri).exists():
            raise IndexStaleError(  # to connect would make the file
                f"the collection {store.directory} has not been sent to {address.text}; {fix}"
            )
        server = MilvusServer(address)
        server.patience = _PATIENCE
        state = read_state(server)
        require_same_encoder(store, state, server)
        if state is None or state.serving is None:
            begun = "has not been sent completely" if state else "has not been sent"
            raise IndexStaleError(f"the collection {store.directory} {begun} to {server.address.text}; {fix}")
        edition = state.serving
        if edition.generation > store.manifest.generation:
            raise IndexStaleError(
                f"{server.address.text} was sent generation {edition.generation} of the collection, "
                f"{store.directory} is at {store.manifest.generation}: copy the feature store here again"
            )
        if not edition.is_start_of(store):
            raise IndexStaleError(
                f"the rows of {store.directory} were rewritten (compacted, moved or repaired) since they "
                f"were sent to {server.address.text}; {fix}"
            )
        index = cls(store, server, edition, read_space(server, edition, store.dimension))
        if len(index.beside) > MAX_UNINDEXED:
            raise IndexStaleError(
                f"{len(index.beside)} images of {store.directory} have not been sent to "
                f"{server.address.text} yet; {fix}"
            )
        server.load(edition.rows_name(server))
        return index

    @property
    def similarity(self) -> Similarity:
        """Similarity of the vectors."""
        return self.space.similarity

    @cached_property
    def stored(self) -> StoredScores:
        """Scores with rows of the store."""
        return StoredScores(self.similarity, self.store)

    @property
    def approximate(self) -> bool:
        """Always: the server proposes."""
        return True

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """(n,) int64: in the order of the collection's own index, as in its graph; or the live rows."""
        return self.store.live if self.store.manifest.index is None else load_space(self.store)[2]

    @cached_property
    def unindexed(self) -> NDArray[np.int64]:
        """(t,) int64: positions of the live rows that are not among `positions`, ascending."""
        return unindexed_rows(self.store, self.positions)

    @cached_property
    def beside(self) -> NDArray[np.int64]:
        """(b,) int64: positions of the live rows that came or changed since the rows were sent, ascending."""
        live = self.store.live
        return live[np.searchsorted(live, self.edition.rows) :]

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        where: Conditions | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest live rows, see `i2v_search.index.protocol.SearchIndex.search`.

        The server narrows its search by `where`.
        """
        sent = self.store.live[: len(self.store.live) - len(self.beside)]
        held = sent if allowed is None else sent[allowed[sent]]
        beside = self.beside if allowed is None else self.beside[allowed[self.beside]]
        k = min(k, len(held) + len(beside))
        if k == 0:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        wanted = min(candidates_for(k, self.edition.candidates), len(held))
        few = allowed is not None and len(held) <= EXACT_FILTER_ROWS
        if few or wanted > MAX_ROWS:
            scores, positions = self._scan(queries, k, np.concatenate([held, beside]))
        else:
            proposable = Allowed(held, len(sent), self.store.rows, where)
            scores, positions = self._propose(queries, k, wanted, proposable)
            if len(beside):
                near, found = self._scan(queries, min(k, len(beside)), beside)
                scores, positions = np.hstack([scores, near]), np.hstack([positions, found])
            scores, positions = best(scores, positions, k)
        self.store.check(positions.reshape(-1))
        return scores, positions

    def _propose(
        self, queries: NDArray[np.float32], k: int, wanted: int, allowed: Allowed
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k of the rows that the server proposes for each query, at least `wanted` of them."""
        if not wanted:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        k = min(k, wanted)
        enough = wanted if len(allowed.positions) <= _SCANNED_ROWS else k
        scores = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        proposer = Proposer(self.store, self.server, self.edition, self.space.form)
        for line, found in enumerate(proposer.propose(queries, wanted, allowed)):
            if len(found) < enough:  # whatever the server lost, or could not find among those allowed
                near, rows = self._scan(queries[line : line + 1], k, allowed.positions)
            else:
                self.store.check(found)
                compared = self.stored.of(queries[line], found)
                near, rows = best(compared[None], found[None], k)
            scores[line], positions[line] = near[0], rows[0]
        return scores, positions

    def _scan(
        self, queries: NDArray[np.float32], k: int, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Exact search among some positions, in blocks."""
        return best_of_blocks(
            queries, k, checked_blocks(self.store, self.similarity, positions), self.similarity
        )

    def with_edition(self, **changes: Any) -> MilvusIndex:
        """The same index with other settings of its edition."""
        return replace(self, edition=self.edition.model_copy(update=changes))
