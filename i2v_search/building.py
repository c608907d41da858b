"""What changes a collection: each function takes the writer's lock, does one job, and commits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from i2v_search.catalogue import Catalogue
from i2v_search.choices import Device, IndexKind, SimilarityName
from i2v_search.encoders import Encoder, load_encoder
from i2v_search.errors import CollectionNotFoundError, EncoderMismatchError, QueryError
from i2v_search.extract import Extraction, extract
from i2v_search.index import VectorIndex, is_current
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
    device: Device,
    threads: int | None,
    report: Report,
) -> tuple[Encoder, Extraction]:
    """Bring the feature store of a collection up to date; the collection is made if it is missing.

    Args and errors are those of `i2v_search.Collection.build`.

    Returns:
        The encoder that was used, and what was done.
    """
    # The sources are looked at first: a misspelt folder must not leave an empty collection behind.
    root = image_root(images)
    with WriterLock(directory):
        try:
            manifest = Manifest.load(directory)
        except CollectionNotFoundError:
            manifest = None
        loaded = resolve_encoder(encoder, manifest, device, threads)
        if manifest is None:
            record = EncoderRecord(**loaded.info.to_dict())
            manifest = Manifest(encoder=record, similarity=similarity or "centred", image_root=str(root))
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
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        name = similarity or manifest.similarity
        plan = plan_index(len(store), store.dimension, name, kind=kind, pca_dimensions=pca_dimensions)
        with_graph = (len(store) <= GRAPH_ROWS if graph is None else graph) and len(store) > 1
        if _is_built(store, name, plan, with_graph):
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


def find_image(store: FeatureStore, catalogue: Catalogue, image: int | str) -> int:
    """Position of an image given by id, or by stored path.

    Raises:
        QueryError: the collection holds no such image.
    """
    position = store.position_of_id(image) if isinstance(image, int) else catalogue.find_path(image)
    if position is None and isinstance(image, str) and image.isascii() and image.isdigit():
        position = store.position_of_id(int(image))
    if position is None:
        raise QueryError(f"the collection {store.directory} holds no image {image!r}")
    return position


def _is_built(store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, with_graph: bool) -> bool:
    record = store.manifest.index
    return (
        record is not None
        and is_current(store)
        and (record.similarity, record.kind, record.dimensions) == (similarity, plan.kind, plan.dimensions)
        and ("graph" in record.files or not with_graph)
    )


def resolve_encoder(
    encoder: str | Encoder | None, manifest: Manifest | None, device: Device, threads: int | None
) -> Encoder:
    """Load the encoder asked for, or the collection's own; refuse one whose vectors are of another kind."""
    name = encoder or (manifest.encoder.id if manifest else "lite")
    loaded = load_encoder(name, device=device, threads=threads) if isinstance(name, str) else name
    if manifest is not None and loaded.info.to_dict() != manifest.encoder.model_dump():
        theirs, ours = manifest.encoder.model_dump(), loaded.info.to_dict()
        differing = [
            f"{key} {ours[key]!r} instead of {theirs[key]!r}" for key in ours if ours[key] != theirs[key]
        ]
        raise EncoderMismatchError(
            f"this collection was made by another encoder: {'; '.join(differing)}; use its encoder "
            f"({theirs['id']}), or build a new collection with --collection"
        )
    return loaded
