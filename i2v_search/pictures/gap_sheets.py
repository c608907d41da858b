"""Contact sheets of the gaps of a collection: what lies on both sides of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.morph.gaps import Gap, GapSide
from i2v_search.pictures.drawing.cards import Tile, TileRow
from i2v_search.pictures.drawing.sheets import row_sheet
from i2v_search.pictures.ordered_sheets import named_tiles
from i2v_search.pictures.thumbnails import OnMissing, unmentioned

#: Images drawn of a side, and pixels of each.
_SHOWN, _TILE = 3, 160


def gaps_picture(
    collection: Collection, gaps: Sequence[Gap], *, on_missing: OnMissing = unmentioned
) -> Image.Image:
    """Draw a row for each gap: three images of each side, those at its edges framed in the middle.

    Args:
        collection: collection of the images.
        gaps: result of `Collection.gaps`; at least one.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        An RGB image. An image that is no longer readable is a grey tile.

    Raises:
        QueryError: there is no gap.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> gaps_picture(art, art.gaps(3)).save("gaps.png")
    """
    if not gaps:
        raise QueryError("the collection has no gap: there is nothing to draw")
    rows = []
    for gap in gaps:
        left, right = (_tiles(collection, side, on_missing) for side in gap.sides)
        rows.append(TileRow(gap_line(gap), [*left[::-1], *right]))
    return row_sheet(rows, tile_size=_TILE)


def gap_line(gap: Gap) -> str:
    """A gap in words.

    Example:
        >>> sides = GapSide(1, (7,), ("a.png",), ()), GapSide(20, (3,), ("b.png",), ("red",))
        >>> gap_line(Gap(sides, 1.2, 0.1, 0.01, ("hat",)))
        '69° between 1 image and 20 images (red); both: hat'
    """
    sides = []
    for side in gap.sides:
        count = f"{side.images:,} image{'' if side.images == 1 else 's'}"
        sides.append(f"{count} ({', '.join(side.tags)})" if side.tags else count)
    line = f"{math.degrees(gap.hop):.0f}° between {' and '.join(sides)}"
    return f"{line}; both: {', '.join(gap.tags)}" if gap.tags else line


def _tiles(collection: Collection, side: GapSide, on_missing: OnMissing) -> list[Tile]:
    edge, *others = named_tiles(
        collection, side.ids[:_SHOWN], side.paths[:_SHOWN], _TILE, on_missing=on_missing
    )
    return [replace(edge, highlight=True), *others]
