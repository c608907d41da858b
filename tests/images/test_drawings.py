"""Drawings that stand apart on a page are found, and nothing else is taken for such."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from i2v_search.images.drawings import separate_drawings


def page(*boxes: tuple[int, int, int, int], ground: str = "white") -> Image.Image:
    image = Image.new("RGB", (400, 300), ground)
    for number, box in enumerate(boxes):
        image.paste(("teal", "gold", "black", "navy")[number % 4], box)
    return image


@given(
    st.integers(30, 150), st.integers(30, 120), st.integers(220, 320), st.integers(160, 220), st.booleans()
)
def test_each_drawing_is_found_where_it_is(right: int, bottom: int, left: int, top: int, grey: bool) -> None:
    boxes = ((5, 8, right + 40, bottom + 8), (left, top, 396, 290))
    found = separate_drawings(page(*boxes, ground="#e8e8e8" if grey else "white"))
    assert len(found) == 2
    expected = [(x / 400, y / 300, (r - x) / 400, (b - y) / 300) for x, y, r, b in boxes]
    expected.sort(key=lambda box: -box[2] * box[3])
    assert sorted(found) == [pytest.approx(box, abs=0.03) for box in sorted(expected)]


@pytest.mark.parametrize(
    "image",
    [
        page((50, 50, 350, 250)),
        page((50, 50, 200, 250), (202, 50, 350, 250)),  # no gap to speak of
        page((50, 50, 200, 250), (300, 100, 310, 110)),  # a speck
        page((50, 50, 150, 250), (250, 50, 350, 250), ground="navy"),
        page(),
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)),
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (1, 5000), "white"),
    ],
)
def test_what_is_one_drawing_stays_one(image: Image.Image) -> None:
    assert separate_drawings(image) == []


def test_the_largest_comes_first() -> None:
    found = separate_drawings(page((10, 10, 90, 90), (150, 10, 390, 200), (10, 150, 100, 290)))
    assert [round(width * height, 2) for _, _, width, height in found] == sorted(
        (round(width * height, 2) for _, _, width, height in found), reverse=True
    )
    assert len(found) == 3
