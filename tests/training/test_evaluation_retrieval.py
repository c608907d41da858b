"""Retrieval by label: the same numbers as a loop over every pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, ndcg_score
from stores import clustered_vectors, make_store, random_vectors

from i2v_search.choices import SimilarityName
from i2v_search.index.similarity import Similarity
from i2v_search.training.evaluation import retrieval as module
from i2v_search.training.evaluation.retrieval import fit_similarity, nearest, retrieval
from i2v_search.training.evaluation.shared_tags import shared_tags


def scored(vectors: NDArray[np.float32], similarity: str) -> Any:
    """Every pair's score in float64, straight from the definitions."""
    exact = vectors.astype(np.float64)
    units = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    if similarity == "cosine":
        return units @ units.T
    if similarity == "l2":
        return -np.linalg.norm(exact[:, None] - exact[None], axis=2)
    centred = units - units.mean(axis=0)
    if similarity == "hamming":
        return -((centred[:, None] > 0) != (centred[None] > 0)).sum(axis=2).astype(float)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    return centred @ centred.T


@pytest.mark.parametrize("similarity", ["centred", "cosine"])
def test_shared_tags_are_measured_as_scikit_learn_does(similarity: SimilarityName) -> None:
    vectors = clustered_vectors(40, 24, clusters=6, seed=2)
    chance = np.random.default_rng(1)
    tags = [[f"tag {n}" for n in chance.choice(9, chance.integers(0, 4), replace=False)] for _ in range(40)]
    tags[7] = ["nobody else's"]
    found = shared_tags(vectors, tags, similarity=similarity)
    assert found is not None
    scores, values = scored(vectors, similarity), {}
    for query in range(40):
        others = np.delete(np.arange(40), query)
        both = [set(tags[query]) & set(tags[other]) for other in others]
        every = [set(tags[query]) | set(tags[other]) for other in others]
        gains = np.array([len(a) / max(len(b), 1) for a, b in zip(both, every, strict=True)])
        if gains.any():
            values[query] = ndcg_score([gains], [scores[query, others]], k=10)
    assert found.queries.tolist() == list(values)
    assert 7 not in values
    assert found.per_query == pytest.approx(list(values.values()), abs=1e-6)
    assert found.ndcg_at_10.value == pytest.approx(np.mean(list(values.values())))
    assert shared_tags(vectors[:2], [["a"], ["b"]]) is None
    copies = shared_tags(vectors[:3], [["a"], ["a"], ["a"]], contents=["x", "x", "y"])
    assert copies is not None
    assert copies.queries.tolist() == [0, 2]


@pytest.mark.parametrize("similarity", ["centred", "cosine", "l2", "hamming"])
def test_every_query_is_what_a_loop_over_all_pairs_gives(similarity: SimilarityName) -> None:
    vectors = clustered_vectors(60, 24, clusters=6, seed=1)
    labels = np.random.default_rng(0).integers(0, 5, 60).astype(str)
    found = retrieval(vectors, labels.tolist(), similarity=similarity)
    scores = scored(vectors, similarity)
    for place, query in enumerate(found.queries):
        others = np.delete(np.arange(60), query)
        relevant = labels[others] == labels[query]
        assert found.per_query[place, 2] == pytest.approx(
            average_precision_score(relevant, scores[query, others]), abs=1e-6
        )
        if similarity != "hamming":  # whose ties have no order to compare
            best = relevant[np.argsort(-scores[query, others], kind="stable")]
            assert found.per_query[place, 0] == best[0]
            assert found.per_query[place, 1] == pytest.approx(best[:10].mean())
    assert found.mean_average_precision.value == pytest.approx(found.per_query[:, 2].mean())
    assert found.precision_at_1.low <= found.precision_at_1.value <= found.precision_at_1.high


def test_separate_labels_are_found_perfectly_and_random_ones_as_often_as_by_chance() -> None:
    labels = [str(number % 4) for number in range(200)]
    noise = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    corners = np.eye(4, 16, dtype=np.float32)[np.arange(200) % 4]
    found = retrieval((corners + noise / 50).astype(np.float32), labels)
    assert (found.precision_at_10.value, found.mean_average_precision.value) == (1, 1)
    chance = retrieval(noise, labels)
    assert chance.precision_at_10.value == pytest.approx(0.25, abs=0.05)


def test_a_picture_is_not_its_own_hit_and_a_lonely_label_is_no_query() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]], np.float32)
    found = retrieval(vectors, ["a", "b", "a", "lonely"], similarity="cosine")
    assert found.queries.tolist() == [0, 2]
    assert found.labels == 1
    # The other a is the last of three for both.
    assert found.per_query.tolist() == pytest.approx(np.array([[0, 0.1, 1 / 3], [0, 0.1, 1 / 3]]))


def test_pictures_without_a_label_are_searched_but_are_not_each_others_hits() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1]], np.float32)
    found = retrieval(vectors, ["a", "", "", "a"], similarity="cosine")
    assert found.queries.tolist() == [0, 3]
    assert found.per_query[0, 2] == pytest.approx(1 / 3)


def test_exact_copies_take_part_once() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.7, 0.7]], np.float32)
    labels, contents = ["a", "a", "a", "b"], ["x", "x", "y", "z"]
    assert retrieval(vectors, labels, similarity="cosine").precision_at_1.value == pytest.approx(2 / 3)
    found = retrieval(vectors, labels, similarity="cosine", contents=contents)
    assert found.queries.tolist() == [0, 2]
    assert (found.pictures, found.precision_at_1.value) == (3, 0)


def test_the_order_of_the_pictures_changes_nothing_even_where_all_scores_are_equal() -> None:
    vectors = np.ones((40, 8), np.float32)
    labels = np.repeat(["a", "b"], 20)
    order = np.random.default_rng(0).permutation(40)
    sorted_, shuffled = (retrieval(vectors, labels[o].tolist()) for o in (np.arange(40), order))
    # Of the 39 others 19 have the label, in no order.
    assert sorted_.precision_at_10.value == pytest.approx(19 / 39)
    assert shuffled.precision_at_10.value == pytest.approx(19 / 39)


def test_blocks_give_what_one_piece_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clustered_vectors(50, 12), [str(number % 7) for number in range(50)]
    whole, neighbours = retrieval(vectors, labels), nearest(vectors, np.arange(0, 50, 3), 5)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 50 * 3)
    np.testing.assert_allclose(retrieval(vectors, labels).per_query, whole.per_query)
    np.testing.assert_array_equal(nearest(vectors, np.arange(0, 50, 3), 5)[0], neighbours[0])


def test_a_similarity_fitted_to_vectors_is_the_one_fitted_to_a_store_of_them(tmp_path: Path) -> None:
    vectors = random_vectors(40, 16)
    store = make_store(tmp_path / "store", vectors)
    for name in ("centred", "cosine", "hamming", "l2"):
        expected = Similarity.fit(name, store)
        np.testing.assert_allclose(fit_similarity(name, vectors).mean, expected.mean, atol=1e-3)


def test_nearest_leaves_out_the_query_and_orders_the_rest() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0.1], [1, 0.5]], np.float32)
    rows, scores = nearest(vectors, np.array([0, 1]), 9, similarity="cosine")
    assert rows.tolist() == [[2, 3, 1], [3, 2, 0]]
    assert (np.diff(scores, axis=1) <= 0).all()


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="as many labels"):
        retrieval(np.ones((3, 2), np.float32), ["a", "b"])


def test_a_result_is_ready_for_json() -> None:
    document = retrieval(random_vectors(20, 4), ["a", "b"] * 10).to_dict()
    assert document["queries"] == 20
    assert set(document["precision_at_1"]) == {"value", "low", "high", "count"}
