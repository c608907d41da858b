"""Dials of subject and style, against brute force over all rows."""

from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder, draw_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.collection.across import search_across
from i2v_search.collection.collection import Collection
from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.errors import I2VSearchError, QueryError
from i2v_search.index.similarity import unit
from i2v_search.search.examples import Example
from i2v_search.search.results import SearchResult
from i2v_search.search.text import Text

pytestmark = pytest.mark.integration
#: Of a dial: not below what is taken for 0 by rounding.
DIAL = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def expected(art: Collection, query: np.ndarray, *, without: int) -> list[float]:
    """Scores of all rows but one with a query in the search space, best first."""
    rows = art._state.index.similarity.embed_rows(art.store, art.store.live)
    scores = rows.astype(np.float64) @ query
    return sorted(np.delete(scores, without), reverse=True)


def embedded(art: Collection, number: int) -> np.ndarray:
    return art._state.index.similarity.embed_rows(art.store, np.array([number]))


@settings(max_examples=12, deadline=None)
@given(subject=DIAL, style=DIAL, number=st.integers(0, 60))
def test_scores_are_products_with_the_turned_query(
    subject: float, style: float, number: int, sample_collection: Collection
) -> None:
    art = sample_collection
    if subject == style == 0:
        with pytest.raises(QueryError, match="both 0"):
            art.search(number, subject=subject, style=style)
        return
    turned = LiteDials.load().turned(embedded(art, number), subject=subject, style=style)
    found = art.search(number, subject=subject, style=style, top=8, copies=True)
    assert [hit.score for hit in found.hits] == pytest.approx(
        expected(art, unit(turned)[0], without=number)[:8], abs=2e-3
    )


def bare(result: SearchResult) -> list[tuple[int, float]]:
    return [(hit.id, hit.score) for hit in result.hits]


def test_neutral_dials_are_the_plain_search_to_the_last_bit(sample_collection: Collection) -> None:
    plain = bare(sample_collection.search([3, Example(9, -0.5)], top=30))
    assert bare(sample_collection.search([3, Example(9, -0.5)], top=30, subject=1, style=1)) == plain
    assert bare(sample_collection.search([Example(3, subject=1), Example(9, -0.5)], top=30)) == plain


def test_the_subject_of_one_and_the_style_of_another_are_added(sample_collection: Collection) -> None:
    art, dials = sample_collection, LiteDials.load()
    parts = [
        unit(dials.turned(embedded(art, number), subject=subject, style=style))[0]
        for number, subject, style in ((3, 1, 0), (50, 0, 1))
    ]
    result = art.search([Example(3, style=0), Example(50, subject=0)], top=5, exclude_query=False)
    query = unit(np.sum(parts, axis=0)[None])[0]
    best = expected(art, query, without=len(art) - 1)[:5]
    assert [hit.score for hit in result.hits][:3] == pytest.approx(best[:3], abs=2e-3)
    assert result.query.endswith(f"(style 0), {art[50].path} (subject 0)")


def test_the_dials_of_a_search_and_of_an_example_multiply(sample_collection: Collection) -> None:
    both = sample_collection.search(Example(3, style=0.5), style=0.5, top=20)
    once = sample_collection.search(3, style=0.25, top=20)
    assert bare(both) == bare(once)


def test_a_picture_from_outside_and_several_collections_are_turned_too(
    sample_collection: Collection, tmp_path: Path
) -> None:
    art = sample_collection
    plain = art.search(3, style=0, top=5)
    outside = art.search(art.encode(3).vector, style=0, top=6)
    assert [hit.id for hit in outside.hits][1:] == [hit.id for hit in plain.hits]
    across = search_across([art], 3, style=0, top=5)
    assert [hit.id for hit in across.hits] == [hit.id for hit in plain.hits]


def test_a_text_beside_a_picture_stays_as_it_is(sample_collection: Collection) -> None:
    both = [Example(3), Example(Text("a red bird"))]
    result = sample_collection.search(both, style=0, top=20)
    assert bare(result) == bare(sample_collection.search([Example(3, style=0), both[1]], top=20))


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        (Example(Text("an owl"), style=0), {}, "is a text"),
        (3, {"subject": 1.5}, "subject must be from 0"),
        (3, {"style": float("nan")}, "style must be from 0"),
        (3, {"subject": 0, "style": 0}, "both 0"),
        (Text("an owl"), {"style": 0}, "dials of pictures"),
        (Example(3, kind="sketch"), {"style": 0}, "drawing of lines"),
        (None, {"style": 0, "tags": "bird"}, "give one, or leave both at 1"),
        (None, {"style": 0, "order": "name"}, "give one, or leave both at 1"),
    ],
)
def test_what_cannot_be_turned_says_so(
    query: object, options: dict[str, object], message: str, sample_collection: Collection
) -> None:
    with pytest.raises(QueryError, match=message):
        sample_collection.search(query, **options)  # type: ignore[arg-type]


def test_an_example_refuses_what_does_not_exist() -> None:
    for options in ({"subject": -1}, {"subject": 0, "style": 0}, {"kind": "sketch", "style": 0}):
        with pytest.raises(QueryError):
            Example(3, **options)


def test_an_encoder_without_dials_says_what_to_do(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 4)
    art = Collection.build(tmp_path / "art", images, encoder=GridEncoder())
    assert len(art.search(0, subject=1, style=1).hits) == 3
    with pytest.raises(I2VSearchError, match="encoder 'grid' does not tell subject from style"):
        art.search(0, style=0)


def test_vectors_compared_in_another_way_say_what_to_run(
    sample_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    similarity = sample_collection._state.index.similarity
    monkeypatch.setitem(similarity.__dict__, "name", "centred")
    with pytest.raises(QueryError, match="index --similarity standardised"):
        sample_collection.search(3, style=0)
