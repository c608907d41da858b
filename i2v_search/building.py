"""What changes a collection: each function takes the writer's lock, does one job, and commits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from i2v_search.catalogue import Catalogue
from i2v_search.choices import Engine, IndexKind, SimilarityName
from i2v_search.encoders import Encoder, EncoderInfo, TaggedEncoder, load_encoder, load_tagger
from i2v_search.errors import CollectionNotFoundError, EncoderMismatchError, QueryError
from i2v_search.extract import Extraction, extract
from i2v_search.index import MAX_CANDIDATES, VectorIndex, is_current, verify_index
from i2v_search.manifest import EncoderRecord, Manifest
from i2v_search.planner import IndexPlan, plan_index
from i2v_search.progress import Report
from i2v_search.rows import UnitRows, save_graph
from i2v_search.sources import Source, image_root
from i2v_search.store import FeatureStore, StoreWriter, WriterLock, remove_strangers

#: Up to this many images the graph for morphs is built with the index.
GRAPH_ROWS = 50_000


def extract_features(
    directory: Path,
    images: Sequence[Source],
    *,
    encoder: str | Encoder | None,
    similarity: SimilarityName | None,
    sync: bool,
    strict: bool,
    tagger: str | None,
    engine: Engine,
    report: Report,
) -> tuple[Encoder, Extraction]:
    """Bring the feature store of a collection up to date; the collection is made if it is missing.

    Args and errors are those of `i2v_search.Collection.build`.

    Returns:
        The encoder that was used, and what was done.
    """
    # The sources are looked at first: a misspelt folder must not leave an empty collection behind.
    root = image_root(images)
    _require_similarity(similarity)
    with WriterLock(directory):
        try:
            manifest = Manifest.load(directory)
        except CollectionNotFoundError:
            manifest = None
        loaded = resolve_tagger(tagger, resolve_encoder(encoder, manifest, engine), manifest, engine)
        if manifest is None:
            tags = tagger_info(loaded)
            manifest = Manifest(
                encoder=EncoderRecord(**loaded.info.to_dict()),
                tagger=EncoderRecord(**tags.to_dict()) if tags else None,
                similarity=similarity or "centred",
                image_root=str(root),
            )
            manifest.save(directory)
        elif not Path(manifest.image_root).is_dir():
            # The folder moved: paths are relative, so they hold under its new place.
            manifest = manifest.updated(image_root=str(root))
            manifest.save(directory)
        writer = StoreWriter(directory, manifest)
        try:
            changes = extract(writer, images, loaded, sync=sync, strict=strict, report=report)
            writer.finish()
        finally:
            writer.close()
    return loaded, changes


def remove_rows(directory: Path, images: Sequence[int | str]) -> set[int]:
    """Mark images as removed, by id or stored path.

    Returns:
        Their positions.

    Raises:
        QueryError: the collection holds no such image; nothing is removed then.
    """
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        catalogue = Catalogue(store)
        positions = {find_image(store, catalogue, image) for image in images}
        writer = StoreWriter(directory, manifest)
        try:
            writer.remove(sorted(positions))
            writer.finish()
        finally:
            writer.close()
    return positions


def build_index(
    directory: Path,
    *,
    similarity: SimilarityName | None,
    kind: IndexKind,
    pca_dimensions: int,
    recall_target: float,
    graph: bool | None,
    report: Report,
) -> IndexPlan:
    """Build the index and the graph of a collection, unless both are current.

    Args and errors are those of `i2v_search.Collection.index`.
    """
    _require_similarity(similarity)
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        name = similarity or manifest.similarity
        plan = plan_index(len(store), store.dimension, name, kind=kind, pca_dimensions=pca_dimensions)
        with_graph = (len(store) <= GRAPH_ROWS if graph is None else graph) and len(store) > 1
        if _is_built(store, name, plan, with_graph, recall_target):
            return plan
        built = VectorIndex.build(store, name, plan, recall_target=recall_target, report=report)
        number = manifest.next_file
        record = built.save(number, plan)
        if with_graph:
            saved = save_graph(UnitRows(built), directory / f"graph-{number:05d}.h5", report)
            record = record.model_copy(update={"files": {**record.files, "graph": saved}})
        manifest = manifest.updated(similarity=name, index=record, next_file=number + 1)
        manifest.save(directory)
        remove_strangers(directory, manifest)
    return plan


def _require_similarity(name: str | None) -> None:
    known = get_args(SimilarityName)
    if name is not None and name not in known:
        raise QueryError(f"no similarity is called {name!r}; known: {', '.join(known)}")


def find_image(store: FeatureStore, catalogue: Catalogue, image: int | str) -> int:
    """Position of an image given by id, or by stored path.

    Raises:
        QueryError: the collection holds no such image.
    """
    if isinstance(image, int | np.integer):
        position = store.position_of_id(int(image))
    else:
        position = catalogue.find_path(image)
    if position is None and isinstance(image, str) and image.isascii() and image.isdigit():
        position = store.position_of_id(int(image))
    if position is None:
        raise QueryError(f"the collection {store.directory} holds no image {image!r}")
    return position


def _is_built(
    store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, with_graph: bool, recall: float
) -> bool:
    record = store.manifest.index
    return (
        record is not None
        and is_current(store)
        and (record.similarity, record.kind, record.dimensions) == (similarity, plan.kind, plan.dimensions)
        and (record.recall_at_10 >= recall or record.candidates >= min(MAX_CANDIDATES, len(store)))
        and ("graph" in record.files or not with_graph)
        and not verify_index(store)
    )


def resolve_encoder(encoder: str | Encoder | None, manifest: Manifest | None, engine: Engine) -> Encoder:
    """Load the encoder asked for, or the collection's own; refuse any other.

    Raises:
        EncoderMismatchError: the collection's vectors were made by another.
    """
    name = encoder or (manifest.encoder.id if manifest else "lite")
    loaded = load_encoder(name, engine) if isinstance(name, str) else name
    if manifest is not None:
        _require_same("encoder", loaded.info, manifest.encoder)
    return loaded


def resolve_tagger(
    tagger: str | None, encoder: Encoder, manifest: Manifest | None, engine: Engine
) -> Encoder:
    """Give an encoder the tagger asked for, or the collection's own; refuse any other.

    Raises:
        EncoderMismatchError: the collection's tags were made by another, or without one.
    """
    name = tagger or (manifest.tagger.id if manifest and manifest.tagger else None)
    tags_itself = name == encoder.info.id and encoder.vocabulary is not None
    tagged = encoder if name is None or tags_itself else TaggedEncoder(encoder, load_tagger(name, engine))
    if manifest is not None:
        _require_same("tagger", tagger_info(tagged), manifest.tagger)
    return tagged


def tagger_info(encoder: Encoder) -> EncoderInfo | None:
    """What identifies the tagger of an encoder that has one."""
    return encoder.tagger.info if isinstance(encoder, TaggedEncoder) else None


def _require_same(role: str, info: EncoderInfo | None, record: EncoderRecord | None) -> None:
    ours, theirs = info.to_dict() if info else {"id": None}, record.model_dump() if record else {"id": None}
    differing = [
        f"{key} {ours.get(key)!r} instead of {theirs.get(key)!r}"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]
    if differing:
        raise EncoderMismatchError(
            f"this collection was made with another {role}: {'; '.join(differing)}; use its own "
            f"({theirs['id'] or 'none'}), or build a new collection with --collection"
        )
