"""Colours along a morph: whether they, too, change steadily, though no method looks at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.images.colours import to_lab
from i2v_search.morph.quality import order_along
from i2v_search.morph.stops import Morph
from i2v_search.pictures.thumbnails import stop_pictures

_SIDE = 64
#: Greys lie in the middle of a bin, not between two.
_LIGHTNESS = (25.0, 50.0, 75.0)
_OPPONENT = (-36.0, -12.0, 12.0, 36.0)
_BINS = (len(_LIGHTNESS) + 1, len(_OPPONENT) + 1, len(_OPPONENT) + 1)


def colour_order(collection: Collection, morph: Morph) -> float | None:
    """Kendall's tau between the order of the intermediates and the change of their colours towards B.

    The change of a picture is I(picture, B) - I(picture, A), where I is the intersection of two colour
    histograms, the sum of the smaller shares (Swain and Ballard, "Color indexing", IJCV 1991). Reads every
    picture.

    Args:
        collection: collection of the morph.
        morph: result of `Collection.morph`.

    Returns:
        1 = the colours change steadily from A to B; None with fewer than three intermediates, or if all
        change equally. An unreadable picture counts as grey.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> round(colour_order(art, art.morph("birds/owl.webp", "fruit/apple.webp", steps=3)), 2)
        0.33
    """
    pictures = stop_pictures(collection, morph.stops, _SIDE)
    shares = np.stack([colour_histogram(picture) for picture in pictures])
    return order_along(np.minimum(shares[:, None], shares[[0, -1]]).sum(axis=2))


def colour_histogram(picture: Image.Image) -> NDArray[np.float64]:
    """Share of each of 4 x 5 x 5 colours of CIELAB: steps of lightness, green to red, blue to yellow.

    Args:
        picture: RGB; reduced to 64 x 64 pixels first.

    Returns:
        (100,) float64, the sum 1.

    Example:
        >>> white, red = (colour_histogram(Image.new("RGB", (9, 9), name)) for name in ("white", "red"))
        >>> white.max(), np.minimum(white, red).sum()
        (np.float64(1.0), np.float64(0.0))
    """
    small = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = to_lab(np.asarray(small, np.float64).reshape(-1, 3) / 255)
    places = [
        np.searchsorted(edges, lab[:, axis]) for axis, edges in enumerate((_LIGHTNESS, _OPPONENT, _OPPONENT))
    ]
    counts = np.bincount(np.ravel_multi_index(places, _BINS), minlength=int(np.prod(_BINS)))
    return np.asarray(counts / counts.sum())
