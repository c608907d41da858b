"""Searching by tags: alone, as a filter, mixed with similarity; and the tags that a hit shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stores import make_store, random_vectors, remove

from i2v_search.choices import SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.errors import IndexStaleError, QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.index.similarity import LEAST_DEVIATION, POWER
from i2v_search.search.tag_table import TagTable
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

N, D = 120, 16
NAMES = ("smile", "hat", "1girl")
DEAD = (0, 7, 50)


def fill(directory: Path, tags: Sequence[Sequence[Tag]], vectors: NDArray[np.float32]) -> FeatureStore:
    """A store whose rows have these tags, in two parts."""
    make_store(directory, vectors[:0])
    half = len(vectors) // 2
    for start, stop in ((0, half), (half, len(vectors))):
        writer = StoreWriter(directory, Manifest.load(directory))
        if start:
            writer._start_part()
        records = [
            ImageRecord(f"{'ab'[row % 2]}/{row:03d}.png", f"{row:064x}", 1, 0, 1, 1, tuple(tags[row]))
            for row in range(start, stop)
        ]
        writer.append(records, *unit_float16(vectors[start:stop]), [None] * len(records))
        writer.finish()
    return FeatureStore(directory)


def probabilities() -> NDArray[np.float32]:
    """(N, 3): how probable each tag is; 0 where a row does not carry it. Many are equal, as people give."""
    generator = np.random.default_rng(5)
    values = generator.choice([0, 0.1, 0.2, 0.25, 0.5, 0.9, 1], size=(N, len(NAMES)))
    return values.astype(np.float16).astype(np.float32)


VECTORS, TAGGED = random_vectors(N, D, seed=3), probabilities()
LIVE = np.setdiff1d(np.arange(N), DEAD)


@pytest.fixture(scope="module", params=get_args(SimilarityName))
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    directory = tmp_path_factory.mktemp("tagged")
    tags = [[Tag(NAMES[i], float(p)) for i, p in enumerate(row) if p] for row in TAGGED]
    fill(directory, tags, VECTORS)
    remove(directory, DEAD)
    opened = Collection.open(directory)
    opened.index(similarity=request.param, options=IndexOptions(graph=False))
    return opened


def similarities(collection: Collection, query: int) -> NDArray[np.float64]:
    """(N,) by the formulas, in float64."""
    rows = VECTORS.astype(np.float64)
    name = collection.info().similarity
    if name == "l2":
        return np.asarray(1 / (1 + np.linalg.norm(rows - rows[query], axis=1)))
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if name != "cosine":
        rows = rows - rows[LIVE].mean(axis=0)
    if name == "standardised":
        deviations = rows[LIVE].std(axis=0)
        rows = (
            rows * np.maximum(deviations, LEAST_DEVIATION * np.sqrt(np.square(deviations).mean())) ** -POWER
        )
    if name == "hamming":
        rows = np.sign(rows)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows[query])


def allowed_by(tags: Sequence[str], threshold: float) -> NDArray[np.bool_]:
    allowed, threshold = np.isin(np.arange(N), LIVE), float(np.float16(threshold))
    for tag in tags:
        values = TAGGED[:, NAMES.index(tag.removeprefix("-"))]
        allowed &= (values < (threshold or 0.25)) if tag.startswith("-") else values >= threshold
    return allowed


def assert_found(
    found: Sequence[tuple[int, float]], truth: NDArray[np.float64], allowed: NDArray[np.bool_], top: int
) -> None:
    """The best of the allowed rows by `truth`, in falling order, up to rounding."""
    ids = [number for number, _ in found]
    assert len(ids) == len(set(ids)) == min(top, int(allowed.sum()))
    assert allowed[ids].all()
    np.testing.assert_allclose([score for _, score in found], truth[ids], atol=1e-2)
    np.testing.assert_allclose(np.sort(truth[ids])[::-1], np.sort(truth[allowed])[::-1][:top], atol=1e-2)


signs = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names))
)


@pytest.mark.integration
@given(
    tags=signs,
    threshold=st.sampled_from([0, 0.1, 0.25, 0.5, 0.9]),
    weight=st.sampled_from([0, 0.2, 0.6, 1]),
    query=st.sampled_from([None, 1, 44, 119]),
    top=st.sampled_from([1, 5, 200]),
)
@settings(max_examples=60)
def test_tags_filter_and_rank_as_brute_force_does(
    collection: Collection,
    tags: tuple[str, ...],
    threshold: float,
    weight: float,
    query: int | None,
    top: int,
) -> None:
    wanted = [NAMES.index(tag) for tag in tags if not tag.startswith("-")]
    if not wanted and (query is None or weight):
        with pytest.raises(QueryError, match="without a leading '-'"):
            collection.search(query, tags=tags, tag_weight=weight)
        return
    if wanted and query is not None and not weight and not threshold:
        with pytest.raises(QueryError, match="the tags have no effect"):
            collection.search(query, tags=tags, tag_threshold=0)
        return
    by_tags = TAGGED[:, wanted].mean(axis=1) if wanted else np.zeros(N)
    truth = by_tags if query is None else (1 - weight) * similarities(collection, query) + weight * by_tags
    result = collection.search(
        query, tags=tags, tag_threshold=threshold, tag_weight=weight, top=top, exclude_query=False
    )
    found = [(hit.id, hit.score) for hit in result.hits]
    assert_found(found, np.asarray(truth, np.float64), allowed_by(tags, threshold), top)


def test_equal_tag_scores_go_by_position(collection: Collection) -> None:
    hits = collection.search(tags="hat", top=200).hits
    keys = [(-hit.score, hit.id) for hit in hits]
    assert keys == sorted(keys)


def test_a_mix_leaves_the_query_out(collection: Collection) -> None:
    hits = collection.search(44, tags="hat", tag_threshold=0, tag_weight=0.5, top=200).hits
    assert len(hits) == len(LIVE) - 1
    assert 44 not in [hit.id for hit in hits]


def test_a_threshold_means_what_was_stored_of_it(tmp_path: Path) -> None:
    """0.9 is kept as 0.89990234375."""
    fill(tmp_path, [[Tag("sky", 0.9)], [Tag("sky", 0.89)]], random_vectors(2, 4))
    hits = Collection.open(tmp_path).search(tags="sky", tag_threshold=0.9).hits
    assert [hit.id for hit in hits] == [0]


def test_tags_alone_need_no_index(tmp_path: Path) -> None:
    fill(tmp_path, [[Tag("sky")], []], random_vectors(2, 4))
    collection = Collection.open(tmp_path)
    assert [hit.id for hit in collection.search(tags="sky").hits] == [0]
    with pytest.raises(IndexStaleError):
        collection.search(0)
    with pytest.raises(IndexStaleError):
        collection.search(tags="sky", diverse=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to rank by; give a query, or at least one tag"),
        ({"tags": "-hat"}, "nothing to rank by"),
        ({"paths": "a/*"}, "nothing to rank by"),
        ({"query": 1, "tag_weight": 0.5}, "tag_weight requires at least one tag"),
        ({"query": 1, "tags": "-hat", "tag_weight": 0.5}, "tag_weight requires at least one tag"),
        ({"query": 1, "tags": "hat", "tag_weight": 1.5}, "tag_weight must be from 0"),
        ({"query": 1, "tags": "hat", "tag_weight": float("nan")}, "tag_weight must be from 0"),
        ({"tags": "hat", "tag_threshold": -0.1}, "tag_threshold is a probability from 0 to 1, not -0.1"),
        ({"tags": "hat", "tag_threshold": float("nan")}, "tag_threshold is a probability"),
        ({"query": 1, "tags": "hat", "tag_threshold": 0}, "the tags have no effect"),
        ({"tags": "hta"}, "did you mean 'hat'"),
        ({"query": 1, "max_explicit": float("nan")}, "max_explicit must be a probability"),
        ({"query": 1, "min_score": float("nan")}, "min_score must be a number"),
        ({"query": 1, "diverse": 1.2}, "diverse must be from 0"),
        ({"query": 1, "offset": -1}, "offset must be at least 0"),
        ({"query": 1, "diverse": 0.5, "top": 1001}, "diverse results are limited to the first 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, object], message: str, collection: Collection
) -> None:
    with pytest.raises(QueryError, match=message):
        collection.search(**options)  # type: ignore[arg-type]


# --- shared tags


@pytest.fixture
def shop(tmp_path: Path) -> Collection:
    """Five images; "girl" on all, "hat" on three, "cat" on two."""
    names = [["girl", "hat", "cat"], ["girl", "cat", "hat"], ["girl", "hat"], ["girl"], ["girl"]]
    tags = [[Tag(name) for name in row] for row in names]
    tags[3].append(Tag("hat", 0.2))
    fill(tmp_path, tags, random_vectors(5, 4))
    collection = Collection.open(tmp_path)
    collection.index(options=IndexOptions(graph=False))
    return collection


def shared(collection: Collection, query: object, **options: object) -> dict[int, tuple[str, ...]]:
    result = collection.search(query, **options)  # type: ignore[arg-type]
    return {hit.id: hit.tags for hit in result.hits}


def test_shared_tags_name_the_rarest_first_and_only_probable_ones(shop: Collection) -> None:
    assert shared(shop, 0) == {1: ("cat", "hat", "girl"), 2: ("hat", "girl"), 3: ("girl",), 4: ("girl",)}


def test_a_hit_also_names_the_tags_that_were_asked_for(shop: Collection) -> None:
    assert shared(shop, 3, tags="hat") == {0: ("hat", "girl"), 1: ("hat", "girl"), 2: ("hat", "girl")}
    assert shared(shop, None, tags="hat, cat") == {0: ("cat", "hat"), 1: ("cat", "hat")}
    assert shared(shop, None, tags="cat", tag_threshold=0) == {
        0: ("cat",),
        1: ("cat",),
        2: (),
        3: (),
        4: (),
    }


def test_a_vector_shares_nothing(shop: Collection) -> None:
    assert set(shared(shop, np.ones(4, np.float32)).values()) == {()}


# --- the table


def test_probabilities_are_those_of_every_part(collection: Collection) -> None:
    table = TagTable(collection.store)
    for number, name in enumerate(NAMES):
        np.testing.assert_array_equal(table.probabilities(name), TAGGED[:, number])
    assert not table.probabilities("none").any()


def test_an_empty_store_has_no_tags(tmp_path: Path) -> None:
    table = TagTable(make_store(tmp_path, random_vectors(0, 4)))
    assert (table.names, table.counts, table.probabilities("x").tolist()) == ([], {}, [])


def test_a_name_in_two_categories_counts_by_the_more_probable(tmp_path: Path) -> None:
    both = [Tag("miku", 0.3, "copyright"), Tag("miku", 0.8, "character")]
    store = fill(tmp_path, [both, both[::-1], []], random_vectors(3, 4))
    np.testing.assert_allclose(TagTable(store).probabilities("miku"), [0.8, 0.8, 0], atol=1e-3)
    lines = np.zeros(3, np.int64)
    table = TagTable(store)
    named = table.shared(np.arange(3), lines, [table.numbers_of(["miku", "unknown"])])
    assert named == [("miku",), ("miku",), ()]


def test_few_tags_are_remembered(collection: Collection) -> None:
    table = TagTable(collection.store)
    for number in range(100):
        table.probabilities(f"tag {number}")
    assert len(table._recent) <= 8
