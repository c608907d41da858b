"""Of copies one is shown, in every order, by every index, on stable pages; `copies=True` shows all."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from commands import run
from drawings import drawing, save
from grids import GridEncoder
from PIL import Image
from stores import clustered_vectors
from visiting import Visit, keys, until
from web_server import running

from i2v_search.choices import IndexKind
from i2v_search.collection.collection import Collection
from i2v_search.index.planner import IndexOptions
from i2v_search.search.proven_copies import COPIES_NAME, read_proven, write_proven
from i2v_search.search.results import Hit
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

N, D = 300, 24
KINDS = sorted(set(get_args(IndexKind)) - {"auto"})


def digest(content: int) -> str:
    return hashlib.sha256(b"%d" % content).hexdigest()


@pytest.fixture(scope="module")
def contents() -> list[int]:
    """The content of each row: some alone, some in pairs, one of 40 rows."""
    generator = np.random.default_rng(4)
    chosen = [*range(180), *generator.integers(0, 60, 80).tolist(), *[180] * 40]
    generator.shuffle(chosen)
    return list(map(int, chosen))


@pytest.fixture(scope="module", params=KINDS)
def collection(
    request: pytest.FixtureRequest, contents: list[int], tmp_path_factory: pytest.TempPathFactory
) -> Collection:
    """Some rows lie behind the index, some are removed, and content 1 is a proven copy of content 0."""
    directory = tmp_path_factory.mktemp("copies")
    vectors = clustered_vectors(181, D)
    vectors[1] = vectors[0] + 0.01
    encoder = EncoderRecord(id="test", weights_sha256="0" * 64, preprocessing="none", dimension=D)
    Manifest(encoder=encoder, similarity="cosine", image_root=str(directory)).save(directory)
    for first, last in ((0, 250), (250, N)):
        writer = StoreWriter(directory, Manifest.load(directory))
        records = [
            ImageRecord(
                f"{row}.png", digest(contents[row]), 1, 0, 1, 1, (Tag("even" if row % 2 == 0 else "odd"),)
            )
            for row in range(first, last)
        ]
        writer.append(records, *unit_float16(vectors[contents[first:last]]), [None] * len(records))
        writer.finish()
        if last < N:
            options = IndexOptions(kind=request.param, pca_dimensions=8, graph=False)
            Collection.open(directory).index(options=options)
    writer = StoreWriter(directory, Manifest.load(directory))
    writer.remove([3, 77, 280])
    writer.finish()
    write_proven(directory, {bytes.fromhex(digest(1)): bytes.fromhex(digest(0))})
    return Collection.open(directory)


def pages(collection: Collection, options: dict[str, Any]) -> Iterator[Hit]:
    for number in range(1000):
        result = collection.search(**options, offset=number * options["top"])
        yield from result.hits
        if not result.more:
            return
        assert len(result.hits) == options["top"]
    raise AssertionError("no end")


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        {"query": 5, "top": 7},
        {"query": 5, "top": 100},
        {"query": [5, 9], "top": 30, "exclude_query": False},
        {"query": 5, "top": 11, "tags": "even"},
        {"query": 5, "top": 11, "tags": "even", "tag_threshold": 0, "tag_weight": 0.4},
        {"tags": "odd", "top": 9},
        {"query": 5, "top": 10, "min_score": 0.2},
        {"query": 5, "top": 20, "diverse": 0.6},
    ],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items()),
)
def test_pages_hold_each_picture_once_and_count_its_copies(
    collection: Collection, contents: list[int], options: dict[str, Any]
) -> None:
    everything = list(pages(collection, {**options, "copies": True, "diverse": None}))
    assert {hit.copies for hit in everything} == {0}
    if "diverse" in options:
        options = {**options, "top": 50}
    shown = list(pages(collection, options))
    picture = {hit.id: max(contents[hit.id], 1) for hit in everything}
    several = Counter(picture.values())
    assert [hit.rank for hit in shown] == list(range(1, len(shown) + 1))
    assert len({picture[hit.id] for hit in shown}) == len(shown)
    if "min_score" not in options:
        assert {picture[hit.id]: hit.copies + 1 for hit in shown} == several
    if "diverse" not in options:
        # Which of two equal rows comes first may change with how many are asked for.
        assert [picture[hit.id] for hit in shown] == list(
            dict.fromkeys(picture[hit.id] for hit in everything)
        )


def test_a_damaged_or_deleted_proof_leaves_equal_files_collapsed(collection: Collection) -> None:
    file = collection.directory / COPIES_NAME
    content = file.read_bytes()
    try:
        for damaged in (b"", content[:-1], content[:20] + b"x" + content[21:]):
            file.write_bytes(damaged)
            assert read_proven(collection.directory) == {}
            hits = Collection.open(collection.directory).search(5, top=300).hits
            assert len(hits) == len(set(map(collection.store.sha256, (hit.id for hit in hits))))
        file.unlink()
        assert read_proven(collection.directory) == {}
    finally:
        file.write_bytes(content)


@pytest.fixture
def sizes(tmp_path: Path) -> Collection:
    """One drawing in three sizes and twice the same file, and five others."""
    folder = tmp_path / "art"
    original = drawing(1, (960, 640))
    save(original, folder / "large.png")
    (folder / "large-again.png").write_bytes((folder / "large.png").read_bytes())
    for width in (720, 480):
        small = original.resize((width, width * 2 // 3), Image.Resampling.LANCZOS)
        save(small, folder / f"{width}.png")
    for seed in range(2, 7):
        save(drawing(seed), folder / f"other-{seed}.png")
    return Collection.build(tmp_path / "collection", [folder], encoder=GridEncoder())


def test_sizes_of_a_picture_collapse_once_duplicates_has_seen_them(sizes: Collection) -> None:
    vector = sizes.vectors(["other-2.png"])[0]
    before = sizes.search(vector, top=20)
    assert len(before.hits) == 8
    sizes.duplicates()
    for collection in (sizes, Collection.open(sizes.directory)):
        after = collection.search(vector, top=20)
        assert len(after.hits) == 6
        assert [hit.copies for hit in after.hits if not hit.path.startswith("other")] == [3]
        assert len(collection.search(vector, top=20, copies=True).hits) == 9
    assert sizes.search("large.png", top=20).hits[0].copies in {0, 1}
    sizes.remove(["large.png", "large-again.png"])
    assert len(sizes.search(vector, top=20).hits) == 7


@pytest.mark.integration
def test_the_command_shows_one_of_each_and_all_with_copies(sizes: Collection) -> None:
    def ran(*arguments: str) -> str:
        found = ("search", "other-2.png", "--tags", "", "-c", sizes.directory, "-k", "20")
        return run(*found, *arguments).stdout

    assert "(and 1 copy)" in ran()
    assert "copies with --copies" in ran()
    assert len(json.loads(ran("--json"))["hits"]) == 7
    assert len(json.loads(ran("--json", "--copies"))["hits"]) == 8
    assert "copy" not in ran("--copies")


@pytest.mark.xdist_group("page")
def test_the_server_and_its_page_show_one_of_each(sizes: Collection, browser: Any, tmp_path: Path) -> None:
    number = next(number for number in sizes.ids if sizes.stored_path(number) == "other-2.png")
    with running(sizes, tmp_path / "thumbnails") as server:
        asked = {"examples": [{"id": number}], "top": 20}
        hits = server.client.post("/api/v1/search", json=asked).json()["hits"]
        assert sorted(hit["copies"] for hit in hits) == [0] * 6 + [1]
        every = server.client.post("/api/v1/search", json={**asked, "copies": True}).json()["hits"]
        assert len(every) == 8
        visit = Visit(browser.new_page(), server.url)
        page = visit.open(f"?like={number}")
        assert len(keys(page)) == 7
        assert page.locator(".copies").all_text_contents() == ["and one copy"]
        page.click("#filters-button")
        page.get_by_label("Show copies").check()
        until(page, "document.querySelectorAll('#grid .tile').length === 8")
        assert "copies=1" in page.url
        visit.open(f"?like={number}&copies=1")
        assert len(keys(page)) == 8
        assert page.get_by_label("Show copies").is_checked()
        page.close()
