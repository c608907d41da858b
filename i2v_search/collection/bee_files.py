"""A board as a file of BeeRef: an SQLite database with places of pictures, and their files.

The format is that of BeeRef 0.3.4 (https://github.com/rbreu/beeref, ``beeref/fileio/schema.py``), version 2.
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from PIL import Image

from i2v_search.collection.board_layout import LaidPicture, board_layout
from i2v_search.collection.bundles import safe_name
from i2v_search.collection.contents import Contents
from i2v_search.errors import ImageError
from i2v_search.files import replacing
from i2v_search.images.decoding import load_image
from i2v_search.images.sources import Skipped
from i2v_search.store.annotations.boards import Board

_APPLICATION_ID: Final = 2060242126
_VERSION: Final = 2
_TABLES: Final = (
    """CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        x REAL DEFAULT 0,
        y REAL DEFAULT 0,
        z REAL DEFAULT 0,
        scale REAL DEFAULT 1,
        rotation REAL DEFAULT 0,
        flip INTEGER DEFAULT 1,
        data JSON
    )""",
    """CREATE TABLE sqlar (
        name TEXT PRIMARY KEY,
        item_id INTEGER NOT NULL,
        mode INT,
        mtime INT DEFAULT current_timestamp,
        sz INT,
        data BLOB,
        FOREIGN KEY (item_id) REFERENCES items (id) ON DELETE CASCADE ON UPDATE NO ACTION
    )""",
)
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
#: Bytes at the beginning of a file in which an orientation would stand.
_HEAD: Final = 2**18
_PIECE: Final = 2**20

#: Decodes a file's content into RGB.
Decode: TypeAlias = Callable[[bytes], Image.Image]


def write_bee(
    collection: Contents, board: Board, out: Path, *, decode: Decode = load_image
) -> tuple[Skipped, ...]:
    """Write the canvas of a board as a file of BeeRef; an existing file is replaced.

    PNG and JPEG files are embedded as they are, unless they say how they are to be turned, which BeeRef does
    not heed. All others are converted.

    Args:
        collection: the collection.
        board: the board.
        out: the file.
        decode: decodes the content of a file.

    Returns:
        What could not be read.

    Raises:
        OSError: it cannot be written.
    """
    skipped: list[Skipped] = []
    with replacing(out) as temporary, closing(sqlite3.connect(temporary)) as file:
        file.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        file.execute(f"PRAGMA user_version = {_VERSION}")
        with file:
            for table in _TABLES:
                file.execute(table)
            for number, picture in enumerate(board_layout(collection, board), 1):
                path = collection.stored_path(picture.image)
                try:
                    ending, content = _embedded(collection.image_bytes(picture.image), decode)
                except ImageError as error:
                    skipped.append(Skipped(path, error.reason))
                else:
                    _add(file, number, picture, f"{PurePosixPath(safe_name(path)).stem}.{ending}", content)
    return tuple(skipped)


def bee_pieces(collection: Contents, board: Board, *, decode: Decode = load_image) -> Iterator[bytes]:
    """The bytes of that file in pieces; until the last is taken, it lies in the folder of temporary files."""
    with TemporaryDirectory(prefix="i2v-search-") as folder:
        path = Path(folder) / "board.bee"
        write_bee(collection, board, path, decode=decode)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


def _add(file: sqlite3.Connection, number: int, picture: LaidPicture, name: str, content: bytes) -> None:
    place = picture.place
    # BeeRef scales and turns a picture about its upper left corner, and keeps where that lies.
    turn = math.radians(place.rotation)
    right, down = picture.width * place.scale / 2, picture.height * place.scale / 2
    x = place.x - right * math.cos(turn) + down * math.sin(turn)
    y = place.y - right * math.sin(turn) - down * math.cos(turn)
    file.execute(
        "INSERT INTO items VALUES (?, 'pixmap', ?, ?, ?, ?, ?, 1, ?)",
        (number, x, y, place.depth, place.scale, place.rotation, json.dumps({"filename": name})),
    )
    file.execute(
        "INSERT INTO sqlar (name, item_id, mode, sz, data) VALUES (?, ?, ?, ?, ?)",
        (f"{number:04d}-{name}", number, 0o644, len(content), content),
    )


def _embedded(content: bytes, decode: Decode) -> tuple[str, bytes]:
    """Ending and content of a file as BeeRef reads it."""
    turned = b"Exif" in content[:_HEAD] or b"eXIf" in content[:_HEAD]
    if content.startswith((_PNG, _JPEG)) and not turned:
        return ("png" if content.startswith(_PNG) else "jpg"), content
    file = io.BytesIO()
    if content.startswith(_JPEG):
        decode(content).save(file, "JPEG", quality=95, subsampling=0)
        return "jpg", file.getvalue()
    decode(content).save(file, "PNG")
    return "png", file.getvalue()
