"""Similarities: every formula against plain NumPy in float64, score ranges, zero rows, several examples."""

from pathlib import Path
from random import Random
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from stores import make_store, random_vectors, remove

from i2v_search.choices import SimilarityName
from i2v_search.errors import QueryError
from i2v_search.index import similarity as similarity_module
from i2v_search.index.similarity import Similarity, position_blocks, unit
from i2v_search.index.stored_scores import StoredScores
from i2v_search.store.feature_store import FeatureStore

NAMES: tuple[SimilarityName, ...] = get_args(SimilarityName)
DIMENSION = 20

every_similarity = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return make_store(tmp_path, random_vectors(50, DIMENSION))


def wide(store: FeatureStore) -> NDArray[np.float64]:
    """The stored unit rows in float64, their float16 rounding normalised away."""
    return unit64(store.take(store.live).astype(np.float64))


def unit64(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def scores_of(name: SimilarityName, store: FeatureStore) -> NDArray[np.float32]:
    """Scores of all rows with each other."""
    fitted = Similarity.fit(name, store)
    rows = fitted.embed_rows(store, store.live)
    return fitted.scores(rows, rows)


# --- formulas


def test_cosine_is_the_inner_product_of_unit_vectors(store: FeatureStore) -> None:
    rows = wide(store)
    np.testing.assert_allclose(scores_of("cosine", store), rows @ rows.T, atol=1e-5)


def test_centred_is_the_cosine_after_subtracting_the_mean_of_the_unit_rows(store: FeatureStore) -> None:
    rows = wide(store)
    centred = unit64(rows - rows.mean(axis=0))
    np.testing.assert_allclose(scores_of("centred", store), centred @ centred.T, atol=1e-5)


def test_standardised_divides_each_number_by_a_power_of_its_deviation(store: FeatureStore) -> None:
    rows = wide(store)
    less = rows - rows.mean(axis=0)
    deviations = rows.std(axis=0)
    floor = similarity_module.LEAST_DEVIATION * np.sqrt(rows.var(axis=0).mean())
    scaled = unit64(less / np.maximum(deviations, floor) ** similarity_module.POWER)
    np.testing.assert_allclose(scores_of("standardised", store), scaled @ scaled.T, atol=1e-5)


def test_a_number_that_never_varies_weighs_no_more_than_one_that_hardly_does(tmp_path: Path) -> None:
    """Else a picture from outside that differs in nothing else would be like no picture."""
    vectors = random_vectors(50, DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.hstack([vectors, np.full((50, 1), 0.5, np.float32)])
    fitted = Similarity.fit("standardised", make_store(tmp_path, vectors))
    assert fitted.scale is not None
    usual = similarity_module.LEAST_DEVIATION**-similarity_module.POWER
    assert fitted.scale[:-1].max() < fitted.scale[-1] < 2 * usual * fitted.scale[:-1].max()
    outside = vectors[:1].copy()
    outside[0, -1] += 0.05
    assert fitted.scores(fitted.embed(outside), fitted.embed(vectors))[0].argmax() == 0


def test_directions_keep_the_proportions_of_their_products_with_rows(store: FeatureStore) -> None:
    fitted = Similarity.fit("standardised", store)
    assert fitted.scale is not None
    directions = random_vectors(3, DIMENSION, seed=9)
    rows = wide(store)
    less = rows - rows.mean(axis=0)
    wide_directions = directions.astype(np.float64)
    expected = unit64(wide_directions @ less.T / np.linalg.norm(less * fitted.scale, axis=1))
    found = fitted.embed_directions(directions) @ fitted.embed_rows(store, store.live).T
    np.testing.assert_allclose(unit64(found.astype(np.float64)), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["standardised", "centred", "hamming"])
def test_a_vector_less_the_mean_is_embedded_like_its_row(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    found = fitted.embed_differences((wide(store) - fitted.mean).astype(np.float32))
    np.testing.assert_allclose(found, fitted.embed_rows(store, store.live), atol=1e-5)


def test_l2_is_one_over_one_plus_the_distance_of_the_encoders_own_vectors(store: FeatureStore) -> None:
    rows = store.take(store.live).astype(np.float64) * store.norms(store.live)[:, None]
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.testing.assert_allclose(scores_of("l2", store), 1 / (1 + distances), atol=1e-5)


def test_hamming_is_one_minus_twice_the_share_of_differing_bits(store: FeatureStore) -> None:
    rows = wide(store)
    codes = np.packbits(rows - rows.mean(axis=0) > 0, axis=1)
    differing = np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(axis=2)
    np.testing.assert_allclose(scores_of("hamming", store), 1 - 2 * differing / DIMENSION, atol=1e-5)


@every_similarity
def test_embedding_a_query_vector_equals_embedding_its_row(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    vectors = random_vectors(50, DIMENSION)
    of_rows = fitted.embed_rows(store, store.live)
    if name == "hamming":  # float16 may turn a sign where a coordinate is at the mean
        assert np.mean(fitted.embed(vectors) == of_rows) > 0.99
    else:
        np.testing.assert_allclose(fitted.embed(vectors), of_rows, atol=5e-3, rtol=2e-3)


@pytest.mark.parametrize("name", ["cosine", "centred", "standardised", "hamming"])
def test_the_length_of_a_query_vector_means_nothing(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    vectors = random_vectors(5, DIMENSION, seed=1)
    np.testing.assert_allclose(fitted.embed(vectors), fitted.embed(vectors * 37), atol=1e-5)


# --- fitting


@pytest.mark.parametrize("name", ["centred", "standardised", "hamming"])
def test_the_mean_is_that_of_the_live_rows_whatever_the_blocks(
    name: SimilarityName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path, random_vectors(50, DIMENSION))
    store = remove(tmp_path, [0, 7, 49])
    monkeypatch.setattr(similarity_module, "BLOCK_BYTES", 4 * DIMENSION * 7)
    assert [len(block) for block in position_blocks(store)] == [7] * 6 + [5]
    np.testing.assert_allclose(Similarity.fit(name, store).mean, wide(store).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "l2"])
def test_what_does_not_centre_has_no_mean(name: SimilarityName, store: FeatureStore) -> None:
    assert not Similarity.fit(name, store).mean.any()


@every_similarity
@pytest.mark.parametrize("copies", [1, 2, 50])
def test_rows_that_are_all_alike_still_match_themselves(
    name: SimilarityName, copies: int, tmp_path: Path
) -> None:
    store = make_store(tmp_path, np.repeat(random_vectors(1, DIMENSION), copies, axis=0))
    np.testing.assert_allclose(scores_of(name, store), 1, atol=1e-5)
    assert not Similarity.fit(name, store).mean.any()


@every_similarity
def test_an_empty_store_can_be_fitted(name: SimilarityName, tmp_path: Path) -> None:
    store = make_store(tmp_path, np.empty((0, DIMENSION), np.float32))
    assert Similarity.fit(name, store).mean.tolist() == [0] * DIMENSION


# --- scores


@every_similarity
def test_a_row_scores_1_with_itself(name: SimilarityName, store: FeatureStore) -> None:
    np.testing.assert_allclose(np.diag(scores_of(name, store)), 1, atol=1e-5)


def test_l2_keeps_small_distances_between_long_vectors_apart(tmp_path: Path) -> None:
    """|x|^2 + |y|^2 - 2 <x, y> alone would lose them in float32."""
    base = np.full(64, 100, np.float32)
    rows = np.stack([base + step for step in (0, 0.001, 0.002, 0.004)]).astype(np.float32)
    scores = Similarity("l2", np.zeros(64, np.float32)).scores(rows[:1], rows)[0]
    distances = np.linalg.norm(rows.astype(np.float64) - rows[0], axis=1)
    np.testing.assert_allclose(scores, 1 / (1 + distances), atol=1e-4)


@every_similarity
@given(
    vectors=arrays(np.float32, (6, 5), elements=st.floats(-100, 100, width=32, allow_subnormal=False)),
    mean=arrays(np.float32, 5, elements=st.floats(-1, 1, width=32, allow_subnormal=False)),
)
def test_scores_lie_between_minus_1_and_1(
    name: SimilarityName, vectors: NDArray[np.float32], mean: NDArray[np.float32]
) -> None:
    fitted = Similarity(name, mean)
    rows = fitted.embed(vectors)
    scores = fitted.scores(rows, rows)
    assert scores.dtype == np.float32
    assert np.all((scores >= -1) & (scores <= 1))
    if name == "l2":
        assert np.all(scores > 0)


@pytest.mark.parametrize(("name", "vector"), [("cosine", [0, 0, 0]), ("centred", [0, 5, 0])])
def test_a_zero_vector_and_the_mean_itself_are_like_nothing(name: SimilarityName, vector: list[int]) -> None:
    fitted = Similarity(name, np.array([0, name == "centred", 0], np.float32))
    query = fitted.embed(np.array([vector], np.float32))
    assert query.tolist() == [[0, 0, 0]]
    assert not fitted.scores(query, np.eye(3, dtype=np.float32)).any()


def test_unit_leaves_zero_rows_alone() -> None:
    rows = unit(np.array([[0, 0, 0], [0, -2, 0], [1, 2, 2]], np.float32))
    expected = np.array([[0, 0, 0], [0, -1, 0], [1 / 3, 2 / 3, 2 / 3]])
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


# --- several examples


@every_similarity
def test_a_single_example_is_the_query_whatever_its_weight(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    row = fitted.embed_rows(store, np.array([3]))
    for weight in (0.5, 1, 7):
        np.testing.assert_allclose(fitted.combine(row, np.array([weight], np.float32)), row, rtol=1e-5)


@pytest.mark.parametrize("name", ["cosine", "centred"])
def test_examples_are_summed_by_weight_and_normalised(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    rows, weights = fitted.embed_rows(store, np.arange(3)), np.array([2, 1, -0.5], np.float32)
    expected = unit64((weights.astype(np.float64) @ rows.astype(np.float64))[None])
    np.testing.assert_allclose(fitted.combine(rows, weights), expected, atol=1e-5)


def test_l2_takes_the_weighted_mean_and_turns_negative_examples_around() -> None:
    fitted = Similarity("l2", np.zeros(2, np.float32))
    rows = np.array([[0, 0], [4, 0], [0, 6]], np.float32)
    assert fitted.combine(rows, np.array([1, 3, 0], np.float32)).tolist() == [[3, 0]]
    assert fitted.combine(rows, np.array([0, 0, -1], np.float32)).tolist() == [[0, -6]]


SHUFFLED = st.lists(
    st.sampled_from([1.0, 0.5, 0.3, 0.1, -0.1, -0.2, -0.5, -1.0, 1e39, 1e-45]), min_size=2, max_size=8
)


@every_similarity
@example(weights=[0.1, -0.1, 1e-45, 1.0], random=Random(1))
@given(weights=SHUFFLED, random=st.randoms(use_true_random=False))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_the_examples_changes_nothing(
    name: SimilarityName, weights: list[float], random: Random, store: FeatureStore
) -> None:
    fitted = Similarity.fit(name, store)
    rows = fitted.embed_rows(store, np.arange(len(weights)))
    order = random.sample(range(len(weights)), len(weights))
    one, other = (fitted.combine(rows[of], np.array(weights)[of]) for of in (list(range(len(rows))), order))
    assert one.tobytes() == other.tobytes()


def test_tied_bits_of_a_hamming_code_are_shared_out_whatever_rounding_leaves() -> None:
    fitted = Similarity("hamming", np.zeros(8, np.float32))
    signs = np.array([[1] * 8, [-1] * 8, [-1] * 4 + [1] * 4], np.float32)
    rows = signs / np.float32(np.sqrt(8))
    for weights in ([1, 1], [0.1, 0.1], [1e39, 1e39], [1e-45, 1e-45]):
        found = fitted.combine(rows[:2], np.array(weights))
        assert np.sign(found).tolist() == [[1, -1] * 4]
    # 0.1 + 0.2 - 0.3 is not 0 in floats; the first four bits are tied all the same.
    found = np.sign(fitted.combine(rows, np.array([0.3, 0.1, 0.2])))
    assert found.tolist() == [[1, -1, 1, -1, 1, 1, 1, 1]]


@pytest.mark.parametrize("name", ["cosine", "centred"])
def test_examples_that_cancel_one_another_out_are_refused(name: SimilarityName, store: FeatureStore) -> None:
    fitted = Similarity.fit(name, store)
    row = fitted.embed_rows(store, np.array([3]))
    with pytest.raises(QueryError, match="cancel each other out"):
        fitted.combine(np.vstack([row, -row]), np.array([0.3, 0.3]))


# --- vectors of any length


@every_similarity
@pytest.mark.parametrize("factor", [1e-300, 1e-45, 1e-30, 1e-12, 1e9, 1e20, 1e38, 1e300])
def test_the_length_of_a_query_vector_means_nothing_but_to_l2(
    factor: float, name: SimilarityName, store: FeatureStore
) -> None:
    fitted = Similarity.fit(name, store)
    vectors = store.take(np.arange(4)).astype(np.float64)
    vectors /= np.abs(vectors).max()
    if name == "l2":
        if factor > 1e15:
            with pytest.raises(QueryError, match="too large to compare distances"):
                fitted.embed(vectors * factor)
        else:
            np.testing.assert_array_equal(
                fitted.embed(vectors * factor), (vectors * factor).astype(np.float32)
            )
        return
    np.testing.assert_allclose(fitted.embed(vectors * factor), fitted.embed(vectors), atol=1e-6)


def test_a_power_of_two_times_a_vector_is_the_same_query_bit_for_bit(store: FeatureStore) -> None:
    fitted = Similarity.fit("centred", store)
    vectors = store.take(np.arange(4))
    for power in (-80, -40, 40, 120):
        scaled = np.ldexp(vectors, power)
        assert scaled.dtype == np.float32
        assert fitted.embed(scaled).tobytes() == fitted.embed(vectors).tobytes()


def test_a_vector_of_zeros_stays_one(store: FeatureStore) -> None:
    zeros = np.zeros((2, store.dimension))
    assert not Similarity.fit("cosine", store).embed(zeros).any()
    assert not Similarity.fit("l2", store).embed(zeros).any()


def test_hamming_takes_the_weighted_majority_of_each_bit() -> None:
    fitted = Similarity("hamming", np.zeros(4, np.float32))
    rows = np.array([[1, 1, -1, -1], [1, -1, -1, 1], [-1, -1, 1, 1]], np.float32) * np.float32(0.5)
    majority = fitted.combine(rows, np.array([1, 1, 1], np.float32))
    assert majority.tolist() == [[0.5, -0.5, -0.5, 0.5]]
    assert fitted.combine(rows, np.array([5, 1, 1], np.float32)).tolist() == (rows[:1]).tolist()
    assert fitted.combine(rows[:2], np.array([1, -3], np.float32)).tolist() == [[-0.5, 0.5, 0.5, -0.5]]


@every_similarity
def test_scores_of_stored_rows_are_those_of_embedded_ones(name: SimilarityName, tmp_path: Path) -> None:
    vectors = random_vectors(90, 24)
    vectors[7] = 0
    store = make_store(tmp_path, vectors)
    similarity = Similarity.fit(name, store)
    queries = similarity.embed(random_vectors(3, 24, seed=5))
    positions = np.random.default_rng(1).permutation(90)
    expected = similarity.scores(queries, similarity.embed_rows(store, positions))
    stored = StoredScores(similarity, store)
    for query, line in zip(queries, expected, strict=True):
        np.testing.assert_allclose(stored.of(query, positions[:60]), line[:60], atol=1e-6)
        np.testing.assert_allclose(stored.of(query, positions[30:]), line[30:], atol=1e-6)


def test_stored_rows_close_to_the_mean_keep_their_scores(tmp_path: Path) -> None:
    """Nearly nothing is left of a row that is nearly the mean: what is left must not be rounding."""
    direction = random_vectors(1, 24)
    store = make_store(tmp_path, (direction + 0.01 * random_vectors(50, 24, seed=2)).astype(np.float32))
    similarity = Similarity.fit("centred", store)
    query = similarity.embed_rows(store, np.array([3]))
    expected = similarity.scores(query, similarity.embed_rows(store, store.live))[0]
    np.testing.assert_allclose(StoredScores(similarity, store).of(query[0], store.live), expected, atol=1e-5)
