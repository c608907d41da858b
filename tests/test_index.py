"""The index against brute force in float64: every similarity and kind, filters, ties, recall, files."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stores import append, clustered_vectors, make_store, random_vectors, remove

from i2v_search import index as index_module
from i2v_search import similarity as similarity_module
from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError, IndexStaleError
from i2v_search.files import file_sha256
from i2v_search.index import VectorIndex, current_index
from i2v_search.planner import IndexPlan, plan_index
from i2v_search.progress import Progress
from i2v_search.store import FeatureStore

NAMES: tuple[SimilarityName, ...] = get_args(SimilarityName)
N, D = 300, 40

every_similarity = pytest.mark.parametrize("name", NAMES)
every_index = pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in NAMES for kind in ("exact", "pca") if (name, kind) != ("hamming", "pca")],
)

Kind = Literal["exact", "pca"]


def plan_of(name: SimilarityName, kind: Kind, dimensions: int = 16) -> IndexPlan:
    """A plan as the planner makes them, but for small stores."""
    if kind == "exact":
        return plan_index(N, D, name, kind="exact")
    return IndexPlan("pca", dimensions, 20, 0, "test")


def build(store: FeatureStore, name: SimilarityName, kind: Kind = "exact") -> VectorIndex:
    plan = plan_of(name, kind)
    if kind == "exact":
        plan = plan_index(len(store), store.dimension, name, kind="exact")
    return VectorIndex.build(store, name, plan)


def save(index: VectorIndex, plan: IndexPlan, number: int = 90) -> FeatureStore:
    """Write an index and commit it, as `Collection.index` does."""
    store = index.store
    manifest = store.manifest.updated(index=index.save(number, plan))
    manifest.save(store.directory)
    return FeatureStore(store.directory)


def brute_force(
    name: SimilarityName, store: FeatureStore, vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(m, n) scores of encoder vectors with all live rows, straight from the formulas."""

    def unit64(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    rows, queries = store.take(store.live).astype(np.float64), vectors.astype(np.float64)
    if name == "l2":
        rows *= store.norms(store.live)[:, None]
        squared = (queries**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * queries @ rows.T
        return np.asarray(1 / (1 + np.sqrt(np.maximum(squared, 0))))
    rows, queries = unit64(rows), unit64(queries)
    if name == "cosine":
        return np.asarray(queries @ rows.T)
    mean = rows.mean(axis=0)
    if name == "centred":
        return np.asarray(unit64(queries - mean) @ unit64(rows - mean).T)
    differing = ((queries > mean)[:, None] != (rows > mean)[None]).sum(axis=2)
    return np.asarray(1 - 2 * differing / rows.shape[1])


def assert_nearest(
    found: tuple[NDArray[np.float32], NDArray[np.int64]],
    truth: NDArray[np.float64],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    *,
    tolerance: float = 1e-4,
) -> None:
    """The k allowed rows of highest score, best first: the same rows up to ties."""
    scores, rows = found
    if allowed is not None:
        assert allowed[rows].all()
        truth = np.where(allowed, truth, -np.inf)
    assert rows.shape == scores.shape == (len(truth), k)
    assert all(len(set(line)) == k for line in rows.tolist())
    assert np.all(np.diff(scores, axis=1) <= 0)
    np.testing.assert_allclose(scores, np.take_along_axis(truth, rows, axis=1), atol=tolerance)
    best = -np.sort(-truth, axis=1)[:, :k]
    np.testing.assert_allclose(scores, best, atol=tolerance)


def with_dead_rows(directory: Path) -> FeatureStore:
    """Positions and live rows differ."""
    make_store(directory, random_vectors(N, D))
    return remove(directory, [0, 5, 17, 250])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """For tests that write nothing."""
    return with_dead_rows(tmp_path_factory.mktemp("store"))


@pytest.fixture
def own_store(tmp_path: Path) -> FeatureStore:
    """For tests that save an index."""
    return with_dead_rows(tmp_path / "own")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that goes by blocks takes several."""
    monkeypatch.setattr(similarity_module, "BLOCK_BYTES", 4 * D * 64)


# --- the nearest rows


@every_index
@pytest.mark.parametrize("batch", [1, 50], ids=["one query", "a batch"])
def test_finds_the_rows_of_highest_score(
    name: SimilarityName, kind: Kind, batch: int, store: FeatureStore, small_blocks: None
) -> None:
    index = build(store, name, kind)
    if kind == "pca":
        index.candidates = N  # of noise without structure, sixteen dimensions say little
    vectors = random_vectors(batch, D, seed=8)
    truth = brute_force(name, store, vectors)
    assert_nearest(index.search(index.similarity.embed(vectors), 10), truth, 10)


@every_index
def test_every_row_finds_itself_first_with_score_1(
    name: SimilarityName, kind: Kind, store: FeatureStore, small_blocks: None
) -> None:
    index = build(store, name, kind)
    for mask in (None, np.ones(len(store), bool)):
        scores, rows = index.search(index.rows_of(np.arange(len(store))), 1, mask)
        np.testing.assert_allclose(scores[:, 0], 1, atol=1e-3)
        assert rows[:, 0].tolist() == list(range(len(store)))


@every_index
def test_stored_vectors_of_the_encoder_find_their_rows(
    name: SimilarityName, kind: Kind, tmp_path: Path
) -> None:
    """The query is the encoder's float32 vector, the row its float16 copy."""
    vectors = random_vectors(N, D)
    index = build(make_store(tmp_path, vectors), name, kind)
    scores, rows = index.search(index.similarity.embed(vectors), 1)
    assert rows[:, 0].tolist() == list(range(N))
    assert scores.min() > (0.9 if name in {"hamming", "l2"} else 0.999)


@every_index
def test_more_rows_asked_for_than_there_are(name: SimilarityName, kind: Kind, store: FeatureStore) -> None:
    index = build(store, name, kind)
    vectors = random_vectors(3, D, seed=8)
    found = index.search(index.similarity.embed(vectors), 10 * N)
    assert_nearest(found, brute_force(name, store, vectors), len(store))


@every_index
def test_rows_of_equal_score_come_by_row_number(name: SimilarityName, kind: Kind, tmp_path: Path) -> None:
    distinct = random_vectors(30, D)
    store = make_store(tmp_path, distinct[np.arange(120) % 30])
    index = build(store, name, kind)
    for mask in (None, np.arange(120) != 7):
        rows = index.search(index.rows_of(np.arange(5)), 4 if mask is None else 3, mask)[1]
        copies = [[i, i + 30, i + 60, i + 90] for i in range(5)]
        assert rows.tolist() == (
            copies if mask is None else [[r for r in line if r != 7][:3] for line in copies]
        )


@every_similarity
def test_l2_of_long_vectors_keeps_its_scores_in_batches_and_under_filters(
    name: SimilarityName, tmp_path: Path
) -> None:
    """A batch in FAISS and a scan both expand |x - y|^2, which cancels."""
    store = make_store(tmp_path, (random_vectors(100, D) + 50).astype(np.float32))
    index = build(store, name)
    queries = index.rows_of(np.arange(100))
    for mask in (None, np.ones(100, bool)):
        np.testing.assert_allclose(index.search(queries, 1, mask)[0], 1, atol=1e-3)


@every_index
def test_the_same_question_gets_the_same_answer(
    name: SimilarityName, kind: Kind, store: FeatureStore
) -> None:
    queries = build(store, name, kind).similarity.embed(random_vectors(5, D, seed=8))
    first, second = (build(store, name, kind).search(queries, 20) for _ in range(2))
    assert [part.tobytes() for part in first] == [part.tobytes() for part in second]


@every_similarity
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_rows(name: SimilarityName, rows: int, tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(rows, D))
    plan = plan_index(rows, D, name)
    stored = save(VectorIndex.build(store, name, plan), plan)
    index = VectorIndex.load(stored)
    scores, found = index.search(index.similarity.embed(random_vectors(2, D, seed=8)), 5)
    assert scores.shape == found.shape == (2, rows)
    assert [set(line) for line in found.tolist()] == [set(range(rows))] * 2


@pytest.mark.parametrize("dimension", [1, 7, 8, 9, 20])
def test_codes_of_any_number_of_bits(dimension: int, tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(60, dimension))
    index = build(store, "hamming")
    vectors = random_vectors(4, dimension, seed=8)
    found = index.search(index.similarity.embed(vectors), 12)
    assert_nearest(found, brute_force("hamming", store, vectors), 12)


# --- filters


@every_index
@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
@pytest.mark.parametrize("threshold", [4096, 20], ids=["few rows", "many rows"])
def test_filters_are_exact(
    name: SimilarityName,
    kind: Kind,
    share: float,
    threshold: int,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All k results, none outside the filter, whichever way is taken: scanned by rows, or by FAISS."""
    monkeypatch.setattr(index_module, "EXACT_FILTER_ROWS", threshold)
    index = build(store, name, kind)
    if kind == "pca":
        index.candidates = N
    allowed = np.random.default_rng(4).random(len(store)) < share
    k = min(10, int(allowed.sum()))
    vectors = random_vectors(6, D, seed=8)
    found = index.search(index.similarity.embed(vectors), 10, allowed)
    assert_nearest(found, brute_force(name, store, vectors), k, allowed)


@every_index
def test_a_filter_that_allows_nothing_finds_nothing(
    name: SimilarityName, kind: Kind, store: FeatureStore
) -> None:
    index = build(store, name, kind)
    scores, rows = index.search(index.rows_of(np.arange(2)), 5, np.zeros(len(store), bool))
    assert scores.shape == rows.shape == (2, 0)


@every_index
def test_as_many_results_as_the_filter_allows(
    name: SimilarityName, kind: Kind, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "EXACT_FILTER_ROWS", 2)
    index = build(store, name, kind)
    allowed = np.zeros(len(store), bool)
    allowed[[3, 100, 290]] = True
    rows = index.search(index.rows_of(np.arange(2)), 50, allowed)[1]
    assert [set(line) for line in rows.tolist()] == [{3, 100, 290}] * 2


# --- recall of the reduced index


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return make_store(tmp_path_factory.mktemp("clustered"), clustered_vectors(5000, 384))


@pytest.mark.parametrize("name", ["cosine", "centred", "l2"])
@pytest.mark.parametrize(("dimensions", "recall"), [(256, 0.99), (8, 0.98)])
def test_recall_at_10_is_kept_on_queries_the_index_has_never_seen(
    name: SimilarityName,
    dimensions: int,
    recall: float,
    clustered: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(similarity_module, "BLOCK_BYTES", 4 * 384 * 1000)
    plan = plan_index(5000, 384, name, kind="pca")
    assert plan.dimensions == 256
    plan = IndexPlan("pca", dimensions, plan.candidates, 0, "test")
    index = VectorIndex.build(clustered, name, plan)
    assert index.recall_at_10 >= 0.99
    assert (index.candidates > plan.candidates) == (dimensions == 8)
    queries = clustered_vectors(200, 384, seed=1)
    truth = np.argsort(-brute_force(name, clustered, queries), axis=1)[:, :10]
    found = index.search(index.similarity.embed(queries), 10)[1]
    hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
    assert np.mean(hits) >= 10 * recall


def test_recall_holds_when_more_than_10_results_are_asked_for(clustered: FeatureStore) -> None:
    index = VectorIndex.build(clustered, "cosine", IndexPlan("pca", 8, 20, 0, "test"))
    queries = clustered_vectors(50, 384, seed=1)
    truth = np.argsort(-brute_force("cosine", clustered, queries), axis=1)[:, :200]
    found = index.search(index.similarity.embed(queries), 200)[1]
    hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
    assert np.mean(hits) >= 0.95 * 200


def test_an_unreachable_recall_target_ends_with_every_row_re_ranked(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(N, D))
    index = VectorIndex.build(store, "cosine", IndexPlan("pca", 1, 1, 0, "test"), recall_target=2.0)
    assert (index.candidates, index.recall_at_10) == (N, 1.0)


def test_many_copies_of_a_picture_do_not_look_like_lost_recall(tmp_path: Path) -> None:
    """Which ten of sixty copies come back does not matter: their scores are the same."""
    store = make_store(tmp_path, random_vectors(10, D)[np.arange(600) % 10])
    index = VectorIndex.build(store, "cosine", IndexPlan("pca", 16, 20, 0, "test"))
    assert (index.candidates, index.recall_at_10) == (20, 1.0)


def test_building_reports_progress(store: FeatureStore, small_blocks: None) -> None:
    seen: list[Progress] = []
    VectorIndex.build(store, "cosine", plan_of("cosine", "pca"), report=seen.append)
    indexing = [step.done for step in seen if step.stage == "indexing"]
    assert len(indexing) == 5
    assert indexing == sorted(indexing)
    assert (indexing[-1], seen[0].total) == (len(store), len(store))
    assert seen[-1].stage == "measuring recall"


# --- files


@every_index
def test_a_loaded_index_answers_like_the_one_saved(
    name: SimilarityName, kind: Kind, own_store: FeatureStore
) -> None:
    plan = plan_of(name, kind)
    built = VectorIndex.build(own_store, name, plan)
    stored = save(built, plan)
    record = stored.manifest.index
    assert record is not None
    assert (record.kind, record.similarity, record.live_rows) == (kind, name, len(own_store))
    loaded = VectorIndex.load(stored)
    assert (loaded.candidates, loaded.recall_at_10) == (built.candidates, built.recall_at_10)
    queries = built.similarity.embed(random_vectors(5, D, seed=8))
    assert loaded.similarity.embed(random_vectors(5, D, seed=8)).tobytes() == queries.tobytes()
    before, after = built.search(queries, 20), loaded.search(queries, 20)
    assert [part.tobytes() for part in before] == [part.tobytes() for part in after]


def test_a_missing_index_is_refused_with_the_command_that_builds_it(own_store: FeatureStore) -> None:
    with pytest.raises(IndexStaleError, match="has no index; run: i2v-search index --collection") as caught:
        VectorIndex.load(own_store)
    assert str(own_store.directory) in str(caught.value)


@pytest.mark.parametrize("change", ["add", "remove", "replace"])
def test_an_index_of_other_rows_is_refused_with_the_command_that_rebuilds_it(
    change: str, own_store: FeatureStore
) -> None:
    plan = plan_of("cosine", "exact")
    directory = save(VectorIndex.build(own_store, "cosine", plan), plan).directory
    if change in {"add", "replace"}:
        append(directory, random_vectors(1, D, seed=9))
    if change in {"remove", "replace"}:
        remove(directory, [3])
    changed = FeatureStore(directory)
    with pytest.raises(IndexStaleError, match="knows 296 images of generation 2") as caught:
        current_index(changed)
    assert f"run: i2v-search index --collection {directory}" in str(caught.value)
    with pytest.raises(IndexStaleError):
        VectorIndex.load(changed)


@pytest.mark.parametrize("role", ["arrays", "faiss"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_file_is_refused_with_the_command_that_rebuilds_it(
    role: Literal["arrays", "faiss"], damage: str, own_store: FeatureStore
) -> None:
    plan = plan_of("cosine", "pca")
    stored = save(VectorIndex.build(own_store, "cosine", plan), plan)
    assert stored.manifest.index is not None
    path = stored.directory / stored.manifest.index.files[role].name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:100] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CollectionDamagedError, match="rebuild it: i2v-search index"):
        VectorIndex.load(stored)


@pytest.mark.parametrize("trick", ["cut", "not faiss", "other width", "other rows", "other metric", "codes"])
def test_a_forged_file_with_a_matching_checksum_is_refused(trick: str, own_store: FeatureStore) -> None:
    """The manifest of a stranger's collection vouches for nothing."""
    name: SimilarityName = "cosine"
    plan = plan_of(name, "exact")
    stored = save(VectorIndex.build(own_store, name, plan), plan)
    record = stored.manifest.index
    assert record is not None
    path = stored.directory / record.files["faiss"].name
    match trick:
        case "cut":
            path.write_bytes(path.read_bytes()[:-50])
        case "not faiss":
            path.write_bytes(b"IxFI" + b"\xff" * 200)
        case _:
            other: SimilarityName = {"other metric": "l2", "codes": "hamming"}.get(trick, "cosine")  # type: ignore[assignment]
            vectors = random_vectors(
                3 if trick == "other rows" else len(own_store), 8 if "width" in trick else D
            )
            forged = make_store(stored.directory.parent / "forged", vectors)
            plan = plan_index(len(forged), forged.dimension, other, kind="exact")
            source = (
                forged.directory / VectorIndex.build(forged, other, plan).save(1, plan).files["faiss"].name
            )
            path.write_bytes(source.read_bytes())
    faiss_file = record.files["faiss"].model_copy(update={"sha256": file_sha256(path)})
    forged_record = record.model_copy(update={"files": {**record.files, "faiss": faiss_file}})
    stored.manifest.updated(index=forged_record).save(stored.directory)
    with pytest.raises(CollectionDamagedError):
        VectorIndex.load(FeatureStore(stored.directory))


# --- properties


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 12),
    k=st.integers(1, 50),
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
    threshold=st.sampled_from([1, 7, 4096]),
    pca=st.booleans(),
)
def test_properties(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    d: int,
    k: int,
    name: SimilarityName,
    seed: int,
    share: float,
    threshold: int,
    pca: bool,
) -> None:
    """Whatever the store and the filter: the k best allowed rows, and each row finds itself."""
    store = make_store(tmp_path_factory.mktemp("any"), random_vectors(n, d, seed))
    plan = plan_index(n, d, name)
    if pca and name != "hamming":
        plan = IndexPlan("pca", max(1, d // 2), n, 0, "test")
    index = VectorIndex.build(store, name, plan)
    vectors = random_vectors(2, d, seed + 1)
    truth = index.similarity.scores(index.similarity.embed(vectors), index.rows_of(np.arange(n)))
    if n > 1 and d > 1:  # otherwise rows can all be alike, which changes the mean: see test_similarity
        np.testing.assert_allclose(truth, brute_force(name, store, vectors), atol=1e-3)
    allowed = np.random.default_rng(seed).random(n) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "EXACT_FILTER_ROWS", threshold)
        queries = index.similarity.embed(vectors)
        assert_nearest(index.search(queries, k), truth.astype(np.float64), min(k, n))
        wanted = min(k, int(allowed.sum()))
        found = index.search(queries, k, allowed)
        if wanted:
            assert_nearest(found, truth.astype(np.float64), wanted, allowed)
        else:
            assert found[1].shape == (2, 0)
