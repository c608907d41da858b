"""Drawings of lines made from pictures: thin and thick, shaky, unfinished, and photographed on paper."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from i2v_search.images.lines import LINE_SIDE, render_lines

#: Squares of the net along the longer side that is pulled about, and how far a knot goes, in pixels.
_NET = 6
_SHAKES = (2.0, 9.0)
#: Parts that an unfinished drawing lacks, and their side as a share of the picture's.
_MISSING_PARTS, _MISSING_SHARE = 5, 0.25


def draw_lines(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """A drawing of a picture, RGB: on white, or one in four on paper as a phone sees it.

    Args:
        picture: RGB.
        random: decides how it is drawn.
    """
    drawing = with_strokes(render_lines(picture), random)
    if random.random() < 0.6:
        drawing = shaken(drawing, random)
    if random.random() < 0.3:
        drawing = unfinished(drawing, random)
    return photographed(drawing, random) if random.random() < 0.25 else drawing


def scribbled(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """A quick drawing on white: shaky, and half of them unfinished."""
    drawing = shaken(with_strokes(render_lines(picture), random), random)
    return unfinished(drawing, random) if random.random() < 0.5 else drawing


def with_strokes(lines: Image.Image, random: np.random.Generator) -> Image.Image:
    """Lines as another pen draws them: as they are, thicker, or as a thin line on either side."""
    kind = random.random()
    if kind < 0.4:
        return lines
    if kind < 0.8:
        return lines.filter(ImageFilter.MinFilter(3 if kind < 0.65 else 5))
    return lines.filter(ImageFilter.GaussianBlur(1.2)).point(lambda level: 0 if level < 150 else 255)


def shaken(lines: Image.Image, random: np.random.Generator) -> Image.Image:
    """Lines drawn by a hand that is not sure: pulled about at the knots of a net, and a little turned."""
    width, height = lines.size
    scale = random.uniform(*_SHAKES) * max(width, height) / LINE_SIDE
    columns, rows = (max(2, round(_NET * side / max(width, height))) for side in (width, height))
    xs, ys = (np.linspace(0, side, count + 1) for side, count in ((width, columns), (height, rows)))
    knots = np.stack(np.meshgrid(xs, ys), axis=2) + random.normal(0, scale / 2, (rows + 1, columns + 1, 2))
    mesh = [
        (
            (int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1])),
            tuple(
                knots[[row, row + 1, row + 1, row], [column, column, column + 1, column + 1]].ravel().tolist()
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    pulled = lines.transform(
        lines.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor="white"
    )
    return pulled.rotate(random.uniform(-8, 8), Image.Resampling.BILINEAR, fillcolor="white")


def unfinished(lines: Image.Image, random: np.random.Generator) -> Image.Image:
    """Lines of which some parts are missing."""
    drawing = lines.copy()
    for _ in range(int(random.integers(1, _MISSING_PARTS + 1))):
        side = round(random.uniform(0.05, _MISSING_SHARE) * max(lines.size))
        left, top = (int(random.integers(0, length)) for length in lines.size)
        drawing.paste("white", (left, top, left + side, top + side))
    return drawing


def photographed(lines: Image.Image, random: np.random.Generator) -> Image.Image:
    """A drawing on paper as a phone sees it: grey pencil, a margin, light from a side, noise, and JPEG."""
    margin = round(random.uniform(0.05, 0.4) * max(lines.size))
    page = Image.new("L", (lines.width + 2 * margin, lines.height + 2 * margin), 255)
    page.paste(lines, (margin, margin))
    page = page.rotate(random.uniform(-6, 6), Image.Resampling.BILINEAR, fillcolor=255)
    pencil = random.uniform(0.25, 0.6)
    ink = pencil + (1 - pencil) * np.asarray(page.filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255
    light = random.uniform(120, 245) * _shade(page.size, random)
    tint = 1 - random.uniform(0, 0.12) * np.array([0, 0.35, 1], np.float32)
    levels = (ink * light)[..., None] * tint + random.normal(0, random.uniform(1, 4), (*ink.shape, 1))
    photo = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=int(random.integers(40, 90)))
    return Image.open(file).convert("RGB")


def _shade(size: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
    """(height, width): light that falls off to one side, and a soft shadow."""
    ys, xs = np.mgrid[0 : 1 : size[1] * 1j, 0 : 1 : size[0] * 1j].astype(np.float32)
    angle, fall = random.uniform(0, 2 * np.pi), random.uniform(0.1, 0.5)
    sided = 1 - fall * (0.5 + 0.5 * (np.cos(angle) * (2 * xs - 1) + np.sin(angle) * (2 * ys - 1)) / 1.5)
    x, y, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.2, 0.6)
    shadow = 1 - random.uniform(0, 0.35) * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / radius**2)
    return np.asarray(sided * shadow, np.float32)
