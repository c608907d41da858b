"""Examples that results should be unlike, against brute force; and queries of any weight and length."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw_folder
from numpy.typing import NDArray
from typer.testing import CliRunner

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.index.planner import IndexOptions
from i2v_search.search.examples import Example
from i2v_search.search.results import Hit

COUNT = 60
NAMES: tuple[SimilarityName, ...] = get_args(SimilarityName)
#: (liked, their weights), (unlike, their weights)
QUERIES: list[list[Example]] = [
    [Example(0), Example(1, -0.5)],
    [Example(0, 2), Example(7, -0.5), Example(5), Example(9, -1)],
    [Example(3, -3), Example(4), Example(5, 0)],
    [Example(0), Example(0, -0.5)],
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("negative") / "images", COUNT)


@pytest.fixture(scope="module", params=NAMES)
def collection(request: pytest.FixtureRequest, images: Path) -> Collection:
    directory = images.parent / request.param
    return Collection.build(directory, images, encoder=GridEncoder(), similarity=request.param)


def truth(art: Collection, query: Sequence[Example]) -> NDArray[np.float64]:
    """Scores of all rows by the formula of docs/decisions/0017-negative-examples.md."""
    similarity = art._state.index.similarity
    rows = similarity.embed_rows(art.store, art.store.live)
    liked = [one for one in query if one.weight > 0]
    numbers = [int(one.image) for one in liked]  # type: ignore[arg-type]
    wanted = similarity.combine(rows[numbers], np.array([one.weight for one in liked]))
    scores = similarity.scores(wanted, rows)[0].astype(np.float64)
    largest = max(one.weight for one in liked)
    paid = np.zeros(len(rows))
    for one in query:
        if one.weight < 0:
            alike = similarity.scores(rows[[int(one.image)]], rows)[0]  # type: ignore[arg-type]
            paid = np.maximum(paid, -one.weight / largest * np.maximum(alike, 0))
    return np.asarray(np.maximum(scores - paid, -1))


def agrees(hits: Sequence[Hit], scores: NDArray[np.float64]) -> None:
    """The hits are the best, in order; rounding may swap equal ones."""
    found = [hit.id for hit in hits]
    assert len(set(found)) == len(found)
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1][: len(hits)], atol=2e-3)
    np.testing.assert_allclose([hit.score for hit in hits], scores[found], atol=2e-3)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("top", [5, COUNT])
def test_what_is_like_a_negative_example_loses_that_share(
    top: int, query: list[Example], collection: Collection
) -> None:
    agrees(collection.search(query, top=top, exclude_query=False).hits, truth(collection, query))


def test_what_is_unlike_a_negative_example_gains_nothing(collection: Collection) -> None:
    plain = {hit.id: hit.score for hit in collection.search(0, top=COUNT).hits}
    found = collection.search([0, Example(1, -0.5)], top=COUNT).hits
    assert all(hit.score <= plain[hit.id] + 1e-6 for hit in found)


def test_no_weight_takes_a_score_below_the_least(collection: Collection) -> None:
    for weight in (-100, -1e39, -1e308):
        hits = collection.search([Example(0, 1e-300), Example(1, weight)], top=COUNT).hits
        assert len({hit.id for hit in hits}) == COUNT - 2
        assert all(-1 <= hit.score <= 1 for hit in hits)


def test_pages_and_batches_are_those_of_one_search(collection: Collection) -> None:
    query = QUERIES[1]
    whole = collection.search(query, top=COUNT).hits
    pages = [collection.search(query, top=7, offset=start).hits for start in range(0, COUNT, 7)]
    assert [hit for page in pages for hit in page] == list(whole)
    together = collection.search_each([0, query, QUERIES[0], Example(3, -1)], top=9)
    for found, one in zip(together, [0, query, QUERIES[0], Example(3, -1)], strict=True):
        alone = collection.search(one, top=9)  # type: ignore[arg-type]
        assert [hit.id for hit in found.hits] == [hit.id for hit in alone.hits]


@pytest.mark.parametrize("kind", ["exact", "pca", "codes", "hnsw"])
def test_every_index_gives_the_same(kind: IndexKind, images: Path) -> None:
    art = Collection.extract(images.parent / f"of-{kind}", images, encoder=GridEncoder())
    art.index(options=IndexOptions(kind, pca_dimensions=24, recall_target=1.0))
    for query in QUERIES:
        agrees(art.search(query, top=5, exclude_query=False).hits, truth(art, query))


def test_with_tags_both_scores_are_mixed_after_the_penalty(images: Path, tmp_path: Path) -> None:
    lines = [f'{{"path": "{number:04d}.png", "tags": ["t{number % 3}"]}}' for number in range(COUNT)]
    folder = draw_folder(tmp_path / "images", COUNT)
    (folder / "tags.jsonl").write_text("\n".join(lines))
    art = Collection.build(tmp_path / "c", folder, encoder=GridEncoder())
    tagged = np.arange(COUNT) % 3 == 1
    expected = 0.6 * truth(art, QUERIES[1]) + 0.4 * tagged
    found = art.search(
        QUERIES[1], top=COUNT, tags="t1", tag_threshold=0, tag_weight=0.4, exclude_query=False
    ).hits
    agrees(found, expected)
    only = art.search(QUERIES[1], top=COUNT, tags="t1", exclude_query=False).hits
    assert {hit.id for hit in only} == set(np.flatnonzero(tagged).tolist())


# --- weights and vectors of any size


@pytest.mark.parametrize("weights", [(1e39, 1.0), (1e300, 1e-300), (1e-45, 1e-45), (5e-324, 5e-324)])
def test_weights_of_any_size(weights: tuple[float, float], collection: Collection) -> None:
    hits = collection.search([Example(3, weights[0]), Example(8, weights[1])], top=COUNT).hits
    assert len({hit.id for hit in hits}) == COUNT - 2
    same: list[Any] = [3, 8] if weights[0] == weights[1] else [3]
    alike = collection.search(same, top=COUNT, exclude_query=False).hits
    others = [hit.id for hit in alike if hit.id not in (3, 8)]
    assert [hit.id for hit in hits] == others


def test_weights_beyond_float32_on_the_command_line(collection: Collection) -> None:
    command = ["search", "3", "8", "--weights", "1e39,1", "-f", "-c", str(collection.directory)]
    found = CliRunner().invoke(app, command)
    lines = found.stdout.splitlines()
    assert (found.exit_code, len(lines)) == (0, 10)
    assert len(set(lines)) == 10


@pytest.mark.parametrize("factor", [1e-300, 1e-45, 1e-30, 1e20, 1e38, 1e39, 1e300])
def test_query_vectors_of_any_length(factor: float, collection: Collection) -> None:
    vector = collection.vectors(5)[0].astype(np.float64)
    vector /= np.abs(vector).max()
    if collection._state.index.similarity.euclidean:
        if factor > 1:
            with pytest.raises(QueryError, match="too large to compare distances"):
                collection.search(vector * factor)
        return
    plain = [hit.id for hit in collection.search(vector).hits]
    assert [hit.id for hit in collection.search(vector * factor).hits] == plain
    assert [hit.id for hit in collection.search(np.float32(1) * vector).hits] == plain
    ends = collection.morph(vector * factor, 9, steps=2), collection.morph(vector, 9, steps=2)
    assert [stop.id for stop in ends[0].stops] == [stop.id for stop in ends[1].stops]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_wherever_it_stands(wrong: float, collection: Collection) -> None:
    vector = np.ones(DIMENSION)
    vector[7] = wrong
    asked: list[Callable[[], Any]] = [
        lambda: collection.search(vector),
        lambda: collection.search_each([0, vector]),
        lambda: collection.search([0, Example(vector, -0.5)]),
        lambda: collection.morph(0, vector),
        lambda: collection.morph(0, 1, via=[vector]),
    ]
    for ask in asked:
        with pytest.raises(QueryError, match=r"1 of them NaN or infinite"):
            ask()
    with pytest.raises(QueryError, match="finite number"):
        collection.search([0, Example(1, wrong)])


def test_opposite_examples_leave_nothing_to_look_for(collection: Collection) -> None:
    if collection._state.index.similarity.name in {"hamming", "l2", "centred", "standardised"}:
        pytest.skip("their sum is a code, a place, or not opposite once the mean is subtracted")
    vector = np.ones(DIMENSION)
    with pytest.raises(QueryError, match="cancel each other out"):
        collection.search([vector, -vector])


def test_the_order_of_examples_changes_no_answer(collection: Collection) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        chosen = generator.choice(COUNT, 5, replace=False).tolist()
        query = [
            Example(number, weight) for number, weight in zip(chosen, (1, 1, 0.5, -0.5, -1), strict=True)
        ]
        turned = [query[place] for place in generator.permutation(5)]
        assert collection.search(query, top=20).hits == collection.search(turned, top=20).hits


# --- damage


@pytest.mark.parametrize("query", [0, 9, [Example(0), Example(1, -0.5)], None])
def test_a_damaged_row_is_never_compared(query: Any, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "images", COUNT)
    lines = [f'{{"path": "{number:04d}.png", "tags": ["t"]}}' for number in range(COUNT)]
    (folder / "tags.jsonl").write_text("\n".join(lines))
    art = Collection.build(tmp_path / "c", folder, encoder=GridEncoder())
    vectors = art.store.take_float16(np.array([9])).tobytes()
    file = art.store.parts[0].path
    content = bytearray(file.read_bytes())
    content[content.index(vectors)] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(CollectionDamagedError, match="row 9"):
        Collection.open(tmp_path / "c").search(query, top=5, diverse=0.5, tags="t")
