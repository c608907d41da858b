"""One search in several collections finds what a search in all of their images finds."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder, draw, draw_folder
from stores import make_store, random_vectors

from i2v_search.collection.across import MOST_ACROSS, search_across
from i2v_search.collection.collection import Collection
from i2v_search.errors import EncoderMismatchError, QueryError
from i2v_search.images.decoding import load_image
from i2v_search.index import pooled_index
from i2v_search.index.similarity import Similarity
from i2v_search.search.examples import Example
from i2v_search.search.results import Hit
from i2v_search.search.text import Text


@pytest.fixture
def pair(tmp_path: Path, loaded: list[GridEncoder]) -> tuple[Collection, Collection]:
    """Two collections whose pictures differ in brightness, so that their means do too."""
    bright = draw_folder(tmp_path / "bright", 25, first=100)
    for file in bright.iterdir():
        load_image(file).point(lambda value: 200 + value // 5).save(file)
    folders = [draw_folder(tmp_path / "plain", 15), bright]
    one, other = (
        Collection.build(tmp_path / f"index-{folder.name}", folder, encoder="grid", similarity="centred")
        for folder in folders
    )
    return one, other


def require_same(hits: Iterable[Hit], expected: Iterable[Hit]) -> None:
    """The same pictures in the same order, with the same scores up to rounding."""
    hits, expected = list(hits), list(expected)
    assert [Path(hit.path).name for hit in hits] == [Path(hit.path).name for hit in expected]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=1e-5)


def test_it_ranks_as_one_collection_of_all_images(
    pair: tuple[Collection, Collection], tmp_path: Path
) -> None:
    merged = Collection.merge(tmp_path / "merged", [one.directory for one in pair])
    merged.index(similarity="centred")
    picture = draw(tmp_path / "query.png", 105)
    plain = [each.path for each in pair[0]][2]
    for query in (str(picture), [Example(str(picture)), Example(plain, -0.5)], load_image(picture)):
        expected = merged.search(query, top=50).hits
        found = search_across(pair, query, top=50)
        require_same(found.hits, expected)
        assert [hit.rank for hit in found.hits] == list(range(1, len(expected) + 1))
    pages = [search_across(pair, str(picture), top=7, offset=start) for start in (0, 7, 35)]
    require_same((hit for page in pages[:2] for hit in page.hits), merged.search(str(picture), top=14).hits)
    assert [page.more for page in pages] == [True, True, False]
    assert {hit.collection for hit in pages[0].hits} <= {str(one.directory) for one in pair}
    # Of one collection it is the search that it has.
    require_same(search_across(pair[:1], str(picture)).hits, pair[0].search(str(picture)).hits)


def test_a_file_that_lies_in_several_is_one_result(
    pair: tuple[Collection, Collection], tmp_path: Path
) -> None:
    one, other = pair
    shutil.copy(tmp_path / "plain" / "0003.png", tmp_path / "bright" / "again.png")
    other.add([tmp_path / "bright"])
    near = load_image(tmp_path / "plain" / "0003.png")
    near.putpixel((0, 0), (1, 2, 3))
    best, second = search_across(pair, near, top=2).hits
    assert (Path(best.path).name, best.copies, best.collection) == ("0003.png", 1, str(one.directory))
    assert Path(second.path).name not in {"0003.png", "again.png"}
    both = search_across(pair, near, top=2, copies=True).hits
    assert [Path(hit.path).name for hit in both] == ["0003.png", "again.png"]
    assert both[0].score == pytest.approx(both[1].score, abs=1e-4)
    # The picture itself is left out wherever it lies.
    names = {Path(hit.path).name for hit in search_across(pair, "0003.png", top=50).hits}
    assert names.isdisjoint({"0003.png", "again.png"})


def test_a_part_is_cut_from_the_picture_that_comes_with_it(
    pair: tuple[Collection, Collection], tmp_path: Path
) -> None:
    """A server gives a copy that was decoded elsewhere: the file itself may be hostile."""
    content = (tmp_path / "bright" / "0104.png").read_bytes()
    seen = replace(pair[0].encode("0003.png"), picture=content)
    part = search_across(pair, Example(seen, crop=(0, 0, 0.5, 0.5)), exclude_query=False)
    same = search_across(pair, Example(content, crop=(0, 0, 0.5, 0.5)), exclude_query=False)
    require_same(part.hits, same.hits)


def test_what_one_collection_lacks_the_others_may_have(pair: tuple[Collection, Collection]) -> None:
    assert [Path(hit.path).name for hit in search_across(pair, Text("0104"), top=1).hits] == ["0104.png"]
    with pytest.raises(QueryError, match="finds nothing"):
        search_across(pair, Text("nowhere"))
    with pytest.raises(QueryError, match="order of likeness"):
        search_across(pair, "0003.png", order="newest")
    with pytest.raises(QueryError, match="nothing to rank by"):
        search_across(pair)
    with pytest.raises(QueryError, match="no collection"):
        search_across([], "0003.png")


def test_other_distances_are_refused(pair: tuple[Collection, Collection], tmp_path: Path) -> None:
    strange = Collection.open(make_store(tmp_path / "strange", random_vectors(5, 48)).directory)
    with pytest.raises(EncoderMismatchError, match=r"'test' .* 'grid' .* cannot be compared"):
        search_across([pair[0], strange], "0003.png")
    pair[1].index(similarity="cosine")
    with pytest.raises(QueryError, match="i2v-search index --similarity centred"):
        search_across(pair, "0003.png")


@pytest.mark.parametrize("name", ["standardised", "centred", "cosine", "hamming", "l2"])
def test_proposals_of_each_index_hold_the_best_of_all(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooled_index, "PROPOSED", 200)
    vectors = random_vectors(300, 128, 3), random_vectors(500, 128, 12)
    stores = [make_store(tmp_path / str(at), each, similarity=name) for at, each in enumerate(vectors)]  # type: ignore[arg-type]
    opened = [Collection.open(store.directory) for store in stores]
    for each in opened:
        each.index()
    fitted = [each._state.index.similarity for each in opened]
    pooled = Similarity.pooled(fitted, [len(each) for each in opened])
    query = random_vectors(1, 128, 77)[0]
    asked = pooled.embed(query[None])
    scores = [pooled.scores(asked, pooled.embed_rows(each.store, each.store.live))[0] for each in opened]
    expected = np.sort(np.concatenate(scores))[::-1][:40]
    # The means lie far apart, and a code keeps only on which side of its mean a number lies.
    atol = 0.05 if name == "hamming" else 2e-3
    found = search_across(opened, query, top=MOST_ACROSS, copies=True).hits
    assert np.allclose([hit.score for hit in found[:40]], expected, atol=atol)
    assert len(found) == MOST_ACROSS
    if name == "centred":
        rows = np.concatenate([each.store.take(each.store.live) for each in opened])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        assert np.allclose(pooled.mean, rows.mean(axis=0), atol=1e-5)
