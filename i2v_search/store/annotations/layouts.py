"""Layouts: where the pictures of a board lie on its canvas.

A change names the pictures that it moves. Of two that move one picture, the later counts; the others stay.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.store.annotations.database import AnnotationFile
from i2v_search.store.annotations.pictures import Picture, numbers_of

#: How far from the middle of the canvas a picture may lie, in units of the canvas.
FARTHEST: Final = 1e6
#: Units that a pixel may be wide.
SMALLEST_SCALE: Final = 1e-4
LARGEST_SCALE: Final = 1e4
#: How far in front, or behind, a picture may lie.
DEEPEST: Final = 1e9
#: The largest number of a group: the largest that JavaScript counts to.
LAST_GROUP: Final = 2**53 - 1


@dataclass(frozen=True)
class Place(JsonReady):
    """Where a picture lies on the canvas of a board.

    Attributes:
        x: of its middle, in units of the canvas, to the right.
        y: of its middle, downwards.
        scale: units that a pixel of the picture is wide.
        rotation: degrees clockwise, at least 0 and below 360.
        depth: what lies deeper is covered by what has more.
        group: a number that the pictures of a group share.

    Raises:
        QueryError: a number is out of bounds, or none.

    Example:
        >>> Place(0.0, 150.0, 0.5, rotation=90.0).to_dict()
        {'x': 0.0, 'y': 150.0, 'scale': 0.5, 'rotation': 90.0, 'depth': 0.0, 'group': None}
    """

    x: float
    y: float
    scale: float
    rotation: float = 0.0
    depth: float = 0.0
    group: int | None = None

    def __post_init__(self) -> None:
        sound = (
            max(abs(self.x), abs(self.y)) <= FARTHEST
            and SMALLEST_SCALE <= self.scale <= LARGEST_SCALE
            and 0 <= self.rotation < 360
            and abs(self.depth) <= DEEPEST
            and (self.group is None or 0 <= self.group <= LAST_GROUP)
            and all(map(math.isfinite, (self.x, self.y)))  # the larger of a number and NaN may be either
        )
        if not sound:
            raise QueryError(f"a picture cannot lie like this: {self}")


class Layouts:
    """The layouts of the boards of a collection.

    Args:
        file: of the collection.
    """

    def __init__(self, file: AnnotationFile) -> None:
        self._file = file

    def of(self, board: int) -> dict[str, Place]:
        """The place of each picture of a board that has one, by its SHA-256."""
        with self._file.reading() as database:
            rows = database.execute(
                "SELECT sha256, x, y, scale, rotation, depth, cluster FROM board_layouts "
                "JOIN board_pictures USING (board, picture) JOIN pictures ON id = picture WHERE board = ?",
                (board,),
            )
            return {sha256: Place(*place) for sha256, *place in rows}

    def lay(
        self,
        board: int,
        places: Iterable[tuple[Picture, Place]],
        unless_laid: Iterable[tuple[Picture, Place]] = (),
    ) -> None:
        """Give pictures of a board their places.

        Args:
            board: number of the board.
            places: pictures and where they lie from now on.
            unless_laid: places for those that have none yet.

        Raises:
            QueryError: there is no such board.
        """
        with self._file.writing() as database:
            if not database.execute(
                "SELECT 1 FROM boards WHERE id = ? AND deleted IS NULL", (board,)
            ).fetchone():
                raise QueryError(f"there is no board {board}")
            _write(database, "IGNORE", board, unless_laid)
            _write(database, "REPLACE", board, places)


def _write(
    database: sqlite3.Connection, otherwise: str, board: int, places: Iterable[tuple[Picture, Place]]
) -> None:
    chosen = list(places)
    numbers = numbers_of(database, [picture for picture, _ in chosen])
    database.executemany(
        f"INSERT OR {otherwise} INTO board_layouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - ours
        [
            (board, number, *map(float, astuple(place)[:5]), place.group)
            for number, (_, place) in zip(numbers, chosen, strict=True)
        ],
    )
