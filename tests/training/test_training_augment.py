"""Augmentation: the same changes for the same (seed, epoch, row), each within its range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps

from i2v_search.errors import TrainingError
from i2v_search.training.augment import NO_AUGMENTATION, Augmentation, augment, line_art, random_of


def drawing() -> Image.Image:
    image = Image.linear_gradient("L").resize((120, 90)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 40, 70), "red")
    draw.ellipse((60, 20, 110, 80), "teal")
    return image


def changed(row: int = 0, **settings: object) -> Image.Image:
    return augment(drawing(), replace(NO_AUGMENTATION, **settings), random_of(0, 0, row))  # type: ignore[arg-type]


def test_it_follows_from_seed_epoch_and_row_alone() -> None:
    def pixels(*key: int) -> bytes:
        return augment(drawing(), Augmentation(), random_of(*key)).tobytes()

    assert pixels(1, 2, 3) == pixels(1, 2, 3)
    assert len({pixels(0, 2, 3), pixels(1, 2, 3), pixels(1, 1, 3), pixels(1, 2, 5)}) == 4


def test_a_flip_is_a_mirror_image() -> None:
    assert changed(flip=1).tobytes() == ImageOps.mirror(drawing()).tobytes()


def test_a_crop_keeps_its_share_of_the_area_and_about_the_aspect() -> None:
    shares = []
    for row in range(200):
        width, height = changed(row, crop=1).size
        assert width <= 120
        assert height <= 90
        shares.append(width * height / (120 * 90))
        assert 0.75 < (width / height) / (120 / 90) < 1.35
    assert min(shares) > 0.55
    assert 0.6 < np.quantile(shares, 0.2) < 0.75
    assert max(shares) > 0.9


def test_a_rotation_fills_with_white() -> None:
    corners = {changed(row, rotate=1, degrees=12).getpixel((0, 0)) for row in range(20)}
    assert (255, 255, 255) in corners
    dark = augment(Image.new("RGB", (50, 50)), replace(NO_AUGMENTATION, rotate=1), random_of(0, 0, 1))
    assert dark.getpixel((25, 25)) == (0, 0, 0)


def test_colour_jitter_stays_near() -> None:
    difference = ImageChops.difference(drawing(), changed(colour=1))
    assert 1 < np.asarray(difference).mean() < 40
    hue = changed(3, colour=1, jitter=0, hue=0.5)
    assert np.asarray(ImageChops.difference(drawing(), hue)).max() > 100


def test_jpeg_leaves_its_traces() -> None:
    difference = np.asarray(ImageChops.difference(drawing(), changed(jpeg=1, jpeg_quality=(20, 20))))
    assert 0 < difference.mean() < 10


def test_greyscale_and_line_art_have_no_colour() -> None:
    for image in (changed(grey=1), changed(line_art=1)):
        red, green, blue = image.split()
        assert red.tobytes() == green.tobytes() == blue.tobytes()
    lines = np.asarray(line_art(drawing()))[10:80, 5:115]
    assert (lines > 220).mean() > 0.8
    assert lines.min() < 150


def test_without_chances_the_picture_is_returned_as_it_is() -> None:
    image = drawing()
    assert augment(image, NO_AUGMENTATION, random_of(0, 0, 0)) is image


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2000, 3)])
def test_any_size_survives_every_change(size: tuple[int, int]) -> None:
    always = Augmentation(flip=1, crop=1, rotate=1, colour=1, jpeg=1)
    for row in range(5):
        assert min(augment(Image.new("RGB", size), always, random_of(0, 0, row)).size) >= 1


@pytest.mark.parametrize(
    "settings",
    [
        {"flip": 1.5},
        {"crop_area": (0.9, 0.5)},
        {"crop_area": (0.0, 1.0)},
        {"jpeg_quality": (0, 50)},
        {"hue": 1},
    ],
)
def test_impossible_ranges_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match=f"augmentation {next(iter(settings))} is "):
        Augmentation(**settings)  # type: ignore[arg-type]
