"""Pictures and drawings of lines: a picture's own lines, a sketch off its paper, and which is which.

A drawing of lines and a picture in colour are compared by what they have in common: `render_lines` draws a
picture as somebody with a pen would, and `without_paper` brings a photo or a scan of a sketch to the same
form, dark lines on white.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

#: Longer side of what is drawn: lines are as wide in a large picture as in a small one.
LINE_SIDE: Final = 256
#: Radii in pixels of two blurs, of Gauss and of a square, whose difference shows where a dark side meets a
#: light one (after Winnemöller, Kyprianidis and Olsen, Computers & Graphics, 2012).
_NARROW, _WIDE = 0.7, 3
#: Differences of grey levels from which a line begins, and at which it is black.
_FAINTEST, _BLACK = 4, 18
#: Pixels that are enlarged so much keep their corners: a blur between them is no line.
_PIXEL_ART = 3
#: A ground whose median grey is darker carries light lines.
_DARK_GROUND = 96
#: Side in pixels of what paper is estimated on, and how far a line reaches there at most.
_PAPER_SIDE, _LINE_REACH = 64, 3
#: Share of the paper's light that is still paper, and what is black even where the darkest line is pale.
_STILL_PAPER, _DARKEST = 0.88, 0.75

#: In drawings of lines: colour of a pixel as difference of its channels, levels that are dark and white, and
#: shares of the pixels that are coloured at most, white at least, dark at least.
_COLOURED, _DARK, _WHITE = 40, 128, 225
_MOST_COLOURED, _LEAST_WHITE, _FEWEST_DARK = 0.01, 0.55, 0.003
#: Side of a square that thin strokes leave no room for, and the share of the dark that may be thicker.
_THICK, _MOST_THICK = 9, 0.12


def render_lines(image: Image.Image) -> Image.Image:
    """Draw a picture in dark lines on white: where lightness or colour changes, and its own dark lines.

    Args:
        image: RGB, as decoding gives it.

    Returns:
        RGB without any colour, of the same proportions, its longer side `LINE_SIDE`.

    Example:
        >>> picture = Image.new("RGB", (640, 640), "gold")
        >>> picture.paste("teal", (160, 160, 480, 480))
        >>> lines = render_lines(picture)
        >>> lines.size, lines.getpixel((128, 128)), lines.getpixel((65, 128))[0] < 99
        ((256, 256), (255, 255, 255), True)
    """
    image = _resized(image, LINE_SIDE / max(image.size))
    narrow, wide = image.filter(ImageFilter.GaussianBlur(_NARROW)), image.filter(ImageFilter.BoxBlur(_WIDE))
    # Of each colour alone: two that are equally light part in one of the three.
    darker = reduce(ImageChops.lighter, ImageChops.subtract(wide, narrow).split())
    return darker.point(_ramp(_BLACK, _FAINTEST)).convert("RGB")


def without_paper(image: Image.Image) -> Image.Image:
    """Take the paper from under a sketch: shadows of a photo, grey of a scan, yellow of a page.

    The paper is the lightest of what lies around a point; what is darker than it is a line. Light lines on a
    dark ground become dark ones on white. A drawing that is clean already stays as it is, less its colours.

    Args:
        image: RGB, as decoding gives it.

    Returns:
        RGB without any colour, of the same proportions, its longer side at most twice `LINE_SIDE`.

    Example:
        >>> photo = Image.linear_gradient("L").point(lambda level: 100 + level // 3).convert("RGB")
        >>> photo.paste((60, 60, 60), (100, 40, 104, 200))
        >>> sketch = without_paper(photo)
        >>> sketch.getpixel((30, 10)), sketch.getpixel((30, 250)), sketch.getpixel((102, 100))[0] < 50
        ((255, 255, 255), (255, 255, 255), True)
    """
    grey = _resized(image, min(1, 2 * LINE_SIDE / max(image.size))).convert("L")
    darkest, ground, lightest = (_level(grey, share) for share in (0.01, 0.5, 0.99))
    # Nearly all is ground. In a dark photo of a page too the lines are further from it than anything light.
    if ground < _DARK_GROUND and lightest - ground > ground - darkest:
        grey = ImageOps.invert(grey)
    # The maximum of a reduced picture passes over lines, and its blur over the borders of its squares.
    paper = _resized(grey, min(1, _PAPER_SIDE / max(grey.size))).filter(
        ImageFilter.MaxFilter(2 * _LINE_REACH + 1)
    )
    paper = paper.filter(ImageFilter.GaussianBlur(_LINE_REACH)).resize(grey.size, Image.Resampling.BICUBIC)
    shares = _divided(grey, paper)
    black = min(_level(shares, 0.005), round(255 * _DARKEST))
    return shares.point(_ramp(black, round(255 * _STILL_PAPER))).convert("RGB")


def looks_like_lines(image: Image.Image) -> bool:
    """Whether a picture seems to be a drawing of lines, on white or paper: no colour, thin strokes.

    Args:
        image: RGB, as decoding gives it.

    Example:
        >>> page = Image.new("RGB", (200, 200), "white")
        >>> blank = looks_like_lines(page)
        >>> page.paste("black", (40, 40, 160, 44))
        >>> blank, looks_like_lines(page)
        (False, True)
    """
    image = _resized(image, min(1, LINE_SIDE / max(image.size)))
    if (np.ptp(np.asarray(image), axis=2) > _COLOURED).mean() > _MOST_COLOURED:
        return False
    grey = np.asarray(without_paper(image).convert("L"))
    dark, white = grey < _DARK, grey > _WHITE
    if white.mean() < _LEAST_WHITE or dark.mean() < _FEWEST_DARK:
        return False
    thick = np.asarray(Image.fromarray(dark).convert("L").filter(ImageFilter.MinFilter(_THICK))) > 0
    return bool(thick.sum() < _MOST_THICK * dark.sum())


def _resized(image: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if scale > _PIXEL_ART:
        return image.resize(size, Image.Resampling.NEAREST)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _divided(grey: Image.Image, paper: Image.Image) -> Image.Image:
    """Shares of the paper's light, 255 for all of it."""
    shares = np.asarray(grey, np.float32) / np.maximum(np.asarray(paper, np.float32), 1)
    return Image.fromarray(np.rint(255 * np.minimum(shares, 1)).astype(np.uint8))


def _level(grey: Image.Image, share: float) -> int:
    """The level that so large a share of the pixels does not exceed."""
    return int(np.searchsorted(np.cumsum(grey.histogram()), share * grey.width * grey.height))


def _ramp(black: int, white: int) -> list[int]:
    """A table from one level, black, straight to the other."""
    return [round(min(1, max(0, (level - black) / (white - black))) * 255) for level in range(256)]
