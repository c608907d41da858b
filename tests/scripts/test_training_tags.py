"""What the tags of `lite` are learned from, and what their scores are taken to be worth."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from i2v_search.errors import RecipeError
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag, Vocabulary
from i2v_search.training.datasets.dataset import Dataset, Picture, read_dataset
from scripts.lite.recipes import make_dataset
from scripts.lite.recipes.scenes import KINDS, TAG, draw, make
from scripts.lite.tag_material import attributes_of, somebody, tag_material
from scripts.lite.tags import TagMaterial, TagRecipe, fold_of, learn_tags, precise_thresholds

pytestmark = pytest.mark.integration


def picture(path: str, *tags: str, label: str = "") -> Picture:
    return Picture(path, tuple(Tag(name) for name in tags), frozenset(), label, path, "", "")


def test_scenes_are_the_same_each_time_and_show_nobody(tmp_path: Path) -> None:
    made = make(tmp_path / "scenes", pictures=2)
    scenes = read_dataset(made.folder)
    assert {one.label for one in scenes.pictures} == set(KINDS)
    assert all([tag.name for tag in one.tags] == [TAG] for one in scenes.pictures)
    for kind in KINDS:
        first, again, other = draw(kind, 0), draw(kind, 0), draw(kind, 1)
        assert first.tobytes() == again.tobytes() != other.tobytes()
        assert hashlib.sha256(first.tobytes()).digest() != hashlib.sha256(other.tobytes()).digest()


def test_scenes_need_no_package(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="leave out --package"):
        make_dataset("scenes", tmp_path / "scenes", package=[tmp_path])


def test_who_is_in_a_picture_follows_from_its_tags() -> None:
    emoji = Dataset(Path(), (), "emoji")
    assert somebody(emoji, picture("a", "woman", "hat", label="person")) == (True, True)
    assert somebody(emoji, picture("a", "apple", label="fruit")) == (False, True)
    assert somebody(emoji, picture("a", "people", "hat", label="people/clothing/hats")) == (True, False)
    assert somebody(Dataset(Path(), (), "characters"), picture("a", "long hair")) == (True, True)


def test_attributes_are_the_tags_that_only_pictures_of_somebody_have() -> None:
    """Glasses are drawn of characters, and lie on tables; long hair never does; only faces grin."""
    vocabulary = Vocabulary(("long hair", "glasses", "grinning", "apple", "face"), ("general",) * 5)
    positive, persons = np.zeros((40, 5), bool), np.zeros((40, 2), bool)
    persons[:, 1], persons[:20, 0] = True, True
    positive[10:30, 1] = positive[:20, 2] = positive[20:, 3] = positive[:20, 4] = True
    assert attributes_of(vocabulary, positive, persons).tolist() == [True, False, True, False, False]


def test_a_word_of_a_title_is_a_tag_and_scenes_show_nobody(tmp_path: Path) -> None:
    for name, lines in {
        "drawings": '{"path": "a.png", "title": "a grinning face", "tags": ["face"], "label": "face"}\n'
        '{"path": "b.png", "title": "a grinning face", "tags": ["face"], "label": "face"}\n'
        '{"path": "c.png", "title": "an apple", "tags": ["apple"], "label": "fruit"}\n',
        "icons": '{"path": "x/d.png", "title": "apple", "tags": []}\n'
        '{"path": "x/e.png", "title": "grinning", "tags": []}\n'
        '{"path": "x/f.png", "title": "woman", "tags": []}\n',
    }.items():
        (tmp_path / name).mkdir()
        for letter in "abcdef":
            file = tmp_path / name / ("x" if name == "icons" else ".") / f"{letter}.png"
            file.parent.mkdir(exist_ok=True)
            file.touch()
        (tmp_path / name / "tags.jsonl").write_text(lines)
    sets = [read_dataset(tmp_path / name) for name in ("drawings", "icons")]
    vocabulary = Vocabulary(("apple", "face"), ("general", "general"))
    material = tag_material(sets[:1], sets[1:], np.zeros((6, 4), np.float32), vocabulary, 0.1)
    assert material.positive[3].tolist() == [True, False, False]
    np.testing.assert_allclose(material.weights[3], [1, 0.1, 1])
    assert material.weights[4, -1] == 0, "a word of faces leaves it open"
    assert material.positive[5, -1]
    assert material.sources.tolist()[2:4] == ["drawings/c.png", "icons/x"]


def test_every_source_is_in_one_fold() -> None:
    sources = np.array(["b", "a", "c", "a", "d"])
    assert fold_of(sources, 3).tolist() == [1, 0, 2, 0, 0]
    assert set(fold_of(np.array(["a"] * 6), 3).tolist()) == {0, 1, 2}


def test_a_threshold_keeps_its_precision_and_without_support_a_tag_is_not_shown() -> None:
    generator = np.random.default_rng(0)
    found = generator.random((400, 3)).astype(np.float32)
    has = generator.random((400, 3)) < found
    has[:, 1] = False
    weights = np.ones((400, 3), np.float32)
    weights[:, 2] = 0
    least = precise_thresholds(found, has, weights, 0.8, 5)
    assert least[1] == least[2] == 1
    assert TAG_THRESHOLD <= least[0] < 0.95
    assert has[found[:, 0] >= least[0], 0].mean() >= 0.8


def test_an_attribute_is_learned_from_those_who_could_have_it() -> None:
    """Half of the persons have it; of things, which look like those who have it, none does."""
    generator = np.random.default_rng(1)
    person, has = np.arange(900) % 3 > 0, np.arange(900) % 3 == 2
    vectors = generator.normal(0, 0.3, (900, 24)).astype(np.float32)
    vectors[:, 0] += np.where(person, 1, -1)
    vectors[:, 1] += np.where(has | ~person, 1, -1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    material = TagMaterial(
        vectors=vectors,
        positive=np.stack([has, person], axis=1),
        weights=np.ones((900, 2), np.float32),
        attributes=np.array([True]),
        sources=np.array([f"set/{n // 3 % 6}" for n in range(900)]),
    )
    tags, left_out = learn_tags(material, TagRecipe(directions=20, centres=8))
    found = tags.probabilities(vectors)[:, 0]
    assert found[~person].mean() < 0.1
    assert np.mean((found > 0.5) == has) > 0.9
    assert np.mean((left_out.probabilities[:, 0] > 0.5) == has) > 0.9
    assert tags.least[0] < 1
