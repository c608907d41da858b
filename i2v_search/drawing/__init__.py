"""Pictures from pictures: cards, sheets and strips of them; nothing here knows of collections."""

from i2v_search.drawing.cards import Tile, TileRow, fitted, framed, rounded_mask
from i2v_search.drawing.sheets import contact_sheet, row_sheet
from i2v_search.drawing.strips import morph_strip
from i2v_search.drawing.walks import draw_walk

__all__ = [
    "Tile",
    "TileRow",
    "contact_sheet",
    "draw_walk",
    "fitted",
    "framed",
    "morph_strip",
    "rounded_mask",
    "row_sheet",
]
