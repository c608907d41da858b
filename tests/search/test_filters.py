"""Path globs of filters against `fnmatch`, whatever the paths are made of; filters with every index."""

import fnmatch
import glob
import os
import unicodedata
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stores import clustered_vectors, make_store, random_vectors, remove

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.search.filters import Filter
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.path_patterns import find_named, match_paths

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


@pytest.mark.integration
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
def test_patterns_match_paths_and_folders_as_fnmatch_does(store: FeatureStore, patterns: list[str]) -> None:
    paths = list(store.paths())
    meant = [meaning(paths, pattern) for pattern in patterns]
    assert match_paths(store, patterns).tolist() == [path in set().union(*meant) for path in paths]


def meaning(paths: list[str], pattern: str) -> set[str]:
    """The paths that a pattern means, by the words of `i2v_search.store.path_patterns`."""
    composed = {path: unicodedata.normalize("NFC", path) for path in paths}
    wanted = unicodedata.normalize("NFC", pattern)
    while wanted.startswith("./"):
        wanted = wanted[2:].lstrip("/")
    if not wanted or wanted.endswith("/"):
        wanted += "*"
    parts = wanted.split("/")
    for count in range(len(parts), 0, -1):
        head = "/".join(parts[:count])
        if any((path + "/").startswith((head + "/", head + "!/")) for path in composed.values() if head):
            wanted = glob.escape(head) + wanted[len(head) :]
            break
    globs = (wanted, f"{wanted}/*", f"{wanted}!/*")
    return {path for path, text in composed.items() if any(fnmatch.fnmatchcase(text, one) for one in globs)}


FOLDERS = [
    "portraits/a.png",
    "portraits/old/b.png",
    "portraits.png",
    "portraits2/c.png",
    "[Artist] Set/d.png",
    "[Artist] Set/new/e.png",
    "A Set/f.png",
    "art.zip!/in/g.png",
    "x/portraits/h.png",
    "x?/i.png",
    "xy/j.png",
    "Cafe\u0301/k.png",  # decomposed, as macOS stores it
    "Caf\u00e9/l.png",
]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("portraits", "ab"),
        ("portraits/", "ab"),
        ("./portraits", "ab"),
        ("portraits/*", "ab"),
        ("portraits*", "abc" + "*"),
        ("*/portraits", "h"),
        ("*portraits", "abh"),
        ("old", ""),
        ("portraits/old", "b"),
        ("portraits/a.png", "a"),
        ("[Artist] Set/*", "de"),
        ("[Artist] Set", "de"),
        ("[Artist] Set/", "de"),
        ("[Artist] Set/new/*.png", "e"),
        ("[Artist] S*", "f"),
        ("[[]Artist] S*", "de"),
        ("[AB] Set/*", "f"),
        ("[AB] Set", "f"),
        ("art.zip", "g"),
        ("*.zip", "g"),
        ("art.zip!/in", "g"),
        ("x?", "i"),
        ("x?/*", "i"),
        ("[x]?/*", "ij"),
        ("Caf\u00e9", "kl"),
        ("Cafe\u0301/*", "kl"),
        ("Caf?/*", "kl"),
        ("C*\u00e9/?.png", "kl"),
        ("*", "abcdefghijkl*"),
        ("./", "abcdefghijkl*"),
    ],
)
def test_what_people_write_means_what_they_expect(pattern: str, expected: str, tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(len(FOLDERS), 4), paths=FOLDERS)
    matched = match_paths(store, [pattern])
    letters = ["*" if path == "portraits.png" else path[-5] for path in FOLDERS]
    assert sorted(np.array(letters)[matched].tolist()) == sorted(expected)
    assert {path for path, is_meant in zip(FOLDERS, matched, strict=True) if is_meant} == meaning(
        FOLDERS, pattern
    )


def test_a_pattern_may_begin_with_the_image_folder(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(len(FOLDERS), 4), paths=FOLDERS)
    root = store.manifest.image_root
    assert match_paths(store, [f"{root}/portraits"]).tolist() == match_paths(store, ["portraits"]).tolist()
    assert not match_paths(store, ["/elsewhere/portraits"]).any()


def test_a_folder_whose_images_were_removed_is_no_longer_taken_literally(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(2, 4), paths=["[a]/x.png", "a/y.png"])
    assert match_paths(store, ["[a]/*"]).tolist() == [True, False]
    remove(tmp_path, [0])
    assert match_paths(FeatureStore(tmp_path), ["[a]/*"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "whole", "ending"),
    [
        ("portraits/a.png", "portraits/a.png", "portraits/a.png"),
        ("a.png", None, "portraits/a.png"),
        ("./a.png", None, "portraits/a.png"),
        ("old/b.png", None, "portraits/old/b.png"),
        ("ld/b.png", None, None),
        ("in/g.png", None, "art.zip!/in/g.png"),
        ("Caf\u00e9/k.png", "Cafe\u0301/k.png", "Cafe\u0301/k.png"),
        ("Cafe\u0301/l.png", "Caf\u00e9/l.png", "Caf\u00e9/l.png"),
        ("nothing.png", None, None),
        ("*.png", None, None),
        ("", None, None),
        ("portraits/", None, None),
    ],
)
def test_one_image_by_its_name(name: str, whole: str | None, ending: str | None, tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(len(FOLDERS), 4), paths=FOLDERS)
    for expected, position in (
        (whole, find_named(store, name, whole=True)),
        (ending, find_named(store, name)),
    ):
        assert (None if position is None else store.path(position)) == expected


def test_a_name_that_several_images_have_is_an_error_that_lists_them(tmp_path: Path) -> None:
    paths = [
        *(f"{folder}/same.png" for folder in "abcdefg"),
        "e\u0301.png",
        "\u00e9.png",
        "x/two.png",
        "y/two.png",
    ]
    store = make_store(tmp_path, random_vectors(len(paths), 4), paths=paths)
    listed = "'same.png' matches 7 images: a/same.png, .*, e/same.png and 2 more; give a longer path"
    with pytest.raises(QueryError, match=listed):
        find_named(store, "same.png")
    with pytest.raises(QueryError, match="matches 2 images"):
        find_named(store, "\u00e9.png", whole=True)
    with pytest.raises(QueryError, match=r"matches 2 images: x/two.png, y/two.png; give"):
        find_named(store, "two.png")
    store = remove(tmp_path, [9])
    assert find_named(store, "two.png") == 10


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
    opened.index(similarity=name, options=IndexOptions(kind=kind, pca_dimensions=8, graph=False))
    remove(directory, DEAD)
    return Collection.open(directory)


def truth(collection: Collection, query: int) -> np.ndarray:
    """(N,) scores by the formulas; the mean is the index's, which is older than the removals."""
    name, rows = collection.info().similarity, clustered_vectors(N, D).astype(np.float64)
    if name == "l2":
        return np.asarray(1 / (1 + np.linalg.norm(rows - rows[query], axis=1)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if name != "cosine":
        rows -= collection._state.index.similarity.mean
    if name == "standardised":
        scale = collection._state.index.similarity.scale
        assert scale is not None
        rows *= scale
    if name == "hamming":
        rows = np.sign(rows)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows[query])


@pytest.mark.integration
@given(
    modulus=st.sampled_from([None, "mod 0", "-mod 1", "mod 2, -tenth", "tenth"]),
    pattern=st.sampled_from([None, "00*", "*7.png", "01?[1-4]*", "nothing"]),
    query=st.sampled_from([1, 100, 398]),
    top=st.sampled_from([1, 10, 500]),
    least=st.sampled_from([-1.0, 0.2]),
)
@settings(max_examples=25)
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
    parsed = Filter(" Long_Hair,-Hat , , -,hat", ["a/*", ""], tag_threshold=0.5)
    assert tuple(map(str, parsed.tags)) == ("long hair", "-hat", "hat")
    assert parsed.wanted == ("long hair", "hat")
    assert (parsed.paths, parsed.tag_threshold) == (("a/*",), 0.5)


@pytest.mark.skipif(os.name == "nt", reason="other bytes cannot be in names there")
def test_a_path_with_other_bytes_is_found_by_its_name(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(2, 4), paths=["b\udcff/a", "b/a"])
    assert match_paths(store, ["b\udcff/*"]).tolist() == [True, False]


def test_paths_with_a_hyphen_leave_out(tmp_path: Path) -> None:
    paths = ["a/1.png", "a/b/2.png", "c/3.png", "-d/4.png"]
    store = make_store(tmp_path, random_vectors(len(paths), 4), paths=paths)

    def found(*patterns: str) -> list[str]:
        return [store.path(position) for position in Filter(paths=patterns).rows(store).tolist()]

    assert found("-a") == ["c/3.png", "-d/4.png"]
    assert found("a", "-a/b") == ["a/1.png"]
    assert found("-*.png", "-") == []
    assert found("\\-d") == ["-d/4.png"]
    assert found("--d", "-c") == ["a/1.png", "a/b/2.png"]
