"""A board outside of the collection: its files in their order, and all that is kept of it as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from i2v_search.collection.bundles import safe_name
from i2v_search.collection.contents import Contents
from i2v_search.escapes import printable
from i2v_search.store.annotations.boards import Board
from i2v_search.store.annotations.pictures import KeptPicture

#: The file beside the pictures that says what is kept of them.
RECORD = "board.json"


@dataclass(frozen=True)
class BoardContents:
    """A board and the images of the collection that are on it.

    Attributes:
        board: the board.
        pictures: all that is on it, in its order.
        ids: the image of each; None where the collection holds none at the moment.
    """

    board: Board
    pictures: tuple[KeptPicture, ...]
    ids: tuple[int | None, ...]

    @classmethod
    def of(cls, collection: Contents, board: Board) -> BoardContents:
        """What is on a board now."""
        pictures = collection.annotations.boards.pictures(board.id)
        ids = collection.ids_of_contents([picture.sha256 for picture in pictures])
        return cls(board, pictures, tuple(ids))

    @property
    def names(self) -> dict[int, str]:
        """Name of the file of each image, which begins with its place: any file manager shows the order."""
        return {
            image: numbered_name(place, len(self.ids), picture.path)
            for place, (image, picture) in enumerate(zip(self.ids, self.pictures, strict=True), 1)
            if image is not None
        }

    @property
    def missing(self) -> tuple[KeptPicture, ...]:
        """The pictures that the collection does not hold at the moment."""
        return tuple(picture for picture, one in zip(self.pictures, self.ids, strict=True) if one is None)

    def record(self, collection: Contents) -> dict[str, Any]:
        """All that is kept of the board and its pictures, as JSON-ready values."""
        kept, names = collection.annotations.pictures, self.names
        places = collection.annotations.layouts.of(self.board.id)
        rows = []
        for image, picture in zip(self.ids, self.pictures, strict=True):
            path = picture.path if image is None else collection.stored_path(image)
            file = None if image is None else names[image]
            rows.append(
                {
                    "path": printable(path),
                    "sha256": picture.sha256,
                    "file": file,
                    **kept.of(picture.sha256).to_dict(),
                    "place": places[picture.sha256].to_dict() if picture.sha256 in places else None,
                }
            )
        return {"board": self.board.name, "note": self.board.note, "pictures": rows}


def numbered_name(place: int, total: int, path: str) -> str:
    """A file name that begins with a place among so many.

    >>> numbered_name(7, 120, "birds/an owl?.png")
    '007 an owl_.png'
    """
    return f"{place:0{max(2, len(str(total)))}d} {PurePosixPath(safe_name(path)).name}"


def record_bytes(record: dict[str, Any]) -> bytes:
    """A record as the file that people may read."""
    return json.dumps(record, indent=2, ensure_ascii=False).encode()
