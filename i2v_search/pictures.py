"""Pictures of answers: a contact sheet of a search, a strip of a morph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from i2v_search.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.images import load_image
from i2v_search.plots import Tile, contact_sheet, morph_strip
from i2v_search.query import QueryImage
from i2v_search.results import Morph, SearchResult, printable

TILE = 220


def search_picture(
    collection: Collection, result: SearchResult, queries: Sequence[QueryImage] = (), *, columns: int = 5
) -> Image.Image:
    """Draw a contact sheet: the query images, framed, then the hits with their scores.

    Args:
        collection: the collection that was searched.
        result: its answer.
        queries: ids, stored paths, files or images to show first.
        columns: tiles in a row.

    Returns:
        An RGB image. An image that can no longer be read is a grey tile.
    """
    tiles = [
        Tile(_picture(collection, query), _caption(collection, query), highlight=True) for query in queries
    ]
    tiles += [Tile(_picture(collection, hit.id), _name(hit.path), hit.score) for hit in result.hits]
    return contact_sheet(tiles, columns=columns, tile_size=TILE)


def morph_picture(collection: Collection, morph: Morph) -> Image.Image:
    """Draw a morph as a strip from A to B, the angle of each hop (radians) over its arrow."""
    tiles = [
        Tile(_picture(collection, stop.path if stop.id is None else stop.id), _name(stop.path))
        for stop in morph.stops
    ]
    return morph_strip(tiles, hops=morph.quality.hops, tile_size=TILE)


def _picture(collection: Collection, image: QueryImage) -> Image.Image:
    try:
        if isinstance(image, Image.Image | bytes):
            return load_image(image, shrink_to=TILE)
        if isinstance(image, int) or (isinstance(image, str) and not Path(image).is_file()):
            return load_image(collection.image_bytes(image), shrink_to=TILE)
        return load_image(image, shrink_to=TILE)  # type: ignore[arg-type]
    except ImageError:
        return Image.new("RGB", (TILE, TILE), "lightgrey")


def _caption(collection: Collection, image: QueryImage) -> str:
    if isinstance(image, int):
        return _name(collection.stored_path(image))
    return _name(str(image)) if isinstance(image, str | Path) else "query"


def _name(path: str) -> str:
    return PurePosixPath(printable(path)).name
