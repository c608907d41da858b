"""Scenes: pictures without anybody, drawn by this module: plain colours, gradients, noise, stripes, tiles,
shapes, pages, landscapes and coarse pixels.

Drawings of things and people alone would leave it open what a tag of people has to do with a texture; here
everything is known to show none. A picture follows from its kind and number.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from i2v_search.errors import RecipeError
from i2v_search.progress import Progress, Report, silent
from scripts.lite.recipes.writing import Drawing, Made, finish, writing

PICTURES: Final = 150
"""Of each kind."""
TAG: Final = "no humans"
SIDE: Final = 256

Random = np.random.Generator


def make(
    output: Path, *, pictures: int = PICTURES, package: Sequence[Path] = (), report: Report = silent
) -> Made:
    """Make the data set.

    Args:
        output: its folder; an older one is replaced.
        pictures: of each kind; at least 1.
        package: must be empty: nothing is needed.
        report: called for every picture.

    Raises:
        RecipeError: a package was named.
    """
    if package:
        raise RecipeError("the scenes are drawn from nothing; leave out --package")
    with writing(output) as writer:
        for done, (kind, number) in enumerate(
            ((kind, number) for kind in KINDS for number in range(pictures)), 1
        ):
            drawing = Drawing(
                path=f"{kind}/{number:03d}.webp",
                title=f"{kind} {number:03d}",
                author="i2v-search",
                tags=(TAG,),
                label=kind,
                group=f"{kind}/{number:03d}",
                source="drawn by scripts/lite/recipes/scenes.py",
                licence="MIT",
            )
            content = io.BytesIO()
            draw(kind, number).save(content, "WEBP", lossless=True, method=2)
            writer.add(drawing, content.getvalue())
            report(Progress("drawing", done, pictures * len(KINDS)))
        writer.drop_copies(near=False, report=report)
        about = "Pictures without anybody: colours, textures, landscapes; the label is the kind."
        return finish(writer, output, recipe="scenes", about=about, packages=[])


def draw(kind: str, number: int) -> Image.Image:
    """A picture of a kind, (256, 256) RGB: the same for the same number.

    Args:
        kind: one of `KINDS`.
        number: any, from 0.

    Example:
        >>> draw("plain", 3).getcolors()[0][0] == 256 * 256
        True
    """
    random = np.random.default_rng([sorted(KINDS).index(kind), number])
    return KINDS[kind](random)


def _colours(random: Random, count: int) -> list[tuple[int, int, int]]:
    """Colours that lie together: near one of them, or anywhere."""
    values = random.integers(0, 256, (count, 3))
    if random.random() < 0.5:
        values = np.clip(values[0] + random.integers(-60, 61, (count, 3)), 0, 255)
    return [(int(red), int(green), int(blue)) for red, green, blue in values]


def _picture(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _clouds(random: Random, smallest: int = 2) -> NDArray[np.float64]:
    """(256, 256) in [0, 1]: noise of several sizes, the coarse strongest."""
    total, cells = np.zeros((SIDE, SIDE)), smallest
    weight = 1.0
    while cells <= SIDE:
        grid = Image.fromarray(random.random((cells, cells)).astype(np.float32))
        total += weight * np.asarray(grid.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        cells, weight = cells * 2, weight * 0.55
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low))


def _between(random: Random, share: NDArray[np.floating], count: int = 2) -> Image.Image:
    """Shares in [0, 1] as steps between colours."""
    stops = np.array(_colours(random, count), np.float64)
    places = np.linspace(0, 1, count)
    return _picture(np.stack([np.interp(share, places, stops[:, c]) for c in range(3)], axis=-1))


def _plain(random: Random) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), _colours(random, 1)[0])


def _gradient(random: Random) -> Image.Image:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    angle, (cx, cy) = random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.8, 2)
    flat = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) + 0.5
    share = np.hypot(x - cx, y - cy) * 1.4 if random.random() < 0.4 else flat
    return _between(random, np.clip(share, 0, 1), int(random.integers(2, 4)))


def _noise(random: Random) -> Image.Image:
    if random.random() < 0.3:
        grain = random.normal(0, random.uniform(10, 80), (SIDE, SIDE, 3 if random.random() < 0.5 else 1))
        return _picture(np.array(_colours(random, 1)[0]) + grain)
    return _between(random, _clouds(random, int(2 ** random.integers(1, 6))), int(random.integers(2, 5)))


def _stripes(random: Random) -> Image.Image:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    angle, width = random.uniform(0, np.pi), random.uniform(4, 40)
    along = x * np.cos(angle) + y * np.sin(angle) + random.uniform(0, 14) * np.sin(y / random.uniform(8, 40))
    colours = np.array(_colours(random, int(random.integers(2, 5))))
    return _picture(colours[(along // width).astype(int) % len(colours)])


def _tiles(random: Random) -> Image.Image:
    """One small picture over and over: bricks, checks, stones, a drawn pattern."""
    size, colours = int(random.integers(12, 64)), _colours(random, 4)
    tile = Image.new("RGB", (size, size), colours[0])
    pen = ImageDraw.Draw(tile)
    for _ in range(random.integers(1, 5)):
        left, top, right, bottom = _box(random, size)
        [pen.rectangle, pen.ellipse][int(random.integers(2))](
            (left, top, right, bottom), colours[int(random.integers(1, 4))]
        )
    if random.random() < 0.5:
        pen.rectangle((0, 0, size - 1, size - 1), outline=colours[3], width=int(random.integers(1, 4)))
    page = Image.new("RGB", (SIDE, SIDE))
    shift = int(random.integers(0, 2)) * size // 2
    for row in range(-1, SIDE // size + 2):
        for column in range(-1, SIDE // size + 2):
            page.paste(tile, (column * size + shift * (row % 2), row * size))
    return page


def _box(random: Random, size: int) -> tuple[int, int, int, int]:
    (left, right), (top, bottom) = (sorted(random.integers(0, size, 2).tolist()) for _ in range(2))
    return left, top, right + 1, bottom + 1


def _shapes(random: Random) -> Image.Image:
    colours = _colours(random, 7)
    page = Image.new("RGB", (SIDE, SIDE), "white" if random.random() < 0.5 else colours[0])
    pen = ImageDraw.Draw(page)
    for _ in range(random.integers(1, 12)):
        colour = colours[int(random.integers(1, 7))]
        kind = random.integers(4)
        if kind == 0:
            pen.rectangle(_box(random, SIDE), colour)
        elif kind == 1:
            pen.ellipse(_box(random, SIDE), colour)
        elif kind == 2:
            pen.polygon([tuple(point) for point in random.integers(0, SIDE, (3, 2)).tolist()], colour)
        else:
            points = [tuple(point) for point in random.integers(0, SIDE, (4, 2)).tolist()]
            pen.line(points, colour, int(random.integers(2, 18)), joint="curve")
    return page


def _page(random: Random) -> Image.Image:
    """Lines of signs on paper, in one column or two, or a grid."""
    paper = int(random.integers(215, 256))
    page = Image.new("RGB", (SIDE, SIDE), (paper, paper, int(paper * random.uniform(0.85, 1))))
    pen, ink = ImageDraw.Draw(page), _colours(random, 1)[0] if random.random() < 0.3 else (40, 40, 50)
    if random.random() < 0.3:
        step = int(random.integers(8, 32))
        for at in range(step, SIDE, step):
            pen.line((0, at, SIDE, at), ink)
            pen.line((at, 0, at, SIDE), ink)
        return page
    height, columns = int(random.integers(4, 14)), int(random.integers(1, 3))
    for column in range(columns):
        start, end = 16 + column * SIDE // columns, (column + 1) * SIDE // columns - 16
        for top in range(16, SIDE - 24, int(height * random.uniform(1.4, 2.2)) + 2):
            left, stop = start, end - int(random.integers(0, 40))
            while left < stop:
                width = int(random.integers(height // 2 + 1, height * 5))
                pen.rectangle((left, top, min(left + width, stop), top + height - 2), ink)
                left += width + max(2, height // 2)
    return page


def _landscape(random: Random) -> Image.Image:
    """A sky, sometimes with a sun, and two to five ranges of hills or water, each nearer than the last."""
    horizon = random.uniform(0.2, 0.7)
    sky = np.linspace(0, 1, SIDE)[:, None].repeat(SIDE, axis=1)
    page = _between(random, sky)
    pen = ImageDraw.Draw(page)
    if random.random() < 0.5:
        x, y, radius = random.uniform(20, 236), random.uniform(10, 110), random.uniform(8, 40)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), _colours(random, 1)[0])
    ranges = int(random.integers(2, 6))
    across = np.arange(SIDE)
    for nearer, colour in enumerate(_colours(random, ranges)):
        base = SIDE * (horizon + (1 - horizon) * nearer / ranges)
        tall = random.uniform(0, 60)
        line = np.full(SIDE, base)
        for size in (1, 2, 5, 12):
            wave = np.sin(across / SIDE * 2 * np.pi * size * random.uniform(0.5, 1) + random.uniform(0, 7))
            line -= tall * wave / size
        pen.polygon([(0, SIDE), *zip(across.tolist(), line.tolist(), strict=True), (SIDE, SIDE)], colour)
    return page.filter(ImageFilter.GaussianBlur(random.uniform(0, 1.5))) if random.random() < 0.5 else page


def _pixels(random: Random) -> Image.Image:
    """Coarse pixels of a few colours, at random or in clouds."""
    cells = int(random.integers(6, 40))
    colours = np.array(_colours(random, int(random.integers(2, 6))))
    share = _clouds(random)[:: SIDE // cells, :: SIDE // cells]
    grid = (share * len(colours)).astype(int).clip(0, len(colours) - 1)
    if random.random() < 0.4:
        grid = random.integers(0, len(colours), grid.shape)
    return _picture(colours[grid]).resize((SIDE, SIDE), Image.Resampling.NEAREST)


KINDS: Final[dict[str, Callable[[Random], Image.Image]]] = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _noise,
    "stripes": _stripes,
    "tiles": _tiles,
    "shapes": _shapes,
    "page": _page,
    "landscape": _landscape,
    "pixels": _pixels,
}
