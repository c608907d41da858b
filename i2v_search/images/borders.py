"""Blank borders, and what is drawn on paper: a ground of white or light grey."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageChops

#: A border is cut whose corners are at least this light, of 255, and which differs from them by no more than
#: that; the corners differ by no more among themselves, over the three colours too.
PAPER, BORDER_LEVELS = 200, 12
#: What is left of either side, at least, and the margin around what is drawn, as a share of its longer side.
SMALLEST_SHARE, MARGIN_SHARE = 0.25, 0.02


def without_border(image: Image.Image) -> Image.Image:
    """Cut a border of white or light grey, which says nothing: a small drawing on a large page.

    A coloured ground is a part of the drawing: cut away, a turned or framed copy would look like another.

    A quarter of either side is always left, so that a speck does not become the picture.

    Args:
        image: RGB.

    Example:
        >>> page = Image.new("RGB", (400, 300), "white")
        >>> page.paste("teal", (100, 100, 300, 200))
        >>> without_border(page).size
        (208, 108)
    """
    box = drawn_box(image)
    return image if box == (0, 0, *image.size) else image.crop(box)


def drawn_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, upper, right and lower pixel of what `without_border` leaves."""
    width, height = image.size
    drawn = drawn_on_paper(image)
    box = None if drawn is None else drawn.getbbox()
    if box is None:
        return 0, 0, width, height
    margin = max(2, round(MARGIN_SHARE * max(box[2] - box[0], box[3] - box[1])))
    left, right = _widened(box[0], box[2], margin, width)
    top, bottom = _widened(box[1], box[3], margin, height)
    return left, top, right, bottom


def drawn_on_paper(image: Image.Image) -> Image.Image | None:
    """What of a picture is not its ground, in any of the channels; None if the ground is not paper.

    Args:
        image: RGB.

    Returns:
        RGB, 255 in the channels of a pixel that differ from the ground, 0 in others.
    """
    corners = [image.getpixel((x, y)) for x in (0, image.width - 1) for y in (0, image.height - 1)]
    levels = np.asarray(corners, np.int16)
    if np.ptp(levels) > BORDER_LEVELS or levels.min() < PAPER:
        return None
    page = Image.new("RGB", image.size, corners[0])
    differs = [255 * (level > BORDER_LEVELS) for level in range(256)]
    return ImageChops.difference(image, page).point(differs * 3)


def _widened(start: int, stop: int, margin: int, size: int) -> tuple[int, int]:
    """A stretch with a margin, of a quarter of the whole at least, inside it."""
    start, stop = max(0, start - margin), min(size, stop + margin)
    smallest = math.ceil(SMALLEST_SHARE * size)
    if stop - start < smallest:
        start = min(max(0, (start + stop - smallest) // 2), size - smallest)
        stop = start + smallest
    return start, stop
