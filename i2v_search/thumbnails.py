"""Small pictures of images: of a collection or from outside it, read ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from i2v_search.collection import Collection
from i2v_search.errors import ImageError, QueryError
from i2v_search.images import load_image
from i2v_search.lookahead import map_ahead
from i2v_search.progress import Progress, Report, silent
from i2v_search.results import Stop
from i2v_search.searching.query import QueryImage
from i2v_search.sources import Skipped

_MISSING = (205, 208, 214)
_AHEAD = 16

#: Is told of each image that a picture shows as `missing`, with the reason.
OnMissing: TypeAlias = Callable[[Skipped], None]


def unmentioned(_: Skipped) -> None:
    """The default: the grey square says it."""


def missing(side: int) -> Image.Image:
    """The grey square that stands for an image that cannot be read."""
    return Image.new("RGB", (side, side), _MISSING)


def picture_of(
    collection: Collection, image: QueryImage, side: int, on_missing: OnMissing = unmentioned
) -> Image.Image:
    """An RGB picture whose shorter side is at least `side` where the file has as much.

    Args:
        collection: where an id or a stored path is looked up.
        image: as for a search.
        side: in pixels.
        on_missing: is told if there is no picture.

    Returns:
        The picture; `missing` where there is none: the file is gone, or it was a vector.
    """
    return _or_missing(_read(collection, image, side), side, on_missing)


def stop_pictures(
    collection: Collection,
    stops: Sequence[Stop],
    side: int,
    outside: Mapping[str, Image.Image] | None = None,
    on_missing: OnMissing = unmentioned,
) -> list[Image.Image]:
    """The pictures of the stops of a morph in order, each as `picture_of` reads it.

    Args:
        collection: that the morph is of.
        stops: of the morph.
        side: in pixels.
        outside: pictures of stops from outside the collection by their path; others are read from their file.
        on_missing: is told of each without a picture.
    """
    images: list[QueryImage] = [
        (outside or {}).get(stop.path, stop.path) if stop.id is None else stop.id for stop in stops
    ]
    found = map_ahead(lambda image: _read(collection, image, side), images, _AHEAD)
    return [_or_missing(picture, side, on_missing) for picture in found]


def thumbnails(
    collection: Collection,
    ids: Sequence[int],
    side: int,
    report: Report = silent,
    on_missing: OnMissing = unmentioned,
) -> Iterator[Image.Image | None]:
    """Small RGB pictures of images of a collection, in order; None for one that cannot be read.

    Args:
        collection: where they are.
        ids: which.
        side: their longer side in pixels.
        report: told about progress.
        on_missing: is told of each that cannot be read.
    """

    def small(number: int) -> Image.Image | Skipped:
        # Twice the side: a long narrow picture is reduced by its shorter one.
        picture = _read(collection, number, 2 * side)
        if isinstance(picture, Skipped):
            return picture
        scale = side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)

    for done, picture in enumerate(map_ahead(small, ids, _AHEAD), 1):
        if isinstance(picture, Skipped):
            on_missing(picture)
            yield None
        else:
            yield picture
        report(Progress("reading pictures", done, len(ids)))


def _read(collection: Collection, image: QueryImage, side: int) -> Image.Image | Skipped:
    """The picture of an image, or why there is none."""
    try:
        if isinstance(image, Image.Image | bytes):
            return load_image(image, shrink_to=side)
        if isinstance(image, int) or (isinstance(image, str) and not Path(image).is_file()):
            return load_image(collection.image_bytes(image), shrink_to=side)
        return load_image(image, shrink_to=side)  # type: ignore[arg-type]
    except ImageError as error:
        return Skipped(collection.stored_path(image) if isinstance(image, int) else error.path, error.reason)
    except QueryError as error:
        return Skipped(str(image), str(error))


def _or_missing(picture: Image.Image | Skipped, side: int, on_missing: OnMissing) -> Image.Image:
    if isinstance(picture, Skipped):
        on_missing(picture)
        return missing(side)
    return picture
