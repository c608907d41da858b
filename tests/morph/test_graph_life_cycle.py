"""The stored graph follows its collection: rows that come are joined, rows that go are let go."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from stores import append, make_store, random_vectors, remove

from i2v_search.build.indexing import build_index
from i2v_search.build.upkeep.rewriting import compact_collection
from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.index import planner, vector_index
from i2v_search.index.index_files import load_index
from i2v_search.index.planner import IndexOptions
from i2v_search.morph import graph_file
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph_file import load_network
from i2v_search.progress import silent
from i2v_search.store.feature_store import FeatureStore

D, K = 12, 4
#: Components that lose nothing: what an index of this kind finds is exact on a few dozen rows.
EXACT_KINDS = ["exact", "pca", "hnsw"]


class Killed(BaseException):
    """The process is gone: nothing is tidied up."""


def opened(directory: Path) -> tuple[UnitRows, Network]:
    store = FeatureStore(directory)
    rows = UnitRows(load_index(store))
    assert store.manifest.index is not None
    return rows, load_network(rows, directory, store.manifest.index.files["graph"])


def written_as_it_is(directory: Path) -> bool:
    """Whether the file is the network of the rows that are there: opening it had nothing to do."""
    return opened(directory)[1].stored_tree is not None


def nearest_others(rows: UnitRows, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m, K) by brute force among the live rows."""
    matrix = rows.take(np.arange(len(rows))).astype(np.float64)
    products = matrix[numbers] @ matrix.T
    products[:, ~rows.alive] = -np.inf
    products[np.arange(len(numbers)), numbers] = -np.inf
    return np.argsort(-products, axis=1)[:, :K]


class GraphLifeCycle(RuleBasedStateMachine):
    """A collection with a graph that is brought up to date after every change, or left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="graph-"))
        self.seed, self.started = 0, False

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @initialize(
        similarity=st.sampled_from(["centred", "cosine", "l2"]),
        kind=st.sampled_from([*EXACT_KINDS, "ivf", "codes"]),
        count=st.integers(30, 50),
    )
    def start(self, similarity: SimilarityName, kind: IndexKind, count: int) -> None:
        if kind == "codes" and similarity == "l2":
            kind = "exact"
        self.exact = kind in EXACT_KINDS
        self.options = IndexOptions(kind=kind, pca_dimensions=D, graph=True)
        make_store(self.directory, self.draw(count), similarity=similarity)
        build_index(self.directory, self.options, report=silent)
        self.started = True
        assert written_as_it_is(self.directory)

    @rule(count=st.integers(1, 9), upkeep=st.booleans())
    def add(self, count: int, upkeep: bool) -> None:
        """The new rows are joined to their nearest, in the file or as it is opened."""
        before = FeatureStore(self.directory).rows
        append(self.directory, self.draw(count))
        if upkeep:
            self.bring_up_to_date()
        rows, network = opened(self.directory)
        new = np.array([number for number, at in enumerate(rows.positions) if at >= before])
        assert len(new) == count
        for number, nearest in zip(new.tolist(), nearest_others(rows, new), strict=True):
            joined = network.edges.indices[slice(*network.edges.indptr[number : number + 2])]
            missing = set(nearest.tolist()) - set(joined.tolist())
            assert not missing or not self.exact

    @rule(data=st.data(), upkeep=st.booleans())
    @precondition(lambda self: self.live() > 20)
    def remove_some(self, data: st.DataObject, upkeep: bool) -> None:
        live = FeatureStore(self.directory).live.tolist()
        remove(
            self.directory, data.draw(st.lists(st.sampled_from(live), min_size=1, max_size=6, unique=True))
        )
        if upkeep:
            self.bring_up_to_date()

    @rule()
    def compact(self) -> None:
        compact_collection(self.directory)

    @rule()
    def bring_up_to_date(self) -> None:
        build_index(self.directory, self.options, upkeep=True, report=silent)
        assert written_as_it_is(self.directory)

    @rule(when=st.integers(0, 5), job=st.sampled_from(["upkeep", "compact"]))
    def be_killed(self, when: int, job: str) -> None:
        """Die in place of the n-th file that would appear: the graph on disk is the old or the new one."""
        move, calls = Path.replace, 0

        def dying(path: Path, target: Any) -> Path:
            nonlocal calls
            calls += 1
            if calls > when:
                raise Killed
            return move(path, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", dying)
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            with suppress(Killed):
                if job == "compact":
                    compact_collection(self.directory)
                else:
                    build_index(self.directory, self.options, upkeep=True, report=silent)

    @invariant()
    def the_live_rows_are_one_part_and_the_others_have_no_edge(self) -> None:
        if not self.started:
            return
        rows, network = opened(self.directory)
        assert sorted(rows.positions[rows.alive].tolist()) == FeatureStore(self.directory).live.tolist()
        alive = np.flatnonzero(rows.alive)
        assert not np.diff(network.edges.indptr)[~rows.alive].any()
        assert connected_components(network.edges[alive][:, alive], directed=False)[0] == 1
        assert (network.edges != network.edges.T).nnz == 0
        assert not network.occurrences[~rows.alive].any()
        for bridge in network.bridges:
            assert bridge.a < bridge.b
            assert network.edges[bridge.a, bridge.b] == np.float32(bridge.squared)
        assert np.isfinite(network.tree.bottleneck(int(alive[0]), int(alive[-1])))

    @invariant()
    def edges_are_as_long_as_their_rows_are_apart(self) -> None:
        if not self.started:
            return
        rows, network = opened(self.directory)
        edges = network.edges.tocoo()
        first, second = (rows.take(ends) for ends in edges.coords)
        np.testing.assert_allclose(((first - second) ** 2).sum(axis=1), edges.data, atol=1e-5)

    def live(self) -> int:
        return len(FeatureStore(self.directory)) if self.started else 0

    def draw(self, count: int) -> Any:
        self.seed += 1
        return random_vectors(count, D, seed=self.seed)


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_file, "GRAPH_NEIGHBOURS", K)
        patch.setattr(planner, "UNINDEXED_ROWS", 4)
        patch.setattr(planner, "_MIN_LISTED_ROWS", 20)
        patch.setattr(vector_index, "UNINDEXED_ROWS", 4)
        yield


TestGraphLifeCycle = pytest.mark.integration(GraphLifeCycle.TestCase)
TestGraphLifeCycle.settings = settings(
    max_examples=20, stateful_step_count=10, suppress_health_check=list(HealthCheck)
)
