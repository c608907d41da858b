"""Any sequence of changes gives the answers of brute force over what is then in the collection."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from stores import append, make_store, random_vectors, remove

from i2v_search.build.indexing import build_index
from i2v_search.build.upkeep.rewriting import compact_collection
from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.index import planner, vector_index
from i2v_search.index.index_files import load_index
from i2v_search.index.planner import IndexOptions
from i2v_search.index.scanners import Settings
from i2v_search.index.similarity import Similarity
from i2v_search.progress import silent
from i2v_search.store import feature_file
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16

D = 12


class Killed(BaseException):
    """The process is gone: nothing is tidied up."""


class LifeCycle(RuleBasedStateMachine):
    """A collection beside a dictionary of what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="life-"))
        self.model: dict[int, np.ndarray[Any, np.dtype[np.float16]]] = {}
        self.next_id = 0
        self.seed = 0
        self.given: set[int] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @initialize(
        similarity=st.sampled_from(["centred", "cosine", "l2", "hamming"]),
        kind=st.sampled_from(["exact", "pca", "codes", "ivf", "hnsw"]),
        count=st.integers(20, 40),
    )
    def start(self, similarity: SimilarityName, kind: IndexKind, count: int) -> None:
        self.options = IndexOptions(kind=kind, pca_dimensions=6, graph=False)
        vectors = self.draw(count)
        make_store(self.directory, vectors, similarity=similarity)
        self.remember(vectors)
        build_index(self.directory, self.options, report=silent)

    @rule(count=st.integers(1, 12))
    def add(self, count: int) -> None:
        vectors = self.draw(count)
        append(self.directory, vectors)
        self.remember(vectors)

    @rule(data=st.data())
    @precondition(lambda self: len(self.model) > 8)
    def remove_some(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model)), min_size=1, max_size=6, unique=True))
        self.drop(ids)

    @rule()
    @precondition(lambda self: len(self.model) > 8)
    def remove_the_first_half(self) -> None:
        self.drop(sorted(self.model)[: len(self.model) // 2])

    @rule()
    def compact(self) -> None:
        compact_collection(self.directory)
        assert FeatureStore(self.directory).rows == len(self.model)

    @rule()
    def bring_the_index_up_to_date(self) -> None:
        build_index(self.directory, self.options, upkeep=True, report=silent)

    @rule()
    def build_the_index(self) -> None:
        build_index(self.directory, self.options, report=silent)

    @rule(
        when=st.integers(0, 6),
        job=st.sampled_from(["index", "upkeep", "compact"]),
    )
    def be_killed(self, when: int, job: str) -> None:
        """Die in place of the n-th file that would appear: the state is the old or the new one."""
        jobs: dict[str, Callable[[], object]] = {
            "index": lambda: build_index(self.directory, self.options, report=silent),
            "upkeep": lambda: build_index(self.directory, self.options, upkeep=True, report=silent),
            "compact": lambda: compact_collection(self.directory),
        }
        move, calls = Path.replace, 0

        def dying(path: Path, target: Any) -> Path:
            nonlocal calls
            calls += 1
            if calls > when:
                raise Killed
            return move(path, target)

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(Path, "replace", dying)
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            jobs[job]()

    @rule(count=st.integers(1, 5))
    def be_killed_while_adding(self, count: int) -> None:
        """Rows are in the file but nothing is finished: they may or may not be there, whole either way."""
        vectors, move, calls = self.draw(count), Path.replace, 0

        def dying(path: Path, target: Any) -> Path:
            nonlocal calls
            calls += 1
            if calls > 2:
                raise Killed
            return move(path, target)

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(Path, "replace", dying)
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            append(self.directory, vectors)
        store = FeatureStore(self.directory)
        rows = unit_float16(vectors)[0]
        for position in store.live[~np.isin(store.ids[store.live], list(self.model))].tolist():
            found = np.flatnonzero((rows == store.take_float16(np.array([position]))[0]).all(axis=1))
            assert len(found) == 1
            self.model[int(store.ids[position])] = rows[found[0]]
            self.given.add(int(store.ids[position]))
        self.next_id = max(self.next_id, store.manifest.next_id, *(i + 1 for i in self.given))

    @invariant()
    def the_same_images_are_there(self) -> None:
        if not self.given:
            return
        store = FeatureStore(self.directory)
        assert sorted(store.ids[store.live].tolist()) == sorted(self.model)
        for position in store.live.tolist():
            row = store.take_float16(np.array([position]))[0]
            np.testing.assert_array_equal(row, self.model[int(store.ids[position])])

    @invariant()
    def answers_are_those_of_brute_force(self) -> None:
        if not self.given:
            return
        store = FeatureStore(self.directory)
        built = load_index(store)
        exhaustive = Settings(len(store) + 1, 1024, 4 * len(store)) if built.approximate else Settings()
        index = replace(built, settings=exhaustive)
        queries = index.similarity.embed(random_vectors(2, D, seed=self.seed + 1000))
        ids = np.array(sorted(self.model))
        truth = index.similarity.scores(queries, self.embedded(index.similarity, store, ids))
        scores, positions = index.search(queries, 7)
        np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :7], atol=1e-4)
        place = {int(number): at for at, number in enumerate(ids)}
        for line, own, expected in zip(positions, scores, truth, strict=True):
            assert len(set(line.tolist())) == len(line)
            found = [place[int(store.ids[position])] for position in line]
            np.testing.assert_allclose(own, expected[found], atol=1e-4)

    @invariant()
    def every_row_finds_itself(self) -> None:
        """With few candidates, so that a row whose number leads to another one is not found by chance."""
        if not self.given:
            return
        store = FeatureStore(self.directory)
        built = load_index(store)
        if built.plan.kind == "codes" or built.similarity.name == "hamming":
            return  # a dozen bits are shared by many rows
        few = Settings(5, 1024, 40) if built.approximate else Settings()
        index = replace(built, settings=few)
        positions = index.search(index.similarity.embed_rows(store, store.live), 1)[1]
        np.testing.assert_array_equal(positions[:, 0], store.live)

    def embedded(self, similarity: Similarity, store: FeatureStore, ids: Any) -> Any:
        rows = np.stack([self.model[int(number)] for number in ids]).astype(np.float32)
        if similarity.euclidean:
            norms = dict(zip(store.ids.tolist(), store.norms(np.arange(store.rows)).tolist(), strict=True))
            return rows * np.array([norms[int(number)] for number in ids], np.float32)[:, None]
        return similarity.embed(rows)

    def draw(self, count: int) -> Any:
        self.seed += 1
        return random_vectors(count, D, seed=self.seed)

    def remember(self, vectors: Any) -> None:
        for row in unit_float16(vectors)[0]:
            assert self.next_id not in self.given
            self.model[self.next_id] = row
            self.given.add(self.next_id)
            self.next_id += 1

    def drop(self, ids: list[int]) -> None:
        store = FeatureStore(self.directory)
        live = store.live
        remove(self.directory, live[np.isin(store.ids[live], ids)].tolist())
        for number in ids:
            del self.model[number]


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "UNINDEXED_ROWS", 4)
        patch.setattr(planner, "_MIN_LISTED_ROWS", 20)
        patch.setattr(vector_index, "UNINDEXED_ROWS", 4)
        patch.setattr(vector_index, "EXACT_FILTER_ROWS", 3)
        # A part that was not closed is as large as its capacity, and is read whole to be checked.
        patch.setattr(feature_file, "PART_BYTES", 2**10)
        yield


TestLifeCycle = LifeCycle.TestCase
TestLifeCycle.settings = settings(
    max_examples=settings().max_examples // 10,
    stateful_step_count=14,
    suppress_health_check=list(HealthCheck),
)
