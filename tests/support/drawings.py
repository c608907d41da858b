"""Drawings that no other seed gives."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def drawing(seed: int, size: tuple[int, int] = (480, 320)) -> Image.Image:
    """A drawing of a few shapes on white that no other seed gives; larger sizes show the same."""
    numbers = np.random.default_rng(seed)
    picture = Image.new("RGB", size, "white")
    draw_on = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y, w, h = numbers.random(4) * [size[0] * 0.7, size[1] * 0.7, size[0] * 0.4, size[1] * 0.4]
        colour = tuple(int(level) for level in numbers.integers(0, 230, 3))
        draw_on.ellipse((x, y, x + w + 4, y + h + 4), fill=colour, outline="black")
    return picture


def save(picture: Image.Image, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path
