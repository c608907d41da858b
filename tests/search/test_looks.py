"""What of an image a query looks at: a part of it, or its lines as those of a drawing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder, draw, touch
from PIL import Image
from stores import make_store, random_vectors

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError, QueryError
from i2v_search.images.lines import without_paper
from i2v_search.index.similarity import Similarity
from i2v_search.pictures.contact_sheets import search_picture
from i2v_search.search.examples import Example
from i2v_search.search.looks import Look, RecentLooks, Seen
from i2v_search.search.resolved import Resolved
from i2v_search.search.text import Text

RED, BLUE, GREEN = (200, 30, 30), (30, 30, 200), (30, 160, 30)


class SketchingEncoder(GridEncoder):
    """A grid that takes drawings for their negatives."""

    def sketch_directions(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(-vectors)


def halves(path: Path, left: tuple[int, int, int], right: tuple[int, int, int]) -> Path:
    image = Image.new("RGB", (80, 40), left)
    image.paste(right, (40, 0, 80, 40))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looks")
    art = folder / "art"
    for name, left, right in (("red", RED, RED), ("blue", BLUE, BLUE), ("green", GREEN, GREEN)):
        halves(art / f"{name}.png", left, right)
    halves(art / "both.png", RED, BLUE)
    for number in range(8):
        draw(art / f"noise/{number}.png", number)
    Collection.build(folder / "collection", [art], encoder=SketchingEncoder())
    return folder


@pytest.fixture
def art(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    opened = Collection.open(folder / "collection")
    opened._encoder.keep(SketchingEncoder(), opened.store.manifest)
    return opened


def best(art: Collection, example: Example) -> str:
    return art.search(example, top=1).hits[0].path


@pytest.mark.parametrize("form", ["id", "path", "file", "bytes", "PIL"])
@pytest.mark.parametrize(("crop", "expected"), [((0, 0, 0.5, 1), "red"), ((0.6, 0.2, 0.3, 0.5), "blue")])
def test_a_part_finds_what_it_shows(
    form: str, crop: tuple[float, float, float, float], expected: str, art: Collection, folder: Path
) -> None:
    file = folder / "art" / "both.png"
    with Image.open(file) as image:
        image.load()
        forms: dict[str, Any] = {
            "id": art["both.png"].id,
            "path": "both.png",
            "file": file,
            "bytes": file.read_bytes(),
            "PIL": image,
        }
        assert best(art, Example(forms[form], crop=crop)) == f"{expected}.png"


def test_the_picture_that_a_part_is_of_is_left_out_unless_it_is_wanted(art: Collection) -> None:
    example = Example("both.png", crop=(0, 0, 1, 1))
    assert best(art, example) != "both.png"
    assert art.search(example, top=1, exclude_query=False).hits[0].path == "both.png"


def test_a_part_is_as_sharp_as_the_encoder_can_use(art: Collection, folder: Path, tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []

    class Measuring(SketchingEncoder):
        shrink_to: int | None = 32

        def prepare(self, image: Image.Image) -> Any:
            sizes.append(image.size)
            return super().prepare(image)

    encoder = Measuring()
    art._encoder.keep(encoder, art.store.manifest)
    file = draw(tmp_path / "large.png", 1, size=(1000, 1000))
    art.search(file, top=1)
    art.search(Example(file, crop=(0.1, 0.1, 0.1, 0.2)), top=1)
    assert max(sizes[0]) < 64
    assert sizes[1][0] >= 32


def test_the_label_says_what_is_looked_at(art: Collection, folder: Path) -> None:
    both, red = "both.png", folder / "art" / "red.png"
    query = [Example(both, crop=(0.1, 0.1, 0.4, 0.4)), Example(red, -0.5, "sketch"), Example(red, 0.1)]
    assert art.search(query, top=1).query == ("both.png (crop 10,10,40,40 %), not red.png (sketch), red.png")
    crop = (1 / 3, 0.0, 0.5, 1.0)
    assert art.search(Example(both, kind="sketch", crop=crop), top=1).query == (
        "both.png (sketch, crop 33.3,0,50,100 %)"
    )


def test_drawings_are_standardised_like_rows_and_words_keep_their_products(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(30, 8, spread=2))
    similarity = Similarity.fit("standardised", store)
    direction = random_vectors(1, 8, seed=3)[0]
    drawing, words = Resolved("a", direction=direction), Resolved("b", direction=direction, text=Text("b"))
    assert similarity.scale is not None
    for found, expected in ((drawing, direction * similarity.scale), (words, direction / similarity.scale)):
        np.testing.assert_allclose(
            found.embed(store, similarity), expected / np.linalg.norm(expected), atol=1e-6
        )


def test_a_sketch_is_seen_without_its_paper_and_as_its_encoder_sees_sketches(
    art: Collection, tmp_path: Path
) -> None:
    drawing = Image.new("RGB", (200, 200), (205, 190, 160))
    drawing.paste((60, 60, 60), (0, 90, 200, 110))
    encoder = SketchingEncoder()
    vector = encoder.encode([encoder.prepare(without_paper(drawing))]).vectors[0]
    index = art._state.index
    wanted = index.similarity.embed_directions(-vector[None])
    expected = index.stored.of(wanted[0], art.store.live)
    found = art.search(Example(drawing, kind="sketch"), top=len(art))
    scores = [expected[art.store.position_of_id(hit.id)] for hit in found.hits]
    assert [hit.score for hit in found.hits] == pytest.approx(scores, abs=1e-5)
    plain = art.search(drawing, top=len(art))
    assert [hit.path for hit in plain.hits] != [hit.path for hit in found.hits]


@pytest.mark.parametrize("similarity", ["centred", "cosine", "hamming", "l2"])
def test_every_similarity_takes_sketches(similarity: Any, folder: Path, tmp_path: Path) -> None:
    art = Collection.build(
        tmp_path / "collection", [folder / "art"], encoder=SketchingEncoder(), similarity=similarity
    )
    assert len(art.search(Example("both.png", kind="sketch"), top=3).hits) == 3


def test_an_encoder_that_knows_nothing_of_sketches_sees_them_as_pictures(
    folder: Path, tmp_path: Path
) -> None:
    art = Collection.build(tmp_path / "collection", [folder / "art"], encoder=GridEncoder())
    drawing = Image.new("RGB", (200, 200), "white")
    drawing.paste("black", (0, 90, 200, 110))
    found, plain = (art.search(Example(drawing, kind=kind), top=5).hits for kind in ("sketch", "picture"))
    assert [hit.path for hit in found] == [hit.path for hit in plain]


def test_a_picture_that_changed_is_read_as_it_is_now_and_one_that_is_away_says_so(
    folder: Path, tmp_path: Path
) -> None:
    file = halves(tmp_path / "art" / "one.png", RED, BLUE)
    for name, colour in (("red", RED), ("blue", BLUE)):
        halves(tmp_path / "art" / f"{name}.png", colour, colour)
    art = Collection.build(tmp_path / "collection", [tmp_path / "art"], encoder=GridEncoder())
    halves(file, BLUE, RED)
    touch(file)
    example = Example(art["one.png"].id, crop=(0, 0, 0.5, 1))
    assert best(art, example) == "blue.png"
    file.unlink()
    with pytest.raises(ImageError, match=r"one\.png: no such file; .*relocate OLD NEW"):
        art.search(example)


@pytest.mark.parametrize("kind", ["sketch", "picture"])
def test_what_has_no_pixels_cannot_be_looked_at(kind: Any, art: Collection) -> None:
    crop = (0.0, 0.0, 0.5, 0.5) if kind == "picture" else None
    with pytest.raises(QueryError, match='"owl" is a text and has no pixels'):
        art.search(Example(Text("owl"), kind=kind, crop=crop))
    with pytest.raises(QueryError, match="vector is a vector and has no pixels"):
        art.search(Example(np.ones(48), kind=kind, crop=crop))
    with pytest.raises(QueryError, match="'a red dragon' is not an id, a path in the collection or a file"):
        art.search(Example("a red dragon", kind=kind, crop=crop))


@pytest.mark.parametrize(
    "crop",
    [
        (0, 0, 0, 1),
        (0, 0, 1.2, 1),
        (-0.1, 0, 1, 1),
        (0.5, 0.5, 0.6, 0.1),
        (0, 0, math.nan, 1),
        (1, 0, 1e-5, 1),
    ],
)
def test_a_crop_must_be_inside_the_picture(crop: tuple[float, float, float, float]) -> None:
    with pytest.raises(QueryError, match="is not inside the picture"):
        Example(1, crop=crop)


@pytest.mark.parametrize("crop", ["0,0,1,1", (1, 2, 3), 0.5, (0, 0, "1", 1)])
def test_a_crop_is_four_numbers(crop: Any) -> None:
    with pytest.raises(QueryError, match="a crop must be four numbers, left, top, width, height, not"):
        Example(1, crop=crop)


def test_a_kind_is_one_of_two() -> None:
    with pytest.raises(QueryError, match="must be 'picture' or 'sketch', not 'photo'"):
        Example(1, kind="photo")  # type: ignore[arg-type]


def test_a_drawing_that_is_given_as_a_picture_is_noticed(art: Collection, folder: Path) -> None:
    drawing = Image.new("RGB", (200, 200), "white")
    drawing.paste("black", (20, 90, 180, 94))
    red = folder / "art" / "red.png"
    assert art.search(drawing, top=1).looks_like_sketch
    assert art.search(art.encode(drawing), top=1).looks_like_sketch
    assert art.search([Example(red), Example(drawing)], top=1).looks_like_sketch
    assert not art.search(Example(drawing, kind="sketch"), top=1).looks_like_sketch
    assert not art.search(halves(folder / "new.png", RED, GREEN), top=1).looks_like_sketch


def test_a_sheet_shows_the_part_that_was_looked_at(art: Collection) -> None:
    found = art.search(Example("both.png", crop=(0.5, 0, 0.5, 1)), top=1)
    sheet = search_picture(art, found, [Example("both.png", crop=(0.5, 0, 0.5, 1))])
    whole = search_picture(art, found, ["both.png"])
    red = [np.all(np.asarray(one) == RED, axis=2).sum() for one in (sheet, whole)]
    assert red[0] == 0
    assert red[1] > 0


def test_what_was_looked_at_before_is_not_encoded_again(art: Collection, tmp_path: Path) -> None:
    encoder = SketchingEncoder()
    art._encoder.keep(encoder, art.store.manifest)
    file = draw(tmp_path / "new.png", 7)
    looks = [
        Example(file, kind="sketch"),
        Example(file, crop=(0, 0, 0.5, 0.5)),
        Example(file, kind="sketch", crop=(0, 0, 0.5, 0.5)),
        Example(draw(tmp_path / "other.png", 8), kind="sketch"),
    ]
    first = [art.search(look).hits for look in looks]
    assert encoder.encoded == len(looks)
    assert [art.search(look).hits for look in looks] == first
    assert [[hit.id for hit in result.hits] for result in art.search_each(looks)] == [
        [hit.id for hit in hits] for hits in first
    ]
    assert encoder.encoded == len(looks)


def test_few_looks_are_kept_and_those_used_last() -> None:
    looks, kept = [Look((), str(number), "sketch", None) for number in range(70)], RecentLooks()
    for look in looks:
        kept.put(look, Seen(np.zeros(1), (), looks_like_sketch=False))
        assert kept.get(looks[0]) is not None
    assert [look for look in looks if kept.get(look) is None] == looks[1:7]
