"""The colours of a picture in a few bytes: up to six that stand out, with the share that each takes.

Colours are compared in CIELAB (D65, of sRGB), by their distance there: about 2 can just be told apart, and 20
is another shade of the same colour. Pixels are grouped around the colour that most of them are near, then
around the next of those that are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Colours that are kept of a picture.
COLOURS: Final = 6
#: Distance within which pixels belong to one of them.
_SPREAD: Final = 12.0
#: Pixels of the longer side that are looked at, each as it is: an average of two colours is neither.
_SIDE: Final = 64
#: Levels of a channel whose pixels are counted together, and the most frequent of these that are compared.
_LEVELS: Final = 16
_MOST_BINS: Final = 256
_TO_XYZ: Final = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE: Final = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True, eq=False)
class Colours:
    """The colours of a picture, and whether it moves.

    Attributes:
        lab: (k, 3) float64, lightness, a and b of at most `COLOURS` colours.
        shares: (k,) float64 in (0, 1], of the pixels, falling.
        is_animated: whether the file has more than one frame.
    """

    lab: NDArray[np.float64]
    shares: NDArray[np.float64]
    is_animated: bool = False


def to_lab(rgb: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 3) sRGB in [0, 1] -> (..., 3) CIELAB under D65.

    >>> to_lab(np.array([1.0, 1.0, 1.0])).round(2).tolist()[0]
    100.0
    """
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    relative = linear @ _TO_XYZ.T / _WHITE
    f = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def describe_colours(picture: Image.Image, *, is_animated: bool = False) -> Colours:
    """Find the colours that stand out in an RGB picture: half a millisecond.

    Example:
        >>> flag = Image.new("RGB", (90, 30), "white")
        >>> flag.paste("red", (0, 0, 60, 30))
        >>> describe_colours(flag).shares.round(2).tolist()
        [0.67, 0.33]
    """
    scale = min(1.0, _SIDE / max(picture.size))
    size = [max(1, round(side * scale)) for side in picture.size]
    pixels = np.asarray(picture.resize((size[0], size[1]), Image.Resampling.NEAREST)).reshape(-1, 3)
    bins = pixels.astype(np.int64) * _LEVELS // 256 @ np.array([_LEVELS**2, _LEVELS, 1])
    counts = np.bincount(bins, minlength=_LEVELS**3)
    used = np.argsort(-counts, kind="stable")[:_MOST_BINS]
    used = used[counts[used] > 0]
    sums = np.stack([np.bincount(bins, pixels[:, channel], _LEVELS**3)[used] for channel in range(3)], axis=1)
    lab, left = to_lab(sums / counts[used, None] / 255), counts[used].astype(np.float64)
    near = ((lab[:, None] - lab[None]) ** 2).sum(axis=2) <= _SPREAD**2
    found: list[tuple[float, NDArray[np.float64]]] = []
    while len(found) < COLOURS and left.any():
        members = near[(near @ left).argmax()] & (left > 0)
        share = float(left[members].sum())
        found.append((share / len(pixels), (left[members] @ lab[members]) / share))
        left[members] = 0
    found.sort(key=lambda one: -one[0])
    return Colours(np.array([one for _, one in found]), np.array([share for share, _ in found]), is_animated)
