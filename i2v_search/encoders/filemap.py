"""A file of weights mapped into memory, and the arrays that lie in it.

Reading through a map costs no memory of its own, but every page that was touched counts as the process's own
until it is given back. `release_pages` does that, so a file of any size can pass through a few megabytes.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import WeightsError
from i2v_search.files import open_regular

BLOCK_BYTES = 2**22


class FileMap(mmap.mmap):
    """A regular file mapped read-only. Arrays made over it keep it open."""

    def release(self, start: int, stop: int) -> None:
        """Give the pages of a byte range back; whoever needs them again reads the file again."""
        if sys.platform != "win32" and hasattr(mmap, "MADV_DONTNEED"):
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            self.madvise(mmap.MADV_DONTNEED, first, stop - first)


def map_file(path: Path) -> FileMap:
    """Map a regular file for reading.

    Raises:
        WeightsError: it cannot be opened, is no regular file, or is empty.
    """
    try:
        with open_regular(path) as file:
            if not file.seek(0, 2):
                raise WeightsError(f"{path} is empty; expected a file of weights")
            return FileMap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error


def release_pages(array: NDArray[Any]) -> None:
    """Give back the pages an array touched, where it lies in a `FileMap`; elsewhere do nothing."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, FileMap) and array.size:
        origin, _ = np.lib.array_utils.byte_bounds(np.frombuffer(owner, np.uint8))
        low, high = np.lib.array_utils.byte_bounds(array)
        owner.release(low - origin, high - origin)


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut an array of at least one dimension along its first axes into views of about 4 MB, in C order."""
    row_bytes = array.nbytes // max(len(array), 1)
    if row_bytes > BLOCK_BYTES and array.ndim > 1:
        for row in array:
            yield from blocks(row)
    else:
        step = max(1, BLOCK_BYTES // max(row_bytes, 1))
        for start in range(0, len(array), step):
            yield array[start : start + step]


def float32_copy(pieces: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Join one-dimensional float arrays of any width and stride as float32, (n,), block by block."""
    joined = np.empty(sum(len(piece) for piece in pieces), np.float32)
    start = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for piece in pieces:
            for block in blocks(piece):
                joined[start : start + len(block)] = block
                start += len(block)
                release_pages(block)
    return joined
