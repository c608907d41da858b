"""Path globs of filters against `fnmatch`, whatever the paths are made of; filters with every index."""

import fnmatch
import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stores import clustered_vectors, make_store, random_vectors, remove

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.collection import Collection
from i2v_search.planner import IndexWishes
from i2v_search.searching.filters import Filter, match_paths
from i2v_search.store import FeatureStore

LETTERS = "ab/.*?[]!-\n é猫\udcff"
PATHS = [
    "a.png",
    "b/a.png",
    "b/a/é.png",
    "猫/猫.png",
    "aa",
    "a*b",
    "[a]",
    "a\nb",
    "b\udcff/a",
    "\udcc3",
    "\udca9",
    "é",
    "ab/ab/ab",
    ".",
    "-",
    "!",
]


@pytest.fixture(scope="module", params=["plain", "with other bytes"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    paths = PATHS if request.param == "with other bytes" else [path for path in PATHS if path.isascii()]
    return make_store(tmp_path_factory.mktemp("paths"), random_vectors(len(paths), 4), paths=paths)


@given(patterns=st.lists(st.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=3))
@example(patterns=["*"])
@example(patterns=["a*"])
@example(patterns=["*b"])
@example(patterns=["a*a"])
@example(patterns=["*a*"])
@example(patterns=["**"])
@example(patterns=["é"])
@example(patterns=["?"])
@example(patterns=["[é猫]*"])
@example(patterns=["a[*]b"])
@example(patterns=["a[*"])
@example(patterns=["*]"])
@example(patterns=["\ud800*"])
@settings(max_examples=400)
def test_globs_match_as_fnmatch_does(store: FeatureStore, patterns: list[str]) -> None:
    expected = [any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns) for path in store.paths()]
    assert match_paths(store, patterns).tolist() == expected


def test_paths_are_matched_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2v_search.store.feature_store._PATH_ROWS", 7)
    store = make_store(tmp_path, random_vectors(50, 4))
    for pattern in ("001*", "*1.png", "*2*", "0030.png"):
        expected = [fnmatch.fnmatchcase(path, pattern) for path in store.paths()]
        assert match_paths(store, [pattern]).tolist() == expected
        assert any(expected)


def test_a_store_without_rows_has_no_paths(tmp_path: Path) -> None:
    assert match_paths(make_store(tmp_path, random_vectors(0, 4)), ["*"]).tolist() == []


# --- filters and similarity and index

N, D = 400, 40
TAGS = [[f"mod {number % 3}", *(["tenth"] if number % 10 == 0 else [])] for number in range(N)]
DEAD = [9, 30, 31, 399]
CASES = [
    (name, kind)
    for name in get_args(SimilarityName)
    for kind in sorted(set(get_args(IndexKind)) - {"auto"})
    if name != "hamming" or kind == "exact"
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    name, kind = request.param
    directory = tmp_path_factory.mktemp("filtered")
    make_store(directory, clustered_vectors(N, D), tags=TAGS)
    opened = Collection.open(directory)
    opened.index(similarity=name, wishes=IndexWishes(kind=kind, pca_dimensions=8, graph=False))
    remove(directory, DEAD)
    return Collection.open(directory)


def truth(collection: Collection, query: int) -> np.ndarray:
    """(N,) scores by the formulas; the mean is the index's, which is older than the removals."""
    name, rows = collection.info().similarity, clustered_vectors(N, D).astype(np.float64)
    if name == "l2":
        return np.asarray(1 / (1 + np.linalg.norm(rows - rows[query], axis=1)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if name != "cosine":
        rows -= collection._vector_index.similarity.mean
    if name == "hamming":
        rows = np.sign(rows)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows[query])


@given(
    modulus=st.sampled_from([None, "mod 0", "-mod 1", "mod 2, -tenth", "tenth"]),
    pattern=st.sampled_from([None, "00*", "*7.png", "01?[1-4]*", "nothing"]),
    query=st.sampled_from([1, 100, 398]),
    top=st.sampled_from([1, 10, 500]),
    least=st.sampled_from([-1.0, 0.2]),
)
@settings(max_examples=25, deadline=None)
def test_filtered_searches_are_exact_whatever_the_index(
    collection: Collection, modulus: str | None, pattern: str | None, query: int, top: int, least: float
) -> None:
    allowed = ~np.isin(np.arange(N), DEAD)
    for tag in (modulus or "").split(", "):
        marked = np.array([tag.removeprefix("-") in tags for tags in TAGS])
        if tag:
            allowed &= ~marked if tag.startswith("-") else marked
    if pattern is not None:
        allowed &= np.array([fnmatch.fnmatchcase(f"{number:04d}.png", pattern) for number in range(N)])
    if modulus is None and pattern is None:
        pattern = "*"
    scores = truth(collection, query)
    found = collection.search(
        query, tags=modulus or (), paths=pattern or (), top=top, min_score=least, exclude_query=False
    )
    ids = [hit.id for hit in found.hits]
    assert allowed[ids].all()
    assert len(set(ids)) == len(ids)
    best = np.sort(scores[allowed])[::-1][:top]
    hits = np.array([hit.score for hit in found.hits])
    assert np.all(np.diff(hits) <= 0)
    tolerance = 0.06 if collection.info().similarity == "hamming" else 2e-3
    sure = best[best >= least + tolerance]
    assert len(sure) <= len(hits) <= int((best >= least - tolerance).sum())
    np.testing.assert_allclose(hits, best[: len(hits)], atol=tolerance)
    np.testing.assert_allclose(hits, scores[ids], atol=tolerance)


def test_a_filter_is_read_from_what_people_write() -> None:
    parsed = Filter.parse(" Long_Hair,-Hat , , -,hat", ["a/*", ""], tag_threshold=0.5)
    assert tuple(map(str, parsed.tags)) == ("long hair", "-hat", "hat")
    assert parsed.wanted == ("long hair", "hat")
    assert (parsed.paths, parsed.tag_threshold) == (("a/*",), 0.5)


@pytest.mark.skipif(os.name == "nt", reason="other bytes cannot be in names there")
def test_a_path_with_other_bytes_is_found_by_its_name(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(2, 4), paths=["b\udcff/a", "b/a"])
    assert match_paths(store, ["b\udcff/*"]).tolist() == [True, False]
