"""The canvas of a board as one picture, made from the original files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from PIL import Image

from i2v_search.collection.board_layout import GAP, LaidPicture, board_layout, bounds
from i2v_search.collection.contents import Contents
from i2v_search.errors import ImageError, QueryError
from i2v_search.images.decoding import load_image
from i2v_search.images.sources import Skipped
from i2v_search.pictures.thumbnails import missing
from i2v_search.store.annotations.boards import Board

#: The largest picture: pixels of a side, and in all.
MAX_SIDE: Final = 8192
MAX_PIXELS: Final = 32_000_000
GROUND: Final = (244, 244, 242)
#: Times that a picture is enlarged from which its pixels are shown as squares.
_SQUARES_FROM: Final = 2

#: Decodes a file's content into RGB, its shorter side at least as given where the file has as much.
Decode: TypeAlias = Callable[[bytes, int], Image.Image]


def decode_here(content: bytes, shrink_to: int) -> Image.Image:
    """Decode in this process."""
    return load_image(content, shrink_to=shrink_to)


def board_picture(
    collection: Contents,
    board: Board,
    *,
    side: int = MAX_SIDE,
    decode: Decode = decode_here,
    on_missing: Callable[[Skipped], None] = lambda _: None,
) -> Image.Image:
    """Draw a board as its pictures lie on the canvas; in rows where nobody laid them.

    The picture is as large as its most detailed picture asks for: no side above `side`, and at most
    32 million pixels in all. One original is in memory at a time.

    Args:
        collection: the collection.
        board: the board.
        side: maximum pixels of a side, 1 to 8192.
        decode: decodes the content of a file.
        on_missing: is told of each image that cannot be read, which is a grey box.

    Returns:
        An RGB image.

    Raises:
        QueryError: the board has no pictures of the collection, or `side` is out of range.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> board = art.annotations.boards.make("Fruit")
        >>> art.annotations.boards.put(board.id, [art["fruit/lemon.webp"], art["fruit/apple.webp"]])
        2
        >>> max(board_picture(art, board, side=640).size)
        640
    """
    if not 1 <= side <= MAX_SIDE:
        raise QueryError(f"the side of a picture must be 1 to {MAX_SIDE:,} pixels, got {side:,}")
    laid = board_layout(collection, board)
    if not laid:
        raise QueryError(f"there is nothing to draw on board {board.name!r}")
    left, top, right, bottom = bounds(laid)
    left, top, width, height = left - GAP, top - GAP, right - left + 2 * GAP, bottom - top + 2 * GAP
    zoom = _zoom(laid, width, height, side)
    page = Image.new("RGB", (_pixels(width * zoom), _pixels(height * zoom)), GROUND)
    for picture in sorted(laid, key=lambda each: each.place.depth):
        place = picture.place
        size = _pixels(picture.width * place.scale * zoom), _pixels(picture.height * place.scale * zoom)
        try:
            drawn = decode(collection.image_bytes(picture.image), max(1, min(size)))
        except ImageError as error:
            on_missing(Skipped(collection.stored_path(picture.image), error.reason))
            drawn = missing(1)
        drawn = _turned(_sized(drawn, size), place.rotation)
        middle = (place.x - left) * zoom, (place.y - top) * zoom
        corner = round(middle[0] - drawn.width / 2), round(middle[1] - drawn.height / 2)
        page.paste(drawn, corner, drawn if drawn.mode == "RGBA" else None)
    return page


def png(picture: Image.Image) -> bytes:
    """A large picture as the content of a PNG file: some larger than could be, in a third of the time."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _zoom(laid: Sequence[LaidPicture], width: float, height: float, side: int) -> float:
    """Pixels of a unit of the canvas: all of the most detailed picture, as far as the bounds allow."""
    finest = max(1 / picture.place.scale for picture in laid)
    # A side is rounded up to a pixel at least.
    return min(finest, (side - 0.5) / max(width, height), math.sqrt(MAX_PIXELS / (width * height)))


def _pixels(length: float) -> int:
    return max(1, round(length))


def _sized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    enlarged = size[0] >= _SQUARES_FROM * picture.width
    resampling = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return picture.resize(size, resampling, reducing_gap=3.0)


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    """A picture turned clockwise; RGBA with smooth edges where it is no longer upright."""
    if degrees % 90 == 0:
        return picture.rotate(-degrees, expand=True)
    framed = Image.new("RGBA", (picture.width + 2, picture.height + 2))
    framed.paste(picture, (1, 1))
    return framed.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
