"""Parts of pictures, given as shares of their sides."""

from __future__ import annotations

import math
from typing import TypeAlias

from PIL import Image

#: Left, top, width and height as shares of the picture's sides, each from 0 to 1.
Box: TypeAlias = tuple[float, float, float, float]


def cut(image: Image.Image, box: Box) -> Image.Image:
    """The part of a picture inside a box: every pixel that the box touches, and one at least.

    Example:
        >>> cut(Image.new("RGB", (200, 100)), (0.5, 0.1, 0.25, 0.5)).size
        (50, 50)
    """
    x, y, width, height = box
    left, right = _pixels(x, width, image.width)
    top, bottom = _pixels(y, height, image.height)
    return image.crop((left, top, right, bottom))


def _pixels(start: float, length: float, side: int) -> tuple[int, int]:
    # A share that was made of pixels should give them back, whatever its last digit.
    first = min(math.floor(start * side + 1e-6), side - 1)
    return first, max(first + 1, min(side, math.ceil((start + length) * side - 1e-6)))
