"""Orders that no query decides: what comes first, filters and pages in them, and hits put in them."""

from __future__ import annotations

import hashlib
import os
import random
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from stores import clustered_vectors
from typer.testing import CliRunner
from web_server import running

from i2v_search.choices import SearchOrder
from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.search.request import SORTED_HITS
from i2v_search.search.varied import scrambled, shows_well, varied_order
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

N, D = 600, 24
#: Those of any collection; colours are of pictures, not of vectors alone.
ORDERS: list[SearchOrder] = [one for one in get_args(SearchOrder) if one not in {"colour", "board", "column"}]


def records(count: int) -> list[ImageRecord]:
    """Files of all sizes and times, three folders of which one has most; some are strips or specks."""
    chance = random.Random(5)
    names = [f"{chance.choice(['page', 'Page', 'été', 'scene 2 take '])}{n}" for n in range(count)]
    return [
        ImageRecord(
            path=f"{chance.choice(['a', 'a', 'a', 'b/deep', 'c'])}/{name}.png",
            # Row 7 is a copy of row 3.
            sha256=hashlib.sha256(b"%d" % (3 if number == 7 else number)).hexdigest(),
            size=chance.randrange(1, 50),
            mtime_ns=chance.randrange(-(2**63), 2**63) if number % 3 else 10**18,
            width=chance.choice([1, 32, 600, 1200]),
            height=chance.choice([1, 40, 600, 6000]),
            tags=(Tag("even"),) if number % 2 == 0 else (),
        )
        for number, name in enumerate(names)
    ]


def make(directory: Path, images: list[ImageRecord], vectors: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    encoder = EncoderRecord(
        id="test", weights_sha256="0" * 64, preprocessing="none", dimension=vectors.shape[1]
    )
    Manifest(encoder=encoder, similarity="cosine", image_root=str(directory)).save(directory)
    writer = StoreWriter(directory, Manifest.load(directory))
    writer.append(images, *unit_float16(vectors), [None] * len(images))
    writer.remove([11, 12])
    writer.finish()
    writer.close()
    return directory


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    vectors = clustered_vectors(N, D)
    vectors[7] = vectors[3]
    opened = Collection.open(make(tmp_path_factory.mktemp("orders"), records(N), vectors))
    opened.index()
    return opened


def ordered(collection: Collection, order: SearchOrder, **options: Any) -> list[int]:
    found = collection.search(order=order, top=N, **options)
    assert found.total == len(found.hits)
    assert {hit.score for hit in found.hits} <= {0.0, 1.0}
    return [hit.id for hit in found.hits]


def test_every_order_has_every_picture_once_and_the_same_each_time(collection: Collection) -> None:
    for order in ORDERS[1:]:
        found = ordered(collection, order, copies=True)
        assert sorted(found) == [number for number in range(N) if number not in (11, 12)], order
        assert found == ordered(Collection.open(collection.directory), order, copies=True), order


def test_what_comes_first(collection: Collection) -> None:
    """Python's own sorting says the same: it is stable, so that equals come as they were added."""
    images = list(collection)

    def expected(key: Any, *, down: bool = False) -> list[int]:
        return [image.id for image in sorted(images, key=key, reverse=down)]

    def by_time(image: Any) -> int:
        return int(collection.store.record(image.id).mtime_ns)

    def by_size(image: Any) -> tuple[int, int]:
        return (image.size[0] * image.size[1], image.bytes)

    def by_name(image: Any) -> Any:
        parts = re.split(r"(\d+)", image.path.split("/")[-1].lower())
        return [int(part) if part.isdigit() else part for part in parts]

    assert ordered(collection, "collection", copies=True) == expected(lambda image: image.id)
    assert ordered(collection, "oldest", copies=True) == expected(by_time)
    assert ordered(collection, "newest", copies=True) == expected(lambda image: -by_time(image))
    assert ordered(collection, "smallest", copies=True) == expected(by_size)
    assert ordered(collection, "largest", copies=True) == expected(
        lambda image: tuple(-value for value in by_size(image))
    )
    assert ordered(collection, "name", copies=True) == expected(by_name)


def test_random_depends_on_the_seed_and_keeps_its_order_where_pictures_go(collection: Collection) -> None:
    first = ordered(collection, "random", seed=1, copies=True)
    assert first != ordered(collection, "random", seed=2, copies=True)
    assert first != sorted(first)
    even = ordered(collection, "random", seed=1, tags="even", copies=True)
    assert even == [number for number in first if number % 2 == 0]


def test_scrambled_numbers_are_different_and_spread() -> None:
    for seed in (0, 1, 2**64 - 1):
        found = scrambled(np.arange(100_000), seed)
        assert len(np.unique(found)) == 100_000
        halves = np.bincount((found >> np.uint64(54)).astype(np.int64), minlength=1024)
        assert 40 < halves.min() <= halves.max() < 200


def test_of_copies_the_first_in_the_order_is_shown_with_their_number(collection: Collection) -> None:
    for order in ORDERS[1:]:
        every = ordered(collection, order, copies=True)
        later = max((3, 7), key=every.index)
        assert ordered(collection, order) == [number for number in every if number != later]
        hits = collection.search(order=order, top=N).hits
        assert {hit.id: hit.copies for hit in hits if hit.copies} == {10 - later: 1}


def test_filters_and_pages_hold_in_every_order(collection: Collection) -> None:
    for order in ORDERS[1:]:
        every = ordered(collection, order)
        kept = [n for n in every if n % 2 == 0 and collection.stored_path(n).startswith("a/")]
        found = ordered(collection, order, tags="even", paths="a")
        assert set(found) - {7} == set(kept) - {7}
        paged: list[int] = []
        for offset in range(0, 10_000, 40):
            page = collection.search(order=order, top=40, offset=offset, tags="even", paths="a")
            paged += [hit.id for hit in page.hits]
            assert page.total == len(found)
            assert [hit.rank for hit in page.hits] == [*range(offset + 1, offset + 1 + len(page.hits))]
            if not page.more:
                break
        assert paged == found


@pytest.mark.parametrize("order", ORDERS[1:])
def test_with_an_example_the_best_hits_are_sorted(collection: Collection, order: SearchOrder) -> None:
    best = {hit.id: hit.score for hit in collection.search(5, top=SORTED_HITS).hits}
    assert len(best) == SORTED_HITS
    pages = [collection.search(5, order=order, top=60, offset=offset) for offset in (0, 60, 120, 180)]
    hits = [hit for page in pages for hit in page.hits]
    assert [page.more for page in pages] == [True, True, True, False]
    assert {page.total for page in pages} == {SORTED_HITS}
    assert {hit.id: hit.score for hit in hits} == best
    places = {number: place for place, number in enumerate(ordered(collection, order, copies=True))}
    assert [hit.id for hit in hits] == sorted(best, key=places.__getitem__)


def test_a_least_score_holds_before_hits_are_sorted(collection: Collection) -> None:
    least = collection.search(5, top=30).hits[-1].score
    found = collection.search(5, order="newest", min_score=least, top=N)
    assert (len(found.hits), found.total, found.more) == (30, 30, False)


def test_the_number_of_hits_is_known_without_an_order_too(collection: Collection) -> None:
    count = N - 2 - 1  # but for the removed, and the copy
    assert collection.search(5, top=3).total == count - 1
    assert collection.search(5, top=3, copies=True).total == count
    assert collection.search(3, top=3).total == count - 1  # its copy goes with it
    assert collection.search(tags="even", top=3).total == len(ordered(collection, "name", tags="even"))
    assert collection.search(5, top=3, min_score=0.0).total is None
    least = collection.search(5, top=30).hits[-1].score
    assert collection.search(5, top=40, min_score=least).total == 30


def test_what_is_no_order_is_refused(collection: Collection) -> None:
    with pytest.raises(QueryError, match=r"unknown order 'size'; available: likeness, varied, .*random"):
        collection.search(order="size")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="seed must be from 0"):
        collection.search(order="random", seed=-1)
    with pytest.raises(QueryError, match="diverse results have an order of their own"):
        collection.search(5, order="name", diverse=0.5)
    with pytest.raises(QueryError, match=r"nothing to rank by; .*, or an order"):
        collection.search(order="likeness")
    with pytest.raises(QueryError, match="the tags have no effect"):
        collection.search(order="name", tags="even", tag_threshold=0)


def test_an_order_follows_what_changes(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", records(30), clustered_vectors(30, D))
    opened = Collection.open(directory)
    before = ordered(opened, "name")
    opened.remove([before[0]])
    assert ordered(opened, "name") == before[1:]


# -------- a varied order


def worlds(count: int) -> tuple[list[ImageRecord], Any, list[int]]:
    """Thirty groups of pictures, a folder each, one of which has half of all; each picture is there twice."""
    chance = np.random.default_rng(3)
    group = [0 if number % 2 else int(chance.integers(1, 30)) for number in range(count // 2)]
    centres = chance.normal(size=(30, 64))
    base = centres[group] + 0.3 * chance.normal(size=(count // 2, 64))
    vectors = np.repeat(base, 2, axis=0) + 0.01 * chance.normal(size=(count, 64))
    groups = [value for value in group for _ in range(2)]
    images = [
        ImageRecord(
            path=f"folder {groups[number]}/{number:05d}.png",
            sha256=hashlib.sha256(b"%d" % number).hexdigest(),
            size=9,
            mtime_ns=0,
            width=300 if number % 10 else 1,
            height=200,
            tags=(),
        )
        for number in range(count)
    ]
    order = np.argsort(groups, kind="stable").tolist()
    return [images[n] for n in order], vectors[order].astype(np.float32), [groups[n] for n in order]


def test_a_varied_order_spreads_over_the_collection(tmp_path: Path) -> None:
    images, vectors, groups = worlds(2000)
    store = FeatureStore(make(tmp_path / "c", images, vectors))
    found = varied_order(store).tolist()
    assert sorted(found) == store.live.tolist()
    # All groups on the first two pages, where a shuffle shows about twenty; no page is of the largest alone.
    assert {groups[n] for n in found[:120]} == set(range(30))
    shown = [n for n in found if images[n].width > 1]
    assert found[: len(shown)] == shown  # what shows badly comes last
    for start in range(0, len(shown) // 2, 60):
        assert len({groups[n] for n in shown[start : start + 60]}) >= 10
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    half = shown[: len(shown) // 2]
    for first, second, third in zip(half, half[1:], half[2:], strict=False):
        assert unit[first] @ unit[second] < 0.97  # no copy beside its original
        assert not groups[first] == groups[second] == groups[third]


def test_a_varied_order_of_few_or_equal_pictures(tmp_path: Path) -> None:
    images, vectors, _ = worlds(40)
    for count in (13, 14, 15, 40):
        same = np.ones((count, 8), np.float32)
        store = FeatureStore(make(tmp_path / f"same {count}", images[:count], same))
        assert sorted(varied_order(store)) == store.live.tolist()
        store = FeatureStore(make(tmp_path / f"other {count}", images[:count], vectors[:count]))
        assert sorted(varied_order(store)) == store.live.tolist()


def test_more_pictures_than_are_looked_at_come_shuffled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.search.varied._NUMBERS", 64 * 200)
    images, vectors, groups = worlds(2000)
    store = FeatureStore(make(tmp_path / "c", images, vectors))
    found = varied_order(store).tolist()
    assert sorted(found) == store.live.tolist()
    assert len({groups[n] for n in found[:60]}) >= 20
    for start in range(200, 1600, 60):
        assert len({groups[n] for n in found[start : start + 60]}) >= 10


def test_strips_and_specks_show_badly() -> None:
    sizes = [(640, 480), (16, 16), (15, 15), (1, 1), (300, 6000), (1600, 40), (400, 100), (401, 100)]
    widths, heights = np.array(sizes).T
    assert shows_well(widths, heights).tolist() == [True, True, False, False, False, False, True, False]


# -------- over HTTP and on the command line


def test_over_http(sample_collection: Collection, tmp_path: Path) -> None:
    with running(sample_collection, tmp_path) as server:

        def ask(**body: Any) -> Any:
            return server.client.post("/api/v1/search", json=body).json()

        for order in ORDERS[1:]:
            found = ask(order=order, seed=4, top=20, offset=20)
            expected = sample_collection.search(order=order, seed=4, top=20, offset=20)
            assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in expected.hits]
            assert {hit["score"] for hit in found["hits"]} == {None}
            assert found["total"] == expected.total
        assert ask(top=20)["hits"] == ask(top=20, order="varied")["hits"]
        query = sample_collection.ids[0]
        best = ask(examples=[{"id": query}], order="name")
        assert best["total"] == sample_collection.search(query, order="name").total
        assert best["hits"][0]["score"] is not None
        assert ask(order="likeness")["error"]["code"] == "bad_query"
        assert "order" in ask(order="size")["error"]["message"]


def test_tags_are_counted_over_varied_pictures_where_nothing_is_asked(tmp_path: Path) -> None:
    """Of 500 pictures the first 200 all lie in one folder; the chips tell of the others too."""
    images, vectors, groups = worlds(500)
    tagged = [
        ImageRecord(**{**vars(image), "tags": (Tag(f"thing {group}"),)})
        for image, group in zip(images, groups, strict=True)
    ]
    opened = Collection.open(make(tmp_path / "c", tagged, vectors))
    with running(opened, tmp_path / "cache") as server:
        counted = server.client.post("/api/v1/tags/counts", json={"order": "collection", "seed": 3}).json()
    assert len(counted) >= 25
    assert sum(tag["count"] for tag in counted) == 200


def test_on_the_command_line(sample_collection: Collection) -> None:
    def run(*options: str) -> str:
        done = CliRunner().invoke(
            app, ["search", "-k", "3", *options, "-c", str(sample_collection.directory)]
        )
        assert done.exit_code == 0, done.output
        return done.output

    expected = sample_collection.search(order="largest", top=3)
    lines = run("--order", "largest", "--paths-only").splitlines()
    assert lines == [os.fsdecode(sample_collection.file_path(hit.id)) for hit in expected.hits]
    table = run("--order", "random", "--seed", "3")
    assert "score" not in table
    assert all(hit.path in table for hit in sample_collection.search(order="random", seed=3, top=3).hits)
