"""Training the words of `lite`: names that are read, vectors that are moved, a table that is packed.

A teacher of a few words stands in for the sentence model, which one test asks itself.
"""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from i2v_search.encoders.lite_head import DIMENSION
from i2v_search.encoders.lite_text import INNER, LiteText
from i2v_search.errors import RecipeError
from i2v_search.index.similarity import unit
from scripts.lite.phrases import Names, read_emoji_names, read_titled
from scripts.lite.recipes import icons
from scripts.lite.recipes.emoji import Style
from scripts.lite.recipes.fetching import PACKAGES, Fetched, fetch_some
from scripts.lite.text import Classes, TextMaterial, TextRecipe, learn_text, pack
from scripts.lite.words import align, choose_words, open_teacher, teach

MEANINGS = ("dog", "cat", "car", "red", "blue")
EMOJI = {
    f"1F{number:03d}": {
        "en": Names(name, (f"{name}s", "thing")),
        "xx": Names(f"x{name}x", ("xthing",)),
    }
    for number, name in enumerate(MEANINGS)
}


def teacher(texts: Sequence[str]) -> NDArray[np.float32]:
    """Eight numbers: one for each meaning that a text names, and noise of its own for other words."""
    rows = np.zeros((len(texts), 8), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for number, name in enumerate(MEANINGS):
            row[number] = float(name in text.split(", ")[0].split())
        seed = sum(map(ord, text))
        row += 0.05 * np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return unit(rows)


def package(folder: Path, members: dict[str, object]) -> Path:
    file = folder / "emojibase-data-17.0.0.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def test_names_are_read_in_every_language(tmp_path: Path) -> None:
    file = package(
        tmp_path,
        {
            "en/data.json": [{"hexcode": "1F436", "label": "dog face", "tags": ["pet"]}],
            "de/data.json": [{"hexcode": "1F436", "label": "Hundegesicht"}],
            "meta/groups.json": {},
        },
    )
    names = read_emoji_names(file)
    assert names == {"1F436": {"en": Names("dog face", ("pet",)), "de": Names("Hundegesicht", ())}}
    (tmp_path / "set").mkdir()
    lines = [
        {"path": "noto/animal/1f436.webp", "title": "dog face", "tags": ["animal"], "label": "mammal"},
        {"path": "icons/face.webp", "title": "Face Dog", "tags": [], "label": "icons"},
        {"path": "icons/sword.webp", "title": "sword", "tags": [], "label": "icons"},
    ]
    (tmp_path / "set" / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)))
    first, second, third = read_titled(tmp_path / "set", names)
    assert first.concept == second.concept == "1F436"
    assert first.names["en"] == Names("dog face", ("pet", "animal", "mammal"))
    assert second.names["de"].title == "Hundegesicht"
    assert (third.concept, third.names) == ("set/icons/sword.webp", {"en": Names("sword", ())})


def test_a_damaged_package_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"nothing")
    with pytest.raises(RecipeError, match="is not emojibase-data"):
        read_emoji_names(tmp_path / "x.tgz")


def test_words_are_those_of_the_names_and_of_the_teacher() -> None:
    words, weights, counts = choose_words(
        ["red dog", "Dog", "猫の絵", "猫", "猫の絵がある"],
        {"▁the": -1.0, "▁dog": -5.0, "ing": -4.0, "猫": -6.0, "▁7": -3.0},
    )
    assert words == ["dog", "red", "the", "猫", "猫の絵"]
    assert counts.tolist() == [2, 1, 0, 1, 1]
    assert weights[words.index("the")] < 1e-3 < weights[words.index("red")] <= 1


def material(count: int) -> TextMaterial:
    """Pictures of five things: a direction for each, and noise."""
    random = np.random.default_rng(0)
    concepts = np.arange(count) % len(MEANINGS)
    directions = random.normal(size=(len(MEANINGS), DIMENSION))
    vectors = unit((directions[concepts] + random.normal(size=(count, DIMENSION))).astype(np.float32))
    classes = Classes([["dog", "cat"], ["car"]], unit(random.normal(size=(2, 1280)).astype(np.float32)))
    return TextMaterial(vectors, concepts, list(EMOJI.values()), classes)


def test_aligned_words_of_an_unknown_language_mean_what_the_english_ones_do() -> None:
    texts = [text for spoken in EMOJI.values() for one in spoken.values() for text in (one.title, *one.tags)]
    words, weights, _ = choose_words(texts, {})
    before = teach(words, weights, teacher)
    after = align(before, EMOJI.values(), teacher, keep=0.05)
    for name in MEANINGS:
        own, english = (unit(after.vectors[[after.numbers[word]]])[0] for word in (f"x{name}x", name))
        others = [unit(after.vectors[[after.numbers[f"x{one}x"]]])[0] for one in MEANINGS if one != name]
        assert own @ english > 0.8
        assert max(float(one @ english) for one in others) < 0.5


def test_what_is_packed_finds_pictures_by_words_in_both_languages(tmp_path: Path) -> None:
    texts = [text for spoken in EMOJI.values() for one in spoken.values() for text in (one.title, *one.tags)]
    words, weights, counts = choose_words(texts, {"▁of": -1.0})
    aligned = align(teach(words, weights, teacher), EMOJI.values(), teacher, keep=0.05)
    recipe = TextRecipe(
        size=6, hidden=16, basis=12, entries=40, parts=20, steps=120, batch=16, pictures=60, dropout=0.0
    )
    pictures = material(60)
    network, basis = learn_text(pictures, aligned, recipe)
    again, _ = learn_text(pictures, aligned, recipe)
    packed = pack(network, basis, aligned, counts, recipe, encoder_sha256="ab" * 32)
    same = pack(again, basis, aligned, counts, recipe, encoder_sha256="ab" * 32)
    for name, values in packed.to_weights().items():
        assert np.array_equal(values, same.to_weights()[name]), name
    text = LiteText(packed)
    assert text.encoder_sha256 == "ab" * 32
    strings = bytes(packed.strings).decode().split("\n")[:-1]
    assert len(strings) == len(packed.rows) <= 40
    assert sum(entry.startswith(INNER) for entry in strings) == 20
    for language in ("en", "xx"):
        found = text.encode_text([EMOJI[code][language].title for code in EMOJI]) @ pictures.vectors.T
        assert (pictures.concepts[found.argmax(axis=1)] == np.arange(len(MEANINGS))).all()


def test_the_teacher_gives_its_words_and_knows_that_languages_mean_the_same() -> None:
    ask, pieces = open_teacher()
    dog, hund, car = ask(["dog", "Hund", "car"])
    assert dog @ hund > dog @ car
    assert len(pieces) == 128_000
    assert pieces["▁the"] > pieces["▁dragon"]


def test_icons_are_named_once_and_signs_are_left_out() -> None:
    def style(name: str, names: Sequence[str]) -> Style:
        fetched = Fetched(PACKAGES[name], Path("x.tgz"), "")
        held = {"icons": {one: {"body": ""} for one in names} | {"old-thing": {"body": "", "hidden": True}}}
        return Style(fetched, "x", "nobody", "MIT", held, {})

    mdi = style("@iconify-json/mdi", ["sword", "sword-outline", "account-check", "dog-side", "cat-2", "cat"])
    assert icons.titled(mdi) == {"sword": "sword", "dog side": "dog-side", "cat": "cat"}
    ph = style("@iconify-json/ph", ["sword", "sword-fill", "cat-bold"])
    assert icons.titled(ph) == {"sword": "sword-fill"}


def test_other_packages_than_those_of_icons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs a file of one of iconify-json-emojione-monotone"):
        fetch_some(tuple(icons.SETS), tmp_path, [tmp_path / "noto-1.2.3.tgz"])
