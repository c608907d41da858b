"""Parts of pictures, given as shares of their sides."""

from __future__ import annotations

import math
from collections.abc import Callable
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


def read_box(text: str, size: Callable[[], tuple[int, int]]) -> Box:
    """Read left, top, width and height, each in pixels or, with ``%``, as a share of the picture's side.

    Args:
        text: four numbers, apart by commas.
        size: called for width and height of the picture if one of them is in pixels.

    Raises:
        ValueError: these are not four numbers.

    Example:
        >>> read_box("10%, 0, 50%, 120", lambda: (400, 300))
        (0.1, 0.0, 0.5, 0.4)
    """
    parts = [part.strip() for part in text.split(",")]
    sides = (1, 1) if all(part.endswith("%") for part in parts) else size()
    x, y, width, height = (
        float(part[:-1]) / 100 if part.endswith("%") else float(part) / side
        for part, side in zip(parts, 2 * sides, strict=True)
    )
    return x, y, width, height


def _pixels(start: float, length: float, side: int) -> tuple[int, int]:
    # A share that was made of pixels should give them back, whatever its last digit.
    first = min(math.floor(start * side + 1e-6), side - 1)
    return first, max(first + 1, min(side, math.ceil((start + length) * side - 1e-6)))
