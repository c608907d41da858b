"""Reading files and streams from strangers: regular files only, and never more than a bounded size."""

import os
from typing import BinaryIO, Final

from i2v_search.errors import ImageError
from i2v_search.files import open_regular
from i2v_search.images.reasons import error_reason

MAX_BYTES: Final = 256 * 2**20


def open_regular_file(path: str | os.PathLike[str], name: str | None = None) -> BinaryIO:
    """`files.open_regular`, whose errors are an `ImageError` that calls the file `name`."""
    try:
        return open_regular(path)
    except (OSError, ValueError) as error:
        raise ImageError(name if name is not None else os.fsdecode(path), error_reason(error)) from error


def read_regular_file(
    path: str | os.PathLike[str], name: str | None = None, max_bytes: int = MAX_BYTES
) -> bytes:
    """Read a whole regular file of at most `max_bytes`; the size is looked at before anything is read.

    Raises `ImageError`.
    """
    label = name if name is not None else os.fsdecode(path)
    with open_regular_file(path, label) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ImageError(label, f"{size} bytes is over the limit of {max_bytes} bytes")
        return read_bounded(file, label, max_bytes)


def read_bounded(stream: BinaryIO, name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a stream to its end, whatever its header promised; `ImageError` above `max_bytes`."""
    blocks: list[bytes] = []
    total = 0
    try:
        while block := stream.read(2**20):
            total += len(block)
            if total > max_bytes:
                raise ImageError(name, f"more than the limit of {max_bytes} bytes")
            blocks.append(block)
        return b"".join(blocks)
    except (OSError, ValueError, TypeError, MemoryError) as error:  # it broke, is closed, or gives text
        raise ImageError(name, f"cannot be read: {error_reason(error)}") from error
