"""What of a page `lite` looks at: a blank border is cut, and nothing that is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from i2v_search.encoders import lite
from i2v_search.encoders.networks import efficientnet
from i2v_search.images.borders import BORDER_LEVELS, without_border


@st.composite
def pages(draw: st.DrawFn, level: int = BORDER_LEVELS) -> Image.Image:
    """A page of about one light grey with boxes on it, which may touch its edges but not its corners."""
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    pixels = random.integers(220, 221 + level, (height, width, 3), np.uint8)
    pixels[[0, 0, -1, -1], [0, -1, 0, -1]] = 220
    for _ in range(draw(st.integers(0, 3))):
        left, top = random.integers(0, width), random.integers(0, height)
        right, bottom = left + random.integers(1, 30), top + random.integers(1, 30)
        inside = np.zeros((height, width), bool)
        inside[top:bottom, left:right] = True
        inside[[0, 0, -1, -1], [0, -1, 0, -1]] = False
        pixels[inside] = random.choice([0, 50, 207, 233, 255], 3)
    return Image.fromarray(pixels)


def drawn(image: Image.Image) -> NDArray[np.bool_]:
    """(h, w): what differs from the first corner of a page of grey 220."""
    return np.asarray(np.abs(np.asarray(image, np.int16) - 220).max(axis=2) > BORDER_LEVELS)


@settings(max_examples=200)
@given(pages())
def test_the_border_that_is_cut_holds_nothing_drawn(page: Image.Image) -> None:
    before = np.asarray(page).copy()
    left = without_border(page)
    assert 1 <= left.width <= page.width
    assert 1 <= left.height <= page.height
    assert 4 * left.width >= page.width
    assert 4 * left.height >= page.height
    assert drawn(left).sum() == drawn(page).sum()
    assert np.array_equal(np.asarray(page), before)
    if not drawn(page).any():
        assert left is page


@settings(max_examples=200)
@given(pages(level=0))
def test_cutting_twice_cuts_no_more_than_the_margin(page: Image.Image) -> None:
    """Where the drawing takes a quarter of the page or more: a speck keeps room around it."""
    once = without_border(page)
    twice = without_border(once)
    marks = drawn(page)
    if not marks.any():
        assert twice is page
        return
    extents = [int(np.ptp(np.flatnonzero(marks.any(axis=axis)))) + 1 for axis in (0, 1)]
    if 4 * extents[0] >= page.width and 4 * extents[1] >= page.height:
        assert twice.tobytes() == once.tobytes()
        assert twice.size == once.size
        margin = max(2, round(0.02 * max(extents)))
        assert once.width <= extents[0] + 2 * margin
        assert once.height <= extents[1] + 2 * margin


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((400, 300), (100, 100, 300, 200), (208, 108)),  # a margin of 2 %
        ((400, 300), (0, 100, 300, 200), (306, 112)),  # no margin where the page ends
        ((40, 30), (10, 10, 30, 20), (24, 14)),  # of 2 px at least
        ((400, 300), (200, 150, 201, 151), (100, 75)),  # a speck
        ((400, 300), (0, 150, 1, 151), (100, 75)),  # at the edge
        ((400, 300), (399, 150, 400, 151), (100, 75)),
        ((401, 301), (200, 150, 204, 151), (101, 76)),
        ((400, 300), (0, 1, 400, 2), (400, 75)),
    ],
)
def test_what_is_left_of_a_page(
    size: tuple[int, int], box: tuple[int, int, int, int], expected: tuple[int, int]
) -> None:
    page = Image.new("RGB", size, "white")
    page.paste("teal", box)
    left = without_border(page)
    assert left.size == expected
    assert drawn_teal(left) == drawn_teal(page)


def drawn_teal(image: Image.Image) -> int:
    return int((np.asarray(image) == (0, 128, 128)).all(axis=2).sum())


@pytest.mark.parametrize("corner", [(0, 0), (29, 0), (0, 19), (29, 19)])
def test_a_picture_whose_corners_differ_is_left_as_it_is(corner: tuple[int, int]) -> None:
    picture = Image.new("RGB", (30, 20), (220, 220, 220))
    picture.putpixel((15, 10), (0, 0, 0))
    picture.putpixel(corner, (220, 220, 221 + BORDER_LEVELS))
    assert without_border(picture) is picture
    picture.putpixel(corner, (220, 220, 220 + BORDER_LEVELS))
    assert without_border(picture).size == (8, 5)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (224, 224), (3, 2)])
def test_a_picture_of_one_colour_is_left_as_it_is(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "teal")
    assert without_border(picture) is picture
    assert lite.prepare(picture).shape == (224, 224, 3)


@pytest.mark.parametrize("ground", ["navy", "black", (199, 199, 199), (255, 230, 235)])
def test_a_coloured_or_dark_ground_is_a_part_of_the_picture(ground: str | tuple[int, int, int]) -> None:
    picture = Image.new("RGB", (40, 30), ground)
    picture.paste("teal", (10, 10, 20, 20))
    assert without_border(picture) is picture


def test_it_is_fitted_into_the_square_without_its_border() -> None:
    page = Image.new("RGB", (400, 300), (240, 244, 240))
    page.paste("teal", (100, 100, 300, 200))
    prepared = lite.prepare(page)
    expected = efficientnet.fit_on_white(page.crop((96, 96, 304, 204)))
    np.testing.assert_array_equal(prepared, expected)
    assert (prepared[[0, -1]] == 255).all()
