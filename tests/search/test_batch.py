"""Several queries at once, vectors in files, and images from outside in one batch of the encoder."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw, draw_folder
from numpy.typing import NDArray

from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry
from i2v_search.errors import ImageError, QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.search.examples import Example
from i2v_search.search.results import SearchResult
from i2v_search.tags.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("red", "green"), ("general", "general"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures; number 29 is a copy of number 0."""
    root = tmp_path_factory.mktemp("batch")
    draw_folder(root / "images", 29)
    (root / "images" / "0029.png").write_bytes((root / "images" / "0000.png").read_bytes())
    lines = [
        {"path": f"{number:04d}.png", "tags": ["even" if number % 29 % 2 == 0 else "odd"]}
        for number in range(30)
    ]
    (root / "images" / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)))
    collection = Collection.extract(root / "collection", [root / "images"], encoder=GridEncoder(VOCABULARY))
    collection.index(options=IndexOptions(graph=False))
    return root / "collection"


@pytest.fixture
def tagging(monkeypatch: pytest.MonkeyPatch) -> list[GridEncoder]:
    """Encoder ``grid`` with its tags; the list grows by every one that is loaded."""
    encoders: list[GridEncoder] = []

    def factory(_: object) -> GridEncoder:
        encoders.append(GridEncoder(VOCABULARY))
        return encoders[-1]

    monkeypatch.setitem(registry._FACTORIES, "grid", factory)
    return encoders


@pytest.fixture
def collection(directory: Path, tagging: list[GridEncoder]) -> Collection:
    return Collection.open(directory)


def save(path: Path, values: NDArray[Any]) -> Path:
    np.save(path, values)
    return path


def contents(result: SearchResult) -> list[int]:
    """Ids, one for both copies: which of two equal rows comes first may change with the size of a batch."""
    return [hit.id % 29 for hit in result.hits]


# --- several queries


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top": 3, "offset": 3},
        {"tags": "even"},
        {"tags": "even", "tag_weight": 0.5, "tag_threshold": 0.0},
        {"paths": "000*", "exclude_query": False},
        {"diverse": 0.5, "top": 4},
        {"min_score": 0.1},
    ],
)
def test_each_query_is_answered_as_if_alone(
    options: dict[str, Any], collection: Collection, tmp_path: Path
) -> None:
    outside = draw(tmp_path / "new.png", 77)
    queries = [3, "0004.png", [1, Example(2, -0.5)], outside, np.ones(DIMENSION, np.float32), 0, 29]
    results = collection.search_each(queries, **options)  # type: ignore[arg-type]
    assert len(results) == len(queries)
    for query, result in zip(queries, results, strict=True):
        alone = collection.search(query, **options)  # type: ignore[arg-type]
        assert contents(result) == contents(alone)
        assert [hit.tags for hit in result.hits] == [hit.tags for hit in alone.hits]
        np.testing.assert_allclose(
            [hit.score for hit in result.hits], [hit.score for hit in alone.hits], atol=1e-5
        )
        assert (result.query, result.offset, result.more) == (alone.query, alone.offset, alone.more)


def test_each_query_leaves_out_itself_and_its_copies_only(collection: Collection) -> None:
    for number, result in enumerate(collection.search_each(list(range(30)), top=100, copies=True)):
        own = {0, 29} if number in {0, 29} else {number}
        assert {hit.id for hit in result.hits} == set(range(30)) - own


def test_a_matrix_is_a_query_for_each_row(collection: Collection) -> None:
    vectors = collection.vectors()[:5]
    results = collection.search_each(vectors, top=1, exclude_query=False)
    assert [contents(result) for result in results] == [[0], [1], [2], [3], [4]]


def test_more_queries_than_are_answered_at_a_time(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.search.searcher.BATCH", 4)
    results = collection.search_each(list(range(30)), top=1, exclude_query=False)
    assert [result.query for result in results] == [f"{number:04d}.png" for number in range(30)]
    assert [hit.score > 0.999 for result in results for hit in result.hits] == [True] * 30


def test_no_queries_have_no_results(collection: Collection) -> None:
    assert collection.search_each([]) == ()


def test_a_result_says_what_was_asked(collection: Collection) -> None:
    results = collection.search_each([2, [1, Example(2, -1)], np.ones(DIMENSION, np.float32)])
    assert [result.query for result in results] == ["0002.png", "0001.png, not 0002.png", "vector"]
    assert collection.search(tags="even, -odd").query == "even, -odd"
    assert results[0].to_dict()["query"] == "0002.png"


# --- images from outside


def test_images_from_outside_are_encoded_in_batches(
    collection: Collection, tagging: list[GridEncoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    encode = GridEncoder.encode

    def counted(self: GridEncoder, inputs: Any) -> Any:
        sizes.append(len(inputs))
        return encode(self, inputs)

    monkeypatch.setattr(GridEncoder, "encode", counted)
    files = [draw(tmp_path / f"{number}.png", 100 + number) for number in range(19)]
    collection.search_each([1, *files, 2])
    assert sizes == [8, 8, 3]
    assert len(tagging) == 1


def test_an_image_from_outside_shares_the_tags_that_the_encoder_gives_it(
    collection: Collection, tmp_path: Path
) -> None:
    hits = collection.search(draw(tmp_path / "new.png", 77)).hits
    assert {frozenset(hit.tags) for hit in hits} == {frozenset({"red", "green"})}
    assert all(hit.tags == () for hit in collection.search(Example(tmp_path / "new.png", -1)).hits)


# --- vectors in files


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_a_file_may_hold_a_vector(dtype: str, collection: Collection, tmp_path: Path) -> None:
    file = save(tmp_path / "vector.npy", collection.vectors([7])[0].astype(dtype))
    for query in (file, str(file), file.read_bytes()):
        assert collection.search(query, exclude_query=False).hits[0].id == 7


def test_a_file_of_several_vectors_says_how_to_search_for_each(
    collection: Collection, tmp_path: Path
) -> None:
    file = save(tmp_path / "vectors.npy", collection.vectors([1, 2]))
    with pytest.raises(QueryError, match=r"vectors\.npy: a query vector must be .* search --each"):
        collection.search(file)


def objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


def claiming(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize(
    "content",
    [
        objects(),
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff",
        claiming("(1000000000000,)"),
        claiming("(0,)"),
        claiming("(48,)"),
    ],
    ids=["pickle", "cut", "no header", "a lie", "empty", "no data"],
)
def test_a_damaged_file_of_vectors_is_a_query_error(
    content: bytes, collection: Collection, tmp_path: Path
) -> None:
    file = tmp_path / "damaged.npy"
    file.write_bytes(content)
    with pytest.raises(QueryError, match=r"damaged\.npy"):
        collection.search(file)


def test_what_only_ends_in_npy_is_no_vector(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no vector")
    with pytest.raises(ImageError):
        collection.search(tmp_path / "text.npy")
