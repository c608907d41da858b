"""Contact sheets of images in their most gradual order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePosixPath

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.morph.ordering import GradualOrder
from i2v_search.pictures.drawing.cards import Tile
from i2v_search.pictures.drawing.sheets import contact_sheet
from i2v_search.pictures.thumbnails import OnMissing, missing, thumbnails, unmentioned

#: Width to height of a sheet.
_SHAPE = 1.6
#: Pixels of a tile, and the most pixels of a sheet's width: of many images each is smaller.
_TILE, _SMALLEST, _WIDEST = 160, 48, 4000


def columns_for(count: int) -> int:
    """Columns of a grid of so many images, a little wider than high.

    Example:
        >>> columns_for(40), columns_for(1)
        (8, 1)
    """
    return max(1, min(count, math.ceil(math.sqrt(count * _SHAPE))))


def order_picture(
    collection: Collection,
    order: GradualOrder,
    *,
    columns: int | None = None,
    on_missing: OnMissing = unmentioned,
) -> Image.Image:
    """Draw images in their order, from left to right and from top to bottom.

    Args:
        collection: collection of the images.
        order: result of `Collection.order`.
        columns: tiles in a row; by default those of the grid, or what makes it a little wider than high.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        An RGB image. An image that is no longer readable is a grey tile.

    Raises:
        QueryError: there is no image.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> order_picture(art, art.order(paths="fruit", columns=3)).save("order.png")
    """
    if not order.ids:
        raise QueryError("no image meets the conditions: there is nothing to draw")
    wide = order.columns or columns or columns_for(len(order.ids))
    side = max(_SMALLEST, min(_TILE, _WIDEST // wide))
    tiles = named_tiles(collection, order.ids, order.paths, side, on_missing=on_missing)
    return contact_sheet(tiles, columns=wide, tile_size=side)


def named_tiles(
    collection: Collection, ids: Sequence[int], paths: Sequence[str], side: int, *, on_missing: OnMissing
) -> list[Tile]:
    """Images with the names of their files; one that is no longer readable is grey.

    Args:
        collection: collection of the images.
        ids: of the images.
        paths: their paths in the collection.
        side: longest side in pixels.
        on_missing: called with each image that is no longer readable, and the reason.
    """
    found = thumbnails(collection, ids, side, on_missing=on_missing)
    return [
        Tile(picture or missing(side), PurePosixPath(path).stem)
        for picture, path in zip(found, paths, strict=True)
    ]
