"""Pictures of morphs: strips, and walks over a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.morph.plane import MorphMap
from i2v_search.morph.stops import Morph, Stop
from i2v_search.pictures.drawing.cards import Tile
from i2v_search.pictures.drawing.strips import morph_strip
from i2v_search.pictures.drawing.walks import draw_walk
from i2v_search.pictures.thumbnails import OnMissing, missing, stop_pictures, thumbnails, unmentioned

TILE = 220
_SMALL = 128
_TAGS = 2


def morph_picture(
    collection: Collection,
    morph: Morph,
    *,
    outside: Mapping[str, Image.Image] | None = None,
    on_missing: OnMissing = unmentioned,
) -> Image.Image:
    """Draw a morph as a strip from A to B, in rows of at most eight images.

    Each arrow has the angle of the hop in degrees, the largest darker than the others; each picture has its
    name and tags below. Waypoints are framed and marked C, D and so on.

    Args:
        collection: collection of the morph.
        morph: result of `Collection.morph`.
        outside: pictures of ends and waypoints that are not files, by the path of their stop.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        An RGB image. An image that is no longer readable is a grey tile.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> morph = art.morph("birds/owl.webp", "fruit/apple.webp", steps=2)
        >>> morph_picture(art, morph).save("morph.png")
    """
    tiles = _tiles(collection, morph.stops, outside, on_missing)
    return morph_strip(tiles, hops=morph.quality.hops, tile_size=TILE)


def morph_map_picture(
    collection: Collection, drawn: MorphMap, *, pixels: int = 1600, on_missing: OnMissing = unmentioned
) -> Image.Image:
    """Draw a morph as a path in the plane, among its nearest neighbours.

    The horizontal axis is the direction from A to B, the vertical axis the largest other difference. The
    pictures of the morph are joined by arrows and moved apart so that none covers another; their neighbours
    are small and pale, as far as there is space.

    Args:
        collection: that the morph is of.
        drawn: result of `Collection.morph_map`.
        pixels: width of the picture, smaller for a short morph.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        An RGB image. An image that is no longer readable is a grey tile.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> morph = art.morph("birds/owl.webp", "fruit/apple.webp", steps=2)
        >>> morph_map_picture(art, art.morph_map(morph)).save("morph-map.png")
    """
    small = thumbnails(collection, drawn.ids, _SMALL, on_missing=on_missing)
    around = [picture or missing(_SMALL) for picture in small]
    note = (
        "Horizontal: from A to B. Vertical: the largest other difference; moved apart for display. Pale: "
        "images "
        f"most similar to those of the morph. The plane shows {drawn.shown:.0%} of the variance."
    )
    tiles = _tiles(collection, drawn.stops, None, on_missing)
    return draw_walk(tiles, around, drawn.coordinates, pixels=pixels, note=note)


def _tiles(
    collection: Collection,
    stops: Sequence[Stop],
    outside: Mapping[str, Image.Image] | None,
    on_missing: OnMissing,
) -> list[Tile]:
    pictures = stop_pictures(collection, stops, TILE, outside, on_missing)
    return [
        Tile(
            picture,
            PurePosixPath(stop.path).stem,
            highlight=stop.waypoint,
            note=", ".join(stop.tags[:_TAGS]),
        )
        for stop, picture in zip(stops, pictures, strict=True)
    ]
