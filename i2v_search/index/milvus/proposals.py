"""Candidates of a server, requested until enough are allowed or more requests do not help.

Whatever narrows a search there (`i2v_search.index.milvus.stored_rows.expression`) may let more rows pass than
are allowed; here those are sorted out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.milvus.connection import MAX_ROWS, MilvusServer
from i2v_search.index.milvus.state import Edition
from i2v_search.index.milvus.stored_rows import expression
from i2v_search.index.projection import Form
from i2v_search.index.protocol import Conditions
from i2v_search.store.feature_store import FeatureStore

#: Rows that one call may ask for, over all its queries.
_CALL_ROWS: Final = 200_000
#: Up to so many allowed rows the server is told which, where nothing shorter says it.
_NAMED_ROWS: Final = 16_384
#: Asked for beyond what is wanted.
_MORE: Final = 1.25


@dataclass(frozen=True)
class _Way:
    """A request for allowed rows: an expression, and the number of rows."""

    expression: str
    limit: float


class Allowed:
    """The rows that a search may return, of those that were sent.

    Args:
        positions: theirs, ascending.
        sent: how many live rows were sent.
        rows: rows of the store.
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

    def ways(self, edition: Edition, store: FeatureStore, wanted: int) -> list[_Way]:
        """Ways to ask, the one to try first before the others."""
        everything = edition.images
        if len(self.positions) == self._sent:
            return [_Way("", wanted + min(everything - self._sent, wanted))]
        condition = expression(self._where, tags=edition.every_tag) if self._where else ""
        ways = [_Way(condition, wanted)] if condition else []
        spread = wanted * everything / len(self.positions)
        if spread <= MAX_ROWS / 2:
            ways.append(_Way("", spread))
        elif len(self.positions) <= _NAMED_ROWS:
            ids = ",".join(map(str, store.ids[self.positions].tolist()))
            ways.append(_Way(f"id in [{ids}]", wanted))
        return ways


@dataclass(frozen=True, eq=False)
class Proposer:
    """Asks a server for rows that may be near.

    Attributes:
        store: the feature store.
        server: the connection.
        edition: what is there.
        form: of its vectors.
    """

    store: FeatureStore
    server: MilvusServer
    edition: Edition
    form: Form

    def propose(self, queries: NDArray[np.float32], wanted: int, allowed: Allowed) -> list[NDArray[np.int64]]:
        """Propose rows of the store for each query.

        Args:
            queries: (m, d) float32 in the search space.
            wanted: rows for each.
            allowed: those that may be proposed.

        Returns:
            Positions for each query, the best first, at most `wanted`; fewer where asking for more does not
            help.

        Raises:
            SearchServerError: the server cannot be reached.
        """
        vectors = np.asarray(self.form.apply(queries), np.float32)
        found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(queries)
        lines = np.arange(len(queries))
        for narrow in allowed.ways(self.edition, self.store, wanted):
            efforts = [effort for effort in self.edition.plan.efforts if effort >= self.edition.effort]
            limit, effort = min(MAX_ROWS, int(_MORE * narrow.limit) + 10), self.edition.effort
            while len(lines):
                answers = self._ask(vectors[lines], narrow.expression, limit, effort)
                kept = [self._kept(ids, allowed.mask, wanted) for ids in answers]
                for line, rows in zip(lines.tolist(), kept, strict=True):
                    if len(rows) >= len(found[line]):  # another way may find fewer
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
        known, rows = self.store.live_by_id
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        positions = rows[places][known[places] == ids]
        return np.asarray(positions[mask[positions]][:wanted])
