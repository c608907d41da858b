"""Pages of a search: they never repeat an image or skip one, whatever the index, the order and the filter."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from stores import append, clustered_vectors, make_store, remove

from i2v_search.choices import IndexKind
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.search.results import Hit, SearchResult

pytestmark = pytest.mark.integration

N, D = 600, 48
TAGS = [["even"] if number % 2 == 0 else ["odd"] for number in range(N)]
KINDS = sorted(set(get_args(IndexKind)) - {"auto"})


@pytest.fixture(scope="module", params=KINDS)
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return make_collection(tmp_path_factory.mktemp("paging"), request.param)


def make_collection(directory: Path, kind: IndexKind) -> Collection:
    """Most rows in the index, some behind it, some removed."""
    vectors = clustered_vectors(N, D)
    make_store(directory, vectors[:500], tags=TAGS[:500])
    opened = Collection.open(directory)
    opened.index(options=IndexOptions(kind=kind, pca_dimensions=8, graph=False))
    append(directory, vectors[500:], tags=TAGS[500:])
    remove(directory, [3, 77, 580])
    return Collection.open(directory)


def page(collection: Collection, number: int, options: dict[str, Any]) -> SearchResult:
    return collection.search(**options, offset=number * options["top"])


def every_hit(collection: Collection, options: dict[str, Any]) -> list[Hit]:
    """All pages, each asked for by itself, as far as there are more."""
    found: list[Hit] = []
    for number in range(1000):
        result = page(collection, number, options)
        assert result.offset == number * options["top"]
        found += result.hits
        if not result.more:
            return found
        assert len(result.hits) == options["top"]
    raise AssertionError("no end")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"query": 5, "top": 7}, N - 4),
        ({"query": 5, "top": 100}, N - 4),
        ({"query": [5, 9], "top": 150, "exclude_query": False}, N - 3),
        ({"query": 5, "top": 30, "tags": "even"}, N // 2 - 1),
        ({"query": 4, "top": 30, "tags": "even"}, N // 2 - 2),
        ({"query": None, "top": 30, "tags": "even"}, N // 2 - 1),
        ({"query": 5, "top": 30, "tags": "even", "tag_weight": 0.3, "tag_threshold": 0}, N - 4),
        ({"query": 5, "top": 7, "paths": "00[0-3]*"}, 40 - 2),
    ],
)
def test_all_pages_together_are_every_image_once(
    options: dict[str, Any], count: int, collection: Collection
) -> None:
    hits = every_hit(collection, options)
    assert len({hit.id for hit in hits}) == len(hits) == count
    assert [hit.rank for hit in hits] == list(range(1, count + 1))


def test_a_page_is_the_same_whatever_was_asked_before(collection: Collection) -> None:
    options = {"query": 17, "top": 9}
    third = page(collection, 3, options).hits
    every_hit(collection, options)
    assert page(collection, 3, options).hits == third
    assert page(Collection.open(collection.directory), 3, options).hits == third


def test_the_pages_of_an_exact_index_are_the_plain_order(tmp_path: Path) -> None:
    collection = make_collection(tmp_path, "exact")
    everything = collection.search(5, top=1000).hits
    assert every_hit(collection, {"query": 5, "top": 11}) == list(everything)


def test_pages_end_at_the_least_score(collection: Collection) -> None:
    everything = every_hit(collection, {"query": 5, "top": 50})
    limit = sorted((hit.score for hit in everything), reverse=True)[39]
    hits = every_hit(collection, {"query": 5, "top": 10, "min_score": limit})
    assert all(hit.score >= limit for hit in hits)
    assert 30 <= len(hits) <= 40
    assert not page(collection, 3 + (len(hits) > 40), {"query": 5, "top": 10, "min_score": limit}).more


@pytest.mark.parametrize("options", [{"query": 5}, {"query": None, "tags": "even"}])
def test_diverse_pages_do_not_repeat_and_stay(options: dict[str, Any], collection: Collection) -> None:
    wanted = {**options, "top": 8, "diverse": 0.6}
    pages = [page(collection, number, wanted).hits for number in range(5)]
    ids = [hit.id for hits in pages for hit in hits]
    assert len(set(ids)) == len(ids) == 40
    assert page(collection, 2, wanted).hits == pages[2]


def test_diverse_results_are_less_alike(collection: Collection) -> None:
    def likeness(**options: Any) -> float:
        ids = [hit.id for hit in collection.search(5, top=10, **options).hits]
        rows = collection.vectors([str(number) for number in ids])
        rows -= collection.vectors().mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return float((rows @ rows.T).mean())

    assert likeness(diverse=0.3) < likeness(diverse=0.7) < likeness()
    plain, same = (collection.search(5, top=10, diverse=value).hits for value in (None, 1.0))
    assert len({hit.id for hit in plain} & {hit.id for hit in same}) >= 8


def test_a_page_behind_the_last_is_empty(collection: Collection) -> None:
    result = collection.search(5, top=10, offset=5000)
    assert (result.hits, result.more, result.offset) == ((), False, 5000)


def test_a_whole_last_page_has_no_more(tmp_path: Path) -> None:
    make_store(tmp_path, clustered_vectors(21, 8))
    collection = Collection.open(tmp_path)
    collection.index(options=IndexOptions(graph=False))
    assert collection.search(0, top=10).more
    assert not collection.search(0, top=10, offset=10).more
    assert collection.search(0, top=10, offset=10, exclude_query=False).more
    with pytest.raises(QueryError, match="offset must be at least 0, not -10"):
        collection.search(0, offset=-10)
