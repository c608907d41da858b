"""Sending a collection to Milvus: what is there is compared page by page, and only what differs is sent.

Rows are upserted by their id, so that a page may be sent twice; a push that was stopped, or whose server was,
goes on with the next. Ids are looked at in pages of `PAGE`: neither side is ever held whole in memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.cluster.milvus_index import MilvusIndex, require_same_encoder
from i2v_search.cluster.milvus_measure import measure
from i2v_search.cluster.milvus_plan import MilvusPlan, plan_milvus
from i2v_search.cluster.milvus_rows import content_versions, entities, has_every_tag
from i2v_search.cluster.milvus_server import MAX_ROWS, PATIENCE, MilvusAddress, MilvusServer
from i2v_search.cluster.milvus_space import Space, choose_space
from i2v_search.cluster.milvus_state import (
    Edition,
    MilvusState,
    create_edition,
    drop_edition,
    read_space,
    read_state,
    write_state,
)
from i2v_search.errors import SearchServerError
from i2v_search.planner import IndexWishes
from i2v_search.progress import Progress, Report, silent
from i2v_search.similarity import position_blocks
from i2v_search.store import FeatureStore

#: Ids looked at together: no more than one answer of the server may hold.
PAGE: Final = MAX_ROWS
#: Rows, and bytes of vectors, in one call.
_CALL_ROWS: Final = 1000
_CALL_BYTES: Final = 8 * 2**20
#: How often what arrived is compared again where the server was away or the number of rows is not right.
_PASSES: Final = 3
#: How long the end of a push waits for the index.
_INDEX_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Push:
    """What sending a collection did.

    Attributes:
        address: where it is.
        images: rows there now, one for each image.
        sent: rows that were new or changed.
        deleted: rows that were there and belong to no image.
        anew: whether every row was sent, because what vectors are made by changed or nothing was there.
        index: Milvus's index, and what it stands in for.
        recall_at_10: share of an image's ten nearest that a search finds, measured.
        interruptions: how often the server was away.
        seconds: it took.
    """

    address: str
    images: int
    sent: int
    deleted: int
    anew: bool
    index: str
    recall_at_10: float
    interruptions: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return asdict(self)


def push_to_milvus(
    directory: str | os.PathLike[str],
    milvus_uri: str | None = None,
    *,
    compare: bool = True,
    replace: bool = False,
    patience: float = PATIENCE,
    report: Report = silent,
) -> Push:
    """Send a collection to a Milvus server, or bring what is there up to date.

    Args:
        directory: the collection, which is only read; an index of its own is not needed.
        milvus_uri: ``http://host:19530`` or a file such as ``pictures.db``, perhaps with ``#name``; None
            takes the environment variable ``I2V_SEARCH_MILVUS_URI``.
        compare: look at every row there, though nothing was changed here since the last push.
        replace: drop whatever is there under that name, of this collection or another.
        patience: seconds to wait for a server that goes away meanwhile.
        report: told about progress.

    Returns:
        What was done.

    Raises:
        CollectionNotFoundError: there is no collection.
        SearchServerError: the server cannot be reached, or refuses; run it again.
        EncoderMismatchError: what is there was made by another encoder.
        CollectionDamagedError: a row differs from its checksum; it is not sent.
    """
    started = time.perf_counter()
    store = FeatureStore(Path(directory))
    server = MilvusServer(MilvusAddress.parse(milvus_uri, store.directory.resolve().name), patience=patience)
    pusher = _Pusher(server, store, report)
    state = pusher.begin(replace=replace)
    edition = state.serving
    up_to_date = edition is not None and edition.generation == store.manifest.generation
    target = edition if up_to_date and not compare else None
    anew = False
    if target is None:
        state, target, space = pusher.choose(state)
        anew = target.generation < 0 and (edition is None or edition.number != target.number)
        target = pusher.bring_up_to_date(target, space)
        pusher.finish(state, target)
    note = f"{target.kind} ({target.note})" if target.note else target.kind
    seconds = round(time.perf_counter() - started, 3)
    return Push(
        address=server.address.text,
        images=target.images,
        sent=pusher.sent,
        deleted=pusher.deleted,
        anew=anew,
        index=note,
        recall_at_10=target.recall_at_10,
        interruptions=server.interruptions,
        seconds=seconds,
    )


class _Pusher:
    """Sends one feature store to one server.

    Args:
        server: the connection.
        store: the feature store.
        report: told about progress.
    """

    def __init__(self, server: MilvusServer, store: FeatureStore, report: Report) -> None:
        self.server, self.store, self.report = server, store, report
        self.sent = self.deleted = 0
        record = store.manifest.index
        self.wishes = IndexWishes(**record.wishes.model_dump()) if record and record.wishes else IndexWishes()
        self.name: SimilarityName = store.manifest.similarity

    def begin(self, *, replace: bool) -> MilvusState:
        """What is there, or the document of a collection that was never sent."""
        encoder = self.store.manifest.encoder
        fresh = MilvusState(
            encoder=encoder.weights_sha256,
            encoder_id=encoder.id,
            dimension=encoder.dimension,
            image_root=self.store.manifest.image_root.encode("utf-8", "replace").decode(),
        )
        if replace:
            self._drop_everything()
            return fresh
        state = read_state(self.server)
        require_same_encoder(self.store, state, self.server)
        if state is not None and state.image_root != fresh.image_root:
            raise SearchServerError(
                f"{self.server.address.text} holds images of {state.image_root}, this collection those of "
                f"{fresh.image_root}; give another name: --milvus-uri {self.server.address.uri}#NAME, or "
                "replace it: i2v-search push --replace"
            )
        return state or fresh

    def choose(self, state: MilvusState) -> tuple[MilvusState, Edition, Space]:
        """The edition to send to: the one that answers where it still suits, or one beside it."""
        store, serving = self.store, state.serving
        plan = self._plan()
        suits = serving is not None and self._suits(serving)
        held = read_space(self.server, serving, store.dimension) if serving and suits else None
        if serving is not None and held is not None and serving.plan.whole:
            plan = serving.plan
        space = choose_space(store, self.name, plan, held, self.report)
        if serving is not None and held is space:
            return state, serving, space
        if state.building is not None and (state.building.key, state.building.kind) == (space.key, plan.kind):
            return state, state.building, space
        known_editions = (serving, state.building, state.previous)
        edition = Edition(
            number=1 + max((known.number for known in known_editions if known), default=0),
            key=space.key,
            similarity=self.name,
            dimensions=plan.dimensions,
            components=0 if plan.whole else plan.dimensions,
            kind=plan.kind,
            build=plan.build,
            note=plan.note,
            trained=len(store),
        )
        if state.building is not None:
            drop_edition(self.server, state.building)
        create_edition(self.server, edition, space)
        state = state.model_copy(update={"building": edition})
        write_state(self.server, state)
        return state, edition, space

    def bring_up_to_date(self, edition: Edition, space: Space) -> Edition:
        """Make the rows there those of the store, and measure a search of an edition that was never whole."""
        name, server = edition.rows_name(self.server), self.server
        server.load(name)
        for _ in range(_PASSES):
            before = server.interruptions
            for page in self._pages(name):
                self._send(name, space, page)
            server.call("flush", name)
            # What a server acknowledged before it was killed is looked at once more.
            if server.interruptions == before and server.count(name) == len(self.store):
                break
        else:
            raise SearchServerError(
                f"{server.address.text} holds {server.count(name)} rows of {len(self.store)} after {_PASSES} "
                "tries; is something else writing there? run: i2v-search push --replace"
            )
        self._wait_for_index(name)
        if edition.generation < 0 and server.lite:
            server.call("release_collection", name)  # it makes the index of what was flushed when it loads
        server.load(name)
        edition = edition.sent(self.store, every_tag=has_every_tag(self.store))
        if edition.candidates:
            return edition
        index = MilvusIndex(self.store, server, edition, space)
        return measure(index, self.wishes.recall_target, self.report)

    def _wait_for_index(self, name: str) -> None:
        """Wait until the server has indexed what it got; it answers before, more slowly."""
        give_up = time.monotonic() + _INDEX_SECONDS
        while time.monotonic() < give_up:
            state = self.server.call("describe_index", name, "vector") or {}
            pending, total = int(state.get("pending_index_rows", 0)), int(state.get("total_rows", 0))
            self.report(Progress("indexing there", total - pending, total))
            if not pending:
                return
            time.sleep(0.2)

    def finish(self, state: MilvusState, edition: Edition) -> None:
        """Let an edition answer. The one before it stays until the next push: others may have it open."""
        replaced = state.serving is not None and state.serving.number != edition.number
        previous = state.serving if replaced else None
        changes = {"serving": edition, "building": None, "previous": previous}
        write_state(self.server, state.model_copy(update=changes))
        if state.previous is not None:
            drop_edition(self.server, state.previous)

    def _plan(self) -> MilvusPlan:
        rows, dimension = len(self.store), self.store.dimension
        return plan_milvus(
            self.wishes.plan(rows, dimension, self.name),
            rows,
            dimension,
            self.name,
            pca_dimensions=self.wishes.pca_dimensions,
            lite=self.server.lite,
        )

    def _suits(self, edition: Edition) -> bool:
        """Whether an edition still suits what the store holds, by the rule for an index on this machine."""
        wanted = self._plan()
        if (edition.kind, edition.similarity, edition.plan.whole) != (wanted.kind, self.name, wanted.whole):
            return False
        return len(self.store) <= 2 * max(edition.trained, 1) or edition.kind == "FLAT"

    def _drop_everything(self) -> None:
        name = self.server.address.name
        for found in self.server.call("list_collections"):
            number = found.removeprefix(f"{name}_").removesuffix("_of")
            if found == name or (found.startswith(f"{name}_") and number.isdecimal()):
                self.server.drop(found)

    def _pages(self, name: str) -> Iterator[NDArray[np.int64]]:
        """Positions whose rows have to be sent, page by page; what is there of no image is deleted."""
        store = self.store
        live = store.live[np.argsort(store.ids[store.live], kind="stable")]
        ids, first = store.ids[live], 0
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
