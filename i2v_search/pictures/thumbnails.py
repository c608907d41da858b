"""Small pictures of images: of a collection or from outside it, read ahead of their use."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError, QueryError
from i2v_search.images.decoding import load_image
from i2v_search.images.lookahead import map_ahead
from i2v_search.images.sources import Skipped
from i2v_search.index.map_cache import MapCache
from i2v_search.morph.stops import Stop
from i2v_search.progress import Progress, Report, silent
from i2v_search.search.examples import QueryImage
from i2v_search.store.feature_file import ImageRecord

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
        The picture; `missing` if there is none: the file is gone, or it was a vector.
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
        stops: stops of the morph.
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
    *,
    cache: MapCache | None = None,
) -> Iterator[Image.Image | None]:
    """Small RGB pictures of images of a collection, in order; None for one that cannot be read.

    Args:
        collection: where they are.
        ids: which.
        side: their longer side in pixels.
        report: called with the progress.
        on_missing: is told of each that cannot be read.
        cache: where those are looked for first whose files have not changed, and where all are kept.
    """
    kept = None if cache is None else _KeptPictures(collection, side, cache)

    def small(number: int) -> Image.Image | Skipped:
        if kept is not None and (known := kept.find(number)):
            return known
        picture = made(number)
        if kept is not None and not isinstance(picture, Skipped):
            kept.add(number, picture)
        return picture

    def made(number: int) -> Image.Image | Skipped:
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
    if kept is not None:
        kept.save()


class _KeptPictures:
    """Small pictures of a collection, by the content of their files; pixel for pixel as they were made.

    Args:
        collection: whose images they are.
        side: side of their longer side in pixels.
        cache: where they are kept.
    """

    def __init__(self, collection: Collection, side: int, cache: MapCache) -> None:
        self._collection, self._cache = collection, cache
        self._key = MapCache.key("pictures", os.fspath(collection.directory.resolve()), f"{side}")
        self._found = cache.find(self._key)
        self._used: dict[str, bytes] = {}

    def find(self, number: int) -> Image.Image | None:
        """The picture of an image whose file is as the collection knows it; None if there is none."""
        record = self._record(number)
        if record.sha256 not in self._found:
            return None
        try:
            status = os.stat(self._collection.file_path(number))  # noqa: PTH116 - bytes, as the system has them
            if (status.st_size, status.st_mtime_ns) != (record.size, record.mtime_ns):
                return None
            with Image.open(io.BytesIO(self._found[record.sha256])) as picture:
                picture.load()
        except (OSError, ValueError):  # a member of an archive is no file of its own
            return None
        self._used[record.sha256] = self._found[record.sha256]
        return picture

    def add(self, number: int, picture: Image.Image) -> None:
        """Keep a picture that was made."""
        file = io.BytesIO()
        picture.save(file, "WEBP", lossless=True, quality=0, method=0)
        self._used[self._record(number).sha256] = file.getvalue()

    def save(self) -> None:
        """Keep what was used, and no more."""
        if self._used != self._found:
            self._cache.keep(self._key, self._used)

    def _record(self, number: int) -> ImageRecord:
        position = self._collection.store.position_of_id(number)
        assert position is not None  # noqa: S101 - ids of a map of this collection
        return self._collection.store.record(position)


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
