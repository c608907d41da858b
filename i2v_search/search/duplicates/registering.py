"""Laying one picture over another, and measuring where the two differ.

Copies of a drawing differ along its edges, everywhere a little: that is what encoding, resizing and
sharpening leave. Another mouth, another word or another colour of one thing is a difference at one place,
which no edge there explains. So pictures of `SIDE` x `SIDE` are laid over each other (scale and shift of both
axes, by least squares: Lucas and Kanade, 1981, with gain and offset), and the largest difference of small
places is compared with what the edges there, and the noise of the whole, allow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Pixels a side at which pictures are kept, whatever their size and shape, and compared at most.
SIDE: Final = 128
#: A side shorter than this shows too little to tell a copy from a variant.
LEAST_SIDE: Final = 80
#: Share of the sides of a picture at which its pixels are drawing rather than encoding.
_SHARPNESS: Final = 0.6
#: Sides at which they are laid over each other, the coarsest first, and steps at each.
_LEVELS: Final = ((16, 8), (32, 6), (64, 4))
#: A copy shows at least this share of each side of the other.
LEAST_SHARE: Final = 0.75
#: Compared pixels by which frames may miss each other and still be the same.
_SLACK: Final = 1.5
#: Levels by which a strip that only one of the two has may vary and still be a border.
_BORDER: Final = 24
#: What a touched-up copy may have more of: contrast, and levels of brightness.
_GAIN: Final = (0.8, 1.25)
_OFFSET: Final = 24.0
#: Levels that may differ in an even area, and per level of contrast at an edge.
_EVEN: Final = 5.0
_EDGE: Final = 0.3
#: Encoders keep colour less exactly than brightness.
_CHROMA: Final = 0.7
#: Brightness and two differences of colour (ITU-R BT.601).
_YCC: Final = np.array([[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], np.float32)

Levels: TypeAlias = NDArray[np.uint8]
_Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """Difference of two registered pictures.

    Attributes:
        largest: the largest difference of a small place, 1 for what an even area and the edges there allow.
        common: what nearly all places stay below: the noise of encoding and sharpening.
    """

    largest: float
    common: float

    @property
    def local(self) -> float:
        """Ratio of the largest difference to the others."""
        return self.largest**2 / (0.3 + self.common)


def detail(pixels: Image.Image, alpha: Image.Image | None) -> Levels:
    """A picture as it is compared: (`SIDE`, `SIDE`, 4) uint8, colours and alpha, stretched to a square.

    Args:
        pixels: mode "RGB".
        alpha: mode "L"; None for an opaque one.
    """
    small = pixels.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    if alpha is None:
        clear = Image.new("L", (SIDE, SIDE), 255)
    else:
        clear = alpha.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    small.putalpha(clear)
    return np.asarray(small)


def compared_side(width: int, height: int) -> int:
    """Pixels a side at which a picture of that size can be compared.

    Example:
        >>> compared_side(640, 480), compared_side(200, 150)
        (128, 103)
    """
    return min(SIDE, int(_SHARPNESS * math.sqrt(width * height)))


def difference(whole: Levels, part: Levels, side: int = SIDE) -> Difference | None:
    """Compare two pictures as `detail` gives them; None if one does not show what the other does.

    Args:
        whole: it may show more than `part`: a copy of it may have been cut at its sides.
        part: it is blank but what `whole` does, apart from even borders.
        side: pixels a side at which both can be compared, at least `LEAST_SIDE`.
    """
    one, other = (
        Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC) for levels in (whole, part)
    )
    where = _register(one, other)
    if where is None:
        return None
    scale, shift = where[:2], where[2:]
    # The frame of `part` in that of `whole`, which reaches from -0.5 to 0.5.
    low, high = np.maximum((-0.5 - shift) / scale, -0.5), np.minimum((0.5 - shift) / scale, 0.5)
    if min((high - low).min(), ((high - low) * scale).min()) < LEAST_SHARE:
        return None
    if not _is_bordered(np.asarray(other), scale, shift):
        return None
    places = (np.arange(side) + 0.5) / side - 0.5
    columns, rows = (np.abs(scale[axis] * places + shift[axis]) < 0.5 - 1 / side for axis in (0, 1))
    moved = np.asarray(_warp(other, where, side), np.float32)[rows][:, columns]
    return _compare(np.asarray(one, np.float32)[rows][:, columns], moved)


def _register(one: Image.Image, other: Image.Image) -> NDArray[np.float64] | None:
    """Scale and shift of both axes that lay `other` over `one`: place u of `one` is ``scale * u + shift``."""
    where = np.array([1.0, 1.0, 0.0, 0.0])
    one, other = one.convert("RGB").convert("L"), other.convert("RGB").convert("L")
    for side, steps in _LEVELS:
        target = np.asarray(one.resize((side, side), Image.Resampling.BOX), np.float32)
        source = other.resize((side, side), Image.Resampling.BOX).convert("F")
        places = (np.arange(side) + 0.5) / side - 0.5
        for _ in range(steps):
            moved = np.asarray(_warp(source, where, side), np.float64)
            inside = np.logical_and(
                (np.abs(where[1] * places + where[3]) < 0.5 - 0.5 / side)[:, None],
                (np.abs(where[0] * places + where[2]) < 0.5 - 0.5 / side)[None, :],
            )
            down, across = np.gradient(moved)
            across, down = across * (side / where[0]), down * (side / where[1])
            slopes = np.stack(
                [across * places, down * places[:, None], across, down, moved, np.ones_like(moved)], axis=-1
            )[inside]
            normal = slopes.T @ slopes
            normal[np.diag_indices(6)] += 1e-3 * np.diag(normal) + 1e-6
            step = np.linalg.solve(normal, slopes.T @ (target - moved)[inside])[:4]
            where = where + step
            if np.abs(where[:2] - 1).max() > 0.34 or np.abs(where[2:]).max() > 0.25:
                return None
            if np.abs(step).max() < 0.1 / side:
                break
    return where


def _warp(image: Image.Image, where: NDArray[np.float64], side: int) -> Image.Image:
    """An image resampled at the `side` x `side` places of the other."""
    scale_x, scale_y, shift_x, shift_y = where.tolist()
    matrix = (
        *(scale_x, 0.0, (0.5 - scale_x / 2 + shift_x) * side),
        *(0.0, scale_y, (0.5 - scale_y / 2 + shift_y) * side),
    )
    return image.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _is_bordered(part: Levels, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> bool:
    """Whether what `part` has beside the frame of the other is but an even border."""
    side = len(part)
    left, top = (shift - scale / 2 + 0.5) * side
    right, bottom = (shift + scale / 2 + 0.5) * side
    strips = [
        strip
        for strip, breadth in (
            (part[:, : max(0, int(left))], left),
            (part[:, math.ceil(right) :], side - right),
            (part[: max(0, int(top))], top),
            (part[math.ceil(bottom) :], side - bottom),
        )
        if breadth > _SLACK
    ]
    return all(int(np.ptp(strip.reshape(-1, 4), axis=0).max()) <= _BORDER for strip in strips)


def _compare(one: _Floats, other: _Floats) -> Difference | None:
    """Compare places of two pictures, (h, w, 4) each, that lie over each other."""
    colours, others = one[..., :3], other[..., :3]
    mean, others_mean = float(colours.mean()), float(others.mean())
    grey, others_grey = colours.mean(axis=2) - mean, others.mean(axis=2) - others_mean
    gain = float(np.clip((grey * others_grey).mean() / max(float((others_grey**2).mean()), 1.0), *_GAIN))
    if abs(mean - others_mean) > _OFFSET:
        return None
    others = others * gain + (mean - gain * others_mean)
    apart = (colours - others) @ _YCC
    local = np.maximum(
        np.abs(_smooth(apart[..., 0], 3)), _CHROMA * np.abs(_smooth(apart[..., 1:], 5)).max(axis=2)
    )
    local = np.maximum(local, np.abs(_smooth(one[..., 3] - other[..., 3], 3)))
    share = local / (_EVEN + _EDGE * np.minimum(_edges(colours), _edges(others)))
    return Difference(float(share.max()), float(np.percentile(share, 97)))


def _edges(colours: _Floats) -> _Floats:
    """Gradient of a picture around each place, in levels per pixel."""
    down, across = np.gradient(colours, axis=(0, 1))
    return _smooth(np.maximum(np.abs(down), np.abs(across)).max(axis=2), 3)


def _smooth(values: NDArray[Any], width: int) -> _Floats:
    """Means of `width` x `width` places, the outermost repeated."""
    margin = width // 2
    padded = np.pad(values, ((margin, margin), (margin, margin), *((0, 0),) * (values.ndim - 2)), "edge")
    height, length = values.shape[:2]
    rows = np.add.reduce([padded[first : first + height] for first in range(width)])
    total = np.add.reduce([rows[:, first : first + length] for first in range(width)])
    return np.asarray(total / width**2, np.float32)
