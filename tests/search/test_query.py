"""Queries: how an image, an id, a path or a vector is found, and what filters allow."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw, draw_folder, touch
from numpy.typing import NDArray
from PIL import Image
from stores import make_store, random_vectors, remove

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError, QueryError
from i2v_search.search.examples import Example, Query, QueryImage, examples_of
from i2v_search.search.filters import Filter
from i2v_search.search.looks import RecentLooks
from i2v_search.search.query import Resolver
from i2v_search.search.resolved import QueryVectors
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag


def no_texts(texts: Sequence[str]) -> QueryVectors:
    raise AssertionError(f"{texts} should not be encoded")


def less_grey(vectors: NDArray[np.floating]) -> QueryVectors:
    """What drawings share, as a test has it: a direction that no picture has."""
    return QueryVectors((vectors - vectors.mean(axis=1, keepdims=True)).astype(np.float32), directions=True)


class Shelf:
    """Eight pictures in two folders, and a resolver that counts how often its encoder is asked for."""

    def __init__(self, root: Path) -> None:
        draw_folder(root / "images" / "a", 4)
        draw_folder(root / "images" / "b", 4, first=4)
        self.images = root / "images"
        collection = Collection.build(root / "collection", [self.images], encoder=GridEncoder())
        self.store = collection.store
        self.encoder = GridEncoder()
        self.loads = 0
        self.resolver = self.resolver_of(self.store)

    def resolver_of(self, store: FeatureStore) -> Resolver:
        return Resolver(
            store,
            Catalogue(store),
            self.images.resolve(),
            encoder=self._load,
            text_vectors=no_texts,
            sketch_vectors=less_grey,
            looks=RecentLooks(),
        )

    def _load(self) -> GridEncoder:
        self.loads += 1
        return self.encoder

    def position(self, path: str) -> int:
        return list(self.store.paths()).index(path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# --- what is found without the encoder


@pytest.mark.parametrize("query", [3, "3", np.int64(3), "003"])
def test_a_number_is_an_id(query: int | str, shelf: Shelf) -> None:
    found = shelf.resolver.resolve(query)
    assert (found.position, found.label) == (3, "a/0003.png")
    assert shelf.loads == 0


def test_a_stored_path_is_its_row(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shelf.resolver.resolve("b/0006.png").position == shelf.position("b/0006.png")
    assert shelf.loads == 0


@pytest.mark.parametrize("kind", [str, Path])
def test_the_files_of_the_collection_are_their_rows_from_wherever(
    kind: type, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shelf.images / "b" / "0005.png"
    monkeypatch.chdir(shelf.images / "b")
    for path in (
        file,
        "0005.png",
        "./0005.png",
        "../b/0005.png",
        shelf.images / "a" / ".." / "b" / "0005.png",
    ):
        assert shelf.resolver.resolve(kind(path)).position == shelf.position("b/0005.png")
    assert shelf.loads == 0


def test_a_link_to_a_file_of_the_collection_is_its_row(shelf: Shelf, tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(shelf.images / "a" / "0001.png")
    assert shelf.resolver.resolve(link).position == shelf.position("a/0001.png")
    assert shelf.loads == 0


def test_the_file_of_a_row_may_be_gone(shelf: Shelf) -> None:
    file = shelf.images / "a" / "0001.png"
    file.unlink()
    assert shelf.resolver.resolve(str(file)).position == shelf.position("a/0001.png")


@pytest.mark.parametrize("form", ["file", "bytes"])
def test_content_the_collection_knows_is_its_row_wherever_it_comes_from(
    form: str, shelf: Shelf, tmp_path: Path
) -> None:
    copy = draw(tmp_path / "elsewhere" / "copy.png", 2)
    found = shelf.resolver.resolve(copy if form == "file" else copy.read_bytes())
    assert found.position == shelf.position("a/0002.png")
    assert shelf.loads == 0


def test_a_touched_file_is_still_its_row(shelf: Shelf) -> None:
    file = shelf.images / "a" / "0001.png"
    touch(file)
    assert shelf.resolver.resolve(file).position == shelf.position("a/0001.png")
    assert shelf.loads == 0


def test_a_vector_needs_no_encoder(shelf: Shelf) -> None:
    vector = np.arange(DIMENSION, dtype=np.float32)
    found = shelf.resolver.resolve(vector)
    assert found.vector is not None
    assert found.vector.tolist() == vector.tolist()
    assert (found.position, found.sha256, shelf.loads) == (None, None, 0)


# --- what is encoded


@pytest.mark.parametrize("form", ["str", "Path", "bytes", "PIL"])
def test_other_images_are_encoded(form: str, shelf: Shelf, tmp_path: Path) -> None:
    file = draw(tmp_path / "other.png", 77)
    with Image.open(file) as image:
        image.load()
        forms: dict[str, QueryImage] = {
            "str": str(file),
            "Path": file,
            "bytes": file.read_bytes(),
            "PIL": image,
        }
        found = shelf.resolver.resolve(forms[form])
        expected = shelf.encoder.encode([shelf.encoder.prepare(image)]).vectors[0]
    assert found.position is None
    assert found.vector is not None
    assert found.vector.tolist() == expected.tolist()
    assert found.label == (str(file) if form in {"str", "Path"} else "image")
    assert (found.sha256 is None) == (form == "PIL")


def test_a_file_that_changed_since_is_encoded_again(shelf: Shelf) -> None:
    file = draw(shelf.images / "a" / "0001.png", 78)
    touch(file)
    found = shelf.resolver.resolve(file)
    assert found.position is None
    assert found.vector is not None
    with Image.open(file) as image:
        expected = shelf.encoder.encode([shelf.encoder.prepare(image)]).vectors[0]
    assert found.vector.tolist() == expected.tolist()


def test_the_stored_path_of_a_file_that_changed_means_the_row(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    touch(draw(shelf.images / "a" / "0001.png", 78))
    monkeypatch.chdir(tmp_path)
    assert shelf.resolver.resolve("a/0001.png").position == shelf.position("a/0001.png")


# --- what is not found


@pytest.mark.parametrize("query", [8, -1, "8", "99999999999999999999999", 2**70, np.int64(-5)])
def test_an_unknown_id_is_an_error(query: int | str, shelf: Shelf) -> None:
    with pytest.raises(QueryError, match=f"no image of the collection has id {query}"):
        shelf.resolver.resolve(query)


def test_a_removed_image_is_not_found(shelf: Shelf) -> None:
    store = remove(shelf.store.directory, [3])
    resolver = shelf.resolver_of(store)
    with pytest.raises(QueryError, match="has id 3"):
        resolver.resolve(3)
    assert resolver.resolve(str(shelf.images / "a" / "0003.png")).position is None


@pytest.mark.parametrize(
    "text",
    ["nowhere.png", "a/nowhere.png", "/nowhere/x.png", "a\0b", "\ud800", "x" * 5000, "a/" * 3000],
)
def test_a_text_that_is_nothing_is_an_error(text: str, shelf: Shelf) -> None:
    with pytest.raises(QueryError, match="is not an id, a path in the collection or a file"):
        shelf.resolver.resolve(text)


@pytest.mark.parametrize("text", ["12a", "٣", "a dog", "dog"])
def test_other_strings_are_texts(text: str, shelf: Shelf) -> None:
    with pytest.raises(AssertionError, match="should not be encoded"):
        shelf.resolver.resolve(text)


def test_a_loop_of_links_is_an_error(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(QueryError):
        shelf.resolver.resolve(tmp_path / "one")


@pytest.mark.parametrize("kind", ["folder", "text", "bytes", "empty path"])
def test_what_is_no_image_is_an_error(kind: str, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no pixels here")
    queries: dict[str, QueryImage] = {
        "folder": tmp_path,
        "text": tmp_path / "text.png",
        "bytes": b"\x89PNG",
        "empty path": "",
    }
    with pytest.raises((ImageError, QueryError)):
        shelf.resolver.resolve(queries[kind])


@pytest.mark.parametrize("query", [True, False])
def test_a_bool_is_no_id(query: bool, shelf: Shelf) -> None:
    with pytest.raises(QueryError, match="is not an image"):
        shelf.resolver.resolve(query)


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(DIMENSION - 1),
        np.zeros((1, DIMENSION)),
        np.zeros(0),
        np.full(DIMENSION, np.nan),
        np.full(DIMENSION, np.inf),
        np.array(["x"] * DIMENSION),
        np.array([None] * DIMENSION),
    ],
    ids=["short", "2-D", "empty", "nan", "inf", "text", "objects"],
)
def test_a_vector_must_be_finite_and_of_the_collections_dimension(vector: np.ndarray, shelf: Shelf) -> None:
    with pytest.raises(QueryError, match=rf"a query vector must be \({DIMENSION},\) finite numbers") as told:
        shelf.resolver.resolve(vector)
    infinite = str(vector[:1]) in {"[nan]", "[inf]"}
    assert ("NaN" in str(told.value), f"{DIMENSION} of them" in str(told.value)) == (infinite, infinite)


# --- several examples


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (3, [Example(3)]),
        (np.int64(3), [Example(3)]),
        ("a.png", [Example("a.png")]),
        (Path("a.png"), [Example(Path("a.png"))]),
        (b"x", [Example(b"x")]),
        (Example(3, -2), [Example(3, -2)]),
        ([1, "b.png", Example(2, 0.5)], [Example(1), Example("b.png"), Example(2, 0.5)]),
        ((1, Example(2, 0)), [Example(1), Example(2, 0)]),
    ],
)
def test_a_query_is_one_example_or_several(query: Query, expected: list[Example]) -> None:
    assert examples_of(query) == expected


def test_a_vector_is_one_example() -> None:
    vector = np.ones(3, np.float32)
    (example,) = examples_of(vector)
    assert example.image is vector


@pytest.mark.parametrize("query", [[], (), [Example(1, 0)], [Example(1, 0), Example(2, 0.0)]])
def test_a_query_without_any_weight_is_an_error(query: Query) -> None:
    with pytest.raises(QueryError, match="at least one example with a non-zero weight"):
        examples_of(query)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_is_a_finite_number(weight: float) -> None:
    with pytest.raises(QueryError, match="must be a finite number"):
        examples_of([1, Example(2, weight)])


# --- filters

PATHS = ["birds/1.png", "birds/small/2.png", "cats/3.png", "Cats/4.png", "[odd]/5.png"]
TAGS = [["bird"], ["bird", "small"], ["cat", "long hair"], ["cat"], []]


@pytest.fixture
def tagged(tmp_path: Path) -> FeatureStore:
    return make_store(tmp_path / "tagged", random_vectors(5, 4), paths=PATHS, tags=TAGS)


@pytest.mark.parametrize(
    ("tags", "paths", "rows"),
    [
        ("bird", (), [0, 1]),
        ("bird, small", (), [1]),
        ("bird, cat", (), []),
        ("-bird", (), [2, 3, 4]),
        ("cat, -long hair", (), [3]),
        ("Long_Hair", (), [2]),
        (["bird", "-small"], (), [0]),
        ("-unicorn", (), [0, 1, 2, 3, 4]),
        ((), "birds/*", [0, 1]),
        ((), "*/small/*", [1]),
        ((), "cats/*", [2]),
        ((), ["birds/1.png", "cats/*"], [0, 2]),
        ((), "*.png", [0, 1, 2, 3, 4]),
        ((), "[[]odd]/*", [4]),
        ((), "birds", [0, 1]),
        ((), "?irds/?.png", [0]),
        ("bird", "*/1.png", [0]),
    ],
)
def test_filters(
    tags: str | list[str], paths: str | list[str], rows: list[int], tagged: FeatureStore
) -> None:
    allowed = Filter(tags, paths).allowed(tagged)
    assert allowed is not None
    assert np.flatnonzero(allowed).tolist() == rows


@pytest.mark.parametrize(("tags", "paths"), [((), ()), ("", ""), (" , ", [""]), (["", "-"], [])])
def test_an_empty_filter_allows_everything(
    tags: str | list[str], paths: str | list[str], tagged: FeatureStore
) -> None:
    assert Filter(tags, paths).allowed(tagged) is None


def test_filters_are_over_positions(tagged: FeatureStore) -> None:
    store = remove(tagged.directory, [0, 2])
    allowed = Filter("-cat").allowed(store)
    assert allowed is not None
    assert allowed[store.live].tolist() == [True, False, True]
    assert allowed.shape == (store.rows,)


@pytest.mark.parametrize(
    ("tag", "hint"),
    [("brid", "; did you mean 'bird'"), ("long_hiar", "did you mean 'long hair'"), ("xyz", "")],
)
def test_an_unknown_tag_is_an_error_with_a_suggestion(tag: str, hint: str, tagged: FeatureStore) -> None:
    with pytest.raises(QueryError, match="no image of the collection has tag") as caught:
        Filter(tag).allowed(tagged)
    assert hint in str(caught.value)
    assert ("did you mean" in str(caught.value)) == bool(hint)


def test_the_tag_of_removed_images_only_is_unknown(tagged: FeatureStore) -> None:
    store = remove(tagged.directory, [1])
    with pytest.raises(QueryError, match="no image of the collection has tag 'small'"):
        Filter("small").allowed(store)


def test_a_collection_without_tags_says_so(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(3, 4))
    with pytest.raises(QueryError, match="this collection has no tags"):
        Filter("cat").allowed(store)


def test_a_tag_counts_from_its_threshold_on(tmp_path: Path) -> None:
    directory = make_store(tmp_path, random_vectors(1, 4)).directory
    writer = StoreWriter(directory, Manifest.load(directory))
    probabilities = [TAG_THRESHOLD, TAG_THRESHOLD - 0.01, 0.9]
    records = [
        ImageRecord(f"{i}.jpg", f"{i:064x}", 1, 0, 1, 1, (Tag("sky", value), Tag("rain", 0.2)))
        for i, value in enumerate(probabilities)
    ]
    writer.append(records, *unit_float16(random_vectors(3, 4)), [None] * 3)
    writer.finish()
    store = FeatureStore(directory)
    allowed = Filter("sky").allowed(store)
    assert allowed is not None
    assert allowed.tolist() == [False, True, False, True]
    with pytest.raises(QueryError, match=r"has tag 'rain' with a probability of 0\.25 or more"):
        Filter("rain").allowed(store)
