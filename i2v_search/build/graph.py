"""When a collection has a graph for morphs, and how it follows an index that stays as it is."""

from __future__ import annotations

from pathlib import Path

from i2v_search.errors import CollectionDamagedError
from i2v_search.index.index_files import load_index
from i2v_search.index.planner import IndexOptions
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph_file import build_network, load_network, save_network
from i2v_search.progress import Report
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest, WishesRecord
from i2v_search.store.writer import remove_strangers

#: Up to this many images the graph for morphs is built with the index.
GRAPH_ROWS = 100_000


def kept_network(rows: UnitRows, manifest: Manifest) -> Network | None:
    """The network of a collection, brought up to date; None if there is none or it is damaged."""
    file = manifest.index.files.get("graph") if manifest.index else None
    try:
        return None if file is None else load_network(rows, rows.directory, file)
    except CollectionDamagedError:
        return None


def keep_graph(store: FeatureStore, options: IndexOptions, report: Report) -> None:
    """Bring the graph up to date, or build it, beside an index that stays as it is."""
    manifest, directory = store.manifest, store.directory
    rows = UnitRows(load_index(store))
    network = kept_network(rows, manifest)
    if manifest.index is None or (network is not None and network.stored_tree is not None):
        return
    if network is None:
        store.require_intact()
        network = build_network(rows, report)
    number = manifest.next_file
    graph = save_network(rows, network, graph_path(directory, number))
    files = {**manifest.index.files, "graph": graph}
    asked_for = WishesRecord(**options.to_dict())
    record = manifest.index.model_copy(update={"files": files, "wishes": asked_for})
    manifest = manifest.updated(index=record, next_file=number + 1)
    manifest.save(directory)
    remove_strangers(directory, manifest)


def wants_graph(options: IndexOptions, store: FeatureStore, *, upkeep: bool) -> bool:
    """Whether a graph is to be there after a build: if it is wished for, or images are not too many."""
    if len(store) < 2:
        return False
    if options.graph is None:
        return len(store) <= GRAPH_ROWS or (upkeep and has_graph(store.manifest))
    return options.graph


def has_graph(manifest: Manifest) -> bool:
    """Whether a graph is kept with the index."""
    return manifest.index is not None and "graph" in manifest.index.files


def graph_path(directory: Path, number: int) -> Path:
    """The file of a graph."""
    return directory / f"graph-{number:05d}.h5"
