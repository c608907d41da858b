"""The index against brute force in float64: every similarity and kind, filters, ties, recall, files."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stores import append, clustered_vectors, make_store, random_vectors, remove

from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError, IndexStaleError
from i2v_search.files import file_sha256
from i2v_search.index import similarity as similarity_module
from i2v_search.index import vector_index
from i2v_search.index.index_files import current_index, is_current, load_index, save_index
from i2v_search.index.measuring import choose_queries, tune
from i2v_search.index.planner import IndexPlan, PlannedKind, plan_index
from i2v_search.index.scanners import Settings
from i2v_search.index.similarity import LEAST_DEVIATION, POWER
from i2v_search.index.vector_index import VectorIndex
from i2v_search.progress import Progress
from i2v_search.store.feature_store import FeatureStore

pytestmark = pytest.mark.integration

NAMES: tuple[SimilarityName, ...] = get_args(SimilarityName)
N, D = 300, 40

KINDS: tuple[PlannedKind, ...] = get_args(PlannedKind)

every_similarity = pytest.mark.parametrize("name", NAMES)
every_index = pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in NAMES
        for kind in (*KINDS, "lean ivf")
        if kind == "exact" or (name != "hamming" and (name, kind) != ("l2", "codes"))
    ],
)


def plan_of(kind: str, dimension: int = D, dimensions: int = 16, candidates: int = 20) -> IndexPlan:
    """A plan as the planner makes them, but for small stores."""
    if kind in {"exact", "codes"}:
        return IndexPlan(kind, dimension, candidates if kind == "codes" else 0)  # type: ignore[arg-type]
    if kind in {"ivf", "lean ivf"}:
        return IndexPlan("ivf", dimensions, candidates, lists=16, refined=kind == "ivf")
    return IndexPlan(kind, dimensions, candidates)  # type: ignore[arg-type]


def build(store: FeatureStore, name: SimilarityName, kind: str = "exact", **plan: int) -> VectorIndex:
    return VectorIndex.build(store, name, plan_of(kind, store.dimension, **plan))


def exhaustive(index: VectorIndex) -> VectorIndex:
    """The index when it looks at everything: of noise without structure, anything less says little."""
    if not index.approximate:
        return index
    rows = len(index.store)
    return replace(index, settings=Settings(rows, 1024, rows))


def save(index: VectorIndex, number: int = 90) -> FeatureStore:
    """Write an index and commit it, as `Collection.index` does."""
    store = index.store
    manifest = store.manifest.updated(index=save_index(index, number))
    manifest.save(store.directory)
    return FeatureStore(store.directory)


def rows_of(index: VectorIndex, positions: Any = None) -> NDArray[np.float32]:
    """Rows of the store in the search space; all live ones by default."""
    chosen = index.store.live if positions is None else np.asarray(positions, np.int64)
    return index.similarity.embed_rows(index.store, chosen)


def brute_force(
    name: SimilarityName, store: FeatureStore, vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(m, rows) scores of encoder vectors with all rows, -inf for dead ones, straight from the formulas."""
    scores = np.full((len(vectors), store.rows), -np.inf)
    scores[:, store.live] = brute_force_live(name, store, vectors)
    return scores


def brute_force_live(
    name: SimilarityName, store: FeatureStore, vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(m, n) scores with the live rows."""

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
    if name == "standardised":
        deviations = rows.std(axis=0)
        scale = np.maximum(deviations, LEAST_DEVIATION * np.sqrt(rows.var(axis=0).mean())) ** -POWER
        return np.asarray(unit64((queries - mean) * scale) @ unit64((rows - mean) * scale).T)
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
    name: SimilarityName, kind: str, batch: int, store: FeatureStore, small_blocks: None
) -> None:
    index = build(store, name, kind)
    index = exhaustive(index)
    vectors = random_vectors(batch, D, seed=8)
    truth = brute_force(name, store, vectors)
    assert_nearest(index.search(index.similarity.embed(vectors), 10), truth, 10)


@every_index
def test_every_row_finds_itself_first_with_score_1(
    name: SimilarityName, kind: str, store: FeatureStore, small_blocks: None
) -> None:
    index = build(store, name, kind)
    for mask in (None, np.ones(store.rows, bool)):
        scores, positions = exhaustive(index).search(rows_of(index), 1, mask)
        np.testing.assert_allclose(scores[:, 0], 1, atol=1e-3)
        assert positions[:, 0].tolist() == store.live.tolist()


@every_index
def test_stored_vectors_of_the_encoder_find_their_rows(
    name: SimilarityName, kind: str, tmp_path: Path
) -> None:
    """The query is the encoder's float32 vector, the row its float16 copy."""
    vectors = random_vectors(N, D)
    index = build(make_store(tmp_path, vectors), name, kind)
    scores, rows = exhaustive(index).search(index.similarity.embed(vectors), 1)
    assert rows[:, 0].tolist() == list(range(N))
    assert scores.min() > (0.9 if name in {"hamming", "l2"} else 0.999)


@every_index
def test_more_rows_asked_for_than_there_are(name: SimilarityName, kind: str, store: FeatureStore) -> None:
    index = build(store, name, kind)
    vectors = random_vectors(3, D, seed=8)
    found = index.search(index.similarity.embed(vectors), 10 * N)
    assert_nearest(found, brute_force(name, store, vectors), len(store))


@every_index
def test_rows_of_equal_score_come_by_row_number(name: SimilarityName, kind: str, tmp_path: Path) -> None:
    distinct = random_vectors(30, D)
    store = make_store(tmp_path, distinct[np.arange(120) % 30])
    index = build(store, name, kind)
    for mask in (None, np.arange(120) != 7):
        rows = exhaustive(index).search(rows_of(index, range(5)), 4 if mask is None else 3, mask)[1]
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
    queries = rows_of(index)
    for mask in (None, np.ones(100, bool)):
        np.testing.assert_allclose(index.search(queries, 1, mask)[0], 1, atol=1e-3)


@every_index
def test_the_same_question_gets_the_same_answer(name: SimilarityName, kind: str, store: FeatureStore) -> None:
    queries = build(store, name, kind).similarity.embed(random_vectors(5, D, seed=8))
    first, second = (build(store, name, kind).search(queries, 20) for _ in range(2))
    assert [part.tobytes() for part in first] == [part.tobytes() for part in second]


@every_similarity
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_rows(name: SimilarityName, rows: int, tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(rows, D))
    stored = save(VectorIndex.build(store, name, plan_index(rows, D, name)))
    index = load_index(stored)
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
    kind: str,
    share: float,
    threshold: int,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All k results, none outside the filter, whichever way is taken: scanned by rows, or by FAISS."""
    monkeypatch.setattr(vector_index, "EXACT_FILTER_ROWS", threshold)
    index = build(store, name, kind)
    index = exhaustive(index)
    allowed = np.random.default_rng(4).random(store.rows) < share
    k = min(10, int(allowed[store.live].sum()))
    vectors = random_vectors(6, D, seed=8)
    found = index.search(index.similarity.embed(vectors), 10, allowed)
    assert_nearest(found, brute_force(name, store, vectors), k, allowed)


@every_index
def test_a_filter_that_allows_nothing_finds_nothing(
    name: SimilarityName, kind: str, store: FeatureStore
) -> None:
    index = build(store, name, kind)
    scores, rows = index.search(rows_of(index, [1, 2]), 5, np.zeros(store.rows, bool))
    assert scores.shape == rows.shape == (2, 0)


@every_index
def test_as_many_results_as_the_filter_allows(
    name: SimilarityName, kind: str, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT_FILTER_ROWS", 2)
    index = build(store, name, kind)
    allowed = np.zeros(store.rows, bool)
    allowed[[3, 17, 100, 290]] = True  # 17 was removed
    rows = index.search(rows_of(index, [1, 2]), 50, allowed)[1]
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
    plan = IndexPlan("pca", dimensions, 20)
    asked = choose_queries(clustered)
    index = tune(VectorIndex.build(clustered, name, plan, held_back=asked), asked, 0.99)
    assert index.recall_at_10 >= 0.99
    assert (index.settings.candidates > plan.candidates) == (dimensions == 8)
    assert recall_on_new_queries(index) >= recall


def recall_on_new_queries(index: VectorIndex, k: int = 10) -> float:
    queries = clustered_vectors(200, 384, seed=1)
    truth = np.argsort(-brute_force(index.similarity.name, index.store, queries), axis=1)[:, :k]
    found = index.search(index.similarity.embed(queries), k)[1]
    return float(
        np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), truth.tolist(), strict=True)])
    )


@pytest.mark.parametrize("kind", ["pca", "codes", "ivf", "lean ivf", "hnsw"])
def test_every_kind_is_tuned_to_its_recall_target(kind: str, clustered: FeatureStore) -> None:
    asked = choose_queries(clustered)
    built = VectorIndex.build(clustered, "centred", plan_of(kind, 384, 32), held_back=asked)
    index = tune(built, asked, 0.95)
    assert index.measured is not None
    assert index.measured.recall_at_10 >= 0.95
    assert 0 < index.measured.query_ms <= index.measured.query_p99_ms
    assert recall_on_new_queries(index) >= 0.93


@pytest.mark.parametrize("kind", ["pca", "codes", "ivf", "hnsw"])
def test_recall_holds_when_more_than_10_results_are_asked_for(kind: str, clustered: FeatureStore) -> None:
    asked = choose_queries(clustered)
    index = tune(VectorIndex.build(clustered, "cosine", plan_of(kind, 384, 32)), asked, 0.99)
    assert recall_on_new_queries(index, 200) >= 0.95


def test_an_unreachable_recall_target_ends_with_every_row_re_ranked(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(N, D))
    built = VectorIndex.build(store, "cosine", IndexPlan("pca", 1, 1))
    index = tune(built, choose_queries(store), 2.0)
    assert (index.settings.candidates, index.recall_at_10) == (N, 1.0)


def test_many_copies_of_a_picture_do_not_look_like_lost_recall(tmp_path: Path) -> None:
    """Which ten of sixty copies come back does not matter: their scores are the same."""
    store = make_store(tmp_path, random_vectors(10, D)[np.arange(600) % 10])
    index = tune(VectorIndex.build(store, "cosine", IndexPlan("pca", 10, 20)), choose_queries(store), 0.99)
    assert (index.settings.candidates, index.recall_at_10) == (20, 1.0)


def test_rows_held_back_teach_nothing(tmp_path: Path) -> None:
    vectors = random_vectors(N, D)
    vectors[::3, 0] = 1000  # a direction that only these rows know
    store = make_store(tmp_path, vectors)
    plan = IndexPlan("pca", 3, 20)
    with_them = VectorIndex.build(store, "l2", plan)
    without = VectorIndex.build(store, "l2", plan, held_back=np.arange(0, N, 3))
    shares = [np.abs(index.form.arrays()["components"][:, 0]).max() for index in (with_them, without)]
    assert shares[0] > 0.99 > 0.9 > shares[1]


def test_building_reports_progress(store: FeatureStore, small_blocks: None) -> None:
    seen: list[Progress] = []
    built = VectorIndex.build(store, "cosine", plan_of("pca"), report=seen.append)
    tune(built, choose_queries(store), 0.99, seen.append)
    indexing = [step.done for step in seen if step.stage == "indexing"]
    assert len(indexing) == 5
    assert indexing == sorted(indexing)
    assert (indexing[-1], seen[0].total) == (len(store), len(store))
    stages = list(dict.fromkeys(step.stage for step in seen))
    assert stages == [
        "computing components",
        "solving for components",
        "gathering a sample",
        "training the index",
        "indexing",
        "searching exactly",
        "tuning",
    ]


# --- files


@every_index
def test_a_loaded_index_answers_like_the_one_saved(
    name: SimilarityName, kind: str, own_store: FeatureStore
) -> None:
    built = tune(build(own_store, name, kind), choose_queries(own_store), 0.9)
    stored = save(built)
    record = stored.manifest.index
    assert record is not None
    assert (record.kind, record.similarity, record.live_rows) == (
        kind.rsplit(maxsplit=1)[-1],
        name,
        len(own_store),
    )
    loaded = load_index(stored)
    assert (loaded.settings, loaded.measured, loaded.trained) == (
        built.settings,
        built.measured,
        built.trained,
    )
    queries = built.similarity.embed(random_vectors(5, D, seed=8))
    assert loaded.similarity.embed(random_vectors(5, D, seed=8)).tobytes() == queries.tobytes()
    before, after = built.search(queries, 20), loaded.search(queries, 20)
    assert [part.tobytes() for part in before] == [part.tobytes() for part in after]


def test_a_missing_index_is_refused_with_the_command_that_builds_it(own_store: FeatureStore) -> None:
    with pytest.raises(IndexStaleError, match="has no index; run: i2v-search index --collection") as caught:
        load_index(own_store)
    assert str(own_store.directory) in str(caught.value)


# --- an index that is older than the store


@every_index
@pytest.mark.parametrize("change", ["add", "remove", "both", "extend"])
def test_an_older_index_answers_for_the_rows_of_now(
    name: SimilarityName, kind: str, change: str, own_store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save(build(own_store, name, kind)).directory
    if change != "remove":
        append(directory, random_vectors(40, D, seed=9))
    if change != "add":
        remove(directory, [3, 100, 298])
    changed = FeatureStore(directory)
    assert not is_current(changed)
    index = exhaustive(load_index(changed))
    assert len(index.unindexed) == (0 if change == "remove" else 40)
    if change == "extend":
        index = exhaustive(load_index(save(index.extended(), 91)))
        assert is_current(index.store)
        assert len(index.unindexed) == 0
    vectors = random_vectors(6, D, seed=8)
    queries = index.similarity.embed(vectors)
    truth = np.full((6, changed.rows), -np.inf)
    truth[:, changed.live] = index.similarity.scores(queries, rows_of(index))
    assert_nearest(index.search(queries, 12), truth, 12)
    allowed = np.arange(changed.rows) % 2 == 0
    monkeypatch.setattr(vector_index, "EXACT_FILTER_ROWS", 5)
    assert_nearest(index.search(queries, 12, allowed), np.where(allowed, truth, -np.inf), 12, allowed)


def test_too_many_new_rows_are_refused_with_the_command_that_rebuilds_the_index(
    own_store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from i2v_search.index import index_files as files

    monkeypatch.setattr(files, "MAX_UNINDEXED", 9)
    directory = save(build(own_store, "cosine")).directory
    append(directory, random_vectors(10, D, seed=9))
    with pytest.raises(IndexStaleError, match="10 images of") as caught:
        load_index(FeatureStore(directory))
    assert f"run: i2v-search index --collection {directory}" in str(caught.value)


@pytest.mark.parametrize("change", ["add", "remove", "replace"])
def test_an_index_of_format_1_is_refused_once_the_store_has_changed(
    change: str, own_store: FeatureStore
) -> None:
    directory = save(build(own_store, "cosine")).directory
    manifest = FeatureStore(directory).manifest
    assert manifest.index is not None
    manifest.updated(index=manifest.index.model_copy(update={"trained": None})).save(directory)
    if change in {"add", "replace"}:
        append(directory, random_vectors(1, D, seed=9))
    if change in {"remove", "replace"}:
        remove(directory, [3])
    changed = FeatureStore(directory)
    with pytest.raises(IndexStaleError, match="knows 296 images of generation 2") as caught:
        current_index(changed)
    assert f"run: i2v-search index --collection {directory}" in str(caught.value)


@every_index
def test_a_row_that_is_damaged_is_never_an_answer(
    name: SimilarityName, kind: str, own_store: FeatureStore
) -> None:
    directory = save(build(own_store, name, kind)).directory
    part = own_store.parts[0]
    query = rows_of(exhaustive(load_index(FeatureStore(directory))), [7])
    with part.path.open("rb+") as file:
        file.seek(part.offsets["vectors"] + 7 * 2 * D)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    index = load_index(FeatureStore(directory))
    with pytest.raises(CollectionDamagedError, match=r"row 7 of .* verify --repair"):
        index.search(query, 10)


# --- damage


@pytest.mark.parametrize("role", ["arrays", "faiss"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_file_is_refused_with_the_command_that_rebuilds_it(
    role: Literal["arrays", "faiss"], damage: str, own_store: FeatureStore
) -> None:
    stored = save(build(own_store, "cosine", "pca"))
    assert stored.manifest.index is not None
    path = stored.directory / stored.manifest.index.files[role].name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:100] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CollectionDamagedError, match="rebuild it: i2v-search index"):
        load_index(stored)


@pytest.mark.parametrize("trick", ["cut", "not faiss", "other width", "other rows", "other metric", "codes"])
def test_a_forged_file_with_a_matching_checksum_is_refused(trick: str, own_store: FeatureStore) -> None:
    """The manifest of a stranger's collection vouches for nothing."""
    name: SimilarityName = "cosine"
    stored = save(build(own_store, name))
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
            source = forged.directory / save_index(build(forged, other), 1).files["faiss"].name
            path.write_bytes(source.read_bytes())
    faiss_file = record.files["faiss"].model_copy(update={"sha256": file_sha256(path)})
    forged_record = record.model_copy(update={"files": {**record.files, "faiss": faiss_file}})
    stored.manifest.updated(index=forged_record).save(stored.directory)
    with pytest.raises(CollectionDamagedError):
        load_index(FeatureStore(stored.directory))


# --- properties


@settings(max_examples=25)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 12),
    k=st.integers(1, 50),
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
    threshold=st.sampled_from([1, 7, 4096]),
    kind=st.sampled_from([*KINDS, "lean ivf"]),
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
    kind: str,
) -> None:
    """Whatever the store and the filter: the k best allowed rows, and each row finds itself."""
    store = make_store(tmp_path_factory.mktemp("any"), random_vectors(n, d, seed))
    if name == "hamming" or (name, kind) == ("l2", "codes") or (n < 16 and "ivf" in kind):
        kind = "exact"
    index = exhaustive(VectorIndex.build(store, name, plan_of(kind, d, max(1, d // 2))))
    vectors = random_vectors(2, d, seed + 1)
    truth = index.similarity.scores(index.similarity.embed(vectors), rows_of(index))
    if n > 1 and d > 1:  # otherwise rows can all be alike, which changes the mean: see test_similarity
        np.testing.assert_allclose(truth, brute_force(name, store, vectors), atol=1e-3)
    allowed = np.random.default_rng(seed).random(n) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_index, "EXACT_FILTER_ROWS", threshold)
        queries = index.similarity.embed(vectors)
        assert_nearest(index.search(queries, k), truth.astype(np.float64), min(k, n))
        wanted = min(k, int(allowed.sum()))
        found = index.search(queries, k, allowed)
        if wanted:
            assert_nearest(found, truth.astype(np.float64), wanted, allowed)
        else:
            assert found[1].shape == (2, 0)
