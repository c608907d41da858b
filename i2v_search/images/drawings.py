"""Drawings that stand apart on a page."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from i2v_search.images.borders import drawn_on_paper
from i2v_search.images.crops import Box

#: Side of what is looked at, and how far apart drawings are there at least.
_SIDE: Final = 96
_GAP: Final = 2
#: The longer side of a drawing, as a share of the page's.
_SMALLEST: Final = 0.15


def separate_drawings(page: Image.Image) -> list[Box]:
    """Places of the drawings on a page, the largest first; none unless there are several.

    Specks do not count. On a page without blank space between drawings, or around them, they are one.

    Args:
        page: RGB.

    Example:
        >>> page = Image.new("RGB", (400, 200), "white")
        >>> page.paste("teal", (20, 20, 180, 180))
        >>> page.paste("gold", (240, 60, 360, 180))
        >>> [tuple(round(share, 1) for share in box) for box in separate_drawings(page)]
        [(0.1, 0.1, 0.4, 0.8), (0.6, 0.3, 0.3, 0.6)]
    """
    # It takes a while to load, and only builds need it.
    from scipy.ndimage import binary_dilation, find_objects, label

    small = page.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    ink = drawn_on_paper(small)
    if ink is None:
        return []
    drawn = np.asarray(ink).max(axis=2) > 0
    places = find_objects(label(binary_dilation(drawn, np.ones((3, 3)), iterations=_GAP // 2))[0])
    height, width = drawn.shape
    found = []
    for rows, columns in places:
        inside = np.argwhere(drawn[rows, columns])
        (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
        if max(bottom - top, right - left) >= _SMALLEST * max(drawn.shape):
            x, y = columns.start + left, rows.start + top
            found.append((x / width, y / height, (right - left) / width, (bottom - top) / height))
    found.sort(key=lambda box: -box[2] * box[3])
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in found] if len(found) > 1 else []
