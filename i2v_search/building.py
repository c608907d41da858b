"""What changes a collection: each function takes the writer's lock, does one job, and commits it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from i2v_search.arguments import StoredImage, StoredImages, read_whole, several, shown, whole
from i2v_search.catalogue import Catalogue
from i2v_search.choices import Engine, SimilarityName
from i2v_search.encoders import Encoder, EncoderInfo, TaggedEncoder, load_encoder, load_tagger
from i2v_search.errors import (
    CollectionDamagedError,
    EncoderMismatchError,
    IndexStaleError,
    QueryError,
    SourceError,
)
from i2v_search.extract import Extraction, extract
from i2v_search.files import file_sha256
from i2v_search.graph_file import build_network, save_network
from i2v_search.graph_upkeep import graph_path, has_graph, keep_graph, kept_network, wants_graph
from i2v_search.index import (
    VectorIndex,
    choose_queries,
    is_current,
    load_index,
    save_index,
    save_reduced,
    tune,
    unindexed,
    verify_index,
)
from i2v_search.manifest import EncoderRecord, IndexRecord, Manifest, WishesRecord
from i2v_search.morph import Network
from i2v_search.planner import IndexPlan, IndexWishes, Upkeep, plan_upkeep
from i2v_search.presence import find_mounts, root_is_away
from i2v_search.progress import Report
from i2v_search.rows import UnitRows
from i2v_search.sample import find_moved_sample
from i2v_search.searching.path_patterns import find_named
from i2v_search.sources import Sources, Wanted, everything, image_root, named_files
from i2v_search.store import (
    FeatureStore,
    Removal,
    Removals,
    StoreWriter,
    WriterLock,
    read_removals,
    remove_strangers,
    write_removals,
)
from i2v_search.watch import Watch, physical_memory


def extract_features(
    directory: Path,
    images: Sources,
    *,
    encoder: str | Encoder | None,
    similarity: SimilarityName | None,
    sync: bool,
    strict: bool,
    tagger: str | None,
    engine: Engine,
    report: Report,
    exclude: Sequence[str] = (),
    wanted: Wanted = everything,
    forget_removals: bool = False,
) -> tuple[Encoder, Extraction]:
    """Bring the feature store of a collection up to date; the collection is made if it is missing.

    Args and errors are those of `i2v_search.Collection.extract`.

    Returns:
        The encoder that was used, and what was done.
    """
    # The sources are looked at first: a misspelt folder must not leave an empty collection behind.
    images = several(images)
    root = image_root(images)
    require_similarity(similarity)
    with WriterLock(directory):
        manifest = Manifest.find(directory)
        loaded = resolve_tagger(tagger, resolve_encoder(encoder, manifest, engine), manifest, engine)
        manifest = begin_manifest(directory, manifest, loaded, similarity, root)
        manifest = lift_removals(directory, manifest, images, forget=forget_removals)
        writer = StoreWriter(directory, manifest)
        try:
            changes = extract(
                writer,
                images,
                loaded,
                sync=sync,
                strict=strict,
                exclude=exclude,
                wanted=wanted,
                removals=read_removals(directory, manifest.removals),
                report=report,
            )
            writer.finish()
        finally:
            writer.close()
        note_mounts(directory)
    return loaded, changes


def begin_manifest(
    directory: Path,
    manifest: Manifest | None,
    encoder: Encoder,
    similarity: SimilarityName | None,
    root: Path,
) -> Manifest:
    """Make sure that images can be added to a collection; the manifest of a new one is made and saved.

    Raises:
        SourceError: the folder that stored paths are relative to is not there. Whether it was moved or its
            disk is not connected cannot be told from here.
    """
    if manifest is None:
        tags = tagger_info(encoder)
        manifest = Manifest(
            encoder=EncoderRecord(**encoder.info.to_dict()),
            tagger=EncoderRecord(**tags.to_dict()) if tags else None,
            similarity=similarity or "centred",
            image_root=str(root),
        )
        manifest.save(directory)
    elif sample := find_moved_sample(Path(manifest.image_root), root):
        # The same pictures, installed again with another environment.
        manifest = manifest.updated(image_root=str(sample))
        manifest.save(directory)
    elif root_is_away(manifest):
        raise SourceError(
            f"the image folder of this collection, {manifest.image_root!r}, is not there, so nothing was "
            "changed; connect its disk or, if the images were moved, run: "
            f"i2v-search relocate {shlex.quote(manifest.image_root)} NEW_FOLDER --collection {directory}"
        )
    return manifest


def lift_removals(directory: Path, manifest: Manifest, images: Sources, *, forget: bool = False) -> Manifest:
    """Let removed images in again: those that are named one by one, or with `forget` all of them."""
    before = read_removals(directory, manifest.removals)
    if not before:
        return manifest
    named = named_files(images, Path(manifest.image_root))
    contents = set()
    for location in filter(None, named.values()):
        with suppress(OSError):
            contents.add(file_sha256(location))
    after = Removals() if forget else before.without(named, contents)
    if len(after) == len(before):
        return manifest
    number = manifest.next_file
    record = write_removals(directory, number, after)
    manifest = manifest.updated(removals=record, next_file=number + 1)
    manifest.save(directory)
    return manifest


def note_mounts(directory: Path) -> None:
    """Keep in the manifest which folders with images are mounts, for when a disk is away."""
    store = FeatureStore(directory)
    mounts = find_mounts(store)
    if mounts != store.manifest.mounts:
        store.manifest.updated(mounts=mounts).save(directory)


def remove_rows(directory: Path, images: StoredImages) -> set[int]:
    """Mark images as removed, by id or stored path, and keep them out from now on.

    An image with the content of one that stays is kept out at its own path only.

    Returns:
        Their positions.

    Raises:
        QueryError: the collection holds no such image; nothing is removed then.
    """
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        catalogue = Catalogue(store)
        positions = {find_image(store, catalogue, image, whole_path=True) for image in several(images)}
        removals = read_removals(directory, manifest.removals)
        writer = StoreWriter(directory, manifest)
        try:
            writer.remove(sorted(positions))
            writer.keep_out(removals.with_more(_removals_of(store, catalogue, positions)))
            writer.finish()
        finally:
            writer.close()
    return positions


def _removals_of(store: FeatureStore, catalogue: Catalogue, positions: set[int]) -> Iterator[Removal]:
    for position in sorted(positions):
        record = store.record(position)
        stays = not positions.issuperset(catalogue.find_content(record.sha256))
        yield Removal(record.path, None if stays else record.sha256)


def build_index(
    directory: Path,
    wishes: IndexWishes,
    *,
    similarity: SimilarityName | None = None,
    upkeep: bool = False,
    report: Report,
) -> IndexPlan:
    """Build the index and the graph of a collection, unless both are current.

    Args:
        directory: of the collection.
        wishes: what is asked of the index.
        similarity: how vectors are compared from now on; None keeps the collection's own.
        upkeep: after rows were added or removed: do only what `i2v_search.planner.plan_upkeep` says.
        report: told about progress.

    Returns:
        The plan for what the collection holds.

    Raises:
        CollectionDamagedError: a feature file differs from its checksum; nothing is built from it.
    """
    require_similarity(similarity)
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        name = similarity or manifest.similarity
        plan = plan_for(wishes, len(store), store.dimension, name)
        with_graph = wants_graph(wishes, store, upkeep=upkeep)
        built_already = _is_built(store, name, plan, wishes)
        if built_already and (not with_graph or has_graph(manifest)):
            return plan
        action = _upkeep(store, plan) if upkeep else ("keep" if built_already else "rebuild")
        if action == "keep":
            if with_graph:
                keep_graph(store, wishes, report)
            return plan
        store.require_intact(report=report)
        number, watch = manifest.next_file, Watch()
        extended, network = (
            _extended(store, report, with_graph=with_graph) if action == "extend" else (None, None)
        )
        built = extended or _built(store, name, plan, wishes.recall_target, report)
        record = save_index(built, number)
        if extended is not None and manifest.index is not None:
            costs = {"predicted": manifest.index.predicted, "actual": manifest.index.actual}
        else:
            costs = {"predicted": plan.predicted.to_dict(), "actual": _costs(watch, built, record)}
        files = dict(record.files)
        if wishes.reduced and (reduced := save_reduced(built, number, report)):
            files["reduced"] = reduced
        if with_graph:
            rows = UnitRows(built)
            network = network or build_network(rows, report)
            files["graph"] = save_network(rows, network, graph_path(directory, number))
        asked_for = WishesRecord(**wishes.to_dict())
        record = record.model_copy(update={"files": files, "wishes": asked_for, **costs})
        manifest = manifest.updated(similarity=name, index=record, next_file=number + 1)
        manifest.save(directory)
        remove_strangers(directory, manifest)
    return plan


def plan_for(wishes: IndexWishes, rows: int, dimension: int, similarity: SimilarityName) -> IndexPlan:
    """The plan for wishes; where they name no limit, half of the machine's memory is one."""
    limit = wishes.memory_bytes
    if limit is None and (physical := physical_memory()):
        limit = physical // 2
    return replace(wishes, memory_bytes=limit).plan(rows, dimension, similarity)


def _upkeep(store: FeatureStore, plan: IndexPlan) -> Upkeep:
    """What to do about the index after a change; nothing of it is read but its record."""
    record = store.manifest.index
    if record is None or record.trained is None:
        return "rebuild"
    tail = unindexed(store)
    return plan_upkeep(record.kind, record.trained, len(store) - tail, tail, plan)


def _built(
    store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, recall_target: float, report: Report
) -> VectorIndex:
    asked = choose_queries(store)
    built = VectorIndex.build(store, similarity, plan, held_back=asked, report=report)
    return tune(built, asked, recall_target, report)


def _extended(
    store: FeatureStore, report: Report, *, with_graph: bool
) -> tuple[VectorIndex | None, Network | None]:
    """The index with the rows added since, and its network if there is one and it is wanted.

    None where the index is damaged or too old, None where the network is, and has to be built anew.
    """
    try:
        index = load_index(store)
    except (IndexStaleError, CollectionDamagedError):
        return None, None
    # The numbers of its rows are those that the rows of the extended index will have.
    network = kept_network(UnitRows(index), store.manifest) if with_graph else None
    return index.extended(report), network


def require_similarity(name: str | None) -> None:
    """Refuse a similarity that does not exist, with `QueryError`."""
    known = get_args(SimilarityName)
    if name is not None and name not in known:
        raise QueryError(f"no similarity is called {name!r}; known: {', '.join(known)}")


def find_image(
    store: FeatureStore, catalogue: Catalogue, image: StoredImage, *, whole_path: bool = False
) -> int:
    """Position of an image given by id, by stored path, or by the end of one path alone.

    With `whole_path` the end of a path is not enough.

    Raises:
        QueryError: the collection holds no such image, or this is neither an id nor a path.
    """
    if isinstance(image, str | os.PathLike):
        text = os.fspath(image)
        position = catalogue.find_path(text)
        if position is None and (number := read_whole(text)) is not None:
            position = store.position_of_id(number)
        if position is None:
            position = find_named(store, text, whole=whole_path)
    else:
        position = store.position_of_id(whole("the id of an image", image))
    if position is None:
        raise QueryError(f"the collection {store.directory} holds no image {shown(image)}")
    return position


def has_index(directory: Path, wishes: IndexWishes, similarity: SimilarityName | None = None) -> bool:
    """Whether `build_index` would find all that it is asked for; the files are not read."""
    manifest = Manifest.load(directory)
    store = FeatureStore(directory, manifest)
    name = similarity or manifest.similarity
    plan = plan_for(wishes, len(store), store.dimension, name)
    graph = not wants_graph(wishes, store, upkeep=False) or has_graph(manifest)
    return graph and _is_as_wished(store, name, plan, wishes)


def _is_built(store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, wishes: IndexWishes) -> bool:
    """Whether the index is there, current, sound and as it is wished; of the graph, whether it is sound."""
    record = store.manifest.index
    return _is_as_wished(store, similarity, plan, wishes) and not verify_index(store.directory, record)


def _is_as_wished(
    store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, wishes: IndexWishes
) -> bool:
    """Whether the index is there, current and as it is wished."""
    record = store.manifest.index
    if record is None or record.wishes is None or not is_current(store):
        return False
    wanted = (similarity, plan.kind, plan.dimensions, plan.refined)
    return (
        (record.similarity, record.kind, record.dimensions, record.refined) == wanted
        and max(record.recall_at_10, record.wishes.recall_target) >= wishes.recall_target
        and ("reduced" in record.files or not wishes.reduced or record.kind in {"exact", "codes"})
    )


def _costs(watch: Watch, index: VectorIndex, record: IndexRecord) -> dict[str, float]:
    """What an index took, under the names of `i2v_search.planner.Cost`."""
    sizes = sum((index.store.directory / file.name).stat().st_size for file in record.files.values())
    return {
        "memory_bytes": sizes,
        "build_memory_bytes": watch.peak_bytes(),
        "disk_bytes": sizes,
        "build_seconds": round(watch.seconds, 3),
        "query_ms": index.measured.query_ms if index.measured else 0.0,
    }


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
