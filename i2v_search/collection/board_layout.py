"""The canvas of a board: its pictures where people laid them, and rows for those that nobody laid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from i2v_search.collection.board_files import BoardContents
from i2v_search.collection.contents import Contents
from i2v_search.store.annotations.boards import Board
from i2v_search.store.annotations.layouts import Place

#: Height of a row, and what is left free around a picture, in units of the canvas.
ROW: Final = 300.0
GAP: Final = 16.0
#: Width over height of the rows of a board.
_SHAPE: Final = 1.5
#: A picture that is narrower or wider has a cell of this shape.
_NARROWEST, _WIDEST = 1 / 4, 4.0

#: Left, top, right and bottom.
Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class LaidPicture:
    """An image of the collection on the canvas of a board.

    Attributes:
        image: its id.
        width: in pixels, as displayed.
        height: in pixels.
        place: where it lies.
        is_kept: whether people laid it there; the others lie in rows below.
    """

    image: int
    width: int
    height: int
    place: Place
    is_kept: bool

    @property
    def box(self) -> Box:
        """The upright box around it, in units of the canvas."""
        turn = math.radians(self.place.rotation)
        across, down = abs(math.cos(turn)), abs(math.sin(turn))
        half = self.place.scale / 2
        wide = (self.width * across + self.height * down) * half
        high = (self.width * down + self.height * across) * half
        x, y = self.place.x, self.place.y
        return x - wide, y - high, x + wide, y + high


def board_layout(collection: Contents, board: Board, *, arranged: bool = False) -> tuple[LaidPicture, ...]:
    """The images of a board on its canvas, in the board's order.

    Args:
        collection: the collection.
        board: the board.
        arranged: puts all in rows, whatever places they have; their groups stay.
    """
    contents = BoardContents.of(collection, board)
    kept = collection.annotations.layouts.of(board.id)
    images = {
        image: picture.sha256
        for image, picture in zip(contents.ids, contents.pictures, strict=True)
        if image is not None
    }
    sizes = {image: _size(collection, image) for image in images}
    laid = [
        LaidPicture(image, *sizes[image], kept[sha256], is_kept=True)
        for image, sha256 in images.items()
        if sha256 in kept and not arranged
    ]
    found = {picture.image: picture for picture in laid}
    new = [image for image in images if image not in found]
    depth = max((picture.place.depth for picture in laid), default=-1.0)
    below = bounds(laid) if laid else None
    for image, place in zip(new, rows([sizes[image] for image in new], below), strict=True):
        depth += 1
        known = kept.get(images[image])
        group = known.group if known else None
        found[image] = LaidPicture(
            image, *sizes[image], replace(place, depth=depth, group=group), is_kept=False
        )
    return tuple(found[image] for image in images)


def lay_out(collection: Contents, board: Board, places: Mapping[int, Place]) -> None:
    """Keep the places of images on the canvas of a board, and those where the others lie until now.

    Raises:
        NoSuchImageError: the collection holds no such image.
        QueryError: there is no such board.
    """
    laid = [(collection[image], place) for image, place in places.items()]
    others = [
        (collection[picture.image], picture.place)
        for picture in board_layout(collection, board)
        if not picture.is_kept and picture.image not in places
    ]
    collection.annotations.layouts.lay(board.id, laid, others)


def bounds(pictures: Sequence[LaidPicture]) -> Box:
    """The box around pictures, of which there is at least one."""
    left, top, right, bottom = zip(*(picture.box for picture in pictures), strict=True)
    return min(left), min(top), max(right), max(bottom)


def rows(sizes: Sequence[tuple[int, int]], below: Box | None = None) -> list[Place]:
    """Places in rows of one width, in which no picture covers another.

    Args:
        sizes: width and height of each picture in pixels.
        below: what the rows lie under; without it their middle is that of the canvas.

    Example:
        >>> places = rows([(600, 300), (300, 300), (300, 300)])
        >>> [(round(place.x), round(place.y), round(place.scale, 2)) for place in places]
        [(-134, -158, 0.84), (259, -158, 0.84), (-235, 134, 1.0)]
    """
    shapes = [min(_WIDEST, max(_NARROWEST, wide / high)) for wide, high in sizes]
    area = sum((shape * ROW + GAP) * (ROW + GAP) for shape in shapes)
    width = max(
        math.sqrt(area * _SHAPE), below[2] - below[0] if below else 0.0, *(s * ROW for s in shapes), 1.0
    )
    places: list[Place] = []
    top = 0.0
    for start, end in _breaks(shapes, width):
        inside = shapes[start:end]
        free = width - GAP * (len(inside) - 1)
        # The last row is not stretched, and none is higher than the others.
        height = min(ROW, free / sum(inside))
        left = 0.0
        for shape, (wide, high) in zip(inside, sizes[start:end], strict=True):
            scale = min(shape * height / wide, height / high)
            places.append(Place(left + shape * height / 2, top + height / 2, scale))
            left += shape * height + GAP
        top += height + GAP
    left, upper = (below[0], below[3] + GAP) if below else (-width / 2, -(top - GAP) / 2)
    return [replace(place, x=place.x + left, y=place.y + upper) for place in places]


def _breaks(shapes: Sequence[float], width: float) -> list[tuple[int, int]]:
    """Where each row begins and ends: a row is full once it would be as wide as all, or wider."""
    found: list[tuple[int, int]] = []
    start, used = 0, 0.0
    for at, shape in enumerate(shapes, 1):
        used += shape * ROW + GAP
        if used - GAP >= width:
            found.append((start, at))
            start, used = at, 0.0
    return [*found, (start, len(shapes))] if start < len(shapes) else found


def _size(collection: Contents, image: int) -> tuple[int, int]:
    width, height = collection[image].size
    return max(1, width), max(1, height)
