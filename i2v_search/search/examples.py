"""Examples that a query is made of: what each is, how much it counts, and what of it is looked at."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.arguments import number, several, shown
from i2v_search.choices import ExampleKind
from i2v_search.errors import QueryError
from i2v_search.images.crops import Box
from i2v_search.search.dials import Dials
from i2v_search.search.resolved import EncodedImage
from i2v_search.search.text import Text
from i2v_search.store.given_arrays import Tensor, looks_like_vector, plain_array

#: An id in the collection, a path in it or of a file, an image, its bytes, a (d,) vector of the encoder,
#: as an array or a tensor, what `Collection.encode` made of any of them, or a text.
QueryImage: TypeAlias = (
    SupportsIndex
    | str
    | os.PathLike[str]
    | bytes
    | Image.Image
    | EncodedImage
    | NDArray[np.floating]
    | Tensor
    | Text
)
#: Weight of an image that results should be unlike: docs/decisions/0017-negative-examples.md.
UNLIKE_WEIGHT = -0.5
#: How far a box may reach beyond the picture by the rounding of its numbers.
_ROUNDED = 1e-4


@dataclass(frozen=True)
class Example:
    """One image or text of a query.

    Attributes:
        image: see `QueryImage`.
        weight: weight of the example; negative for an example that results should differ from: this share of
            their similarity to it is subtracted from their score. Only the ratios of weights matter.
        kind: ``"sketch"`` for a drawing of lines, also a photo of one on paper, that pictures in colour
            should be found by: the paper is removed, and what all drawings of lines have in common does not
            count, as far as the encoder knows it (`lite` does).
        crop: the part of the picture to look at: left, top, width and height as shares of its sides, 0 to 1.
            Of an image of the collection the file is read again.
        subject: how much what the picture shows counts, from 0 to 1, with encoder `lite`.
        style: how much the way it is drawn counts, from 0 to 1.

    Raises:
        QueryError: there is no such kind, the crop is not inside the picture, or subject and style are out of
            range or both 0.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> result = art.search([Example("fruit/lemon.webp"), Example("fruit/bananas.webp", -0.5)], top=1)
        >>> result.query
        'fruit/lemon.webp, not fruit/bananas.webp'
        >>> art.search(Example("birds/owl.webp", crop=(0.2, 0, 0.6, 0.5)), top=1).query
        'birds/owl.webp (crop 20,0,60,50 %)'
        >>> art.search([Example("birds/owl.webp", style=0), Example("fruit/lemon.webp", subject=0)]).query
        'birds/owl.webp (style 0), fruit/lemon.webp (subject 0)'
    """

    image: QueryImage
    weight: float = 1.0
    kind: ExampleKind = "picture"
    crop: Box | None = None
    subject: float = 1.0
    style: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ExampleKind):
            raise QueryError(f"the kind of an example must be 'picture' or 'sketch', not {shown(self.kind)}")
        if self.crop is not None:
            object.__setattr__(self, "crop", _inside(self.crop))
        for name in ("subject", "style"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        self.dials.check()
        if self.kind == "sketch" and not self.dials.neutral:
            raise QueryError("a drawing of lines is compared by what it shows; leave subject and style at 1")

    @property
    def dials(self) -> Dials:
        """How much subject and style count."""
        return Dials(self.subject, self.style)

    @property
    def is_whole_picture(self) -> bool:
        """Whether the image is looked at as it is."""
        return self.kind == "picture" and self.crop is None

    def label_of(self, name: str) -> str:
        """The example in words, by the name of its image."""
        crop = "" if self.crop is None else f"crop {','.join(f'{100 * part:.3g}' for part in self.crop)} %"
        notes = ", ".join(filter(None, ["sketch" if self.kind == "sketch" else "", crop]))
        return f"{name} ({notes})" if notes else name


#: An image, or several; a list of floats is one vector.
Query: TypeAlias = QueryImage | Example | Sequence[QueryImage | Example | float]


def one_image(given: QueryImage | Sequence[float]) -> QueryImage:
    """An image of a query; a vector that is a list of floats as an array.

    >>> one_image([0.5, 1.0]).shape, one_image(17)
    ((2,), 17)
    """
    return plain_array(given) if looks_like_vector(given) else cast(QueryImage, given)


def several_images(given: Any) -> list[Any]:
    """List what was given where several images or queries belong: one is a list of one.

    An array (d,), a tensor or a list of floats is one vector, an array (m, d) is m of them; a list of whole
    numbers is several ids.
    """
    return [given] if looks_like_vector(given) and getattr(given, "ndim", 1) < 2 else several(given)


def examples_of(query: Query) -> list[Example]:
    """Write a query as examples with weights.

    Raises:
        QueryError: there is none, every weight is 0, or one is not a finite number.
    """
    items: list[Any] = [query] if looks_like_vector(query) else several(query)
    examples = [item if isinstance(item, Example) else Example(item) for item in items]
    for example in examples:
        if not math.isfinite(number("the weight of an example", example.weight)):
            raise QueryError(f"the weight of an example must be a finite number, not {example.weight}")
    if not any(example.weight for example in examples):
        raise QueryError("a query needs at least one example with a non-zero weight")
    return examples


def _inside(crop: Any) -> Box:
    """A box as numbers, inside the picture."""
    try:
        x, y, width, height = (number("a crop", part) for part in crop)
    except (TypeError, ValueError, QueryError):
        raise QueryError(
            f"a crop must be four numbers, left, top, width, height, not {shown(crop)}"
        ) from None
    fits = x >= 0 and y >= 0 and width > 0 and height > 0
    if not (fits and x + width <= 1 + _ROUNDED and y + height <= 1 + _ROUNDED and x < 1 and y < 1):
        raise QueryError(
            f"the crop {x:g},{y:g},{width:g},{height:g} is not inside the picture; give left, top, width and "
            "height as shares of its sides, from 0 to 1"
        )
    return x, y, min(width, 1 - x), min(height, 1 - y)
