"""Tags are measured by category, over the images of which they are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from i2v_search.training.evaluation.tags import tagging


def test_each_category_has_the_mean_of_scikit_learns_macro_average() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random((80, 9)) < 0.3
    scores = generator.random((80, 9)) + 0.4 * positive
    categories = ["general"] * 4 + ["character"] * 3 + ["rating"] * 2
    found = tagging(positive, scores, [f"tag{i}" for i in range(9)], categories)
    assert [score.category for score in found.categories] == ["general", "character", "rating", "all"]
    for score, chosen in zip(
        found.categories, (slice(0, 4), slice(4, 7), slice(7, 9), slice(0, 9)), strict=True
    ):
        macro = average_precision_score(positive[:, chosen], scores[:, chosen], average="macro")
        assert score.over_images.value == pytest.approx(macro)
        assert score.over_tags.value == pytest.approx(macro)
        assert score.over_images.low < macro < score.over_images.high
        assert score.tags == positive[:, chosen].shape[1]


def test_a_tag_that_nobody_has_or_knows_is_missing_not_bad() -> None:
    positive = np.array([[True, False, True], [False, False, False], [True, False, False]])
    known = np.array([[True, True, False], [True, True, True], [True, True, True]])
    scores = np.array([[0.9, 0.1, 0.1], [0.1, 0.2, 0.2], [0.8, 0.3, 0.3]])
    found = tagging(positive, scores, ["a", "b", "c"], ["general"] * 3, known=known)
    assert [tag.name for tag in found.tags] == ["a"]
    assert (found.missing, found.all.over_images.value) == (2, 1)


def test_good_tags_are_counted_above_a_threshold_that_can_be_set() -> None:
    positive = np.array([[True, True], [False, False], [False, True], [True, False]])
    scores = np.array([[0.9, 0.1], [0.5, 0.9], [0.2, 0.2], [0.8, 0.8]])
    # By hand: the first tag is ranked perfectly; the second's positives are third and fourth.
    second = (1 / 3 + 2 / 4) / 2
    names, categories = ["x", "y"], ["own", "own"]
    assert tagging(positive, scores, names, categories).all.good == 2
    assert tagging(positive, scores, names, categories, threshold=second).all.good == 1
    assert tagging(positive, scores, names, categories, threshold=1.0).all.good == 0


def test_categories_may_be_any_words_and_empty_ones_are_left_out() -> None:
    positive = np.array([[True, False], [False, False]])
    found = tagging(positive, np.array([[1.0, 0.0], [0.0, 0.0]]), ["a", "b"], ["hair", "eyes"])
    assert [score.category for score in found.categories] == ["hair", "all"]


def test_nothing_to_count_gives_an_answer_without_a_number() -> None:
    found = tagging(np.zeros((3, 2), bool), np.zeros((3, 2)), ["a", "b"], ["general"] * 2)
    assert found.tags == ()
    assert found.all.to_dict()["over_images"]["value"] is None


def test_a_result_is_ready_for_json_the_best_tags_first() -> None:
    positive = np.array([[True, True], [False, False], [False, True]])
    scores = np.array([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]])
    document = json.loads(json.dumps(tagging(positive, scores, ["bad", "fine"], ["general"] * 2).to_dict()))
    assert [tag["name"] for tag in document["tags"]] == ["fine", "bad"]
    assert document["tags"][0]["positives"] == 2


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="names"):
        tagging(np.zeros((3, 2), bool), np.zeros((3, 2)), ["a"], ["general"])
