"""`Collection.search`: examples and weights, what is left out, filters, and what is not loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw, touch
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device, SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError, ImageError, QueryError
from i2v_search.images.sample import sample_directory, sample_images
from i2v_search.index.planner import IndexOptions
from i2v_search.search.examples import Example

COUNT = 24
BIRDS, CATS = range(12), range(12, COUNT)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve birds and twelve cats under encoder ``grid``; bird 0 is there three times, as 24 and 25 too."""
    root = tmp_path_factory.mktemp("search")
    lines = []
    for number in range(COUNT):
        kind = "bird" if number in BIRDS else "cat"
        path = f"{kind}s/{number:02d}.png"
        draw(root / "images" / path, number)
        lines.append({"path": path, "tags": [kind, *(["small"] if number % 2 else [])]})
    (root / "images" / "copies").mkdir()
    for name in ("24.png", "25.png"):
        shutil.copy(root / "images" / "birds" / "00.png", root / "images" / "copies" / name)
        lines.append({"path": f"copies/{name}", "tags": ["copy"]})
    (root / "images" / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Collection.build(root / "collection", [root / "images"], encoder=GridEncoder())
    return root / "collection"


@pytest.fixture
def collection(directory: Path, loaded: list[GridEncoder]) -> Collection:
    return Collection.open(directory)


@pytest.fixture
def images(directory: Path) -> Path:
    return directory.parent / "images"


def id_of(collection: Collection, path: str) -> int:
    return next(number for number in collection.ids if collection.stored_path(number) == path)


def ids(collection: Collection, *args: object, **options: object) -> list[int]:
    return [hit.id for hit in collection.search(*args, **options).hits]  # type: ignore[arg-type]


def centred(collection: Collection) -> NDArray[np.float64]:
    """The rows in the search space of the default similarity, by the formula."""
    rows = collection.vectors().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


# --- results


def test_hits_are_the_nearest_images_best_first(collection: Collection) -> None:
    scores = centred(collection) @ centred(collection)[5]
    expected = [number for number in np.argsort(-scores, kind="stable") if number != 5][:10]
    hits = collection.search(5, copies=True).hits
    assert [hit.id for hit in hits] == expected
    assert [hit.rank for hit in hits] == list(range(1, 11))
    assert [hit.path for hit in hits] == [collection.stored_path(hit.id) for hit in hits]
    np.testing.assert_allclose([hit.score for hit in hits], scores[expected], atol=1e-4)


def test_a_result_is_json_ready(collection: Collection) -> None:
    result = collection.search(1, top=2)
    document = json.loads(json.dumps(result.to_dict()))
    assert document["hits"][0] == {
        "rank": 1,
        "id": result.hits[0].id,
        "path": result.hits[0].path,
        "score": result.hits[0].score,
        "tags": list(result.hits[0].tags),
        "copies": result.hits[0].copies,
        "why": [],
        "box": None,
    }
    assert document["seconds"] == result.seconds > 0


@pytest.mark.parametrize("top", [1, 3, 25, 26, 1000])
def test_as_many_hits_as_asked_for_or_as_there_are(top: int, collection: Collection) -> None:
    assert len(collection.search(5, top=top).hits) == min(top, COUNT - 1)
    assert len(collection.search(5, top=top, copies=True).hits) == min(top, COUNT + 2 - 1)


@pytest.mark.parametrize("top", [0, -1])
def test_fewer_than_one_hit_is_an_error(top: int, collection: Collection) -> None:
    with pytest.raises(QueryError, match=f"top must be at least 1, not {top}"):
        collection.search(5, top=top)


def test_a_hit_names_the_tags_it_shares_with_what_is_liked(collection: Collection) -> None:
    for hit in collection.search([1, Example(12, -1)], top=30, exclude_query=False).hits:
        expected = {"bird", "small"} & {tag.name for tag in collection.store.record(hit.id).tags}
        assert set(hit.tags) == expected


def test_min_score_leaves_the_rest_out(collection: Collection) -> None:
    everything = collection.search(5, top=100).hits
    limit = everything[7].score
    assert collection.search(5, top=100, min_score=limit).hits == everything[:8]
    assert collection.search(5, top=100, min_score=1.01).hits == ()


# --- every form of a query finds the same


def test_ids_paths_files_bytes_images_and_vectors_ask_the_same(collection: Collection, images: Path) -> None:
    path = images / "birds" / "03.png"
    number = id_of(collection, "birds/03.png")
    with Image.open(path) as image:
        image.load()
    expected = collection.search(number, top=5, exclude_query=False).hits
    assert expected[0].id == number
    assert expected[0].score == pytest.approx(1, abs=1e-3)
    vector = collection.vectors([number])[0]
    for query in (str(number), "birds/03.png", path, str(path), path.read_bytes(), image, vector):
        hits = collection.search(query, top=5, exclude_query=False).hits
        assert [hit.id for hit in hits] == [hit.id for hit in expected]
        np.testing.assert_allclose([hit.score for hit in hits], [hit.score for hit in expected], atol=2e-3)


def test_the_encoder_is_loaded_only_for_images_from_outside(
    collection: Collection, images: Path, tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    known = shutil.copy(images / "cats" / "14.png", tmp_path / "copy.png")
    for query in (3, "3", "cats/13.png", images / "cats" / "13.png", Path(known), Path(known).read_bytes()):
        collection.search(query)
    collection.search(np.ones(DIMENSION, np.float32))
    collection.morph(0, 12)
    assert loaded == []
    collection.search(draw(tmp_path / "new.png", 99))
    collection.search(draw(tmp_path / "newer.png", 98))
    assert len(loaded) == 1


def test_a_search_by_id_loads_neither_torch_nor_onnx_runtime(sample_collection: Collection) -> None:
    """With the embedded encoder's own collection, in a fresh interpreter."""
    code = (
        "import sys\n"
        "from i2v_search import Collection\n"
        "collection = Collection.open(sys.argv[1])\n"
        "assert collection.search(0, top=3).hits\n"
        "assert collection.morph(0, 5, steps=2).stops\n"
        "print(sorted({'torch', 'onnxruntime', 'onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(sample_collection.directory)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_changed_file_is_searched_as_it_is_now(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    for number in range(6):
        draw(tmp_path / "images" / f"{number}.png", number)
    collection = Collection.build(tmp_path / "c", [tmp_path / "images"], encoder=GridEncoder())
    expected = ids(collection, draw(tmp_path / "five.png", 5), exclude_query=False)
    file = draw(tmp_path / "images" / "0.png", 5)
    touch(file)
    collection = Collection.open(tmp_path / "c")
    assert ids(collection, file, exclude_query=False) == expected
    assert expected[0] == id_of(collection, "5.png")


# --- the query itself


def test_the_query_and_its_copies_are_left_out(collection: Collection, images: Path) -> None:
    same = {id_of(collection, path) for path in ("birds/00.png", "copies/24.png", "copies/25.png")}
    content = (images / "birds" / "00.png").read_bytes()
    for query in (*same, "copies/24.png", images / "copies" / "25.png", content):
        found = ids(collection, query, top=COUNT - 1)
        assert not same & set(found)
        assert len(found) == COUNT - 1


def test_the_query_comes_first_where_it_is_wanted(collection: Collection) -> None:
    same = sorted(id_of(collection, path) for path in ("birds/00.png", "copies/24.png", "copies/25.png"))
    hits = collection.search(same[0], top=4, exclude_query=False, copies=True).hits
    assert [hit.id for hit in hits[:3]] == same
    np.testing.assert_allclose([hit.score for hit in hits[:3]], 1, atol=1e-3)
    assert hits[3].score < 0.999


def test_every_example_is_left_out(collection: Collection) -> None:
    assert not {3, 5, 7} & set(ids(collection, [3, 5, Example(7, -1)], top=100))


# --- several examples


def test_examples_are_weighted(collection: Collection) -> None:
    rows = centred(collection)
    total = 2 * rows[3] + rows[8]
    scores = rows @ (total / np.linalg.norm(total))
    expected = np.argsort(-scores, kind="stable")[:10].tolist()
    hits = collection.search([Example(3, 2), 8], exclude_query=False).hits
    assert [hit.id for hit in hits] == expected
    np.testing.assert_allclose([hit.score for hit in hits], scores[expected], atol=1e-4)


def test_a_negative_example_alone_finds_what_is_least_like_it(collection: Collection) -> None:
    liked = collection.search(5, top=100).hits
    unliked = collection.search(Example(5, -1), top=100).hits
    np.testing.assert_allclose([hit.score for hit in unliked], [-hit.score for hit in liked[::-1]], atol=1e-6)
    assert [hit.id for hit in unliked[:5]] == [hit.id for hit in liked[:-6:-1]]


def test_the_weight_of_a_single_example_means_nothing(collection: Collection) -> None:
    assert ids(collection, Example(5, 0.1)) == ids(collection, Example(5, 9)) == ids(collection, 5)


def test_examples_from_inside_and_outside_mix(
    collection: Collection, tmp_path: Path, loaded: list[GridEncoder]
) -> None:
    outside = draw(tmp_path / "new.png", 97)
    found = collection.search([1, outside, Example("cats/13.png", -0.2)], top=4).hits
    assert len(found) == 4
    assert len(loaded) == 1


# --- filters


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"tags": "cat"}, "cats/"),
        ({"tags": "-bird, -copy"}, "cats/"),
        ({"paths": "cats/*"}, "cats/"),
        ({"tags": ["cat"], "paths": ["*/1*", "*/2*"]}, "cats/"),
        ({"tags": "bird", "paths": "birds/*"}, "birds/"),
    ],
)
def test_every_hit_meets_the_filters_and_none_is_missing(
    options: dict[str, str], kind: str, collection: Collection
) -> None:
    query = 20 if kind == "birds/" else 4
    hits = collection.search(query, top=100, **options).hits  # type: ignore[arg-type]
    every = collection.search(query, top=100).hits
    assert [hit.path for hit in hits] == [hit.path for hit in every if hit.path.startswith(kind)]
    assert [hit.rank for hit in hits] == list(range(1, 13))


def test_k_results_even_where_the_best_are_excluded(collection: Collection) -> None:
    worst = ids(collection, 5, top=100)[-3:]
    paths = [collection.stored_path(number) for number in worst]
    assert ids(collection, 5, top=3, paths=paths) == worst


def test_filters_that_nothing_meets_find_nothing(collection: Collection) -> None:
    assert collection.search(5, tags="bird, cat").hits == ()
    assert collection.search(5, paths="dogs/*").hits == ()


def test_an_unknown_tag_is_an_error_with_a_suggestion(collection: Collection) -> None:
    with pytest.raises(QueryError, match="has tag 'brid'; did you mean 'bird'"):
        collection.search(5, tags="brid")


# --- errors


@pytest.mark.parametrize("query", [99, "99", "nowhere.png", [], [1, 99], np.ones(3, np.float32), True])
def test_what_does_not_exist_is_a_query_error(query: object, collection: Collection) -> None:
    with pytest.raises(QueryError):
        collection.search(query)  # type: ignore[arg-type]


def test_what_is_no_image_is_an_image_error(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    for query in (tmp_path / "a.png", b"nothing"):
        with pytest.raises(ImageError):
            collection.search(query)


# --- the bundled sample under the embedded encoder


def assert_every_image_finds_itself(collection: Collection) -> None:
    for number in collection.ids:
        (hit,) = collection.search(number, top=1, exclude_query=False).hits
        assert hit.id == number
        assert hit.score == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", get_args(SimilarityName))
def test_every_image_of_the_sample_finds_itself_first(
    name: SimilarityName, sample_collection: Collection, tmp_path: Path
) -> None:
    collection = Collection.open(shutil.copytree(sample_collection.directory, tmp_path / "copy"))
    assert collection.index(similarity=name, options=IndexOptions(graph=False)).kind == "exact"
    assert_every_image_finds_itself(collection)


@pytest.mark.integration
def test_every_image_of_a_third_of_the_sample_finds_itself_first_whatever_the_index(tmp_path: Path) -> None:
    folders = sorted(folder for folder in sample_directory().iterdir() if folder.is_dir())[::3]
    collection = Collection.build(tmp_path, folders, device=Device(name="cpu", threads=1))
    assert len(collection) == sum(image.path.parent in folders for image in sample_images())
    for name in get_args(SimilarityName):
        plan = collection.index(similarity=name, options=IndexOptions(kind="pca", graph=False))
        assert plan.kind == ("exact" if name == "hamming" else "pca")
        record = collection.info().index
        assert record is not None
        assert record["recall_at_10"] >= 0.99
        assert_every_image_finds_itself(collection)


def test_neighbours_in_the_sample_are_mostly_of_the_same_category(sample_collection: Collection) -> None:
    """Not by chance: a drawing's nearest images show what it shows far more often than one in many does."""
    same = [
        hit.path.split("/")[0] == sample_collection.stored_path(number).split("/")[0]
        for number in sample_collection.ids
        for hit in sample_collection.search(number, top=3).hits
    ]
    assert np.mean(same) > 0.5


def test_every_error_of_a_search_is_one_of_ours(collection: Collection) -> None:
    """Catching `I2VSearchError` is enough."""
    for query in ("a\0b", "\ud800", "x" * 10_000, 2**80, -(2**80), [Example(1, float("nan"))]):
        with pytest.raises(I2VSearchError):
            collection.search(query)
