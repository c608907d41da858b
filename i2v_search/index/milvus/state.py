"""State of a collection on a server besides its rows: three Milvus collections.

==============  ====================================================================================
``NAME``        one row: a document that says which edition answers, and which one is being sent
``NAME__N``     the rows of edition N, see `i2v_search.index.milvus.stored_rows`
``NAME__N_of``  what those were made by: the mean (id 0), the mean of the components (1) and each of
                them (2 and on), whole vectors
==============  ====================================================================================

No collection is called as the rows of another are: `MilvusAddress` refuses such names. An edition is sent
beside the one that answers and takes its place when it is whole. Any machine that has the feature store can
therefore search, whichever sent the rows.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from i2v_search.choices import SimilarityName
from i2v_search.errors import EncoderMismatchError, SearchServerError
from i2v_search.index.milvus.connection import MilvusServer
from i2v_search.index.milvus.plan import MAX_DIMENSIONS, MilvusKind, MilvusPlan
from i2v_search.index.milvus.stored_rows import MAX_TAG_BYTES, MAX_TAGS
from i2v_search.index.milvus.vector_space import Space
from i2v_search.index.projection import Components, Form, Whole
from i2v_search.index.similarity import Similarity
from i2v_search.store.feature_store import FeatureStore

_FORM_ROWS: Final = 256
#: A field of text holds so many bytes.
_DOCUMENT_BYTES: Final = 65_535
#: For collections of a few rows that nobody searches.
_SCANNED: Final = MilvusPlan("FLAT", "IP", {}, 2, whole=True)


class Edition(BaseModel):
    """One copy of the rows on the server.

    Attributes:
        number: number of the edition, in the names of its collections.
        key: key of its space.
        similarity: how rows are compared.
        dimensions: dimensions of a vector there; those of the encoder where rows are whole.
        components: how many there are; 0 where rows are whole.
        kind: of Milvus's index, with `build` and `note`.
        trained: rows that were live when its space was chosen.
        generation: generation of the feature store that all of it was sent of; -1 while that is under way.
        rows: rows of the feature store, live or not, at that time, in `parts` files; `names` digests theirs.
        images: rows that it holds.
        every_tag: whether every row's tags are all there.
        candidates: rows re-ranked for ten results, and `effort`, chosen by measuring.
        recall_at_10: measured when it was sent.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    number: int = Field(ge=0)
    key: str
    similarity: SimilarityName
    dimensions: int = Field(ge=1, le=MAX_DIMENSIONS)
    components: int = Field(ge=0, le=MAX_DIMENSIONS)
    kind: MilvusKind
    build: dict[str, int | str | bool]
    note: str = ""
    trained: int = Field(ge=0)
    generation: int = -1
    rows: int = Field(default=0, ge=0)
    parts: int = Field(default=0, ge=0)
    names: str = ""
    images: int = Field(default=0, ge=0)
    every_tag: bool = False
    candidates: int = Field(default=0, ge=0)
    effort: int = Field(default=0, ge=0)
    recall_at_10: float = 0.0

    @property
    def plan(self) -> MilvusPlan:
        """Plan of its index."""
        return MilvusPlan(
            self.kind,
            "L2" if self.similarity == "l2" else "IP",
            self.build,
            self.dimensions,
            whole=not self.components,
            note=self.note,
        )

    def rows_name(self, server: MilvusServer) -> str:
        """The Milvus collection of its rows."""
        return f"{server.address.name}__{self.number}"

    def space_name(self, server: MilvusServer) -> str:
        """The Milvus collection of what those were made by."""
        return f"{self.rows_name(server)}_of"

    def is_start_of(self, store: FeatureStore) -> bool:
        """Whether a feature store begins with the rows that were sent: nothing was rewritten since."""
        return self.rows <= store.rows and self.names == _digest_names(store, self.parts)

    def sent(self, store: FeatureStore, **changes: Any) -> Edition:
        """The edition once all rows of a feature store are there."""
        parts = len(store.parts)
        return self.model_copy(
            update={
                "generation": store.manifest.generation,
                "rows": store.rows,
                "parts": parts,
                "names": _digest_names(store, parts),
                "images": len(store),
                **changes,
            }
        )


class MilvusState(BaseModel):
    """The document.

    Attributes:
        encoder: SHA-256 of the weights that made the vectors, `encoder_id` its name.
        dimension: dimension of the feature store's vectors.
        image_root: image root of the collection that was sent.
        serving: the edition that answers.
        building: the edition being sent beside it.
        previous: the one that answered before, for processes that opened it; dropped by the next push.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int = Field(default=1, ge=1, le=1)
    encoder: str
    encoder_id: str
    dimension: int = Field(ge=1)
    image_root: str
    serving: Edition | None = None
    building: Edition | None = None
    previous: Edition | None = None


def read_state(server: MilvusServer) -> MilvusState | None:
    """The document of a collection; None if nothing was ever sent.

    Raises:
        SearchServerError: the server cannot be reached, or holds something else under that name.
    """
    name = server.address.name
    if not server.exists(name):
        return None
    fields = {field["name"] for field in server.call("describe_collection", name)["fields"]}
    if fields != {"id", "vector", "document"}:
        raise SearchServerError(
            f"{server.address.text} is a Milvus collection of another program; choose another name: "
            f"--milvus-uri {server.address.uri}#NAME"
        )
    server.load(name)
    found = server.call(
        "query", name, filter="id == 0", output_fields=["document"], consistency_level="Strong"
    )
    if not found:
        return None
    try:
        return MilvusState.model_validate_json(found[0]["document"])
    except ValidationError as error:
        first = error.errors()[0]
        raise SearchServerError(
            f"the description stored in {server.address.text} is not valid at "
            f"{'.'.join(map(str, first['loc']))} "
            f"({first['msg']}); it may come from a newer i2v-search; send it again: i2v-search push --replace"
        ) from error


def write_state(server: MilvusServer, state: MilvusState) -> None:
    """Replace the document, in one call."""
    name, types = server.address.name, server.pymilvus.DataType
    if not server.exists(name):
        schema = server.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", types.INT64, is_primary=True)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=2)
        schema.add_field("document", types.VARCHAR, max_length=_DOCUMENT_BYTES)
        _create(server, name, schema)
    row = {"id": 0, "vector": [1.0, 0.0], "document": state.model_dump_json()}
    server.call("upsert", name, [row])
    server.call("flush", name)


def require_same_encoder(store: FeatureStore, state: MilvusState | None, server: MilvusServer) -> None:
    """Refuse vectors that another encoder made.

    Raises:
        EncoderMismatchError: they were.
    """
    ours = store.manifest.encoder
    if state is not None and (state.encoder, state.dimension) != (ours.weights_sha256, ours.dimension):
        raise EncoderMismatchError(
            f"{server.address.text} holds vectors of {state.dimension} dimensions by encoder "
            f"{state.encoder_id!r}, this collection has {ours.dimension} by {ours.id!r}; use another "
            f"name: --milvus-uri {server.address.uri}#NAME, or replace it: i2v-search push --replace"
        )


def create_edition(server: MilvusServer, edition: Edition, space: Space) -> None:
    """Make the collections of an edition, empty of rows, and keep its space; what was there is dropped."""
    drop_edition(server, edition)
    types = server.pymilvus.DataType
    schema = server.client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", types.INT64, is_primary=True)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=edition.dimensions)
    schema.add_field("version", types.INT64)
    schema.add_field("path", types.VARCHAR, max_length=_DOCUMENT_BYTES)
    for name in ("tags", "ratings"):
        schema.add_field(
            name,
            types.ARRAY,
            element_type=types.VARCHAR,
            max_capacity=MAX_TAGS,
            max_length=MAX_TAG_BYTES,
        )
    schema.add_field("explicit", types.FLOAT)
    _create(server, edition.rows_name(server), schema, edition.plan)
    _write_space(server, edition, space)


def drop_edition(server: MilvusServer, edition: Edition) -> None:
    """Remove an edition."""
    server.drop(edition.rows_name(server))
    server.drop(edition.space_name(server))


def is_edition_there(server: MilvusServer, edition: Edition) -> bool:
    """Whether nobody removed an edition from the server."""
    return server.exists(edition.rows_name(server)) and server.exists(edition.space_name(server))


def drop_everything(server: MilvusServer) -> None:
    """Remove the document and every edition of a collection."""
    name = server.address.name
    for found in server.call("list_collections"):
        number = found.removeprefix(f"{name}__").removesuffix("_of")
        if found == name or (found.startswith(f"{name}__") and number.isdecimal()):
            server.drop(found)


def _write_space(server: MilvusServer, edition: Edition, space: Space) -> None:
    name, types = edition.space_name(server), server.pymilvus.DataType
    vectors = list(space.similarity.arrays().values())
    if isinstance(space.form, Components):
        vectors += [space.form.mean, *space.form.components]
    schema = server.client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", types.INT64, is_primary=True)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=len(space.similarity.mean))
    _create(server, name, schema)
    for first in range(0, len(vectors), _FORM_ROWS):
        rows = [
            {"id": first + number, "vector": vector}
            for number, vector in enumerate(vectors[first : first + _FORM_ROWS])
        ]
        server.call("upsert", name, rows)
    server.call("flush", name)


def read_space(server: MilvusServer, edition: Edition, dimension: int) -> Space:
    """The space of an edition.

    Raises:
        SearchServerError: it is not there, or not what the document says.
    """
    name = edition.space_name(server)
    fitted = 2 if edition.similarity == "standardised" else 1
    count = fitted + (1 + edition.components if edition.components else 0)
    server.load(name)
    found: dict[int, NDArray[np.float32]] = {}
    for first in range(0, count, _FORM_ROWS):
        rows = server.call(
            "query",
            name,
            filter=f"id >= {first} and id < {first + _FORM_ROWS}",
            output_fields=["id", "vector"],
            consistency_level="Strong",
        )
        found |= {int(row["id"]): np.asarray(row["vector"], np.float32) for row in rows}
    if sorted(found) != list(range(count)) or any(len(vector) != dimension for vector in found.values()):
        raise SearchServerError(
            f"{server.address.text} lacks the description of its encoder ({len(found)} rows of {count}); "
            "send it again: i2v-search push --replace"
        )
    similarity = Similarity(edition.similarity, found[0], found[1] if fitted > 1 else None)
    form: Form = Whole()
    if edition.components:
        components = np.stack([found[number] for number in range(fitted + 1, count)])
        shares = np.zeros(len(components), np.float32)  # nothing here asks for them
        form = Components(found[fitted], components, shares, scaled=not similarity.euclidean)
    space = Space.of(similarity, form)
    if space.key != edition.key:
        raise SearchServerError(
            f"{server.address.text}: the description of its encoder has changed; send it again: "
            "i2v-search push --replace"
        )
    return space


def _create(server: MilvusServer, name: str, schema: Any, plan: MilvusPlan = _SCANNED) -> None:
    parameters = server.client.prepare_index_params()
    parameters.add_index("vector", index_type=plan.kind, metric_type=plan.metric, params=plan.build)
    server.call(
        "create_collection", name, schema=schema, index_params=parameters, consistency_level="Bounded"
    )


def _digest_names(store: FeatureStore, parts: int) -> str:
    names = "\n".join(part.path.name for part in store.parts[:parts])
    return hashlib.sha256(names.encode()).hexdigest()
