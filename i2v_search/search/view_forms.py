"""How the views of a picture are made, and how their vectors are made small.

======== =========================================================================================
kind     views of a picture
======== =========================================================================================
lines    one, the picture drawn in dark lines on white: `i2v_search.images.lines.render_lines`
details  the whole; drawings that stand apart (`i2v_search.images.drawings`); and crops of what is drawn,
         without a blank border: of `DETAIL_BOXES` as many as make seven
======== =========================================================================================

Vectors of `lite` are projected to a few of its directions (`i2v_search.encoders.lite_views`); those of
another encoder keep all their numbers. Either way 8 bits are kept of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.encoders.lite_views import LiteViews
from i2v_search.images.borders import drawn_box
from i2v_search.images.crops import Box, cut
from i2v_search.images.drawings import separate_drawings
from i2v_search.images.lines import render_lines
from i2v_search.index.similarity import unit
from i2v_search.store.manifest import EncoderRecord
from i2v_search.store.view_file import ViewForm, ViewKind

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
#: The whole, the corners, the middle, and the middle of the upper edge, where heads are.
DETAIL_BOXES: tuple[Box, ...] = (
    WHOLE,
    *((left, top, 0.6, 0.6) for top, left in product((0.0, 0.4), repeat=2)),
    (0.2, 0.2, 0.6, 0.6),
    (0.2, 0.0, 0.6, 0.6),
)


@dataclass(frozen=True)
class ViewMethod:
    """How views of one kind are made for one encoder.

    Attributes:
        form: of the result.
        cut: gives the views of an RGB picture, each with its place.
        reduce: makes vectors small, (n, d) -> (n, `form.size`) float32 unit rows.
    """

    form: ViewForm
    cut: Callable[[Image.Image], list[tuple[Box, Image.Image]]]
    reduce: Callable[[NDArray[np.floating]], NDArray[np.float32]]


def view_method(kind: ViewKind, encoder: EncoderRecord) -> ViewMethod:
    """How views of a kind are made from an encoder's vectors.

    Example:
        >>> other = EncoderRecord(id="mine", weights_sha256="0" * 64, preprocessing="rgb", dimension=512)
        >>> method = view_method("details", other)
        >>> method.form.size, [box for box, _ in method.cut(Image.new("RGB", (90, 60)))][0]
        (512, (0.0, 0.0, 1.0, 1.0))
    """
    version, count, cut_views = _WAYS[kind]
    small = LiteViews.load() if encoder.id == "lite" else None
    if small is None or small.encoder_sha256 != encoder.weights_sha256:
        form = ViewForm(kind, encoder.model_dump(), version, encoder.dimension, count)
        return ViewMethod(form, cut_views, unit)
    matrix = small.matrix(kind)
    form = ViewForm(kind, encoder.model_dump(), f"{version}, {small.name}", len(matrix), count)
    return ViewMethod(form, cut_views, lambda vectors: unit(unit(vectors) @ matrix.T))


def _lines(picture: Image.Image) -> list[tuple[Box, Image.Image]]:
    return [(WHOLE, render_lines(picture))]


def _details(picture: Image.Image) -> list[tuple[Box, Image.Image]]:
    left, top, right, bottom = drawn_box(picture)
    drawn = picture.crop((left, top, right, bottom))
    found: list[tuple[Box, Image.Image]] = []
    boxes = (WHOLE, *separate_drawings(drawn), *DETAIL_BOXES[1:])[: len(DETAIL_BOXES)]
    for box in boxes:
        x, y = left + math.floor(box[0] * drawn.width), top + math.floor(box[1] * drawn.height)
        part = cut(drawn, box)
        inner = drawn_box(part)
        place = (
            (x + inner[0]) / picture.width,
            (y + inner[1]) / picture.height,
            (inner[2] - inner[0]) / picture.width,
            (inner[3] - inner[1]) / picture.height,
        )
        found.append((place, part.crop(inner)))
    return found


#: For each kind a name that changes whenever its views do, how many there are, and what makes them.
_WAYS: dict[ViewKind, tuple[str, int, Callable[[Image.Image], list[tuple[Box, Image.Image]]]]] = {
    "lines": ("lines 1", 1, _lines),
    "details": ("details 1", len(DETAIL_BOXES), _details),
}
