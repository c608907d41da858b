"""Pictures for people: contact sheets of search results, rows of copies, morphs as a strip from A to B."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from i2v_search.errors import I2VSearchError

_PAGE = (255, 255, 255)
_CARD = (241, 243, 246)
_PANEL = (255, 255, 255)
_INK = (24, 28, 38)
_MUTED = (104, 112, 128)
_ARROW = (160, 168, 182)
_ACCENT = (79, 70, 229)
_FIRST = (13, 148, 136)
_LAST = (225, 82, 40)

_SMOOTH = 4
# The built-in face knows little beyond ASCII. Others are looked up by file name where the system keeps fonts.
_OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "YuGothM.ttc",
    "msgothic.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
)

_Colour = tuple[int, int, int]
_Box = tuple[int, int, int, int]


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
class _Layout:
    """All lengths in pixels, in proportion to the side of a picture."""

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
        return self.scaled(28)

    @property
    def gap(self) -> int:
        return self.scaled(18)

    @property
    def padding(self) -> int:
        return self.scaled(10)

    @property
    def text(self) -> int:
        return max(10, self.scaled(14))

    @property
    def caption(self) -> int:
        return self.text + 2 * self.padding + self.note

    @property
    def note(self) -> int:
        """What the second line below a picture adds."""
        return round(self.text * 1.4) if self.has_notes else 0

    @property
    def heading(self) -> int:
        return round(self.text * 1.15)

    @property
    def card(self) -> tuple[int, int]:
        return self.side + 2 * self.padding, self.side + self.padding + self.caption

    @property
    def title(self) -> int:
        return round(self.text * 1.7)

    def header(self, title: str | None) -> int:
        """Height of everything above the first card."""
        return self.margin if title is None else self.margin + self.title + self.scaled(22)


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
    layout = _Layout(tile_size, any(tile.note for tile in tiles))
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
        _PAGE,
    )
    _draw_title(page, title, layout)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        corner = (layout.margin + column * (width + layout.gap), top + row * (height + layout.gap))
        _draw_card(page, tile, corner, layout, _ACCENT if tile.highlight else None)
    return page


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
    layout = _Layout(tile_size, any(tile.note for row in rows for tile in row.tiles))
    width, height = layout.card
    heading = layout.heading + layout.scaled(14)
    step = heading + height + layout.margin
    top, columns = layout.header(title), max(len(row.tiles) for row in rows)
    page = Image.new(
        "RGB",
        (2 * layout.margin + columns * width + (columns - 1) * layout.gap, top + len(rows) * step),
        _PAGE,
    )
    _draw_title(page, title, layout)
    for number, row in enumerate(rows):
        upper = top + number * step
        text, font = _fit_text(row.heading, layout.heading, page.width - 2 * layout.margin)
        baseline = upper + round(layout.heading * 0.85)
        ImageDraw.Draw(page).text((layout.margin, baseline), text, fill=_MUTED, font=font, anchor="ls")
        for column, tile in enumerate(row.tiles):
            corner = (layout.margin + column * (width + layout.gap), upper + heading)
            _draw_card(page, tile, corner, layout, _FIRST if tile.highlight else None)
    return page


def morph_strip(
    tiles: Sequence[Tile],
    *,
    title: str | None = None,
    tile_size: int = 220,
    hops: Sequence[float] | None = None,
) -> Image.Image:
    """Draw a morph as one row of cards with arrows between them; the ends are framed and marked A and B.

    Args:
        tiles: A, the intermediates and B: at least two.
        title: a line above the cards.
        tile_size: side of the square each picture is fitted into, in pixels.
        hops: the distance of each tile to the next, written over its arrow; one fewer than tiles.

    Returns:
        An RGB image.

    Raises:
        I2VSearchError: fewer than two tiles, a wrong number of hops, or a tile size below 32.

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
    layout = _Layout(tile_size)
    width, height = layout.card
    gap = layout.scaled(64)
    top = layout.header(title)
    page = Image.new(
        "RGB",
        (2 * layout.margin + len(tiles) * width + (len(tiles) - 1) * gap, top + height + layout.margin),
        _PAGE,
    )
    _draw_title(page, title, layout)
    frames: list[_Colour | None] = [_ACCENT if tile.highlight else None for tile in tiles]
    frames[0], frames[-1] = _FIRST, _LAST
    lefts = [layout.margin + number * (width + gap) for number in range(len(tiles))]
    for tile, left, frame in zip(tiles, lefts, frames, strict=True):
        _draw_card(page, tile, (left, top), layout, frame)
    middle = top + layout.padding + layout.side // 2
    for number, (left, right) in enumerate(pairwise(lefts)):
        label = None if hops is None else f"{hops[number]:.2f}"
        _draw_arrow(page, (left + width, right), middle, label, layout)
    for left, letter, colour in ((lefts[0], "A", _FIRST), (lefts[-1], "B", _LAST)):
        _draw_badge(page, (left, top), letter, colour, layout)
    return page


def _draw_title(page: Image.Image, title: str | None, layout: _Layout) -> None:
    if title is None:
        return
    text, font = _fit_text(title, layout.title, page.width - 2 * layout.margin)
    baseline = layout.margin + round(layout.title * 0.85)
    ImageDraw.Draw(page).text((layout.margin, baseline), text, fill=_INK, font=font, anchor="ls")


def _draw_card(
    page: Image.Image, tile: Tile, corner: tuple[int, int], layout: _Layout, frame: _Colour | None
) -> None:
    left, top = corner
    width, height = layout.card
    radius = layout.scaled(14)
    card = (left, top, left + width, top + height)
    if frame is not None:
        border = layout.scaled(3)
        outside = (card[0] - border, card[1] - border, card[2] + border, card[3] + border)
        _draw_rounded(page, outside, radius + border, frame)
    _draw_rounded(page, card, radius, _CARD)

    panel = Image.new("RGB", (layout.side, layout.side), _PANEL)
    picture = _fitted(tile.image, layout.side)
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
        font = _built_in(layout.text)
        draw.text((left + width - inset, baseline), score, fill=_MUTED, font=font, anchor="rs")
        room -= round(font.getlength(score)) + layout.scaled(8)
    text, font = _fit_text(tile.caption, layout.text, room)
    draw.text((left + inset, baseline), text, fill=_INK, font=font, anchor="ls")
    if tile.note:
        text, font = _fit_text(tile.note, round(layout.text * 0.9), width - 2 * inset)
        draw.text((left + inset, baseline + layout.note), text, fill=_MUTED, font=font, anchor="ls")


def _draw_arrow(
    page: Image.Image, between: tuple[int, int], middle: int, label: str | None, layout: _Layout
) -> None:
    """An arrow across the gap between two cards, with its label above."""
    start, stop = between[0] + layout.scaled(12), between[1] - layout.scaled(12)
    head, thickness = layout.scaled(7), layout.scaled(2)
    size = (stop - start, 2 * head + 2)
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    draw = ImageDraw.Draw(large)
    tip, centre, reach = large.width - thickness * _SMOOTH, large.height // 2, head * _SMOOTH
    stroke = thickness * _SMOOTH
    draw.line([(0, centre), (tip, centre)], fill=255, width=stroke)
    chevron = [(tip - reach, centre - reach), (tip, centre), (tip - reach, centre + reach)]
    draw.line(chevron, fill=255, width=stroke, joint="curve")
    mask = large.resize(size, Image.Resampling.LANCZOS)
    page.paste(_ARROW, (start, middle - size[1] // 2), mask)
    if label is not None:
        place = ((between[0] + between[1]) // 2, middle - head - layout.scaled(8))
        font = _built_in(layout.text)
        ImageDraw.Draw(page).text(place, label, fill=_MUTED, font=font, anchor="ms")


def _draw_badge(
    page: Image.Image, corner: tuple[int, int], letter: str, colour: _Colour, layout: _Layout
) -> None:
    """A disc with a letter, centred a little inside the upper left corner of a card."""
    size = layout.scaled(32)
    left, top = corner[0] - layout.scaled(8), corner[1] - layout.scaled(8)
    ring = layout.scaled(3)
    _draw_rounded(page, (left - ring, top - ring, left + size + ring, top + size + ring), size, _PAGE)
    _draw_rounded(page, (left, top, left + size, top + size), size, colour)
    font = _built_in(layout.scaled(18))
    ImageDraw.Draw(page).text(
        (left + size / 2, top + size / 2 + font.size * 0.36), letter, fill=_PAGE, font=font, anchor="ms"
    )


def _draw_rounded(page: Image.Image, box: _Box, radius: int, colour: _Colour) -> None:
    page.paste(colour, box, rounded_mask((box[2] - box[0], box[3] - box[1]), radius))


@lru_cache(maxsize=32)
def rounded_mask(size: tuple[int, int], radius: int) -> Image.Image:
    """A rectangle with smooth round corners: Pillow's own are jagged, so it is drawn large and reduced."""
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    corner = min(radius, min(size) // 2) * _SMOOTH
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), corner, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """The whole image as RGB, its longer side `side` pixels, transparency over white."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.mode not in {"RGB", "RGBA", "L"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # The reducing gap makes the cost of a huge picture that of reading it once.
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if small.mode == "RGBA":
        backdrop = Image.new("RGBA", size, (*_PANEL, 255))
        small = Image.alpha_composite(backdrop, small)
    return small.convert("RGB")


def _fit_text(text: str, size: int, room: int) -> tuple[str, FreeTypeFont]:
    """One printable line of at most `room` pixels, and the font that can draw it."""
    # File names may hold undecodable bytes as lone surrogates, which no font can draw.
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    text = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())
    font = _font_for(text, size)
    if font.getlength(text) <= room:
        return text, font
    shortest, longest = 0, len(text)
    while shortest < longest:
        length = (shortest + longest + 1) // 2
        if font.getlength(_cut(text, length)) <= room:
            shortest = length
        else:
            longest = length - 1
    return _cut(text, shortest), font


def _cut(text: str, length: int) -> str:
    """At most the first `length` characters and an ellipsis; a letter is never parted from its accents."""
    while 0 < length < len(text) and (
        unicodedata.combining(text[length]) or "\u200d" in text[length - 1 : length + 1]
    ):
        length -= 1
    return text[:length].rstrip(" ._-") + "…"


@lru_cache(maxsize=32)
def _built_in(size: int) -> FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise I2VSearchError("this build of Pillow has no FreeType support; install Pillow from PyPI")
    return font


@lru_cache(maxsize=64)
def _installed(name: str, size: int) -> FreeTypeFont | None:
    """A font of this system by file name, None where it has none."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _font_for(text: str, size: int) -> FreeTypeFont:
    """The built-in font, or the installed one that has a glyph for more of the characters."""
    characters = frozenset(text)
    best, most = _built_in(size), _covered(None, characters)
    for name in _OTHER_FONTS:
        if most == len(characters):
            break
        font, found = _installed(name, size), _covered(name, characters)
        if font is not None and found > most:
            best, most = font, found
    return best


def _covered(name: str | None, characters: frozenset[str]) -> int:
    return sum(_has_glyph(name, character) for character in characters)


@lru_cache(maxsize=4096)
def _has_glyph(name: str | None, character: str) -> bool:
    if character.isspace() or unicodedata.category(character) in {"Mn", "Cf"}:
        return True
    font = _built_in(16) if name is None else _installed(name, 16)
    if font is None:
        return False
    glyph, missing = font.getmask(character), font.getmask("\U0010ffff")
    return (glyph.size, bytes(glyph)) != (missing.size, bytes(missing))
