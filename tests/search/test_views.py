"""Sketches and crops are compared with views of pictures too, where a collection has them."""

from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image

from i2v_search import Collection, Example, Filter
from i2v_search.images.crops import cut
from i2v_search.images.lines import render_lines, without_paper
from i2v_search.search.view_forms import DETAIL_BOXES, view_method
from i2v_search.search.views import VIEW_WEIGHTS
from i2v_search.store.manifest import Manifest
from i2v_search.store.view_file import ViewFile, ViewKind, view_path


def scene(path: Path, seed: int, count: int = 4) -> Path:
    """A picture of soft colours, with a drawing in each corner."""
    random = np.random.default_rng(seed)
    pixels = Image.fromarray(random.integers(0, 256, (2 * count, 2 * count, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels.resize((160, 120), Image.Resampling.NEAREST).save(path)
    return path


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    for number in range(12):
        scene(folder / f"art/{'ab'[number % 2]}/{number:02d}.png", number)
    collection = folder / "col"
    Collection.build(collection, [folder / "art"], encoder=GridEncoder(), sketches=True, details=True)
    return folder


def opened(art: Path) -> Collection:
    collection = Collection.open(art / "col")
    collection._encoder.keep(GridEncoder(), collection.store.manifest)
    return collection


def picture(collection: Collection, number: int) -> Image.Image:
    path = Path(collection.store.manifest.image_root) / collection[number].path
    return Image.open(path).convert("RGB")


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def oracle(collection: Collection, kind: ViewKind, vector: np.ndarray) -> np.ndarray:
    """By definition: the highest cosine with a view of each picture, all less the mean of all views."""
    method = view_method(kind, Manifest.load(collection.directory).encoder)
    file = ViewFile.find(collection.directory, method.form)
    assert file is not None
    codes = unit(file.records["code"].astype(np.float64))
    mean = codes.mean(axis=0)
    cosines = unit(codes - mean) @ unit(unit(vector.astype(np.float64)) - mean)
    best: dict[str, float] = {}
    for digest, value in zip(file.records["sha256"], cosines, strict=True):
        content = digest.tobytes().hex()
        best[content] = max(best.get(content, -1.0), value)
    return np.array([best[image.sha256] for image in collection])


def mixed(collection: Collection, kind: ViewKind, query: Image.Image) -> np.ndarray:
    """Scores by definition, in the order of the ids."""
    vector = GridEncoder().encode([GridEncoder().prepare(query)]).vectors[0]
    rows = unit(collection.vectors())
    first = unit(rows - rows.mean(axis=0)) @ unit(unit(vector) - rows.mean(axis=0))
    weight = VIEW_WEIGHTS[kind]
    return np.asarray((1 - weight) * first + weight * oracle(collection, kind, vector))


def test_a_part_finds_its_picture_and_its_place(art: Path) -> None:
    collection = opened(art)
    for number, box in ((3, DETAIL_BOXES[1]), (7, DETAIL_BOXES[4]), (10, DETAIL_BOXES[5])):
        part = cut(picture(collection, number), box)
        hit = collection.search(Example(part, crop=(0, 0, 1, 1)), top=1).hits[0]
        assert hit.id == number
        assert hit.box == pytest.approx(box, abs=0.02)


def test_scores_of_crops_are_those_of_the_definition(art: Path) -> None:
    collection = opened(art)
    part = cut(picture(collection, 5), (0.1, 0.1, 0.5, 0.5))
    hits = collection.search(Example(part, crop=(0, 0, 1, 1)), top=12).hits
    expected = mixed(collection, "details", part)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(dict(enumerate(expected)), abs=2e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_scores_of_sketches_are_those_of_the_definition(art: Path) -> None:
    collection = opened(art)
    drawing = render_lines(picture(collection, 8))
    hits = collection.search(Example(drawing, kind="sketch"), top=12).hits
    expected = mixed(collection, "lines", without_paper(drawing))
    assert {hit.id: hit.score for hit in hits} == pytest.approx(dict(enumerate(expected)), abs=2e-3)
    assert hits[0].id == 8
    assert {hit.box for hit in hits} == {None}


def test_pictures_are_searched_for_as_without_views(art: Path, tmp_path: Path) -> None:
    plain = Collection.build(tmp_path / "plain", [art / "art"], encoder=GridEncoder())
    for query in (0, Example(4, 2.0), [Example(1), Example(2, -0.5)]):
        assert opened(art).search(query).hits == plain.search(query).hits


def test_filters_pages_scores_and_other_examples_hold(art: Path) -> None:
    collection = opened(art)
    part = Example(cut(picture(collection, 5), DETAIL_BOXES[2]), crop=(0, 0, 1, 1))
    every = collection.search(part, top=12).hits
    pages = [hit for start in range(0, 12, 5) for hit in collection.search(part, top=5, offset=start).hits]
    assert pages == list(every)
    some = collection.search(part, top=12, where=Filter(paths="a/*")).hits
    assert [hit.id for hit in some] == [hit.id for hit in every if hit.path.startswith("a/")]
    least = every[3].score
    assert [hit.id for hit in collection.search(part, top=12, min_score=least).hits] == [
        hit.id for hit in every[:4]
    ]
    both = collection.search([part, Example(2)], top=12).hits
    assert len(both) == 11
    assert both[0].id == 5


def test_collections_compared_by_distance_do_without(art: Path, tmp_path: Path) -> None:
    made = {"encoder": GridEncoder(), "similarity": "l2"}
    plain = Collection.build(tmp_path / "plain", [art / "art"], **made)  # type: ignore[arg-type]
    details = Collection.build(tmp_path / "col", [art / "art"], details=True, **made)  # type: ignore[arg-type]
    part = Example(cut(picture(details, 5), DETAIL_BOXES[2]), crop=(0, 0, 1, 1))
    assert details.search(part).hits == plain.search(part).hits


def test_a_picture_without_views_is_found_all_the_same(art: Path, tmp_path: Path) -> None:
    directory = tmp_path / "col"
    collection = Collection.build(directory, [art / "art"], encoder=GridEncoder(), details=True)
    method = view_method("details", collection.store.manifest.encoder)
    path = view_path(directory, "details")
    file = ViewFile(path)
    path.write_bytes(path.read_bytes()[: file.end - method.form.count * file.records.dtype.itemsize])
    collection = Collection.open(directory)
    collection._encoder.keep(GridEncoder(), collection.store.manifest)
    hits = collection.search(Example(picture(collection, 3), crop=(0, 0, 1, 1)), top=12).hits
    assert len(hits) == 12
    assert hits[0].id == 3
    path.write_bytes(b"noise")
    collection = Collection.open(directory)
    collection._encoder.keep(GridEncoder(), collection.store.manifest)
    assert len(collection.search(Example(picture(collection, 3), crop=(0, 0, 1, 1)), top=12).hits) == 12
