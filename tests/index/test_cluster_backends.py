"""One contract that every search backend keeps: FAISS, Milvus as a server and as a file, and a real cluster.

A cluster takes part where ``I2V_SEARCH_TEST_MILVUS_URI`` says where it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from grids import GridEncoder
from numpy.typing import NDArray
from PIL import Image
from stores import append, clustered_vectors, make_store, random_vectors, remove
from typer.testing import CliRunner

import i2v_search
from benchmarks.milvus_server import LocalServer
from i2v_search.choices import SimilarityName
from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.errors import EncoderMismatchError, IndexStaleError, QueryError, SearchServerError
from i2v_search.images.sample import sample_images
from i2v_search.index.milvus.connection import URI_VARIABLE, MilvusAddress, MilvusServer
from i2v_search.index.milvus.index import MilvusIndex
from i2v_search.index.milvus.plan import plan_milvus
from i2v_search.index.milvus.proposals import Proposer
from i2v_search.index.milvus.push import push_to_milvus
from i2v_search.index.milvus.state import read_state
from i2v_search.index.milvus.stored_rows import content_versions, expression
from i2v_search.index.planner import IndexOptions, plan_index
from i2v_search.index.protocol import Conditions
from i2v_search.progress import Progress
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

pytestmark = pytest.mark.cluster

needs_milvus = pytest.mark.skipif(
    find_spec("pymilvus") is None or find_spec("milvus_lite") is None,
    reason="the Milvus client is not installed: pip install 'i2v-search[milvus]'",
)
CLUSTER = os.environ.get("I2V_SEARCH_TEST_MILVUS_URI", "")
MILVUS = ["milvus server", "milvus file", "milvus cluster"]
#: Scores of the backends differ by rounding; rows that close may change places.
TIE = 2e-6
_numbers = count()


@dataclass(frozen=True)
class Served:
    """A search backend, and where it is."""

    name: str
    uri: str | None = None

    def bring(self, directory: Path) -> Collection:
        """Bring the backend up to date with a collection, and open that."""
        if self.uri is not None:
            push_to_milvus(directory, self.uri)
        else:
            Collection.open(directory).index()
        return self.open(directory)

    def open(self, directory: Path) -> Collection:
        backend: Any = "faiss" if self.uri is None else "milvus"
        return Collection.open(directory, backend=backend, milvus_uri=self.uri)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    running = LocalServer(tmp_path_factory.mktemp("milvus") / "data")
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("milvus-file") / "art.db"
    yield path
    if find_spec("milvus_lite") is not None:
        let_go(path)


def let_go(path: Path) -> None:
    """Close a Milvus Lite file, which one process may have open."""
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(os.fspath(path))


def named(uri: str) -> str:
    """A place of its own on a server."""
    return f"{uri}#test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(params=["faiss", *(pytest.param(name, marks=needs_milvus) for name in MILVUS)])
def backend(request: pytest.FixtureRequest) -> Iterator[Served]:
    yield from backend_called(request.param, request)


@pytest.fixture(
    params=[pytest.param(name, marks=needs_milvus) for name in ("milvus server", "milvus cluster")]
)
def milvus(request: pytest.FixtureRequest) -> Iterator[Served]:
    yield from backend_called(request.param, request)


def backend_called(name: str, request: pytest.FixtureRequest) -> Iterator[Served]:
    if name == "milvus cluster" and not CLUSTER:
        pytest.skip("no cluster: I2V_SEARCH_TEST_MILVUS_URI does not say where one is")
    uris: dict[str, Callable[[], str]] = {
        "milvus server": lambda: named(request.getfixturevalue("server").uri),
        "milvus file": lambda: named(os.fspath(request.getfixturevalue("file"))),
        "milvus cluster": lambda: named(CLUSTER),
    }
    chosen = Served(name, uris[name]() if name in uris else None)
    yield chosen
    if chosen.uri is not None:
        drop(chosen.uri)


def drop(uri: str) -> None:
    address = MilvusAddress.parse(uri, "")
    there = MilvusServer(address)
    for name in there.call("list_collections"):
        if name == address.name or name.startswith(f"{address.name}_"):
            there.drop(name)


@pytest.fixture(autouse=True)
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure less: Milvus Lite takes 10 ms and more for a search."""
    monkeypatch.setattr("i2v_search.index.milvus.measure._QUERIES", 60)


@dataclass(frozen=True)
class Truth:
    """Brute force over the live rows of a store, in float64, for an index's own mean."""

    ids: NDArray[np.int64]
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, collection: Collection) -> Truth:
        store, index = collection.store, collection._state.index
        embedded = index.similarity.embed_rows(store, store.live).astype(np.float64)
        return cls(store.ids[store.live], embedded)

    def ranked(self, image_id: int, keep: NDArray[np.bool_] | None = None) -> list[tuple[float, int]]:
        """All others by inner product, best first, ties by id."""
        scores = self.rows @ self.rows[np.flatnonzero(self.ids == image_id)[0]]
        chosen = (self.ids != image_id) & (True if keep is None else keep)
        return sorted(
            zip(scores[chosen].tolist(), self.ids[chosen].tolist(), strict=True), key=lambda p: (-p[0], p[1])
        )


def assert_same(hits: Any, expected: list[tuple[float, int]]) -> None:
    """The same ids in the same order, but for rows whose scores are equal up to rounding."""
    expected = expected[: len(hits)]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=1e-5)
    last = expected[-1][0]
    assert {hit.id for hit in hits if hit.score > last + TIE} == {
        n for score, n in expected if score > last + TIE
    }
    for hit, (score, number) in zip(hits, expected, strict=True):
        tied = [n for other, n in expected if abs(other - score) <= TIE]
        assert hit.id == number or hit.id in tied or score <= last + TIE


def wishing(directory: Path, kind: str, pca_dimensions: int = 16, **options: Any) -> None:
    """Build the collection's own index, whose options are those for every backend."""
    asked: Any = {"kind": kind, "pca_dimensions": pca_dimensions, **options}
    Collection.open(directory).index(options=IndexOptions(**asked))


@pytest.mark.parametrize("similarity", get_args(SimilarityName))
def test_ids_scores_and_order_are_those_of_faiss_up_to_ties(
    backend: Served, similarity: SimilarityName, tmp_path: Path
) -> None:
    make_store(tmp_path / "art", random_vectors(400, 24, spread=2), similarity=similarity)
    faiss = Served("faiss").bring(tmp_path / "art")
    opened = backend.bring(tmp_path / "art")
    for asked in (0, 17, 399):
        theirs, ours = faiss.search(asked, top=30).hits, opened.search(asked, top=30).hits
        assert_same(ours, [(hit.score, hit.id) for hit in theirs])


@pytest.mark.parametrize("kind", ["exact", "pca", "ivf", "hnsw", "codes"])
def test_recall_after_the_re_rank_is_at_least_99_percent(
    backend: Served, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend.name == "milvus file" and kind in {"pca", "codes", "hnsw"}:
        pytest.skip("the file is served by the same code as the server")
    monkeypatch.setattr("i2v_search.index.milvus.measure._QUERIES", 200)
    make_store(tmp_path / "art", clustered_vectors(1500, 64), similarity="centred")
    wishing(tmp_path / "art", kind)
    opened = backend.bring(tmp_path / "art")
    truth = Truth.of(opened)
    asked = list(range(0, 1500, 37))
    found = 0
    for number, result in zip(asked, opened.search_each(asked, top=10), strict=True):
        least = truth.ranked(number)[9][0] - TIE
        scores = {n: score for score, n in truth.ranked(number)}
        found += sum(scores[hit.id] >= least for hit in result.hits)
    assert found / (10 * len(asked)) >= 0.99


def tagged(n: int) -> list[list[str | Tag]]:
    """Every second a cat, every third a dog with 0.4, one in 40 rare; ratings; and some odd names."""
    names = ['say "hi"', "back\\slash", "日本 語", "it's {1}"]
    return [
        [
            *(["cat"] if i % 2 == 0 else []),
            *([Tag("dog", 0.4)] if i % 3 == 0 else []),
            *(["rare"] if i % 40 == 0 else []),
            names[i % 4],
            Tag("safe", 0.9 if i % 3 else 0.1, "rating"),
            Tag("explicit", [0.8, 0.05, 0.3][i % 3], "rating"),
        ]
        for i in range(n)
    ]


FILTERS: list[tuple[dict[str, Any], Callable[[NDArray[np.int64]], NDArray[np.bool_]]]] = [
    ({"tags": "cat"}, lambda i: i % 2 == 0),
    ({"tags": "-cat"}, lambda i: i % 2 == 1),
    ({"tags": "dog", "tag_threshold": 0.3}, lambda i: i % 3 == 0),
    ({"tags": "-dog", "tag_threshold": 0.5}, lambda i: i >= 0),
    ({"tags": "cat, -dog"}, lambda i: (i % 2 == 0) & (i % 3 != 0)),
    ({"tags": "rare"}, lambda i: i % 40 == 0),
    ({"tags": 'say "hi"'}, lambda i: i % 4 == 0),
    ({"tags": "-back\\slash"}, lambda i: i % 4 != 1),
    ({"tags": "日本 語"}, lambda i: i % 4 == 2),
    ({"rating": "safe"}, lambda i: i % 3 != 0),
    ({"max_explicit": 0.29}, lambda i: i % 3 == 1),
    ({"max_explicit": 0.3}, lambda i: i % 3 != 0),
    ({"paths": "*[02468].png"}, lambda i: i % 2 == 0),
    ({"paths": "00[0-4]?.png", "tags": "cat"}, lambda i: (i < 50) & (i % 2 == 0)),
]


@pytest.mark.parametrize("exact_rows", [0, 4096])
def test_filters_are_exact_wherever_they_are_applied(
    backend: Served, exact_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With 0 the server filters even where comparing the allowed rows here would be faster.
    monkeypatch.setattr("i2v_search.index.milvus.index.EXACT_FILTER_ROWS", exact_rows)
    n = 1200
    make_store(tmp_path / "art", clustered_vectors(n, 48), similarity="cosine", tags=tagged(n))
    wishing(tmp_path / "art", "pca", recall_target=1.0)
    opened = backend.bring(tmp_path / "art")
    truth = Truth.of(opened)
    for options, keeps in FILTERS:
        keep = keeps(truth.ids)
        for asked in (0, 7):
            result = opened.search(asked, top=20, **options)
            expected = truth.ranked(asked, keep)
            assert len(result.hits) == min(20, len(expected)), options
            assert {hit.id for hit in result.hits} <= set(truth.ids[keep].tolist()), options
            least = expected[len(result.hits) - 1][0] - TIE
            near = {number for score, number in expected if score >= least}
            assert len({hit.id for hit in result.hits} & near) >= 0.95 * len(result.hits), options


def test_pages_exclusions_and_diverse_results_are_those_of_faiss(backend: Served, tmp_path: Path) -> None:
    make_store(tmp_path / "art", random_vectors(300, 16, spread=2), tags=tagged(300))
    faiss = Served("faiss").bring(tmp_path / "art")
    opened = backend.bring(tmp_path / "art")
    for options in (
        {"top": 7, "offset": 14},
        {"top": 300},
        {"top": 500, "tags": "cat"},
        {"top": 5, "exclude_query": False},
        {"top": 5, "min_score": 0.2},
        {"top": 8, "diverse": 0.6},
        {"top": 8, "tags": "dog", "tag_weight": 0.5},
    ):
        expected, found = faiss.search(3, **options), opened.search(3, **options)
        assert [hit.score for hit in found.hits] == pytest.approx(
            [hit.score for hit in expected.hits], abs=1e-5
        )
        assert {hit.id for hit in found.hits} == {hit.id for hit in expected.hits}
        assert found.more == expected.more


def test_what_is_added_is_found_at_once_and_after_the_next_sync(backend: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    vectors = random_vectors(330, 16, spread=2)
    make_store(directory, vectors[:300])
    backend.bring(directory)
    append(directory, vectors[300:])
    for opened in (backend.open(directory), backend.bring(directory)):
        assert_same(opened.search(310, top=20).hits, Truth.of(opened).ranked(310))
        assert len(opened) == 330


def test_what_is_removed_is_gone_at_once_and_after_the_next_sync(backend: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(300, 16, spread=2))
    nearest = [hit.id for hit in backend.bring(directory).search(5, top=40).hits]
    remove(directory, nearest[:35])
    for opened in (backend.open(directory), backend.bring(directory)):
        assert_same(opened.search(5, top=20).hits, Truth.of(opened).ranked(5))
    if backend.uri is not None:
        assert rows_there(backend.uri, directory) == expected_rows(directory)


def test_a_collection_reopens_in_another_process(backend: Served, tmp_path: Path, file: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(120, 12, spread=2))
    expected = [hit.id for hit in backend.bring(directory).search(5, top=10).hits]
    command = [sys.executable, "-c", "from i2v_search.cli.main import main; main()", "search", "5", "--json"]
    command += ["-c", os.fspath(directory), "--backend", "faiss" if backend.uri is None else "milvus"]
    if backend.name == "milvus file":
        let_go(file)
    environment = {**os.environ, **({URI_VARIABLE: backend.uri} if backend.uri else {})}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert answer.returncode == 0, answer.stderr
    assert [hit["id"] for hit in json.loads(answer.stdout)["hits"]] == expected


def test_a_changed_image_is_found_as_it_is_now_at_once_and_after_the_next_sync(
    backend: Served, tmp_path: Path
) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(200, 16, spread=2))
    backend.bring(directory)
    writer = StoreWriter(directory, Manifest.load(directory))
    changed = [replace(FeatureStore(directory).record(n), sha256=f"{n:064x}") for n in (20, 30)]
    writer.append(changed, *unit_float16(random_vectors(2, 16, seed=9, spread=2)), [20, 30])
    writer.finish()
    for opened in (backend.open(directory), backend.bring(directory)):
        assert len(opened) == 200
        for asked in (20, 31):
            assert_same(opened.search(asked, top=199).hits, Truth.of(opened).ranked(asked))
    if backend.uri is not None:
        assert rows_there(backend.uri, directory) == expected_rows(directory)


def test_a_collection_without_images_answers_with_nothing(backend: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(2, 8))
    remove(directory, [0, 1])
    assert backend.bring(directory).search(random_vectors(1, 8)[0]).hits == ()


def rows_there(uri: str, directory: Path) -> dict[int, int]:
    """Id and version of every row that a server has of a collection; each id once."""
    there = MilvusServer(MilvusAddress.parse(uri, directory.name))
    state = read_state(there)
    assert state is not None
    assert state.serving is not None
    name = state.serving.rows_name(there)
    rows = there.call("query", name, filter="id >= 0", output_fields=["id", "version"], limit=16_384)
    assert there.count(name) == len(rows) == len({row["id"] for row in rows})
    return {row["id"]: row["version"] for row in rows}


def expected_rows(directory: Path) -> dict[int, int]:
    store = FeatureStore(directory)
    versions = content_versions(store, store.live)
    return dict(zip(store.ids[store.live].tolist(), versions.tolist(), strict=True))


@needs_milvus
def test_a_push_sends_only_what_differs_and_a_sync_nothing_where_nothing_changed(
    milvus: Served, tmp_path: Path
) -> None:
    assert milvus.uri is not None
    directory = tmp_path / "art"
    store = make_store(directory, random_vectors(300, 16, spread=2), tags=tagged(300), similarity="cosine")
    wishing(directory, "pca", 8)
    first = push_to_milvus(directory, milvus.uri)
    assert (first.sent, first.deleted, first.images, first.anew) == (300, 0, 300, True)
    again = push_to_milvus(directory, milvus.uri)
    assert (again.sent, again.deleted, again.anew) == (0, 0, False)
    append(directory, random_vectors(20, 16, seed=1, spread=2))
    remove(directory, [3, 4, 5])
    assert push_to_milvus(directory, milvus.uri, compare=False).sent == 20
    assert push_to_milvus(directory, milvus.uri, compare=False).sent == 0
    there = MilvusServer(MilvusAddress.parse(milvus.uri, ""))
    name = f"{there.address.name}__1"
    there.call("delete", name, filter="id in [7, 8, 9]")
    strange = {"version": 0, "path": "", "tags": [], "ratings": [], "explicit": 2.0, "vector": [1.0] * 8}
    there.call("upsert", name, [{"id": number, **strange} for number in (-5, 10, 100_000, 10**12)])
    assert push_to_milvus(directory, milvus.uri, compare=False).sent == 0
    mended = push_to_milvus(directory, milvus.uri)
    assert (mended.sent, mended.deleted) == (4, 3)
    assert rows_there(milvus.uri, directory) == expected_rows(directory)
    assert store.dimension == 16


def test_changed_tags_change_the_version_of_a_row_though_they_have_the_same_number(tmp_path: Path) -> None:
    vectors = random_vectors(2, 8)
    versions = [
        content_versions(
            make_store(tmp_path / tag, vectors, paths=["a", "b"], tags=[[tag], []]), np.arange(2)
        )
        for tag in ("cat", "dog")
    ]
    assert versions[0][0] != versions[1][0]
    assert versions[0][1] == versions[1][1]


@needs_milvus
@pytest.mark.parametrize("similarity", ["centred", "standardised"])
def test_an_index_whose_mean_changed_is_sent_beside_the_one_that_answers(
    similarity: SimilarityName, milvus: Served, tmp_path: Path
) -> None:
    assert milvus.uri is not None
    directory = tmp_path / "art"
    make_store(directory, random_vectors(100, 12, spread=2), similarity=similarity)
    opened = milvus.bring(directory)
    assert opened.search(3).hits
    append(directory, random_vectors(100, 12, seed=5, spread=2))
    Collection.open(directory).index()
    assert push_to_milvus(directory, milvus.uri, compare=False).anew
    faiss, renewed = Served("faiss").open(directory), milvus.open(directory)
    for asked in (3, 150):
        expected = [(hit.score, hit.id) for hit in faiss.search(asked, top=20).hits]
        assert_same(renewed.search(asked, top=20).hits, expected)
    assert opened.search(3).hits
    push_to_milvus(directory, milvus.uri)
    with pytest.raises(SearchServerError, match="open the collection again"):
        opened.search(3)


@needs_milvus
def test_a_collection_whose_name_goes_on_with_a_number_is_not_touched(milvus: Served, tmp_path: Path) -> None:
    assert milvus.uri is not None
    make_store(tmp_path / "art", random_vectors(40, 8, spread=2), similarity="centred")
    make_store(tmp_path / "other", random_vectors(30, 8, seed=1))
    other = Served(milvus.name, f"{milvus.uri}_2")
    expected = other.bring(tmp_path / "other").search(3, top=5).hits
    milvus.bring(tmp_path / "art")
    append(tmp_path / "art", random_vectors(60, 8, seed=5, spread=2))
    assert push_to_milvus(tmp_path / "art", milvus.uri).anew  # its second edition
    push_to_milvus(tmp_path / "art", milvus.uri, replace=True)
    assert other.open(tmp_path / "other").search(3, top=5).hits == expected


@needs_milvus
@pytest.mark.parametrize("end", ["__1", "__1_of"])
def test_an_edition_that_was_removed_on_the_server_is_sent_again(
    end: str, milvus: Served, tmp_path: Path
) -> None:
    assert milvus.uri is not None
    directory = tmp_path / "art"
    make_store(directory, random_vectors(60, 8, spread=2))
    milvus.bring(directory)
    there = MilvusServer(MilvusAddress.parse(milvus.uri, ""))
    there.drop(f"{there.address.name}{end}")
    with pytest.raises(SearchServerError, match="or run: i2v-search push"):
        milvus.open(directory).search(3)
    assert push_to_milvus(directory, milvus.uri).anew
    assert rows_there(milvus.uri, directory) == expected_rows(directory)


@needs_milvus
def test_what_vectors_are_made_by_is_learned_again_when_images_have_doubled(
    milvus: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert milvus.uri is not None
    monkeypatch.setattr("i2v_search.index.milvus.plan.WHOLE_BYTES", 0)
    directory = tmp_path / "art"
    make_store(directory, random_vectors(100, 300, spread=2))
    assert push_to_milvus(directory, milvus.uri).anew
    append(directory, random_vectors(90, 300, seed=1, spread=2))
    assert not push_to_milvus(directory, milvus.uri).anew
    append(directory, random_vectors(20, 300, seed=2, spread=2))
    assert push_to_milvus(directory, milvus.uri).anew
    assert not push_to_milvus(directory, milvus.uri).anew


@needs_milvus
def test_an_edition_that_was_begun_and_is_not_wanted_any_more_is_removed(
    mortal: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "art"
    make_store(directory, clustered_vectors(1500, 32))
    wishing(directory, "pca", 8)
    push_to_milvus(directory, mortal.uri)
    wishing(directory, "pca", 16)
    with monkeypatch.context() as patch:
        patch.setattr("i2v_search.index.milvus.push.Sender.bring_up_to_date", interrupted)
        with pytest.raises(KeyboardInterrupt):
            push_to_milvus(directory, mortal.uri)
    wishing(directory, "pca", 8)
    assert not push_to_milvus(directory, mortal.uri).anew
    there = MilvusServer(MilvusAddress.parse(mortal.uri, "art"))
    assert sorted(there.call("list_collections")) == ["art", "art__1", "art__1_of"]


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@needs_milvus
def test_a_way_to_ask_that_finds_fewer_takes_nothing_from_one_before(
    milvus: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "art", random_vectors(300, 16, spread=2), tags=tagged(300))
    opened = milvus.bring(tmp_path / "art")
    monkeypatch.setattr("i2v_search.index.milvus.index.EXACT_FILTER_ROWS", 0)
    monkeypatch.setattr("i2v_search.index.milvus.index._SCANNED_ROWS", 0)
    expected = [hit.id for hit in opened.search(0, top=10, tags="cat").hits]

    def ask(proposer: Proposer, vectors: Any, condition: str, limit: int, effort: int) -> Any:
        # By the condition 20 cats, of the 30 wanted and more; of all images 3 cats.
        found = milvus_ask(proposer, vectors, condition, limit, effort)
        return [ids[ids % 2 == 0][: 20 if condition else 3] for ids in found]

    milvus_ask = Proposer._ask
    monkeypatch.setattr(Proposer, "_ask", ask)
    monkeypatch.setattr(MilvusIndex, "_scan", None)
    assert [hit.id for hit in opened.search(0, top=10, tags="cat").hits] == expected


@needs_milvus
def test_a_collection_opened_before_it_was_sent_reads_itself_anew(milvus: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(100, 12, spread=2))
    opened = milvus.open(directory)
    append(directory, random_vectors(100, 12, seed=5, spread=2))
    milvus.bring(directory)
    assert len(opened.search(3, top=150).hits) == 150


@needs_milvus
def test_without_an_index_of_its_own_a_collection_is_sent_searched_and_walked(
    milvus: Served, tmp_path: Path
) -> None:
    directory = tmp_path / "art"
    make_store(directory, clustered_vectors(500, 24))
    opened = milvus.bring(directory)
    assert Manifest.load(directory).index is None
    assert_same(opened.search(3, top=10).hits, Truth.of(opened).ranked(3))
    assert len(opened.morph(0, 400, steps=3).stops) == 5


@needs_milvus
def test_morphs_are_those_of_faiss(milvus: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, clustered_vectors(400, 24))
    faiss, opened = Served("faiss").bring(directory), milvus.bring(directory)
    for method in ("gradual", "geodesic", "minimax", "line"):
        ours, theirs = (one.morph(0, 300, steps=3, method=method) for one in (opened, faiss))
        assert [stop.id for stop in ours.stops] == [stop.id for stop in theirs.stops]


@needs_milvus
def test_duplicates_are_those_of_faiss(milvus: Served, tmp_path: Path, loaded: list[GridEncoder]) -> None:
    (tmp_path / "images").mkdir()
    for number, image in enumerate(sample_images()[::60]):
        with Image.open(image.path) as picture:
            picture.convert("RGB").save(tmp_path / "images" / f"{number}.png")
            if number % 2:
                picture.convert("RGB").save(tmp_path / "images" / f"{number}-copy.jpg", quality=80)
    Collection.build(tmp_path / "art", [tmp_path / "images"], encoder="grid")
    faiss, opened = Served("faiss").open(tmp_path / "art"), milvus.bring(tmp_path / "art")
    ours, theirs = (
        [[(member.id, member.kind) for member in group.members] for group in one.duplicates().groups]
        for one in (opened, faiss)
    )
    assert ours == theirs
    assert len(ours) >= 3


@needs_milvus
def test_a_filtered_search_over_lists_that_finds_too_few_asks_again(milvus: Served, tmp_path: Path) -> None:
    n = 3000
    tags = [["far"] if i % 50 == 0 else [] for i in range(n)]
    make_store(tmp_path / "art", clustered_vectors(n, 32), similarity="cosine", tags=tags)
    wishing(tmp_path / "art", "ivf", recall_target=0.5)
    opened = milvus.bring(tmp_path / "art")
    index = opened._state.index
    assert isinstance(index, MilvusIndex)
    opened._state.__dict__["index"] = index.with_edition(candidates=10, effort=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2v_search.index.milvus.index.EXACT_FILTER_ROWS", 0)
        hits = opened.search(1, top=60, tags="far").hits
    assert len(hits) == 60
    assert all(hit.id % 50 == 0 for hit in hits)


@needs_milvus
def test_a_server_that_is_behind_or_was_never_sent_to_says_what_to_do(milvus: Served, tmp_path: Path) -> None:
    directory = tmp_path / "art"
    make_store(directory, random_vectors(60, 8), tags=[["a"]] * 60)
    with pytest.raises(IndexStaleError, match=r"has not been sent to .*run: i2v-search push --collection"):
        milvus.open(directory).search(3)
    assert milvus.open(directory).search(tags="a").hits  # tags alone need no index
    milvus.bring(directory)
    append(directory, random_vectors(40, 8, seed=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2v_search.index.milvus.index.MAX_UNINDEXED", 30)
        behind = milvus.open(directory)
        with pytest.raises(IndexStaleError, match="40 images of"):
            behind.search(3)
    remove(directory, [1])
    Collection.open(directory).compact()
    with pytest.raises(IndexStaleError, match=r"rewritten .*i2v-search push"):
        milvus.open(directory).search(3)
    assert milvus.bring(directory).search(3).hits


@needs_milvus
def test_another_encoder_or_another_collection_under_the_same_name_is_refused(
    milvus: Served, tmp_path: Path
) -> None:
    make_store(tmp_path / "one", random_vectors(30, 8))
    make_store(tmp_path / "other", random_vectors(30, 8, seed=1))
    make_store(tmp_path / "wide", random_vectors(30, 9))
    milvus.bring(tmp_path / "one")
    with pytest.raises(EncoderMismatchError, match=r"8 dimensions .* has 9 .*#NAME.*--replace"):
        milvus.bring(tmp_path / "wide")
    with pytest.raises(EncoderMismatchError, match="8 dimensions"):
        milvus.open(tmp_path / "wide").search(3)
    with pytest.raises(SearchServerError, match=r"holds images of .*one.*#NAME.*--replace"):
        milvus.bring(tmp_path / "other")
    push_to_milvus(tmp_path / "other", milvus.uri, replace=True)
    assert_same(
        milvus.open(tmp_path / "other").search(3).hits, Truth.of(milvus.open(tmp_path / "other")).ranked(3)
    )


@needs_milvus
def test_a_server_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path) -> None:
    make_store(tmp_path / "art", random_vectors(30, 8))
    away = Collection.open(tmp_path / "art", backend="milvus", milvus_uri="http://127.0.0.1:9")
    with pytest.raises(
        SearchServerError, match=r"no Milvus server responds at http://127.0.0.1:9#art .*milvus-lite server"
    ):
        away.search(3)
    with pytest.raises(SearchServerError, match="cannot be opened as a Milvus Lite file"):
        push_to_milvus(tmp_path / "art", os.fspath(tmp_path / "missing" / "art.db"))


@needs_milvus
def test_a_proxy_of_the_environment_is_not_asked_for_what_is_on_this_machine(
    server: LocalServer, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "from i2v_search.index.milvus.connection import MilvusAddress, MilvusServer\n"
        "for uri in sys.argv[1:]:\n"
        "    MilvusServer(MilvusAddress.parse(uri, 'art')).exists('art')\n"
    )
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"} | proxies
    command = [sys.executable, "-c", code, os.fspath(tmp_path / "art.db"), server.uri]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_addresses_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    for uri, problem in (
        (None, "--milvus-uri http://127.0.0.1:19530"),
        ("art", "http://host:port, or a file name that ends in .db"),
        ("art.db#two words", "letters, digits and _"),
        ("art.db#art__2", "no __ with a number at the end; use another: --milvus-uri art.db#NAME"),
    ):
        with pytest.raises(SearchServerError, match=problem):
            MilvusAddress.parse(uri, "art")
    assert MilvusAddress.parse("http://me:secret@host:1", "2 b").text == "http://host:1#_2_b"
    monkeypatch.setenv(URI_VARIABLE, "http://there:1#x")
    assert MilvusAddress.parse(None, "art") == MilvusAddress("http://there:1", "x")


def test_an_unknown_backend_is_refused(tmp_path: Path) -> None:
    make_store(tmp_path / "art", random_vectors(30, 8))
    with pytest.raises(QueryError, match="available: faiss, milvus"):
        Collection.open(tmp_path / "art", backend="lucene")  # type: ignore[arg-type]


def test_without_the_client_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "art", random_vectors(30, 8))
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(SearchServerError, match=r"pip install 'i2v-search\[milvus\]'"):
        push_to_milvus(tmp_path / "art", "http://127.0.0.1:9")


def test_neither_help_nor_a_search_with_faiss_loads_the_client() -> None:
    code = (
        "import sys, i2v_search.cli.main, i2v_search.collection.collection; print('pymilvus' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("rows", "wished", "lite", "kind"),
    [
        (500, "auto", False, "FLAT"),
        (100_000, "auto", False, "FLAT"),
        (100_000, "codes", False, "FLAT"),
        (100_000, "ivf", False, "SCANN"),
        (100_000, "ivf", True, "IVF_SQ8"),
        (100_000, "hnsw", True, "HNSW_SQ"),
    ],
)
def test_the_planners_choice_decides_the_kind_of_index(rows: int, wished: Any, lite: bool, kind: str) -> None:
    planned = plan_index(rows, 4096, "centred", kind=wished)
    plan = plan_milvus(planned, rows, 4096, "centred", pca_dimensions=256, lite=lite)
    assert plan.kind == kind
    assert plan.dimensions == (4096 if rows == 500 else 256)
    assert bool(plan.note) == (wished == "codes" or (wished == "ivf" and lite))


def test_an_expression_lets_pass_whatever_is_allowed() -> None:
    assert expression(Conditions(("cat",), (), 0.25), tags=False) == ""
    assert expression(Conditions(("cat",), (), 0.2), tags=True) == ""
    assert expression(Conditions((), ("cat",), 0.3), tags=True) == ""
    assert expression(Conditions(('a"b',), ("c\\d",), 0.25), tags=True) == ""
    assert expression(Conditions(max_explicit=0.5), tags=True) == "explicit <= 0.501000"
    assert expression(Conditions(max_explicit=1.0), tags=True) == ""


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[LocalServer]:
    """A server of one test, to be killed."""
    running = LocalServer(tmp_path / "mortal")
    running.start()
    yield running
    running.kill()


def killing(server: LocalServer, at: int, *, restart: bool) -> Callable[[Progress], None]:
    """Kill a server in the middle of the call after `at` rows were sent, and perhaps start it again."""
    left = [at]

    def report(progress: Progress) -> None:
        if progress.stage == "sending rows" and left and progress.done >= left[0]:
            left.clear()
            threading.Timer(0.01, end).start()

    def end() -> None:
        server.kill()
        if restart:
            time.sleep(0.2)
            server.start(wait=False)

    return report


@needs_milvus
@pytest.mark.parametrize("at", [200, 900])
def test_a_sync_whose_server_is_killed_and_restarted_finishes_with_every_row_once(
    at: int, mortal: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.index.milvus.sending._CALL_ROWS", 100)
    make_store(tmp_path / "art", random_vectors(1500, 32), tags=tagged(1500))
    done = push_to_milvus(tmp_path / "art", mortal.uri, report=killing(mortal, at, restart=True))
    assert done.interruptions
    assert rows_there(mortal.uri, tmp_path / "art") == expected_rows(tmp_path / "art")


@needs_milvus
def test_the_next_sync_goes_on_where_one_stopped_with_its_server(
    mortal: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.index.milvus.sending._CALL_ROWS", 100)
    make_store(tmp_path / "art", random_vectors(1500, 32), tags=tagged(1500))
    with pytest.raises(SearchServerError, match="no Milvus server responds"):
        push_to_milvus(tmp_path / "art", mortal.uri, patience=0, report=killing(mortal, 500, restart=False))
    mortal.start()
    with pytest.raises(IndexStaleError, match="has not been sent completely"):
        Served("", mortal.uri).open(tmp_path / "art").search(3)
    assert 0 < push_to_milvus(tmp_path / "art", mortal.uri).sent <= 1000
    assert rows_there(mortal.uri, tmp_path / "art") == expected_rows(tmp_path / "art")


@needs_milvus
def test_an_index_that_the_server_was_killed_while_writing_is_made_again(
    mortal: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.index.milvus.connection._LOAD_PAUSES", (0.1,))
    make_store(tmp_path / "art", random_vectors(100, 8, spread=2))
    push_to_milvus(tmp_path / "art", mortal.uri)
    mortal.kill()
    halves = list((tmp_path / "mortal").rglob("*.idx"))
    assert halves
    for half in halves:
        half.write_bytes(b"")
    mortal.start()
    assert push_to_milvus(tmp_path / "art", mortal.uri).sent == 0
    opened = Served("", mortal.uri).open(tmp_path / "art")
    assert_same(opened.search(3, top=10).hits, Truth.of(opened).ranked(3))


@needs_milvus
def test_the_commands_push_sync_search_and_morph(server: LocalServer, tmp_path: Path) -> None:
    make_store(tmp_path / "art", clustered_vectors(60, 8))
    runner, where = CliRunner(), ["-c", os.fspath(tmp_path / "art"), "--milvus-uri", named(server.uri)]
    sent = runner.invoke(app, ["push", *where])
    assert "60 images, 60 sent, 0 deleted" in sent.output
    assert json.loads(runner.invoke(app, ["sync", *where, "--json"]).output)["sent"] == 0
    found = runner.invoke(app, ["search", "5", "-k", "3", "--json", "--backend", "milvus", *where])
    assert len(json.loads(found.output)["hits"]) == 3
    walked = runner.invoke(app, ["morph", "5", "40", "--json", "--backend", "milvus", *where])
    assert walked.exit_code == 0, walked.output
    assert i2v_search.push_to_milvus is push_to_milvus
