"""Reading files and streams from strangers: regular files only, and never more than a bounded size."""

import os
import stat
from typing import BinaryIO, Final

from i2v_search.errors import ImageError
from i2v_search.images.reasons import error_reason

MAX_BYTES: Final = 256 * 2**20


def open_regular_file(path: str | os.PathLike[str], name: str | None = None) -> BinaryIO:
    """Open a regular file for reading, unbuffered; never wait on a pipe, never touch a device.

    The kind is looked at before opening, because opening can already act on a device, and again afterwards,
    because the name may by then mean something else. Raises `ImageError`.
    """
    label = name if name is not None else os.fsdecode(path)
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    )
    try:
        _refuse_special(os.stat(path).st_mode, label)  # noqa: PTH116 - works for bytes too
        descriptor = os.open(path, flags)
        try:
            _refuse_special(os.fstat(descriptor).st_mode, label)
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb", buffering=0)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(label, error_reason(error)) from error


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


def _refuse_special(mode: int, label: str) -> None:
    if not stat.S_ISREG(mode):
        raise ImageError(label, f"{describe_special(mode)}, not a file")


def describe_special(mode: int) -> str:
    """Name the kind of a directory entry from its `st_mode`: "a named pipe", "a folder" and so on."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISREG, "a file"),
    )
    return next((kind for test, kind in kinds if test(mode)), "a device")
