"""One item where several belong, and numbers of every kind, through the whole public interface."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw_folder
from typer.testing import CliRunner

from i2v_search import (
    Collection,
    Device,
    IndexOptions,
    TrainingSettings,
    evaluate,
    read_dataset,
    search_picture,
    searches_picture,
)
from i2v_search.arguments import several, shown
from i2v_search.cli.main import app
from i2v_search.errors import I2VSearchError, QueryError
from i2v_search.search.examples import Example

COUNT = 14


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen pictures, ids 0 to 13: id 12 is spelt with the digits of two other ids."""
    root = tmp_path_factory.mktemp("arguments")
    draw_folder(root / "images", COUNT)
    lines = [{"path": f"{number:04d}.png", "tags": ["a", "tag"]} for number in range(COUNT)]
    (root / "images" / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Collection.build(root / "c", root / "images", encoder=GridEncoder())
    return root


@pytest.fixture
def collection(made: Path, loaded: list[GridEncoder]) -> Collection:
    """To read."""
    return Collection.open(made / "c")


@pytest.fixture
def own(made: Path, tmp_path: Path, loaded: list[GridEncoder]) -> Collection:
    """To change."""
    return Collection.open(shutil.copytree(made / "c", tmp_path / "c"))


# --- one item where several belong


def test_a_text_is_one_item_and_so_are_bytes_a_path_and_a_number() -> None:
    alone: list[Any] = ["12", b"12", Path("12"), 12, np.int64(12), np.array(12), 1.5, None]
    assert [several(item) for item in alone] == [[item] for item in alone]


def test_whatever_can_be_iterated_over_is_several() -> None:
    ways: list[Any] = [[1, 2], (1, 2), range(1, 3), iter([1, 2]), {1: "a", 2: "b"}, np.array([1, 2])]
    assert all(several(way) == [1, 2] for way in ways)
    assert several([]) == []


def test_to_remove_a_text_removes_the_image_that_it_names(own: Collection) -> None:
    assert own.remove("12") == 1
    assert own.ids == [*range(12), 13]
    assert own.remove(3) == 1
    assert own.remove("0004.png") == 1
    assert own.remove(Path("0005.png")) == 1
    assert own.remove(number for number in (0, np.int64(1))) == 2
    assert own.ids == [2, *range(6, 12), 13]


def test_vectors_and_exports_of_one_image(collection: Collection, tmp_path: Path) -> None:
    whole = collection.vectors()
    assert np.array_equal(collection.vectors("12"), whole[[12]])
    assert np.array_equal(collection.vectors(12), whole[[12]])
    assert np.array_equal(collection.vectors(np.array([12, 1])), whole[[12, 1]])
    assert collection.export(tmp_path / "one.npy", images="12").images == 1
    assert np.array_equal(np.load(tmp_path / "one.npy"), whole[[12]])


def test_a_morph_goes_around_one_image_and_through_one(collection: Collection) -> None:
    free = collection.morph(0, 5, steps=11)
    assert 12 in [stop.id for stop in free.stops]
    around = collection.morph(0, 5, steps=11, exclude="12")
    assert [stop.id for stop in around.stops].count(12) == 0
    assert {1, 2} <= {stop.id for stop in around.stops}
    assert 12 not in collection.morph_map(collection.morph(0, 5, steps=1), neighbours=13, exclude="12").ids
    ways: list[Any] = ["12", 12, np.int64(12)]
    for via in ways:
        assert [stop.id for stop in collection.morph(0, 5, via=via, steps=1).stops] == [0, 12, 5]
    outside = collection.morph(0, 5, via=np.ones(DIMENSION, np.float32), steps=1)
    assert [stop.id for stop in outside.stops] == [0, None, 5]


@pytest.mark.parametrize("query", ["12", 12, Path("0012.png"), np.ones(DIMENSION, np.float32), Example(12)])
def test_one_query_is_searched_for_as_one(query: Any, collection: Collection) -> None:
    alone, several_at_once = collection.search(query, top=3), collection.search_each(query, top=3)
    assert [result.hits for result in several_at_once] == [alone.hits]


def test_a_vector_may_be_a_list_of_floats_a_tensor_or_of_any_precision(collection: Collection) -> None:
    vector = np.random.default_rng(5).normal(size=DIMENSION)
    exact = collection.search(vector, top=np.int64(5)).hits
    torch = pytest.importorskip("torch")
    ways: list[Any] = [vector.tolist(), tuple(vector.tolist()), torch.tensor(vector), list(vector)]
    for way in ways:
        assert collection.search(way, top=5).hits == exact
        assert collection.search_each([way, 3], top=5)[0].hits == exact
        assert collection.search([Example(way), Example(3, 0.0)], top=5).hits == exact
    half: list[Any] = [vector.astype(np.float16), torch.tensor(vector).bfloat16().requires_grad_()]
    for way in half:
        assert collection.search(way, top=1).hits[0].id == exact[0].id
    assert collection.search_each(torch.tensor(np.stack([vector, vector])), top=5)[1].hits == exact
    assert [stop.id for stop in collection.morph(0, 5, via=vector.tolist(), steps=1).stops] == [0, None, 5]
    assert collection.search(np.array(3), top=1).query == collection.search(3, top=1).query
    nonsense: list[Any] = [
        [0.5],
        [[0.5]],
        [0.5] * (DIMENSION + 1),
        torch.zeros(3),
        [float("nan")] * DIMENSION,
        0.5,
    ]
    for wrong in nonsense:
        with pytest.raises(QueryError):
            collection.search(wrong)


def test_a_list_of_whole_numbers_is_ids(collection: Collection) -> None:
    assert collection.search([1, np.int64(2)], top=3).hits == collection.search([1, 2], top=3).hits
    with pytest.raises(QueryError, match="no image of the collection has id 100000"):
        collection.search([100_000] * DIMENSION)


@pytest.mark.parametrize("image", [3.0, None, True, b"x", ["1"]])
def test_what_names_no_image_is_refused_and_nothing_removed(image: Any, collection: Collection) -> None:
    with pytest.raises(I2VSearchError):
        collection.remove([image])
    assert len(collection) == COUNT


def test_sources_and_collections_to_merge(own: Collection, tmp_path: Path) -> None:
    more = tmp_path / "more"
    draw_folder(more, 2)
    own.add(str(more))
    assert len(own) == COUNT + 2
    assert len(Collection.merge(tmp_path / "merged", str(own.directory))) == len(own)
    generated = Collection.extract(tmp_path / "g", (f for f in [more]), encoder=GridEncoder())  # type: ignore[arg-type]
    assert len(generated) == 2


def test_pictures_of_one_query(collection: Collection) -> None:
    result = collection.search("12", top=2)
    ways: list[Any] = ["12", ["12"]]
    sheets: list[Any] = [lambda of: search_picture(collection, result, of)]
    sheets += [lambda of: searches_picture(collection, [result], of)]
    for draw in sheets:
        assert len({draw(queries).tobytes() for queries in ways}) == 1


def test_one_part_of_an_evaluation(made: Path) -> None:
    dataset = read_dataset(made / "images")
    found = evaluate(dataset, GridEncoder(), parts="retrieval")  # type: ignore[arg-type]
    assert found.to_dict() == evaluate([dataset], GridEncoder(), parts=["retrieval"]).to_dict()


# --- an image by its name


def test_the_name_of_a_file_is_enough_to_look_for_it_but_not_to_remove_it(tmp_path: Path) -> None:
    draw_folder(tmp_path / "images" / "one", 3)
    draw_folder(tmp_path / "images" / "two", 4)
    art = Collection.build(tmp_path / "c", tmp_path / "images", encoder=GridEncoder())
    assert art.search("0003.png", top=3).hits == art.search("two/0003.png", top=3).hits
    assert art.stored_path("0003.png") == "two/0003.png"
    assert art.morph("0003.png", "one/0001.png", steps=0).stops[0].path == "two/0003.png"
    with pytest.raises(QueryError, match=r"'0001.png' matches 2 images: one/0001.png, two/0001.png"):
        art.search("0001.png")
    with pytest.raises(QueryError, match=r"holds no image '0003.png'"):
        art.remove("0003.png")
    assert len(art) == 7


# --- numbers of every kind

WHOLE: dict[str, Callable[[Collection, Any], Any]] = {
    "id": lambda art, n: art.search(n),
    "top": lambda art, n: art.search(0, top=n),
    "offset": lambda art, n: art.search(0, offset=n),
    "tags": lambda art, n: art.search(tags="a", top=n, offset=n),
    "each": lambda art, n: art.search_each([0, 1], top=n)[0],
    "steps": lambda art, n: art.morph(0, 5, steps=n),
    "neighbours": lambda art, n: art.morph_map(art.morph(0, 5, steps=1), neighbours=n),
    "map": lambda art, n: art.map(method="pca", images=n, seed=n),
    "pca": lambda art, n: art.export(art.directory.parent / "x.npy", pca=n),
}
REAL: dict[str, Callable[[Collection, Any], Any]] = {
    "min_score": lambda art, x: art.search(0, min_score=x),
    "tag_threshold": lambda art, x: art.search(tags="a", tag_threshold=x),
    "tag_weight": lambda art, x: art.search(0, tags="a", tag_weight=x),
    "max_explicit": lambda art, x: art.search(0, top=1, diverse=x),
    "diverse": lambda art, x: art.search(0, diverse=x),
    "weight": lambda art, x: art.search([Example(0, x), 1]),
    "threshold": lambda art, x: art.duplicates(kind="exact", threshold=x),
}


def timeless(answer: Any) -> dict[str, Any]:
    """What an answer says, through JSON; the time that it took aside."""
    told = json.loads(json.dumps(answer.to_dict()))
    return {name: value for name, value in told.items() if name != "seconds"}


@pytest.mark.parametrize("ask", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numpy_integers(kind: Any, ask: Callable[..., Any], collection: Collection) -> None:
    assert timeless(ask(collection, kind(2))) == timeless(ask(collection, 2))


@pytest.mark.parametrize("ask", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("wrong", [2.0, np.float64(2), "two", True, np.array([1, 2, 3])])
def test_no_integers(wrong: Any, ask: Callable[..., Any], collection: Collection) -> None:
    with pytest.raises(I2VSearchError):
        ask(collection, wrong)


@pytest.mark.parametrize("ask", REAL.values(), ids=REAL)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_numpy_floats(kind: Any, ask: Callable[..., Any], collection: Collection) -> None:
    assert timeless(ask(collection, kind(0.5))) == timeless(ask(collection, 0.5))


@pytest.mark.parametrize("ask", REAL.values(), ids=REAL)
@pytest.mark.parametrize("wrong", ["0.5", [0.5], np.array([0.5, 0.5]), 1j])
def test_no_numbers(wrong: Any, ask: Callable[..., Any], collection: Collection) -> None:
    with pytest.raises(QueryError, match="must be a number, not"):
        ask(collection, wrong)


def test_settings_of_numpy_numbers_are_settings_of_plain_ones(own: Collection) -> None:
    few: Any = np.int64(4)
    options = IndexOptions("pca", pca_dimensions=few)
    pairs = [
        (options, IndexOptions("pca", pca_dimensions=4)),
        (Device(threads=few), Device(threads=4)),
        (TrainingSettings(epochs=few), TrainingSettings(epochs=4)),
    ]
    for given, plain in pairs:
        assert repr(given) == repr(plain)
    own.index(options=options)
    assert Collection.open(own.directory).index_options == options


# --- digits without end


def test_five_thousand_digits_are_no_id(collection: Collection) -> None:
    for text in ("7" * 5000, "9" * 25, "0" * 5000):
        for ask in (collection.search, collection.remove, collection.vectors, collection.stored_path):
            with pytest.raises(QueryError) as error:
                ask(text)
            assert len(str(error.value)) < 300
    with pytest.raises(QueryError):
        collection.vectors(10**5000)
    assert shown(10**5000) == "a number of 16610 bits"


@pytest.mark.parametrize(
    "command", [["search", "7" * 5000], ["morph", "0", "1", "--steps", "7" * 5000], ["remove", "7" * 5000]]
)
def test_five_thousand_digits_on_the_command_line(command: list[str], collection: Collection) -> None:
    result = CliRunner().invoke(app, [*command, "--collection", str(collection.directory)])
    assert result.exit_code != 0
    assert isinstance(result.exception, I2VSearchError | SystemExit)


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda art: art.search(1, tgas="smile"), "'tgas'; did you mean 'tags'"),
        (lambda art: art.search_each([1], tpo=3), "'tpo'; did you mean 'top'"),
        (lambda art: art.search(1, zzz=3), "'zzz'; there are after, animated, before, "),
        (
            lambda art: art.build(art.directory, ["art"], encodr="lite"),
            "'encodr'; did you mean 'encoder'",
        ),
    ],
)
def test_an_option_that_does_not_exist_is_named_with_the_one_that_was_meant(
    call: Callable[[Collection], object], meant: str, collection: Collection
) -> None:
    with pytest.raises(TypeError, match=re.escape(f"unexpected keyword argument {meant}")):
        call(collection)
