"""Changes of a collection: each function takes the writer's lock, does one job, and commits it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from i2v_search.build.changes import find_mounts
from i2v_search.build.graph import graph_path, has_graph, keep_graph, kept_network, wants_graph
from i2v_search.build.resources import ResourceUse, physical_memory
from i2v_search.choices import SimilarityName
from i2v_search.errors import (
    CollectionDamagedError,
    IndexStaleError,
    QueryError,
)
from i2v_search.files import file_sha256
from i2v_search.images.sources import Sources, named_files
from i2v_search.index.index_files import (
    is_current,
    load_index,
    save_index,
    unindexed,
    verify_index,
)
from i2v_search.index.measuring import choose_queries, tune
from i2v_search.index.planner import IndexOptions, IndexPlan, Upkeep, plan_upkeep
from i2v_search.index.vector_index import VectorIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph_file import build_network, save_network
from i2v_search.progress import Report
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import IndexRecord, Manifest, WishesRecord
from i2v_search.store.removals import Removal, Removals, read_removals, write_removals
from i2v_search.store.writer import WriterLock, remove_strangers


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


def _removals_of(store: FeatureStore, catalogue: Catalogue, positions: set[int]) -> Iterator[Removal]:
    for position in sorted(positions):
        record = store.record(position)
        stays = not positions.issuperset(catalogue.find_content(record.sha256))
        yield Removal(record.path, None if stays else record.sha256)


def build_index(
    directory: Path,
    options: IndexOptions,
    *,
    similarity: SimilarityName | None = None,
    upkeep: bool = False,
    report: Report,
) -> IndexPlan:
    """Build the index and the graph of a collection, unless both are current.

    Args:
        directory: directory of the collection.
        options: what is asked of the index.
        similarity: how vectors are compared from now on; None keeps the collection's own.
        upkeep: after rows were added or removed: do only what `i2v_search.index.planner.plan_upkeep` says.
        report: called with the progress.

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
        plan = plan_for(options, len(store), store.dimension, name)
        with_graph = wants_graph(options, store, upkeep=upkeep)
        built_already = _is_built(store, name, plan, options)
        if built_already and (not with_graph or has_graph(manifest)):
            return plan
        action = _upkeep(store, plan) if upkeep else ("keep" if built_already else "rebuild")
        if action == "keep":
            if with_graph:
                keep_graph(store, options, report)
            return plan
        store.require_intact(report=report)
        number, watch = manifest.next_file, ResourceUse()
        extended, network = (
            _extended(store, report, with_graph=with_graph) if action == "extend" else (None, None)
        )
        built = extended or _built(store, name, plan, options.recall_target, report)
        record = save_index(built, number)
        if extended is not None and manifest.index is not None:
            costs = {"predicted": manifest.index.predicted, "actual": manifest.index.actual}
        else:
            costs = {"predicted": plan.predicted.to_dict(), "actual": _costs(watch, built, record)}
        files = dict(record.files)
        if with_graph:
            rows = UnitRows(built)
            network = network or build_network(rows, report)
            files["graph"] = save_network(rows, network, graph_path(directory, number))
        asked_for = WishesRecord(**options.to_dict())
        record = record.model_copy(update={"files": files, "wishes": asked_for, **costs})
        manifest = manifest.updated(similarity=name, index=record, next_file=number + 1)
        manifest.save(directory)
        remove_strangers(directory, manifest)
    return plan


def reindex(directory: Path, before: IndexRecord | None, report: Report) -> IndexPlan:
    """Bring the index up to date after a change, as was requested when it was built.

    Args:
        directory: directory of the collection.
        before: the index before the change, which may have dropped it.
        report: called with the progress.
    """
    record = Manifest.load(directory).index or before
    return build_index(directory, IndexOptions.of(record), upkeep=True, report=report)


def plan_for(options: IndexOptions, rows: int, dimension: int, similarity: SimilarityName) -> IndexPlan:
    """The plan for options; where they name no limit, half of the machine's memory is one."""
    limit = options.memory_bytes
    if limit is None and (physical := physical_memory()):
        limit = physical // 2
    return replace(options, memory_bytes=limit).plan(rows, dimension, similarity)


def _upkeep(store: FeatureStore, plan: IndexPlan) -> Upkeep:
    """The index update needed after a change, decided from its record alone."""
    record = store.manifest.index
    if record is None or record.trained is None:
        return "rebuild"
    waiting = unindexed(store)
    return plan_upkeep(record.kind, record.trained, len(store) - waiting, waiting, plan)


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

    None if the index is damaged or too old, None if the network is, and has to be built again.
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
        raise QueryError(f"unknown similarity {name!r}; available: {', '.join(known)}")


def has_index(directory: Path, options: IndexOptions, similarity: SimilarityName | None = None) -> bool:
    """Whether `build_index` would find everything that it needs; the files are not read."""
    manifest = Manifest.load(directory)
    store = FeatureStore(directory, manifest)
    name = similarity or manifest.similarity
    plan = plan_for(options, len(store), store.dimension, name)
    graph = not wants_graph(options, store, upkeep=False) or has_graph(manifest)
    return graph and _is_as_asked(store, name, plan, options)


def _is_built(
    store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, options: IndexOptions
) -> bool:
    """Whether the index is there, current, sound and as is asked; of the graph, whether it is sound."""
    record = store.manifest.index
    return _is_as_asked(store, similarity, plan, options) and not verify_index(store.directory, record)


def _is_as_asked(
    store: FeatureStore, similarity: SimilarityName, plan: IndexPlan, options: IndexOptions
) -> bool:
    """Whether the index is there, current and as is asked."""
    record = store.manifest.index
    if record is None or record.wishes is None or not is_current(store):
        return False
    wanted = (similarity, plan.kind, plan.dimensions, plan.refined)
    return (record.similarity, record.kind, record.dimensions, record.refined) == wanted and max(
        record.recall_at_10, record.wishes.recall_target
    ) >= options.recall_target


def _costs(watch: ResourceUse, index: VectorIndex, record: IndexRecord) -> dict[str, float]:
    """Measured cost of an index, under the names of `i2v_search.index.planner.Cost`."""
    sizes = sum((index.store.directory / file.name).stat().st_size for file in record.files.values())
    return {
        "memory_bytes": sizes,
        "build_memory_bytes": watch.peak_bytes(),
        "disk_bytes": sizes,
        "build_seconds": round(watch.seconds, 3),
        "query_ms": index.measured.query_ms if index.measured else 0.0,
    }
