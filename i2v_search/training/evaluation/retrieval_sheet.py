"""Contact sheets to judge encoders by eye: random queries, and what each encoder finds for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.images.signature import signed
from i2v_search.pictures.drawing.cards import Tile
from i2v_search.pictures.drawing.sheets import contact_sheet

TILE = 104


def comparison_sheet(
    picture: Callable[[int], Image.Image],
    labels: Sequence[str],
    queries: Sequence[int] | NDArray[np.int64],
    hits: Mapping[str, NDArray[np.int64]],
    *,
    tile_size: int = TILE,
) -> Image.Image:
    """Draw a row for each query: the query, then each encoder's hits; those of its label are framed.

    Args:
        picture: gives the picture of a row.
        labels: labels of all rows, shown below each picture.
        queries: q rows.
        hits: (q, k) int64 rows by the name of the encoder, best first.
        tile_size: side of a picture in pixels.

    Returns:
        An RGB image.

    Example:
        >>> colours = ["red", "blue", "blue"]
        >>> hits = {"lite": np.array([[2, 0]])}
        >>> comparison_sheet(lambda row: Image.new("RGB", (9, 9), colours[row]), colours, [1], hits).mode
        'RGB'
    """
    panels = [_panel("query", [[Tile(picture(int(row)), labels[row])] for row in queries], tile_size)]
    for name, found in hits.items():
        lines = [
            [
                Tile(picture(row), labels[row], highlight=labels[row] == labels[query] != "")
                for row in line.tolist()
            ]
            for query, line in zip(queries, found, strict=True)
        ]
        panels.append(_panel(name, lines, tile_size))
    sheet = Image.new(
        "RGB", (sum(panel.width for panel in panels), max(panel.height for panel in panels)), "white"
    )
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width
    return signed(sheet)


def _panel(title: str, lines: Sequence[Sequence[Tile]], tile_size: int) -> Image.Image:
    tiles = [tile for line in lines for tile in line]
    return contact_sheet(tiles, columns=len(lines[0]), tile_size=tile_size, title=title)
