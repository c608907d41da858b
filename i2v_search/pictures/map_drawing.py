"""A map as a picture, and its pictures packed into sheets for a page."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.images.signature import signed
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import CollectionMap
from i2v_search.pictures.drawing.cards import framed
from i2v_search.pictures.grid import lay_out
from i2v_search.pictures.thumbnails import OnMissing, missing, thumbnails, unmentioned
from i2v_search.progress import Report, silent

#: The longest side of a map's picture unless told otherwise, in pixels.
MAP_PIXELS = 3200
_LARGEST_CELL, _SMALLEST_CELL = 160, 8
_FILLED = 0.92

#: All sheets of a page together have at most this many pixels, and take at most this many bytes.
SHEET_PIXELS = 40_000_000
SHEET_BYTES = 24 * 2**20
_SHEET_SIDE = 2048
_LARGEST_SPRITE, _SMALLEST_SPRITE = 192, 16
_QUALITIES = (78, 60, 40, 20, 5)


@dataclass(frozen=True)
class SpriteSheets:
    """Small pictures packed into square sheets, from left to right and top to bottom.

    Attributes:
        side: side of the cell of each picture, in pixels.
        across: cells in a row of a sheet, and rows in a sheet.
        sizes: width and height of each picture, which lies in the top left of its cell; (0, 0) for one whose
            file cannot be read.
        sheets: WebP files, at most `SHEET_BYTES` in all.
    """

    side: int
    across: int
    sizes: tuple[tuple[int, int], ...]
    sheets: tuple[bytes, ...]


def map_picture(
    collection: Collection,
    drawn: CollectionMap,
    *,
    pixels: int = MAP_PIXELS,
    report: Report = silent,
    on_missing: OnMissing = unmentioned,
    cache: MapCache | None = None,
) -> Image.Image:
    """Draw a map: every picture uncropped near its coordinates, without overlap.

    Args:
        collection: collection of the map.
        drawn: result of `Collection.map`.
        pixels: longest side; smaller for few images, larger if a cell would be below 8 pixels.
        report: called with the progress.
        on_missing: called with each image that is no longer readable, and the reason.
        cache: cache of thumbnails of unchanged files.

    Returns:
        An RGB image, white behind the pictures. An image that is no longer readable is a grey square.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> map_picture(art, art.map(method="pca"), pixels=300).save("map.png")
    """
    layout = lay_out(drawn.coordinates)
    cell = max(_SMALLEST_CELL, min(_LARGEST_CELL, pixels // (max(layout.columns, layout.rows) + 1)))
    margin = cell // 2
    size = layout.columns * cell + 2 * margin, layout.rows * cell + 2 * margin
    page = Image.new("RGB", size, "white")
    side = round(cell * _FILLED)
    pictures = thumbnails(collection, drawn.ids, side, report, on_missing, cache=cache)
    for picture, (column, row) in zip(pictures, layout.cells.tolist(), strict=True):
        tile = framed(picture or missing(side), side)
        corner = (
            margin + column * cell + (cell - tile.width) // 2,
            margin + row * cell + (cell - tile.height) // 2,
        )
        page.paste(tile, corner, tile)
    return signed(page)


def sprite_side(count: int) -> int:
    """Side of a sprite in pixels, so that `count` of them keep to `SHEET_PIXELS`.

    >>> sprite_side(100), sprite_side(20_000)
    (192, 44)
    """
    return max(_SMALLEST_SPRITE, min(_LARGEST_SPRITE, math.isqrt(SHEET_PIXELS // max(1, count))))


def sprite_sheets(pictures: Iterable[Image.Image | None], side: int) -> SpriteSheets:
    """Pack pictures of at most `side` pixels, coarser where they would exceed `SHEET_BYTES`.

    Example:
        >>> packed = sprite_sheets([Image.new("RGB", (20, 10), "red"), None], 20)
        >>> packed.sizes, len(packed.sheets)
        (((20, 10), (0, 0)), 1)
    """
    across = max(1, _SHEET_SIDE // side)
    pages: list[Image.Image] = []
    sizes: list[tuple[int, int]] = []
    for number, picture in enumerate(pictures):
        place = number % across**2
        if place == 0:
            pages.append(Image.new("RGB", (across * side, across * side), "white"))
        sizes.append(picture.size if picture else (0, 0))
        if picture:
            pages[-1].paste(picture, (place % across * side, place // across * side))
    if pages:
        rows = -(-((len(sizes) - 1) % across**2 + 1) // across)
        pages[-1] = pages[-1].crop((0, 0, across * side, rows * side))
    sheets: tuple[bytes, ...] = ()
    for quality in _QUALITIES:
        sheets = tuple(_webp(page, quality) for page in pages)
        if sum(map(len, sheets)) <= SHEET_BYTES:
            break
    return SpriteSheets(side, across, tuple(sizes), sheets)


def _webp(page: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    page.save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()
