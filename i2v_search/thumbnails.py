"""Small pictures of images: of a collection or from outside it, read ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from i2v_search.collection import Collection
from i2v_search.errors import ImageError, QueryError
from i2v_search.images import load_image
from i2v_search.lookahead import map_ahead
from i2v_search.progress import Progress, Report, silent
from i2v_search.results import Stop
from i2v_search.searching.query import QueryImage

_MISSING = (205, 208, 214)
_AHEAD = 16


def missing(side: int) -> Image.Image:
    """The grey square that stands for an image that cannot be read."""
    return Image.new("RGB", (side, side), _MISSING)


def picture_of(collection: Collection, image: QueryImage, side: int) -> Image.Image:
    """An RGB picture whose shorter side is at least `side` where the file has as much.

    Args:
        collection: where an id or a stored path is looked up.
        image: as for a search.
        side: in pixels.

    Returns:
        The picture; `missing` where there is none: the file is gone, or it was a vector.
    """
    try:
        if isinstance(image, Image.Image | bytes):
            return load_image(image, shrink_to=side)
        if isinstance(image, int) or (isinstance(image, str) and not Path(image).is_file()):
            return load_image(collection.image_bytes(image), shrink_to=side)
        return load_image(image, shrink_to=side)  # type: ignore[arg-type]
    except (ImageError, QueryError):
        return missing(side)


def stop_pictures(
    collection: Collection, stops: Sequence[Stop], side: int, outside: Mapping[str, Image.Image] | None = None
) -> list[Image.Image]:
    """The pictures of the stops of a morph in order, each as `picture_of` reads it.

    Args:
        collection: that the morph is of.
        stops: of the morph.
        side: in pixels.
        outside: pictures of stops from outside the collection by their path; others are read from their file.
    """
    images: list[QueryImage] = [
        (outside or {}).get(stop.path, stop.path) if stop.id is None else stop.id for stop in stops
    ]
    return list(map_ahead(lambda image: picture_of(collection, image, side), images, _AHEAD))


def thumbnails(
    collection: Collection, ids: Sequence[int], side: int, report: Report = silent
) -> Iterator[Image.Image | None]:
    """Small RGB pictures of images of a collection, in order; None for one that cannot be read.

    Args:
        collection: where they are.
        ids: which.
        side: their longer side in pixels.
        report: told about progress.
    """

    def small(number: int) -> Image.Image | None:
        try:
            # Twice the side: a long narrow picture is reduced by its shorter one.
            picture = load_image(collection.image_bytes(number), shrink_to=2 * side)
        except ImageError:
            return None
        scale = side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)

    for done, picture in enumerate(map_ahead(small, ids, _AHEAD), 1):
        yield picture
        report(Progress("reading pictures", done, len(ids)))
