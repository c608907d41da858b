"""The graph's file: opened as it is, refused where it is not what it claims to be, read in its old form."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stores import append, clustered_vectors, make_store, random_vectors, remove

from i2v_search.build import indexing as building
from i2v_search.build.indexing import build_index
from i2v_search.errors import CollectionDamagedError
from i2v_search.index import planner
from i2v_search.index.all_neighbours import neighbours_of_all
from i2v_search.index.index_files import load_index
from i2v_search.index.planner import IndexOptions, plan_index
from i2v_search.index.scanners import Settings
from i2v_search.index.vector_index import VectorIndex
from i2v_search.morph import graph_file
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.knn import build_graph
from i2v_search.morph.graph_file import build_network, load_network, save_network
from i2v_search.progress import silent
from i2v_search.store.arrays import read_arrays, write_arrays
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FileRecord, Manifest

pytestmark = pytest.mark.integration

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def rows(tmp_path: Path) -> UnitRows:
    store = make_store(tmp_path, random_vectors(40, 8), similarity="centred")
    return UnitRows(VectorIndex.build(store, "centred", plan_index(40, 8, "centred", kind="exact")))


@pytest.fixture
def record(rows: UnitRows) -> FileRecord:
    return save_network(rows, build_network(rows, silent), rows.directory / "graph-00007.h5")


def test_what_is_opened_is_what_was_built(rows: UnitRows, record: FileRecord) -> None:
    built, found = build_network(rows, silent), load_network(rows, rows.directory, record)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found.edges, name), getattr(built.edges, name))
    np.testing.assert_array_equal(found.occurrences, built.occurrences)
    np.testing.assert_array_equal(found.tree.parent, built.tree.parent)
    assert found.bridges == built.bridges


def test_opening_copies_no_edges(rows: UnitRows, record: FileRecord) -> None:
    found = load_network(rows, rows.directory, record)
    for values in (found.edges.data, found.edges.indices, found.tree.parent):
        assert not values.flags.writeable
        assert not values.flags.owndata


def test_occurrences_count_how_often_a_row_is_among_the_nearest(rows: UnitRows) -> None:
    near = build_graph(rows, graph_file.GRAPH_NEIGHBOURS).neighbours
    np.testing.assert_array_equal(
        build_network(rows, silent).occurrences, np.bincount(near.ravel(), minlength=len(rows))
    )


def test_bridges_are_kept(tmp_path: Path) -> None:
    apart = np.repeat(np.eye(2, 8, dtype=np.float32), 20, axis=0) * 9 + 0.01 * random_vectors(40, 8)
    store = make_store(tmp_path, apart, similarity="cosine")
    build_index(tmp_path, IndexOptions(graph=True), report=silent)
    found = opened(tmp_path)
    assert len(found.bridges) == 1
    assert found.edges.shape[0] == store.rows


def opened(directory: Path) -> Any:
    store = FeatureStore(directory)
    assert store.manifest.index is not None
    return load_network(UnitRows(load_index(store)), directory, store.manifest.index.files["graph"])


def changed(name: str, place: Any, value: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][place] = value

    return change


def replaced(name: str, make: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = make(arrays[name])

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed("indices", 3, 40),
        changed("indices", 3, -1),
        changed("indices", -1, 40),
        changed("indices", 1, 0),
        changed("indptr", 0, 1),
        changed("indptr", 7, 2**30),
        changed("indptr", -1, 2**30),
        changed("squared", 5, 0),
        changed("squared", 5, np.nan),
        changed("squared", 5, -1),
        changed("tree/parent", 5, 40),
        changed("tree/parent", 5, -7),
        changed("tree/depth", 5, 99),
        changed("tree/squared", 5, np.nan),
        replaced("indices", lambda old: old[:-1]),
        replaced("indices", lambda old: old.astype(np.int64)),
        replaced("indices", lambda old: old.reshape(-1, 1)),
        replaced("indptr", lambda old: old[:-1]),
        replaced("indptr", lambda old: old[:0]),
        replaced("squared", lambda old: old.astype(np.float64)),
        replaced("occurrences", lambda old: old[:-1]),
        replaced("occurrences", lambda old: old.astype(np.float32)),
        replaced("tree/parent", lambda old: old[:-1]),
        replaced("tree/depth", lambda old: old.astype(np.int64)),
        replaced("bridges/rows", lambda _: np.array([[3, 40]], np.int32)),
        replaced("bridges/rows", lambda _: np.array([3, 4], np.int32)),
        replaced("tail", lambda _: np.arange(41)),
        replaced("tail", lambda _: np.array([3])),
        lambda arrays: arrays.update(
            {"bridges/rows": np.array([[3, 40]], np.int32), "bridges/squared": np.ones(1, np.float32)}
        ),
        lambda arrays: arrays["indices"].put(1, arrays["indices"][0]),
        lambda arrays: arrays.pop("occurrences"),
    ],
)
def test_a_file_of_other_content_is_refused(
    rows: UnitRows, record: FileRecord, change: Callable[[Arrays], None]
) -> None:
    """With a checksum that fits: whoever made the file wanted it to be opened."""
    arrays = read_arrays(rows.directory, record)
    change(arrays)
    forged = write_arrays(rows.directory / "graph-00008.h5", arrays)
    with pytest.raises(CollectionDamagedError, match="rebuild it: i2v-search index"):
        load_network(rows, rows.directory, forged)


def test_a_tail_of_no_rows_is_passed_over(rows: UnitRows, record: FileRecord) -> None:
    """Positions are numbers of a stranger, too."""
    arrays = read_arrays(rows.directory, record)
    append(rows.directory, random_vectors(2, 8, seed=1))  # removes what the manifest does not name
    record = write_arrays(rows.directory / record.name, arrays)
    index = rows._index
    assert isinstance(index, VectorIndex)
    grown = UnitRows(VectorIndex(FeatureStore(rows.directory), **without_store(index)))
    network = load_network(grown, rows.directory, record)
    kept = read_arrays(rows.directory, save_network(grown, network, rows.directory / "graph-00008.h5"))
    assert kept["tail"].tolist() == [40, 41]
    kept["tail"] = np.array([2**40, -(2**40)])
    forged = write_arrays(rows.directory / "graph-00009.h5", kept)
    assert load_network(grown, rows.directory, forged).edges.shape == (42, 42)


def without_store(index: VectorIndex) -> dict[str, Any]:
    return {name: value for name, value in vars(index).items() if name in FIELDS}


FIELDS = ("similarity", "plan", "scanner", "form", "positions", "trained", "settings", "measured")


def test_a_file_of_neighbours_alone_still_opens(rows: UnitRows) -> None:
    near = build_graph(rows, graph_file.GRAPH_NEIGHBOURS)
    arrays = {"neighbours": near.neighbours, "squared": near.squared}
    record = write_arrays(rows.directory / "graph-00003.h5", arrays)
    found, built = load_network(rows, rows.directory, record), build_network(rows, silent)
    assert (found.edges != built.edges).nnz == 0
    assert found.bridges == built.bridges


def test_the_graph_alone_is_built_beside_a_current_index(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(40, 8), similarity="centred")
    build_index(tmp_path, IndexOptions(graph=False), report=silent)
    before = Manifest.load(tmp_path).index
    build_index(tmp_path, IndexOptions(graph=True), report=silent)
    after = Manifest.load(tmp_path).index
    assert before is not None
    assert after is not None
    assert set(after.files) - set(before.files) == {"graph"}
    assert {role: after.files[role] for role in before.files} == before.files
    assert after.wishes is not None
    assert after.wishes.graph is True


@pytest.mark.parametrize("kind", ["pca", "ivf", "hnsw"])
def test_neighbours_of_all_are_nearly_those_of_brute_force(kind: Any, tmp_path: Path) -> None:
    store = make_store(tmp_path, clustered_vectors(2000, 32), similarity="centred")
    plan = plan_index(2000, 32, "centred", kind=kind, pca_dimensions=16)
    index = VectorIndex.build(store, "centred", plan)
    index = VectorIndex(store, **without_store(index) | {"settings": Settings(40, 64, 400)})
    scores, found = neighbours_of_all(index, 10)
    exact = build_graph(UnitRows(index), 10)
    assert (2 - 2 * scores <= exact.squared[:, -1:] + 1e-5).mean() > 0.95
    assert not (found == np.arange(2000)[:, None]).any()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_memory_does_not_grow_with_the_square_of_the_rows(tmp_path: Path) -> None:
    """All chords of 30,000 rows would take 3,600 MB."""
    make_store(tmp_path, clustered_vectors(30_000, 32), similarity="centred")
    script = (
        "import sys, pathlib; from i2v_search.build.indexing import build_index;"
        "from i2v_search.index.planner import IndexOptions; from i2v_search.progress import silent;"
        "from i2v_search.build.resources import ResourceUse; watch = ResourceUse();"
        "build_index(pathlib.Path(sys.argv[1]), IndexOptions(kind='pca', pca_dimensions=16, graph=True), "
        "report=silent); print(watch.peak_bytes())"
    )
    run = [sys.executable, "-c", script, str(tmp_path)]
    assert int(subprocess.run(run, check=True, capture_output=True, text=True).stdout) < 700e6


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A collection of 60 rows in the index and 3 beside it, all in the graph."""
    make_store(tmp_path, random_vectors(60, 8), similarity="cosine")
    options = IndexOptions(kind="pca", pca_dimensions=8, graph=True)
    build_index(tmp_path, options, report=silent)
    append(tmp_path, random_vectors(3, 8, seed=1))
    build_index(tmp_path, options, upkeep=True, report=silent)
    assert len(load_index(FeatureStore(tmp_path)).unindexed) == 3
    return tmp_path


def test_rows_beside_the_index_keep_their_edges_when_one_of_them_goes(grown: Path) -> None:
    before = opened(grown).edges.toarray()
    remove(grown, [60])
    stays = [*range(60), 61, 62]
    after = opened(grown).edges.toarray()
    np.testing.assert_array_equal(after, before[np.ix_(stays, stays)])


def test_a_graph_is_extended_with_its_index_and_not_built_again(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = opened(grown).edges.toarray()
    monkeypatch.setattr(planner, "UNINDEXED_ROWS", 4)
    monkeypatch.setattr(building, "build_network", None)
    append(grown, random_vectors(5, 8, seed=2))
    options = IndexOptions(kind="pca", pca_dimensions=8, graph=True)
    build_index(grown, options, upkeep=True, report=silent)
    assert not len(load_index(FeatureStore(grown)).unindexed)
    np.testing.assert_array_equal(opened(grown).edges.toarray()[:63, :63], before)


def test_rows_and_positions_lead_to_each_other(rows: UnitRows) -> None:
    positions = rows.positions
    assert [rows.number_of(position) for position in positions.tolist()] == list(range(len(rows)))
    np.testing.assert_array_equal(rows.numbers_of(positions), np.arange(len(rows)))
    np.testing.assert_array_equal(rows.numbers_of(np.array([-1, len(rows)])), [-1, -1])


def test_a_damaged_row_gets_no_edges(rows: UnitRows) -> None:
    part = FeatureStore(rows.directory).parts[0]
    content = bytearray(part.path.read_bytes())
    content[content.index(np.ascontiguousarray(part["vectors"][9]).tobytes())] ^= 0xFF
    part.path.write_bytes(content)
    damaged = UnitRows(load_index_of(rows))
    damaged.check(np.array([8, 10]))
    with pytest.raises(CollectionDamagedError, match="row 9"):
        damaged.check(np.array([8, 9]))


def load_index_of(rows: UnitRows) -> VectorIndex:
    """The same index of the files as they are now."""
    store = FeatureStore(rows.directory)
    return VectorIndex.build(store, "centred", plan_index(40, 8, "centred", kind="exact"))
