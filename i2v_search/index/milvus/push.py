"""Sending a collection to Milvus: which edition it goes to, and when that is whole and may answer.

Only rows that differ are sent (`i2v_search.index.milvus.sending`); a push that was stopped, or whose server
was, continues with the next.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from i2v_search.choices import SimilarityName
from i2v_search.errors import SearchServerError
from i2v_search.escapes import JsonReady
from i2v_search.index.milvus.connection import PATIENCE, MilvusAddress, MilvusServer
from i2v_search.index.milvus.index import MilvusIndex
from i2v_search.index.milvus.measure import measure
from i2v_search.index.milvus.plan import MilvusPlan, plan_milvus
from i2v_search.index.milvus.sending import Sender
from i2v_search.index.milvus.state import (
    Edition,
    MilvusState,
    create_edition,
    drop_edition,
    drop_everything,
    is_edition_there,
    read_space,
    read_state,
    require_same_encoder,
    write_state,
)
from i2v_search.index.milvus.stored_rows import has_every_tag
from i2v_search.index.milvus.vector_space import Space, choose_space
from i2v_search.index.planner import IndexOptions
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore

#: How often what arrived is compared again where the server was away or the number of rows is not right.
_PASSES: Final = 3
#: How long the end of a push waits for the index.
_INDEX_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Push(JsonReady):
    """Result of sending a collection to Milvus.

    Attributes:
        address: address of the Milvus collection.
        images: number of rows on the server, one per image.
        sent: number of new or changed rows.
        deleted: number of deleted rows without an image.
        again: whether every row was sent, because the encoder changed or the server had none.
        index: index of Milvus, with a note.
        recall_at_10: measured recall@10.
        interruptions: number of times the server was unavailable.
        seconds: duration.

    Example:
        >>> done = Push("http://127.0.0.1:19530#art", 689, 40, 2, False, "SCANN", 0.997, 0, 3.2)
        >>> done.images, done.sent, done.recall_at_10
        (689, 40, 0.997)
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


def push_to_milvus(
    directory: str | os.PathLike[str],
    milvus_uri: str | None = None,
    *,
    compare: bool = True,
    replace: bool = False,
    patience: float = PATIENCE,
    report: Report = silent,
) -> Push:
    """Send a collection to a Milvus server, or update it there.

    Args:
        directory: directory of the collection, which is only read; a local index is not required.
        milvus_uri: ``http://host:19530`` or a file such as ``pictures.db``, optionally with ``#name``; None
            uses the environment variable ``I2V_SEARCH_MILVUS_URI``.
        compare: compare every row, even if the collection has not changed since the last push.
        replace: delete the Milvus collection of that name first.
        patience: seconds to wait if the server becomes unavailable.
        report: called with the progress.

    Returns:
        What was done.

    Raises:
        CollectionNotFoundError: there is no collection.
        SearchServerError: the server cannot be reached, or refuses; run it again.
        EncoderMismatchError: what is there was made by another encoder.
        CollectionDamagedError: a row differs from its checksum; it is not sent.

    Example:
        >>> push_to_milvus("index/art", "http://127.0.0.1:19530").images  # doctest: +SKIP
        15
        >>> push_to_milvus("index/art", "somewhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        i2v_search.errors.SearchServerError: 'somewhere' is not a Milvus address; ...
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
        sent=pusher.sender.sent,
        deleted=pusher.sender.deleted,
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
        report: called with the progress.
    """

    def __init__(self, server: MilvusServer, store: FeatureStore, report: Report) -> None:
        self.server, self.store, self.report = server, store, report
        self.sender = Sender(server, store, report)
        self.options = IndexOptions.of(store.manifest.index)
        self.name: SimilarityName = store.manifest.similarity

    def begin(self, *, replace: bool) -> MilvusState:
        """The stored state, or that of a collection that was never sent."""
        encoder = self.store.manifest.encoder
        fresh = MilvusState(
            encoder=encoder.weights_sha256,
            encoder_id=encoder.id,
            dimension=encoder.dimension,
            image_root=self.store.manifest.image_root.encode("utf-8", "replace").decode(),
        )
        if replace:
            drop_everything(self.server)
            return fresh
        state = read_state(self.server)
        require_same_encoder(self.store, state, self.server)
        if state is not None and state.image_root != fresh.image_root:
            raise SearchServerError(
                f"{self.server.address.text} holds images of {state.image_root}, this collection those of "
                f"{fresh.image_root}; use another name: --milvus-uri {self.server.address.uri}#NAME, or "
                "replace it: i2v-search push --replace"
            )
        return state or fresh

    def choose(self, state: MilvusState) -> tuple[MilvusState, Edition, Space]:
        """The edition to send to: the one that answers where it still suits, or one beside it."""
        store, plan = self.store, self._plan()
        serving, building = (
            known if known and is_edition_there(self.server, known) else None
            for known in (state.serving, state.building)
        )
        suits = serving is not None and self._suits(serving, plan)
        held = read_space(self.server, serving, store.dimension) if serving and suits else None
        space = choose_space(store, self.name, plan, held, self.report)
        wanted = (plan.kind, space.key)
        # Lists and graphs are made for so many rows; where all are compared, only the space matters.
        fits = held is space or plan.kind == "FLAT"
        if serving and fits and (serving.kind, serving.key) == wanted:
            return state, serving, space
        if building and (building.kind, building.key) == wanted:
            return state, building, space
        known_editions = (state.serving, state.building, state.previous)
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
            self.sender.bring_up_to_date(name, space)
            server.call("flush", name)
            # What a server acknowledged before it was killed is looked at once more.
            if server.interruptions == before and server.count(name) == len(self.store):
                break
        else:
            raise SearchServerError(
                f"{server.address.text} holds {server.count(name)} rows of {len(self.store)} after "
                f"{_PASSES} tries; another program may be writing to it; run: i2v-search push --replace"
            )
        self._wait_for_index(name)
        if edition.generation < 0 and server.lite:
            server.call("release_collection", name)  # it makes the index of what was flushed when it loads
        server.load(name)
        edition = edition.sent(self.store, every_tag=has_every_tag(self.store))
        if edition.candidates:
            return edition
        index = MilvusIndex(self.store, server, edition, space)
        return measure(index, self.options.recall_target, self.report)

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
        for left in (state.previous, state.building):
            if left is not None and left.number != edition.number:
                drop_edition(
                    self.server, left
                )  # while the document names it: a push that stops here continues
        replaced = state.serving is not None and state.serving.number != edition.number
        previous = state.serving if replaced else None
        changes = {"serving": edition, "building": None, "previous": previous}
        write_state(self.server, state.model_copy(update=changes))

    def _plan(self) -> MilvusPlan:
        rows, dimension = len(self.store), self.store.dimension
        return plan_milvus(
            self.options.plan(rows, dimension, self.name),
            rows,
            dimension,
            self.name,
            pca_dimensions=self.options.pca_dimensions,
            lite=self.server.lite,
        )

    def _suits(self, edition: Edition, wanted: MilvusPlan) -> bool:
        """Whether an edition still suits what the store holds, by the rule for an index on this machine."""
        if (edition.kind, edition.similarity, edition.plan.whole) != (wanted.kind, self.name, wanted.whole):
            return False
        return len(self.store) <= 2 * max(edition.trained, 1)
