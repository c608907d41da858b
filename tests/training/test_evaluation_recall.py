"""Recall of the project's own indexes against an exact scan."""

from __future__ import annotations

import numpy as np
import pytest
from stores import clustered_vectors, random_vectors

from i2v_search.training.evaluation.recall import index_recall


def test_the_exact_index_finds_everything_and_re_ranking_never_hurts() -> None:
    found = index_recall(clustered_vectors(400, 96), queries=80, pca_dimensions=6)
    exact, pca, built, codes = found[0], found[1:5], found[5], found[6:]
    assert (exact.index, exact.recall.value) == ("exact", 1)
    assert {index.index for index in pca} == {"pca 6"}
    assert {index.index for index in codes} == {"96-bit codes"}
    for line in (pca, codes):
        assert [index.candidates for index in line] == [0, 20, 50, 100]
        recall = [index.recall.value for index in line]
        assert recall == sorted(recall)
        assert recall[0] < 1
    assert built.index == "pca 6 as built"
    assert built.recall.value >= 0.98  # it raises its candidates until .99 of its own sample
    assert [index.bytes_per_row for index in (exact, built, codes[0])] == [4 * 96, 6, 12]


@pytest.mark.parametrize("similarity", ["centred", "cosine"])
def test_recall_of_codes_is_that_of_brute_force(similarity: str) -> None:
    vectors = random_vectors(120, 64, spread=2.0).astype(np.float16).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = units - units.mean(axis=0)
    rows = units if similarity == "cosine" else centred / np.linalg.norm(centred, axis=1, keepdims=True)
    scores, bits = rows @ rows.T, centred > 0
    distances = (bits[:, None] != bits[None]).sum(axis=2)
    np.fill_diagonal(scores, -np.inf)
    np.fill_diagonal(distances, 999)
    expected = []
    for query in range(120):
        truth = set(np.argsort(-scores[query])[:10].tolist())
        expected.append(len(truth & set(np.argsort(distances[query], kind="stable")[:10].tolist())) / 10)
    found = index_recall(vectors, similarity=similarity, queries=120)  # type: ignore[arg-type]
    # Equal distances are in no order, and the store rounds to 16 bits.
    assert found[1].index == "64-bit codes"
    assert found[1].recall.value == pytest.approx(np.mean(expected), abs=0.03)


def test_a_set_too_small_for_principal_components_has_only_the_other_indexes() -> None:
    found = index_recall(random_vectors(40, 24))
    assert {index.index for index in found} == {"exact", "24-bit codes"}


@pytest.mark.parametrize("similarity", ["l2", "hamming"])
def test_other_similarities_are_measured_too(similarity: str) -> None:
    found = index_recall(random_vectors(60, 24), similarity=similarity, pca_dimensions=8)  # type: ignore[arg-type]
    assert found[0].recall.value == 1
    assert all(0 <= index.recall.value <= 1 for index in found)


def test_copies_of_a_picture_may_stand_for_each_other() -> None:
    vectors = np.repeat(random_vectors(6, 16), 15, axis=0)
    assert all(index.recall.value == 1 for index in index_recall(vectors))


def test_the_queries_follow_the_seed() -> None:
    vectors = clustered_vectors(150, 32)
    first, again, other = (index_recall(vectors, queries=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[1].per_query, again[1].per_query)
    assert (first[1].per_query != other[1].per_query).any()


def test_fewer_pictures_than_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 10"):
        index_recall(random_vectors(10, 4))
