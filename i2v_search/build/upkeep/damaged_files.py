"""A damaged feature file, mapped as far as the places of its arrays are known.

They are written down twice: in the user block (`i2v_search.store.arrays`), which a checksum vouches for, and
in the messages by which the HDF5 library finds them (HDF5 File Format Specification, IV.A.2.i: data layout,
version 3, contiguous). Where the first is damaged, the second is searched for byte by byte; the library
itself, which damage can crash, reads nothing.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import re
import struct
from pathlib import Path

import numpy as np

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import open_regular
from i2v_search.store.arrays import USER_BLOCK, ArrayFile, Places, read_user_block, view_arrays
from i2v_search.store.feature_file import FORMAT, Capacity, capacity_of, part_layout

#: A data layout message (type 8, 24 bytes, version 3, contiguous), then address and size in bytes.
_LAYOUT_MESSAGE = re.compile(rb"\x08\0\x18\0.\0\0\0\x03\x01(.{16})", re.DOTALL)
#: What is no file that could be read, in contrast to a drive or permissions that fail just now.
NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO})
#: A file that was cut is filled up with zeros to the size that it had, up to this one.
_MOST_BYTES = 2**30


def map_damaged(path: Path, dimension: int) -> ArrayFile:
    """Map a feature file; what was cut off reads as zeros, what was put behind it is not looked at.

    Raises:
        CollectionDamagedError: it is missing, or nothing tells where its arrays are.
        OSError: it is there and cannot be read now.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else mmap.mmap(-1, 1)
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise CollectionDamagedError(f"{path} {reason}") from None
    try:
        places = find_places(content, dimension)
    except ValueError as error:
        raise CollectionDamagedError(f"{path} cannot be read ({error})") from error
    end = max(offset + _bytes(dtype, shape) for dtype, shape, offset in places.values())
    if end > len(content):
        if end > _MOST_BYTES:
            raise CollectionDamagedError(f"{path} cannot be read (truncated: {size} bytes, expected {end})")
        padded = mmap.mmap(-1, end)
        padded[: len(content)] = content[:]
        content = padded
    return view_arrays(FORMAT, places, content)


def find_places(content: mmap.mmap, dimension: int) -> Places:
    """Locate the arrays of a feature file.

    Raises:
        ValueError: nothing tells.
    """
    try:
        kind, _, places = read_user_block(content[:USER_BLOCK])
    except ValueError:
        found = _places_of_messages(content, dimension)
        if found is None:
            raise
        return found
    if kind != FORMAT or places.keys() != _layout(0, dimension).keys():
        raise ValueError(f"it is {kind!r}, expected {FORMAT!r}")
    return places


def _places_of_messages(content: mmap.mmap, dimension: int) -> Places | None:
    """The places by the HDF5 library's own messages, which lie in the file in the order of the layout."""
    messages = [struct.unpack("<QQ", match[1]) for match in _LAYOUT_MESSAGE.finditer(content)]
    one = _layout(1, dimension)
    if len(messages) != len(one):
        return None
    found = dict(zip(one, messages, strict=True))
    capacity = capacity_of(lambda name: found[name][1] // _bytes(*one[name]))
    layout = part_layout(capacity, dimension)
    for name, (address, size) in found.items():
        if size != _bytes(*layout[name]) or (size and address + size > _MOST_BYTES):
            return None
    return {
        name: (*layout[name], USER_BLOCK + address if size else USER_BLOCK)
        for name, (address, size) in found.items()
    }


def _layout(rows: int, dimension: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    return part_layout(Capacity(rows, rows, rows, rows, rows), dimension)


def _bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize
