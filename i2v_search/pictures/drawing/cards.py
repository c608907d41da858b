"""The cards that sheets and strips are made of: a picture in a frame, a caption below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from PIL import Image, ImageChops, ImageDraw

from i2v_search.errors import I2VSearchError
from i2v_search.pictures.drawing.fonts import built_in, fit_text

PAGE = (255, 255, 255)
CARD = (241, 243, 246)
PANEL = (255, 255, 255)
INK = (24, 28, 38)
MUTED = (104, 112, 128)
ARROW = (160, 168, 182)
ACCENT = (79, 70, 229)
FIRST = (13, 148, 136)
LAST = (225, 82, 40)

#: Round shapes are drawn so many times larger and reduced: Pillow's own are jagged.
SMOOTH = 4

_ROUND = 0.07
#: Visible on white and on dark.
_EDGE = (128, 128, 128, 90)

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of a sheet or strip.

    Attributes:
        image: any mode; fitted without stretching, transparency over white.
        caption: one line below the picture, cut with an ellipsis where it is too long.
        score: shown to two decimals at the right of the caption.
        highlight: draws a coloured frame, for the query among its hits.
        note: a second line below the caption, paler.
    """

    image: Image.Image
    caption: str
    score: float | None = None
    highlight: bool = False
    note: str = ""


@dataclass(frozen=True)
class TileRow:
    """Tiles that belong together, and a line above them that says why."""

    heading: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Layout:
    """All lengths in pixels, in proportion to the side of a picture.

    Attributes:
        side: side of the square each picture is fitted into.
        has_notes: whether any card has a second line.

    Raises:
        I2VSearchError: the side is below 32.
    """

    side: int
    has_notes: bool = False

    def __post_init__(self) -> None:
        if self.side < 32:
            raise I2VSearchError(f"tile_size must be at least 32 pixels, got {self.side}")

    def scaled(self, length: float) -> int:
        """A length given for tiles of 200 pixels."""
        return max(1, round(length * self.side / 200))

    @property
    def margin(self) -> int:
        """Around the page."""
        return self.scaled(28)

    @property
    def gap(self) -> int:
        """Between cards."""
        return self.scaled(18)

    @property
    def padding(self) -> int:
        """Of a card around its picture."""
        return self.scaled(10)

    @property
    def text(self) -> int:
        """Size of captions."""
        return max(10, self.scaled(14))

    @property
    def caption(self) -> int:
        """Height of all lines below a picture."""
        return self.text + 2 * self.padding + self.note

    @property
    def note(self) -> int:
        """Text of the second line below a picture."""
        return round(self.text * 1.4) if self.has_notes else 0

    @property
    def heading(self) -> int:
        """Size of the line above a row."""
        return round(self.text * 1.15)

    @property
    def card(self) -> tuple[int, int]:
        """Width and height of a card."""
        return self.side + 2 * self.padding, self.side + self.padding + self.caption

    @property
    def title(self) -> int:
        """Size of the line above everything."""
        return round(self.text * 1.7)

    def header(self, title: str | None) -> int:
        """Height of everything above the first card."""
        return self.margin if title is None else self.margin + self.title + self.scaled(22)


def draw_title(page: Image.Image, title: str | None, layout: Layout) -> None:
    """Write the line above everything, if there is one."""
    if title is None:
        return
    text, font = fit_text(title, layout.title, page.width - 2 * layout.margin)
    baseline = layout.margin + round(layout.title * 0.85)
    ImageDraw.Draw(page).text((layout.margin, baseline), text, fill=INK, font=font, anchor="ls")


def draw_card(
    page: Image.Image, tile: Tile, corner: tuple[int, int], layout: Layout, frame: Colour | None
) -> None:
    """Draw a tile as a rounded card with its top left corner at `corner`, framed where a colour is given."""
    left, top = corner
    width, height = layout.card
    radius = layout.scaled(14)
    card = (left, top, left + width, top + height)
    if frame is not None:
        border = layout.scaled(3)
        outside = (card[0] - border, card[1] - border, card[2] + border, card[3] + border)
        draw_rounded(page, outside, radius + border, frame)
    draw_rounded(page, card, radius, CARD)

    panel = Image.new("RGB", (layout.side, layout.side), PANEL)
    picture = fitted(tile.image, layout.side)
    panel.paste(picture, ((layout.side - picture.width) // 2, (layout.side - picture.height) // 2))
    mask = rounded_mask(panel.size, layout.scaled(8))
    page.paste(panel, (left + layout.padding, top + layout.padding), mask)

    draw = ImageDraw.Draw(page)
    # Captions share one baseline whatever letters they hold: capitals are some 0.7 of the text size.
    caption_top = top + layout.padding + layout.side
    baseline = caption_top + (layout.caption - layout.note + round(layout.text * 0.7)) // 2
    inset = layout.padding + layout.scaled(2)
    room = width - 2 * inset
    if tile.score is not None:
        score = f"{tile.score:.2f}"
        font = built_in(layout.text)
        draw.text((left + width - inset, baseline), score, fill=MUTED, font=font, anchor="rs")
        room -= round(font.getlength(score)) + layout.scaled(8)
    text, font = fit_text(tile.caption, layout.text, room)
    draw.text((left + inset, baseline), text, fill=INK, font=font, anchor="ls")
    if tile.note:
        text, font = fit_text(tile.note, round(layout.text * 0.9), width - 2 * inset)
        draw.text((left + inset, baseline + layout.note), text, fill=MUTED, font=font, anchor="ls")


def draw_badge(
    page: Image.Image, corner: tuple[int, int], letter: str, colour: Colour, layout: Layout
) -> None:
    """A disc with a letter, centred a little inside the upper left corner of a card."""
    size = layout.scaled(32)
    left, top = corner[0] - layout.scaled(8), corner[1] - layout.scaled(8)
    ring = layout.scaled(3)
    draw_rounded(page, (left - ring, top - ring, left + size + ring, top + size + ring), size, PAGE)
    draw_rounded(page, (left, top, left + size, top + size), size, colour)
    font = built_in(layout.scaled(18))
    ImageDraw.Draw(page).text(
        (left + size / 2, top + size / 2 + font.size * 0.36), letter, fill=PAGE, font=font, anchor="ms"
    )


def draw_rounded(page: Image.Image, box: Box, radius: int, colour: Colour) -> None:
    """Fill a box with smooth round corners."""
    page.paste(colour, box, rounded_mask((box[2] - box[0], box[3] - box[1]), radius))


@lru_cache(maxsize=32)
def rounded_mask(size: tuple[int, int], radius: int) -> Image.Image:
    """A rectangle with smooth round corners as a mask."""
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    corner = min(radius, min(size) // 2) * SMOOTH
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), corner, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def fitted(image: Image.Image, side: int) -> Image.Image:
    """The whole image as RGB, its longer side `side` pixels, transparency over white."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.mode not in {"RGB", "RGBA", "L"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # The reducing gap makes the cost of a huge picture that of reading it once.
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if small.mode == "RGBA":
        backdrop = Image.new("RGBA", size, (*PANEL, 255))
        small = Image.alpha_composite(backdrop, small)
    return small.convert("RGB")


def framed(picture: Image.Image, side: int) -> Image.Image:
    """Round corners and a thin edge, so that white drawings end somewhere on white."""
    mask = rounded_mask(picture.size, round(side * _ROUND))
    tile = picture.convert("RGBA")
    if side >= 24 and min(picture.size) > 4:
        inner = Image.new("L", picture.size)
        inner.paste(rounded_mask((picture.width - 2, picture.height - 2), round(side * _ROUND) - 1), (1, 1))
        edge = Image.new("RGBA", picture.size, _EDGE)
        edge.putalpha(ImageChops.subtract(mask, inner).point(lambda value: value * _EDGE[3] // 255))
        tile.alpha_composite(edge)
    tile.putalpha(mask)
    return tile
