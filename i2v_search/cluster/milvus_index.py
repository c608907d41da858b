"""Search on Milvus: the server proposes rows, the feature store compares them again in full.

What the server answers is only ever a proposal. Filters are decided here, rows that were sent but changed or
went since are passed over, rows that came since are compared in full beside it, and where too few of those
proposed qualify the server is asked for more; in the end every row that is allowed is compared here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.cluster.milvus_rows import expression
from i2v_search.cluster.milvus_server import MAX_ROWS, MilvusAddress, MilvusServer
from i2v_search.cluster.milvus_space import Space
from i2v_search.cluster.milvus_state import Edition, MilvusState, read_space, read_state
from i2v_search.errors import EncoderMismatchError, IndexStaleError
from i2v_search.index import Conditions, load_space
from i2v_search.index.files import MAX_TAIL
from i2v_search.index.vector_index import EXACT_FILTER_ROWS, best, best_of_blocks
from i2v_search.similarity import Similarity, position_blocks
from i2v_search.store import FeatureStore

#: Seconds for which a search is repeated: a server may close an idle connection, or be restarted.
_PATIENCE: Final = 5.0
#: Rows that one call may ask for, over all its queries.
_CALL_ROWS: Final = 200_000
#: Up to so many allowed rows the server is told which, where nothing shorter says it.
_NAMED_ROWS: Final = 16_384
#: Where the server proposes fewer than wanted of so many rows, all are compared here; of more, those it has.
_SCANNED_ROWS: Final = 100_000
#: Asked for beyond what is wanted.
_MORE: Final = 1.25


@dataclass(frozen=True, eq=False)
class MilvusIndex:
    """Satisfies `i2v_search.index.SearchIndex` with a Milvus server behind it.

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
            begun = "has not been sent whole" if state else "has not been sent"
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
        if len(index.beside) > MAX_TAIL:
            raise IndexStaleError(
                f"{len(index.beside)} images were added to {store.directory} since it was sent to "
                f"{server.address.text}; {fix}"
            )
        server.load(edition.rows_name(server))
        return index

    @property
    def similarity(self) -> Similarity:
        """How vectors are compared."""
        return self.space.similarity

    @property
    def approximate(self) -> bool:
        """Always: the server proposes."""
        return True

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """(n,) int64: in the order of the collection's own index, as in its graph; or the live rows."""
        return self.store.live if self.store.manifest.index is None else load_space(self.store)[2]

    @cached_property
    def tail(self) -> NDArray[np.int64]:
        """(t,) int64: positions of the live rows that are not among `positions`, rising."""
        held = np.zeros(self.store.rows, bool)
        held[self.positions[self.positions >= 0]] = True
        return self.store.live[~held[self.store.live]]

    @cached_property
    def beside(self) -> NDArray[np.int64]:
        """(b,) int64: positions of the live rows that came or changed since the rows were sent, rising."""
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
        """Find the nearest live rows; see `i2v_search.index.SearchIndex.search`.

        Raises:
            SearchServerError: the server cannot be reached.
            CollectionDamagedError: a row that was compared differs from its checksum.
        """
        sent = self.store.live[: len(self.store.live) - len(self.beside)]
        held = sent if allowed is None else sent[allowed[sent]]
        beside = self.beside if allowed is None else self.beside[allowed[self.beside]]
        k = min(k, len(held) + len(beside))
        if k == 0:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        wanted = min(self._candidates_for(k), len(held))
        few = allowed is not None and len(held) <= EXACT_FILTER_ROWS
        if few or wanted > MAX_ROWS:
            scores, positions = self._scan(queries, k, np.concatenate([held, beside]))
        else:
            proposable = _Allowed(held, len(sent), self.store.rows, where)
            scores, positions = self._propose(queries, k, wanted, proposable)
            if len(beside):
                near, found = self._scan(queries, min(k, len(beside)), beside)
                scores, positions = np.hstack([scores, near]), np.hstack([positions, found])
            scores, positions = best(scores, positions, k)
        self.store.check(positions.reshape(-1))
        return scores, positions

    def _candidates_for(self, k: int) -> int:
        return max(k, -(-self.edition.candidates * k // 10), self.edition.candidates)

    def _propose(
        self, queries: NDArray[np.float32], k: int, wanted: int, allowed: _Allowed
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k of the rows that the server proposes for each query, at least `wanted` of them."""
        if not wanted:
            return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        k = min(k, wanted)
        enough = wanted if len(allowed.positions) <= _SCANNED_ROWS else k
        scores = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        for line, found in enumerate(self._proposed(queries, wanted, allowed)):
            if len(found) < enough:  # whatever the server lost, or could not find among those allowed
                near, rows = self._scan(queries[line : line + 1], k, allowed.positions)
            else:
                self.store.check(found)
                compared = self.similarity.stored_scores(queries[line], self.store, found)
                near, rows = best(compared[None], found[None], k)
            scores[line], positions[line] = near[0], rows[0]
        return scores, positions

    def _proposed(
        self, queries: NDArray[np.float32], wanted: int, allowed: _Allowed
    ) -> list[NDArray[np.int64]]:
        """For each query at most `wanted` rows; fewer where asking for more does not help."""
        vectors = np.asarray(self.space.form.apply(queries), np.float32)
        found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(queries)
        lines = np.arange(len(queries))
        for narrow in allowed.ways(self, wanted):
            efforts = [effort for effort in self.edition.plan.efforts if effort >= self.edition.effort]
            limit, effort = min(MAX_ROWS, int(_MORE * narrow.limit) + 10), self.edition.effort
            while len(lines):
                answers = self._ask(vectors[lines], narrow.expression, limit, effort)
                kept = [self._kept(ids, allowed.mask, wanted) for ids in answers]
                for line, rows in zip(lines.tolist(), kept, strict=True):
                    found[line] = rows
                short = np.array([len(rows) < wanted for rows in kept], bool)
                cut = any(len(answers[line]) >= limit for line in np.flatnonzero(short).tolist())
                lines = lines[short]
                if cut and limit < MAX_ROWS:
                    limit = min(MAX_ROWS, 4 * limit)
                elif not cut and efforts and effort < efforts[-1]:
                    effort = min(efforts[-1], 4 * max(1, effort))
                else:
                    break
        return found

    def _ask(
        self, vectors: NDArray[np.float32], condition: str, limit: int, effort: int
    ) -> list[NDArray[np.int64]]:
        """Ids that the server proposes for each vector, the best first."""
        plan, answers = self.edition.plan, list[NDArray[np.int64]]()
        size = max(1, _CALL_ROWS // limit)
        for first in range(0, len(vectors), size):
            results: Any = self.server.call(
                "search",
                self.edition.rows_name(self.server),
                data=vectors[first : first + size],
                anns_field="vector",
                limit=limit,
                filter=condition,
                output_fields=["id"],
                search_params={"metric_type": plan.metric, "params": plan.search_parameters(effort, limit)},
            )
            answers += [np.array([hit["id"] for hit in hits], np.int64) for hits in results]
        return answers

    def _kept(self, ids: NDArray[np.int64], mask: NDArray[np.bool_], wanted: int) -> NDArray[np.int64]:
        """Positions of those that are allowed, in the same order."""
        known, rows = self._rows_of_ids
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        positions = rows[places][known[places] == ids]
        return np.asarray(positions[mask[positions]][:wanted])

    @cached_property
    def _rows_of_ids(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the live rows, rising, and their positions."""
        live = self.store.live
        ids = self.store.ids[live]
        order = np.argsort(ids, kind="stable")
        return ids[order], live[order]

    def _scan(
        self, queries: NDArray[np.float32], k: int, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Exact search among some positions, in blocks."""

        def blocks() -> Any:
            for block in position_blocks(self.store, positions):
                self.store.check(block)
                yield block, self.similarity.embed_rows(self.store, block)

        return best_of_blocks(queries, k, blocks(), self.similarity)

    def with_edition(self, **changes: Any) -> MilvusIndex:
        """The same index with other settings of its edition."""
        return replace(self, edition=self.edition.model_copy(update=changes))


@dataclass(frozen=True)
class _Way:
    """How to ask for allowed rows: an expression, and the rows to ask for."""

    expression: str
    limit: float


class _Allowed:
    """The rows that a search may return, of those that were sent.

    Args:
        positions: theirs, rising.
        sent: how many live rows were sent.
        rows: of the store.
        where: conditions that all of them meet.
    """

    def __init__(self, positions: NDArray[np.int64], sent: int, rows: int, where: Conditions | None) -> None:
        self.positions, self._sent, self._rows, self._where = positions, sent, rows, where

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(rows,) bool over the positions of the store."""
        mask = np.zeros(self._rows, bool)
        mask[self.positions] = True
        return mask

    def ways(self, index: MilvusIndex, wanted: int) -> list[_Way]:
        """Ways to ask, the one to try first before the others."""
        everything = index.edition.images
        if len(self.positions) == self._sent:
            return [_Way("", wanted + min(everything - self._sent, wanted))]
        condition = expression(self._where, tags=index.edition.every_tag) if self._where else ""
        ways = [_Way(condition, wanted)] if condition else []
        spread = wanted * everything / len(self.positions)
        if spread <= MAX_ROWS / 2:
            ways.append(_Way("", spread))
        elif len(self.positions) <= _NAMED_ROWS:
            ids = ",".join(map(str, index.store.ids[self.positions].tolist()))
            ways.append(_Way(f"id in [{ids}]", wanted))
        return ways


def require_same_encoder(store: FeatureStore, state: MilvusState | None, server: MilvusServer) -> None:
    """Refuse vectors that another encoder made.

    Raises:
        EncoderMismatchError: they were.
    """
    ours = store.manifest.encoder
    if state is not None and (state.encoder, state.dimension) != (ours.weights_sha256, ours.dimension):
        raise EncoderMismatchError(
            f"{server.address.text} holds vectors of {state.dimension} dimensions by encoder "
            f"{state.encoder_id!r}, this collection has {ours.dimension} by {ours.id!r}; give another name: "
            f"--milvus-uri {server.address.uri}#NAME, or replace it: i2v-search push --replace"
        )
