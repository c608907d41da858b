"""Edited copies are made as documented, and looked for among all pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageChops
from stores import random_vectors

from i2v_search.training.evaluation import edited_copies as module
from i2v_search.training.evaluation.edited_copies import EDITS, SINGLE_EDITS, copy_recall, edited_copies
from i2v_search.training.evaluation.retrieval import fit_similarity


@pytest.fixture
def picture() -> Image.Image:
    """A smooth picture with a red upper left corner on white."""
    across = np.linspace(0, 1, 200)[None, :, None] * np.array([255, 120, 30])
    down = np.linspace(0, 1, 100)[:, None, None] * np.array([0, 60, 200])
    pixels = np.clip(across + down, 0, 255).astype(np.uint8)
    pixels[:20, :20] = (255, 0, 0)
    return Image.fromarray(pixels)


def test_a_crop_keeps_the_middle_80_percent_of_each_side(picture: Image.Image) -> None:
    copy = edited_copies(picture)["crop"]
    assert copy.size == (160, 80)
    assert ImageChops.difference(copy, picture.crop((20, 10, 180, 90))).getbbox() is None


def test_flipping_twice_is_the_picture(picture: Image.Image) -> None:
    flipped = edited_copies(picture)["flip"]
    assert flipped.getpixel((199, 0)) == (255, 0, 0)
    assert ImageChops.difference(edited_copies(flipped)["flip"], picture).getbbox() is None


def test_colours_turn_by_20_degrees_and_grow_paler_and_darker() -> None:
    red = edited_copies(Image.new("RGB", (8, 8), (255, 0, 0)))["colour"].getpixel((0, 0))
    # Hue 20 degrees, saturation .8, value .9 of 255, up to the 8 bits of HSV.
    assert red == pytest.approx((229.5, 229.5 * (0.2 + 0.8 * 20 / 60), 229.5 * 0.2), abs=3)
    assert edited_copies(Image.new("RGB", (8, 8), "white"))["colour"].getpixel((0, 0)) == (230, 230, 230)


def test_jpeg_of_quality_40_changes_the_picture_a_little(picture: Image.Image) -> None:
    copy = edited_copies(picture)["jpeg"]
    error = np.abs(np.asarray(copy, float) - np.asarray(picture, float)).mean()
    assert copy.size == picture.size
    assert 0.3 < error < 8


def test_a_rotation_keeps_the_size_and_fills_the_corners_white(picture: Image.Image) -> None:
    copy = edited_copies(picture)["rotation"]
    assert copy.size == picture.size
    assert [copy.getpixel(corner) for corner in ((0, 0), (199, 99))] == [(255, 255, 255)] * 2
    assert copy.getpixel((100, 50)) == pytest.approx(picture.getpixel((100, 50)), abs=3)


def test_all_is_every_edit_one_on_the_other(picture: Image.Image) -> None:
    step = picture
    for edit in (module.rotate, module.crop, module.flip, module.shift_colour, module.save_jpeg):
        step = edit(step)
    assert ImageChops.difference(edited_copies(picture)["all"], step).getbbox() is None
    assert set(SINGLE_EDITS) == set(EDITS) - {"all"}


def test_copies_are_the_same_every_time_of_any_size_and_leave_the_picture_alone(picture: Image.Image) -> None:
    before = picture.tobytes()
    first, second = edited_copies(picture), edited_copies(picture)
    assert all(first[name].tobytes() == second[name].tobytes() for name in EDITS)
    assert picture.tobytes() == before
    assert {copy.mode for copy in edited_copies(Image.new("RGB", (1, 1))).values()} == {"RGB"}
    assert edited_copies(Image.new("RGB", (2000, 1000)))["flip"].size == (640, 320)


def test_a_copy_finds_its_original_only_where_nothing_scores_better() -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    copies = {
        "flip": np.array([[9, 1, 0], [0, 5, 4]], np.float32),
        "crop": np.array([[1, 2, 0], [0, 5, 4]], np.float32),
        "all": np.array([[0, 2, 1], [5, 0, 4]], np.float32),
    }
    found = copy_recall(vectors, copies, np.array([0, 1]), similarity="cosine")
    assert {name: estimate.value for name, estimate in found.edits.items()} == {
        "flip": 1,
        "crop": 0.5,
        "all": 0,
    }
    assert found.mean.value == pytest.approx(0.75)  # without "all"
    assert found.per_query.tolist() == [0.5, 1]
    assert found.pictures == 3


def test_an_exact_duplicate_of_the_original_does_not_make_it_a_miss() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    found = copy_recall(vectors, {"flip": vectors}, similarity="cosine")
    assert found.edits["flip"].value == 1


@pytest.mark.parametrize("similarity", ["centred", "cosine", "l2", "hamming"])
def test_recall_is_that_of_a_loop_over_all_pairs(similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = random_vectors(40, 8)
    changed = vectors + 3 * np.random.default_rng(1).normal(size=vectors.shape).astype(np.float32)
    fitted = fit_similarity(similarity, vectors)  # type: ignore[arg-type]
    scores = fitted.scores(fitted.embed(changed), fitted.embed(vectors))
    expected = np.mean([scores[i, i] >= scores[i].max() - 1e-6 for i in range(40)])
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 40 * 7)
    found = copy_recall(vectors, {"jpeg": changed}, similarity=similarity)  # type: ignore[arg-type]
    assert found.edits["jpeg"].value == pytest.approx(expected)


def test_copies_of_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="as many copies"):
        copy_recall(np.ones((3, 2), np.float32), {"flip": np.ones((2, 2), np.float32)})
    with pytest.raises(ValueError, match="as many copies"):
        copy_recall(np.ones((3, 2), np.float32), {})
