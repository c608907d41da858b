"""What is where in pictures, whatever their colours: the directions of their edges and their grey levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Pixels of a side that is looked at, and of the windows that are compared.
_SIDE: Final = 32
_WINDOW: Final = 8
_DIRECTIONS: Final = 8
#: Constants of the structural similarity, for grey levels from 0 to 1.
_FAINT, _FLAT = 0.01**2, 0.03**2


def structure_distances(pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
    """How differently pictures are built: half by where light and dark are, half by directions of edges.

    Structural similarity (Wang et al., IEEE Transactions on Image Processing 13(4), 2004) of 8 x 8 windows at
    32 x 32 pixels, and histograms of eight directions of edges in a grid of 4 x 4 (as HOG; Dalal and Triggs,
    CVPR 2005), compared by their cosine.

    Args:
        pictures: RGB.

    Returns:
        (n, n) float64 in [0, 1]; 0 of the same picture.

    Example:
        >>> from PIL import Image
        >>> dark, light = Image.new("RGB", (40, 40)), Image.new("RGB", (40, 40), "white")
        >>> structure_distances([dark, light, dark]).round(2).tolist()
        [[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]]
    """
    greys = np.stack([_grey(picture) for picture in pictures])
    edges = np.stack([_edges(grey) for grey in greys])
    lengths = np.linalg.norm(edges, axis=1)
    both = lengths[:, None] * lengths
    cosines = np.where(both > 0, edges @ edges.T / np.where(both > 0, both, 1), lengths[:, None] == lengths)
    apart = np.clip((1 - _similarity(greys)) / 4 + (1 - cosines) / 2, 0, 1)
    np.fill_diagonal(apart, 0)
    return np.asarray(apart)


def _grey(picture: Image.Image) -> NDArray[np.float64]:
    small = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _similarity(greys: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n) in [-1, 1]: mean structural similarity of the windows of each two pictures."""
    parts = _SIDE // _WINDOW
    windows = (
        greys.reshape(-1, parts, _WINDOW, parts, _WINDOW).swapaxes(2, 3).reshape(len(greys), -1, _WINDOW**2)
    )
    means = windows.mean(axis=2)
    rest = windows - means[:, :, None]
    variances = (rest**2).mean(axis=2)
    shared = np.einsum("iwp,jwp->ijw", rest, rest) / _WINDOW**2
    light = (2 * means[:, None] * means + _FAINT) / (means[:, None] ** 2 + means**2 + _FAINT)
    built = (2 * shared + _FLAT) / (variances[:, None] + variances + _FLAT)
    return np.asarray((light * built).mean(axis=2))


def _edges(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strength of the edges of each direction in each part of a picture."""
    down, across = np.gradient(grey)
    strength = np.hypot(down, across)
    direction = (np.arctan2(down, across) % np.pi * _DIRECTIONS / np.pi).astype(np.int64) % _DIRECTIONS
    part = np.arange(_SIDE) // _WINDOW
    place = (part[:, None] * (_SIDE // _WINDOW) + part) * _DIRECTIONS + direction
    counts = np.bincount(place.ravel(), strength.ravel(), (_SIDE // _WINDOW) ** 2 * _DIRECTIONS)
    return np.asarray(counts, np.float64)
