"""Texts as queries: what a string is, words in names and tags, weights, and what only a text can lead to."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.errors import NoSuchImageError, QueryError
from i2v_search.index.similarity import unit
from i2v_search.search.examples import Example
from i2v_search.search.tag_table import TagTable
from i2v_search.search.text import MAX_TEXT, TAG_SHARE, Text, WordSearch, looks_like_path, singular
from i2v_search.store.catalogue import Catalogue

NAMES = {
    "eileen/eileen happy.png": ["woman", "smile"],
    "eileen/eileen sad.png": ["woman"],
    "beasts/RedDragon2.png": ["dragon", "red"],
    "beasts/red-dragons/01.png": ["dragon"],
    "beasts/dragonfly.png": ["insect"],
    "beasts/green cat.png": ["cat"],
    "scans/IMG_0001.png": ["long hair", "woman"],
    "scans/IMG_0002.png": ["dragon"],
    "scans/ドラゴンの絵.png": [],
    "scans/Größe.png": [],
}


class WordyEncoder(GridEncoder):
    """Knows that "dark" is the opposite of "bright", and nothing else."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        signs = [text.split().count("bright") - text.split().count("dark") for text in texts]
        return np.array(signs, np.float32)[:, None] * np.ones((1, DIMENSION), np.float32)

    text_mean: NDArray[np.float32] = np.zeros(DIMENSION, np.float32)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("texts")
    lines = []
    for seed, (path, tags) in enumerate(NAMES.items()):
        draw(root / "images" / path, seed)
        lines.append(json.dumps({"path": path, "tags": tags}))
    (root / "images" / "tags.jsonl").write_text("\n".join(lines))
    Collection.build(root / "art", [root / "images"], encoder=WordyEncoder())
    return root / "art"


@pytest.fixture
def art(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    collection = Collection.open(directory)
    collection._encoder.keep(WordyEncoder(), collection.store.manifest)
    return collection


def named(art: Collection, word: str) -> set[str]:
    search = WordSearch(art.store, TagTable(art.store))
    return {art.store.path(int(row)) for row in search.rows_named([word])[word]}


@pytest.mark.parametrize(
    ("word", "paths"),
    [
        ("eileen", {"eileen/eileen happy.png", "eileen/eileen sad.png"}),
        ("happy", {"eileen/eileen happy.png"}),
        ("dragon", {"beasts/RedDragon2.png", "beasts/red-dragons/01.png"}),
        ("red", {"beasts/RedDragon2.png", "beasts/red-dragons/01.png"}),
        ("img", {"scans/IMG_0001.png", "scans/IMG_0002.png"}),
        ("0001", {"scans/IMG_0001.png"}),
        ("2", {"beasts/RedDragon2.png"}),
        ("ドラゴン", {"scans/ドラゴンの絵.png"}),
        ("größe", {"scans/Größe.png"}),
        ("fly", set()),
        ("agon", set()),
    ],
)
def test_words_stand_alone_in_names(word: str, paths: set[str], art: Collection) -> None:
    assert named(art, word) == paths


@given(st.lists(st.text(alphabet="abAB12 -_/", min_size=1, max_size=12), min_size=1, max_size=8))
def test_every_word_between_other_signs_is_found(paths: list[str]) -> None:
    """Against a plain reading of each name: its runs of letters, cut where capitals begin or not (iPhone)."""
    from i2v_search.search.text import _places_of

    for word in ("a", "ab", "b", "1", "12"):
        kind = r"\d+" if word.isdigit() else "[A-Za-z]+"
        expected = []
        for number, path in enumerate(paths):
            for run in re.findall(kind, path):
                parts = [part.lower() for part in re.split(r"(?<=[a-z])(?=[A-Z])", run)]
                spans = [(first, last) for last in range(len(parts)) for first in range(last + 1)]
                if any("".join(parts[first : last + 1]) == word for first, last in spans):
                    expected.append(number)
        assert _places_of(word, paths).tolist() == sorted(set(expected))


def test_scores_are_the_third_power_of_the_share_of_words(art: Collection) -> None:
    search = WordSearch(art.store, TagTable(art.store))
    matches = search.matches(Text("the red dragon"))
    assert matches is not None
    found = {art.store.path(row): float(matches.scores[row]) for row in range(art.store.rows)}
    assert found["beasts/RedDragon2.png"] == pytest.approx(1)
    assert found["beasts/red-dragons/01.png"] == pytest.approx(1)
    assert found["scans/IMG_0002.png"] == pytest.approx((TAG_SHARE / 2) ** 3, rel=1e-3)
    assert found["beasts/dragonfly.png"] == 0
    places = {art.store.path(row): row for row in range(art.store.rows)}
    assert matches.named[places["beasts/RedDragon2.png"]]
    assert matches.tagged[places["scans/IMG_0002.png"]]
    assert not matches.named[places["scans/IMG_0002.png"]]
    assert search.matches(Text("nothing of that")) is None


def test_a_tag_of_two_words_needs_both(art: Collection) -> None:
    search = WordSearch(art.store, TagTable(art.store))
    assert search.matches(Text("hair")) is None
    matches = search.matches(Text("very long hair"))
    assert matches is not None
    assert [art.store.path(int(row)) for row in np.flatnonzero(matches.tagged)] == ["scans/IMG_0001.png"]


def test_the_words_of_a_name_come_first_and_hits_say_why(art: Collection) -> None:
    result = art.search("eileen bright")
    assert result.query == '"eileen bright"'
    assert {hit.path for hit in result.hits[:2]} == {"eileen/eileen happy.png", "eileen/eileen sad.png"}
    assert all("name" in hit.why for hit in result.hits[:2])
    assert all(hit.why == ("meaning",) for hit in art.search(Text("bright"), top=3).hits)
    assert art.search(Text("insect"), top=1).hits[0].why[:1] == ("tag",)
    assert art.search("eileen happy.png", top=1).hits[0].why == ()


def test_meaning_is_the_cosine_with_the_direction(art: Collection) -> None:
    rows = art.vectors().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    wanted = rows.sum(axis=1) / np.linalg.norm(rows, axis=1) / math.sqrt(DIMENSION)
    hits = art.search(Text("bright"), top=len(NAMES)).hits
    assert [hit.score for hit in hits] == pytest.approx(sorted(wanted, reverse=True), abs=1e-3)
    opposite = art.search(Text("dark"), top=len(NAMES)).hits
    assert [hit.id for hit in opposite] == [hit.id for hit in reversed(hits)]


def test_pages_of_a_text_are_one_order(art: Collection) -> None:
    whole = art.search(Text("red dragon bright"), top=len(NAMES)).hits
    pages = [hit for start in range(0, len(NAMES), 3) for hit in art.search(
        Text("red dragon bright"), top=3, offset=start).hits]  # fmt: skip
    assert [(hit.id, hit.rank) for hit in pages] == [(hit.id, hit.rank) for hit in whole]


def test_texts_mix_with_images_and_may_be_unwanted(art: Collection) -> None:
    mixed = art.search(["beasts/green cat.png", Example(Text("dark"), -0.5)])
    assert mixed.query == 'beasts/green cat.png, not "dark"'
    assert "beasts/green cat.png" not in {hit.path for hit in mixed.hits}
    both = art.search([Example("beasts/green cat.png", 0.01), Text(" red  dragon\tbright ")], top=2)
    assert both.query == 'beasts/green cat.png, "red dragon bright"'
    assert {hit.path for hit in both.hits} == {"beasts/RedDragon2.png", "beasts/red-dragons/01.png"}
    alone = art.search([Example(Text("bright"), -1)], top=1).hits[0]
    assert alone.id == art.search(Text("dark"), top=1).hits[0].id


def test_filters_hold_for_texts(art: Collection) -> None:
    assert {hit.path for hit in art.search("dragon bright", paths="scans").hits} == {
        path for path in NAMES if path.startswith("scans")
    }
    assert [hit.path for hit in art.search("red bright", tags="insect").hits] == ["beasts/dragonfly.png"]


@pytest.mark.parametrize("query", ["owl.png", "a/b", "~", "*.webp", "C:\\art", " ", "../x"])
def test_what_looks_like_a_path_is_no_text(
    query: str, art: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")  # where no file has such a name
    assert looks_like_path(query)
    with pytest.raises(NoSuchImageError, match="is not an id, a path in the collection or a file"):
        art.search(query)


@pytest.mark.parametrize("query", ["a red dragon", "dragon", "Mr. Fox", "what is it?", "e.g. a cat", "猫"])
def test_what_does_not_is(query: str) -> None:
    assert not looks_like_path(query)


def test_a_path_or_an_id_stays_what_it_is(art: Collection) -> None:
    assert art.search("eileen happy.png").query == "eileen/eileen happy.png"
    assert art.search(str(art.ids[3])).query == art.stored_path(art.ids[3])
    with pytest.raises(NoSuchImageError, match="--text 777"):
        art.search("777")
    assert art.search(Text("0001"), top=1).hits[0].path == "scans/IMG_0001.png"


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_TEXT + 1), 7, None, b"dog"])
def test_a_text_is_neither_empty_nor_endless(text: object) -> None:
    with pytest.raises(QueryError):
        Text(text)  # type: ignore[arg-type]


def test_a_text_of_unknown_words_finds_nothing_and_says_so(art: Collection) -> None:
    with pytest.raises(QueryError, match='"qwrtz" finds nothing: no name or tag has these words'):
        art.search("qwrtz")
    assert art.search([Text("qwrtz"), "eileen happy.png"]).hits  # an image says enough


def test_an_encoder_without_words_still_knows_names(directory: Path) -> None:
    art = Collection.open(directory)
    art._encoder.keep(GridEncoder(), art.store.manifest)
    hits = art.search("eileen").hits
    assert {hit.path for hit in hits[:2]} == {"eileen/eileen happy.png", "eileen/eileen sad.png"}
    with pytest.raises(QueryError, match="encoder 'grid' does not know them"):
        art.search("bright")


def test_a_text_is_not_encoded_as_an_image(art: Collection) -> None:
    with pytest.raises(QueryError, match="is a text"):
        art.encode(Text("dragon"))


def test_ends_of_a_morph_may_be_texts(art: Collection) -> None:
    found = art.morph("eileen happy", "red dragon", via=Text("insect"), steps=2, method="line")
    first, last = found.stops[0], found.stops[-1]
    assert (first.path, first.text) == ("eileen/eileen happy.png", "eileen happy")
    assert last.text == "red dragon"
    assert [stop.text for stop in found.stops if stop.waypoint] == ["insect"]
    assert found.stops[1].text == "" or found.stops[1].waypoint
    twice = art.morph("dragon", Text("dragon"), steps=0, method="line")
    assert twice.stops[0].id != twice.stops[1].id
    elsewhere = art.morph("dragon", "eileen happy.png", steps=0, method="line", exclude=[first.path])
    assert elsewhere.stops[0].text == "dragon"


@pytest.mark.integration
def test_similarities_without_a_mean_take_directions_too(directory: Path, tmp_path: Path) -> None:
    with_art = Collection.open(directory)
    for similarity in ("cosine", "hamming"):
        copy = Collection.build(
            tmp_path / similarity, [Path(with_art.store.manifest.image_root)],
            encoder=WordyEncoder(), similarity=similarity,
        )  # fmt: skip
        assert len(copy.search(Text("bright")).hits) == len(NAMES)
    copy = Collection.build(
        tmp_path / "l2", [Path(with_art.store.manifest.image_root)], encoder=WordyEncoder(), similarity="l2"
    )
    with pytest.raises(QueryError, match="text cannot be compared by similarity l2"):
        copy.search(Text("bright"))


class ApartEncoder(WordyEncoder):
    """Texts lie apart from images, around a mean of their own."""

    text_mean = np.linspace(-0.125, 0.125, DIMENSION, dtype=np.float32)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit(super().encode_text(texts)) + self.text_mean


@pytest.mark.parametrize("similarity", ["cosine", "centred"])
def test_texts_of_two_towers_are_compared_without_their_mean(
    similarity: SimilarityName, directory: Path, tmp_path: Path
) -> None:
    root = Path(Collection.open(directory).store.manifest.image_root)
    art = Collection.build(tmp_path / "art", [root], encoder=ApartEncoder(), similarity=similarity)
    rows = art.vectors().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = ApartEncoder().encode_text(["bright"])[0].astype(np.float64)
    wanted /= np.linalg.norm(wanted)
    if similarity == "centred":
        rows -= rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        wanted = wanted - ApartEncoder.text_mean
        wanted /= np.linalg.norm(wanted)
    hits = art.search(Text("bright"), top=len(NAMES)).hits
    assert [hit.score for hit in hits] == pytest.approx(sorted(rows @ wanted, reverse=True), abs=2e-3)


@given(st.text(max_size=12))
def test_the_singular_is_never_longer(word: str) -> None:
    assert word.startswith(singular(word))


def test_the_catalogue_is_not_asked_about_texts(art: Collection) -> None:
    assert Catalogue(art.store).find_path("a red dragon") is None
