"""Making the rows of a server those of a feature store: what is there is compared, what differs is sent.

Rows are upserted by their id, so that a page may be sent twice. Ids are looked at in pages of `PAGE`: neither
side is ever held whole in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.milvus.connection import MAX_ROWS, MilvusServer
from i2v_search.index.milvus.stored_rows import content_versions, entities
from i2v_search.index.milvus.vector_space import Space
from i2v_search.index.similarity import position_blocks
from i2v_search.progress import Progress, Report
from i2v_search.store.feature_store import FeatureStore

#: Ids looked at together: no more than one answer of the server may hold.
PAGE: Final = MAX_ROWS
#: Rows, and bytes of vectors, in one call.
_CALL_ROWS: Final = 1000
_CALL_BYTES: Final = 8 * 2**20


class Sender:
    """Sends rows of one feature store to one server.

    Attributes:
        sent: rows sent until now.
        deleted: rows deleted there until now.
    """

    def __init__(self, server: MilvusServer, store: FeatureStore, report: Report) -> None:
        self.server, self.store, self.report = server, store, report
        self.sent = self.deleted = 0

    def bring_up_to_date(self, name: str, space: Space) -> None:
        """Send what a Milvus collection lacks, or has otherwise, and delete what belongs to no image.

        Raises:
            SearchServerError: the server cannot be reached, or refuses.
            CollectionDamagedError: a row differs from its checksum; it is not sent.
        """
        for page in self._pages(name):
            self._send(name, space, page)

    def _pages(self, name: str) -> Iterator[NDArray[np.int64]]:
        """Positions whose rows have to be sent, page by page; what is there of no image is deleted."""
        store = self.store
        (ids, live), first = store.live_by_id, 0
        self._delete(name, f"id < {ids[0]} or id > {ids[-1]}" if len(ids) else "id >= 0 or id < 0")
        while first < len(ids):
            start = int(ids[first])
            last = int(np.searchsorted(ids, start + PAGE))
            yield self._differing(name, live[first:last], start)
            if last < len(ids) and int(ids[last]) > start + PAGE:
                self._delete(name, f"id >= {start + PAGE} and id < {ids[last]}")
            first = last
            self.report(Progress("sending", first, len(ids), f"{self.sent:,} sent"))

    def _differing(self, name: str, positions: NDArray[np.int64], start: int) -> NDArray[np.int64]:
        """Those rows of a page of ids that are not there as they are here."""
        found = self.server.call(
            "query",
            name,
            filter=f"id >= {start} and id < {start + PAGE}",
            output_fields=["id", "version"],
            limit=MAX_ROWS,
            consistency_level="Strong",
        )
        there = {int(row["id"]): int(row["version"]) for row in found}
        ids = self.store.ids[positions].tolist()
        versions = content_versions(self.store, positions).tolist()
        if gone := sorted(there.keys() - set(ids)):
            self._delete(name, f"id in [{','.join(map(str, gone))}]")
        new = [there.get(number) != version for number, version in zip(ids, versions, strict=True)]
        return np.asarray(positions[np.array(new, bool)])

    def _delete(self, name: str, condition: str) -> None:
        if count := self.server.count(name, condition):
            self.server.call("delete", name, filter=condition)
            self.deleted += count

    def _send(self, name: str, space: Space, positions: NDArray[np.int64]) -> None:
        for block in position_blocks(self.store, positions):
            self.store.check(block)
            vectors = space.vectors(self.store, block)
            versions = content_versions(self.store, block)
            size = max(1, min(_CALL_ROWS, _CALL_BYTES // (4 * vectors.shape[1])))
            for first in range(0, len(block), size):
                some = slice(first, first + size)
                rows = entities(self.store, block[some], vectors[some], versions[some])
                self.server.call("upsert", name, rows)
                self.sent += len(rows)
                self.report(Progress("sending rows", self.sent, None))
