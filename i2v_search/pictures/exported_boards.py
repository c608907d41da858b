"""A board as a file for other programs, or a folder of them."""

from __future__ import annotations

from pathlib import Path

from i2v_search.collection.bee_files import write_bee
from i2v_search.collection.board_files import RECORD, BoardContents, record_bytes
from i2v_search.collection.bundles import zip_pieces
from i2v_search.collection.contents import Contents
from i2v_search.errors import ImageError
from i2v_search.files import replacing, write_atomically
from i2v_search.images.sources import Skipped
from i2v_search.pictures.laid_boards import board_picture, png
from i2v_search.store.annotations.boards import Board


def export_board(collection: Contents, board: Board, out: Path) -> tuple[Skipped, ...]:
    """Write a board in the form that the name of a file asks for; a folder gets its files.

    - ``.zip`` and a folder: its files, with names in their order, and ``board.json``. In a folder, files of
      the same names are replaced; others stay. It opens in any viewer, and its files can be dragged into
      PureRef together.
    - ``.png``: its canvas as one picture.
    - ``.bee``: its canvas as a file of BeeRef.
    - ``.json``: all that is kept of it.

    Args:
        collection: the collection.
        board: the board.
        out: a file, or a folder, made if it is not there.

    Returns:
        What could not be read, or is not in the collection.

    Raises:
        QueryError: there is nothing to draw.
        OSError: it cannot be written.
    """
    contents = BoardContents.of(collection, board)
    record = record_bytes(contents.record(collection))
    skipped = [Skipped(picture.path, "not in the collection") for picture in contents.missing]
    match out.suffix.lower():
        case ".json":
            write_atomically(out, record)
        case ".png":
            write_atomically(out, png(board_picture(collection, board, on_missing=skipped.append)))
        case ".bee":
            skipped += write_bee(collection, board, out)
        case ".zip":
            with replacing(out) as temporary, temporary.open("wb") as file:
                unread: list[Skipped] = []
                file.writelines(zip_pieces(collection, contents.names, {RECORD: record}, unread))
                skipped += unread
        case _:
            skipped += _copied(collection, contents.names, out)
            write_atomically(out / RECORD, record)
    return tuple(skipped)


def _copied(collection: Contents, names: dict[int, str], folder: Path) -> list[Skipped]:
    folder.mkdir(parents=True, exist_ok=True)
    skipped = []
    for image, name in names.items():
        try:
            content = collection.image_bytes(image)
        except ImageError as error:
            skipped.append(Skipped(collection.stored_path(image), error.reason))
        else:
            write_atomically(folder / name, content)
    return skipped
