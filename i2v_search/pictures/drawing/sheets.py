"""Sheets of cards: the hits of a search, rows of copies."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from i2v_search.errors import I2VSearchError
from i2v_search.images.signature import signed
from i2v_search.pictures.drawing.cards import (
    ACCENT,
    FIRST,
    MUTED,
    PAGE,
    Layout,
    Tile,
    TileRow,
    draw_card,
    draw_title,
)
from i2v_search.pictures.drawing.fonts import fit_text


def contact_sheet(
    tiles: Sequence[Tile], *, columns: int = 5, tile_size: int = 200, title: str | None = None
) -> Image.Image:
    """Draw tiles in rows, left to right and top to bottom, as rounded cards on white.

    Args:
        tiles: at least one.
        columns: cards in a row; fewer where there are fewer tiles.
        tile_size: side of the square each picture is fitted into, in pixels.
        title: a line above the cards.

    Returns:
        An RGB image.

    Raises:
        I2VSearchError: no tiles, fewer than one column, or a tile size below 32.

    Example:
        >>> from PIL import Image
        >>> tile = Tile(Image.new("RGB", (40, 20), "red"), "red.png", score=0.93)
        >>> sheet = contact_sheet([tile] * 3, columns=2)
        >>> sheet.mode, sheet.size
        ('RGB', (514, 562))
    """
    if not tiles:
        raise I2VSearchError("a contact sheet needs at least one tile, got none")
    if columns < 1:
        raise I2VSearchError(f"a contact sheet needs at least one column, got {columns}")
    layout = Layout(tile_size, any(tile.note for tile in tiles))
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    width, height = layout.card
    top = layout.header(title)
    page = Image.new(
        "RGB",
        (
            2 * layout.margin + columns * width + (columns - 1) * layout.gap,
            top + rows * height + (rows - 1) * layout.gap + layout.margin,
        ),
        PAGE,
    )
    draw_title(page, title, layout)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        corner = (layout.margin + column * (width + layout.gap), top + row * (height + layout.gap))
        draw_card(page, tile, corner, layout, ACCENT if tile.highlight else None)
    return signed(page)


def row_sheet(rows: Sequence[TileRow], *, tile_size: int = 160, title: str | None = None) -> Image.Image:
    """Draw a row of cards for each group of tiles, its heading above it.

    Args:
        rows: at least one, each of at least one tile.
        tile_size: side of the square each picture is fitted into, in pixels.
        title: a line above everything.

    Returns:
        An RGB image, as wide as the longest row.

    Raises:
        I2VSearchError: no rows, a row without tiles, or a tile size below 32.

    Example:
        >>> from PIL import Image
        >>> tile = Tile(Image.new("RGB", (40, 20), "red"), "red.png", note="40 x 20")
        >>> row_sheet([TileRow("two of a kind", [tile, tile]), TileRow("one", [tile])], tile_size=100).size
        (257, 358)
    """
    if not rows or not all(row.tiles for row in rows):
        raise I2VSearchError("a sheet of rows needs at least one row, and a tile in each")
    layout = Layout(tile_size, any(tile.note for row in rows for tile in row.tiles))
    width, height = layout.card
    heading = layout.heading + layout.scaled(14)
    step = heading + height + layout.margin
    top, columns = layout.header(title), max(len(row.tiles) for row in rows)
    page = Image.new(
        "RGB",
        (2 * layout.margin + columns * width + (columns - 1) * layout.gap, top + len(rows) * step),
        PAGE,
    )
    draw_title(page, title, layout)
    for number, row in enumerate(rows):
        upper = top + number * step
        text, font = fit_text(row.heading, layout.heading, page.width - 2 * layout.margin)
        baseline = upper + round(layout.heading * 0.85)
        ImageDraw.Draw(page).text((layout.margin, baseline), text, fill=MUTED, font=font, anchor="ls")
        for column, tile in enumerate(row.tiles):
            corner = (layout.margin + column * (width + layout.gap), upper + heading)
            draw_card(page, tile, corner, layout, FIRST if tile.highlight else None)
    return signed(page)
