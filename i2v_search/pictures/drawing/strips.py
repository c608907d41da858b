"""Morphs as strips: cards from A to B with arrows between them, in rows where they are many."""

import string
from collections.abc import Iterator, Sequence
from math import degrees

from PIL import Image, ImageDraw

from i2v_search.errors import I2VSearchError
from i2v_search.images.signature import signed
from i2v_search.pictures.drawing.cards import (
    ACCENT,
    ARROW,
    FIRST,
    INK,
    LAST,
    MUTED,
    PAGE,
    SMOOTH,
    Colour,
    Layout,
    Tile,
    draw_badge,
    draw_card,
    draw_title,
)
from i2v_search.pictures.drawing.fonts import built_in

#: Cards in one row; of more, rows are made as even as they can be.
ROW = 8

#: Waypoints are marked with the letters after those of the ends.
LETTERS = string.ascii_uppercase[2:]


def morph_strip(
    tiles: Sequence[Tile],
    *,
    title: str | None = None,
    tile_size: int = 220,
    hops: Sequence[float] | None = None,
    columns: int = ROW,
) -> Image.Image:
    """Draw a morph as cards with arrows between them, read as text is: left to right, row below row.

    The ends are framed and marked A and B, highlighted tiles between them, the waypoints, C, D and so on.

    Args:
        tiles: A, the intermediates and B: at least two.
        title: a line above the cards.
        tile_size: side of the square each picture is fitted into, in pixels.
        hops: angle of each tile to the next in radians, written over its arrow in degrees, the largest
            darker than the rest; one fewer than tiles.
        columns: the most cards in a row.

    Returns:
        An RGB image.

    Raises:
        I2VSearchError: fewer than two tiles, a wrong number of hops, no column, or a tile size below 32.

    Example:
        >>> from PIL import Image
        >>> ends = [Tile(Image.new("RGB", (9, 9), colour), colour) for colour in ("red", "blue")]
        >>> morph_strip(ends, hops=[0.8], tile_size=200).size
        (560, 300)
    """
    if len(tiles) < 2:
        raise I2VSearchError(f"a morph strip needs at least the two ends, got {len(tiles)} tiles")
    if hops is not None and len(hops) != len(tiles) - 1:
        raise I2VSearchError(f"{len(tiles)} tiles have {len(tiles) - 1} hops between them, got {len(hops)}")
    if columns < 1:
        raise I2VSearchError(f"a morph strip needs at least one column, got {columns}")
    layout = Layout(tile_size, any(tile.note for tile in tiles))
    width, height = layout.card
    gap, top = layout.scaled(64), layout.header(title)
    rows = -(-len(tiles) // columns)
    across = -(-len(tiles) // rows)
    # The arrow behind the last card of a row leads to the next row.
    room = across * width + (across - (rows == 1)) * gap
    tall = rows * height + (rows - 1) * layout.margin
    page = Image.new("RGB", (2 * layout.margin + room, top + tall + layout.margin), PAGE)
    draw_title(page, title, layout)
    corners = [
        (layout.margin + column * (width + gap), top + row * (height + layout.margin))
        for row, column in (divmod(number, across) for number in range(len(tiles)))
    ]
    for tile, corner, (letter, colour) in zip(tiles, corners, marks(tiles), strict=True):
        draw_card(page, tile, corner, layout, colour)
        if colour is not None:
            draw_badge(page, corner, letter, colour, layout)
    for number, (left, upper) in enumerate(corners[:-1]):
        middle = upper + layout.padding + layout.side // 2
        _draw_arrow(page, (left + width, left + width + gap), middle, layout)
        if hops is not None:
            ink = INK if hops[number] == max(hops) else MUTED
            place = (left + width + gap // 2, middle - layout.scaled(15))
            _draw_label(page, place, f"{degrees(hops[number]):.0f}°", ink, layout)
    return signed(page)


def marks(tiles: Sequence[Tile]) -> Iterator[tuple[str, Colour | None]]:
    """Letter and colour of each tile; no colour where it is not marked."""
    letters = iter(LETTERS)
    yield "A", FIRST
    for tile in tiles[1:-1]:
        yield (next(letters, "+"), ACCENT) if tile.highlight else ("", None)
    yield "B", LAST


def _draw_arrow(page: Image.Image, between: tuple[int, int], middle: int, layout: Layout) -> None:
    """An arrow across the gap behind a card."""
    start, stop = between[0] + layout.scaled(12), between[1] - layout.scaled(12)
    head, thickness = layout.scaled(7), layout.scaled(2)
    size = (stop - start, 2 * head + 2)
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    draw = ImageDraw.Draw(large)
    tip, centre, reach = large.width - thickness * SMOOTH, large.height // 2, head * SMOOTH
    stroke = thickness * SMOOTH
    draw.line([(0, centre), (tip, centre)], fill=255, width=stroke)
    chevron = [(tip - reach, centre - reach), (tip, centre), (tip - reach, centre + reach)]
    draw.line(chevron, fill=255, width=stroke, joint="curve")
    mask = large.resize(size, Image.Resampling.LANCZOS)
    page.paste(ARROW, (start, middle - size[1] // 2), mask)


def _draw_label(page: Image.Image, place: tuple[int, int], text: str, ink: Colour, layout: Layout) -> None:
    ImageDraw.Draw(page).text(place, text, fill=ink, font=built_in(layout.text), anchor="ms")
