"""Named arrays in one HDF5 file: the files of a collection.

Every array is contiguous, uncompressed and allocated whole when the file is made, so its bytes lie at one
place that never changes. That place is written down in the file's *user block*, the first 4,096 bytes, which
HDF5 leaves to a file's owner (HDF5 File Format Specification, section II.A): a mark, a CRC-32 and the length
of a JSON object with the file's kind, its size and ``[type, shape, offset]`` of each array. We read by the
user block and never by the HDF5 library: one changed byte can make that library crash or loop for minutes,
and files come from strangers. To h5py and everything else that reads HDF5, the file is an ordinary one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError, CollectionError
from i2v_search.files import file_sha256, naming, open_regular, replacing
from i2v_search.store.manifest import FileRecord, repair_advice

KIND = "i2v-search arrays 1"
USER_BLOCK = 4096
_MORE_FILES = "let this process open more: ulimit -n"
_TYPES = ("|u1", "<i4", "<u4", "<i8", "<f2", "<f4", "<f8")
_MAGIC = b"i2v-search\n"
_PREFIX = struct.Struct(f"<{len(_MAGIC)}sII")

#: Type and shape of each array, by name; ``group/name`` is in a group.
Layout = Mapping[str, tuple[str, tuple[int, ...]]]
#: Type, shape and offset in the file of each array, by name.
Places = dict[str, tuple[str, tuple[int, ...], int]]


@dataclass(frozen=True)
class ArrayFile:
    """An open file of arrays.

    Attributes:
        kind: what the file says it is.
        arrays: by name; read-only views of one memory map.
        offsets: where in the file each begins, bytes.
        content: the memory map.
    """

    kind: str
    arrays: dict[str, NDArray[Any]]
    offsets: dict[str, int]
    content: mmap.mmap

    def sha256(self) -> str:
        """SHA-256 of the content that is mapped, whatever file has its name by now; lower-case hex.

        Raises:
            OSError: the file was cut since it was opened.
        """
        if self.content.size() != len(self.content):
            raise OSError(errno.EIO, f"{self.content.size()} bytes, {len(self.content)} when it was opened")
        return hashlib.sha256(self.content).hexdigest()

    def expect(self, offset: int, size: int) -> None:
        """Ask the system to load some bytes now, and only those, while the caller continues."""
        self._advise("MADV_WILLNEED", offset, size)

    def expect_nothing(self, offset: int, size: int) -> None:
        """Advise the system of random access to some bytes, so that it does not read ahead."""
        self._advise("MADV_RANDOM", offset, size)

    def release(self) -> None:
        """Let go of the memory that reading has mapped; the system may still keep it as a cache."""
        self._advise("MADV_DONTNEED", 0, len(self.content))

    def _advise(self, advice: str, offset: int, size: int) -> None:
        """Advice is only that: not every system takes it."""
        if hasattr(mmap, advice) and size:
            first = offset - offset % mmap.PAGESIZE
            with suppress(OSError):
                self.content.madvise(getattr(mmap, advice), first, offset + size - first)


def create_arrays(path: Path, kind: str, layout: Layout) -> dict[str, int]:
    """Make a file with space for arrays, sparse on disk and full of zeros.

    Args:
        path: path of the new file.
        kind: what the file is.
        layout: type and shape of each array.

    Returns:
        Where in the file each array begins, bytes.

    Raises:
        OSError: the disk is full or fails.
    """
    try:
        offsets = _create_hdf5(path, kind, layout)
    except (RuntimeError, OSError) as error:  # what h5py makes of a disk that is full names no file
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise OSError(f"cannot write {path}: {error}") from error
    with naming(path), path.open("rb+") as block:
        block.write(_user_block(kind, layout, offsets, path.stat().st_size))
    return offsets


def open_arrays(path: Path) -> ArrayFile:
    """Map a file of arrays, which keeps it open.

    Raises:
        CollectionDamagedError: it is missing, or not a file that `create_arrays` made.
        CollectionError: too many files are open.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            kind, expected, places = read_user_block(file.read(USER_BLOCK))
            if size != expected:
                raise ValueError(_wrong_size(size, expected))
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise CollectionDamagedError(
            f"{path} is missing; restore it from a backup, or {repair_advice(path.parent)}"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            raise CollectionError(f"{path} cannot be opened ({error.strerror}); {_MORE_FILES}") from error
        raise CollectionDamagedError(
            f"{path} cannot be read ({error}); {repair_advice(path.parent)}"
        ) from error
    return view_arrays(kind, places, content)


def view_arrays(kind: str, places: Places, content: mmap.mmap) -> ArrayFile:
    """Arrays at places of a memory map, each inside it."""
    # Views of one map: a map of each array would keep a file descriptor each.
    arrays = {
        name: np.ndarray(shape, dtype, content, offset) for name, (dtype, shape, offset) in places.items()
    }
    return ArrayFile(kind, arrays, {name: offset for name, (_, _, offset) in places.items()}, content)


def write_at(file: BinaryIO | Any, offset: int, values: NDArray[Any]) -> None:
    """Write an array's bytes at a place of an unbuffered file."""
    file.seek(offset)
    content: memoryview = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    while content:
        content = content[file.write(content) :]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> FileRecord:
    """Write named arrays atomically; returns the file's name and checksum."""
    layout = {name: (values.dtype.newbyteorder("<").str, values.shape) for name, values in arrays.items()}
    with replacing(path) as temporary:
        offsets = create_arrays(temporary, KIND, layout)
        with temporary.open("rb+", buffering=0) as file:
            for name, values in arrays.items():
                write_at(file, offsets[name], values.astype(layout[name][0], copy=False))
    return FileRecord(name=path.name, sha256=file_sha256(path))


def read_arrays(directory: Path, record: FileRecord) -> dict[str, NDArray[Any]]:
    """Read every array of a derived file after checking its checksum.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or is not a file of arrays.
    """
    return {name: values.copy() for name, values in map_arrays(directory, record).items()}


def map_arrays(directory: Path, record: FileRecord) -> dict[str, NDArray[Any]]:
    """`read_arrays` as read-only views of one memory map."""
    path = directory / record.name
    check_file(path, record.sha256)
    opened = open_arrays(path)
    if opened.kind != KIND:
        raise CollectionDamagedError(
            f"{path} is {opened.kind!r}, expected {KIND!r}; rebuild it: i2v-search index"
        )
    return opened.arrays


def check_file(path: Path, sha256: str) -> None:
    """Compare a derived file with its recorded checksum.

    Raises:
        CollectionDamagedError: it is missing or differs.
    """
    try:
        actual = file_sha256(path)
    except OSError as error:
        raise CollectionDamagedError(
            f"{path} cannot be read ({error.strerror}); rebuild it: i2v-search index"
        ) from None
    if actual != sha256:
        raise CollectionDamagedError(f"{path} differs from its checksum; rebuild it: i2v-search index")


def _create_hdf5(path: Path, kind: str, layout: Layout) -> dict[str, int]:
    import h5py

    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.CONTIGUOUS)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    settings.set_obj_track_times(False)  # two builds of one folder give the same bytes
    offsets = {}
    with h5py.File(path, "w", libver=("earliest", "v108"), userblock_size=USER_BLOCK) as file:
        file.attrs["format"] = kind
        for group in sorted({name.rpartition("/")[0] for name in layout} - {""}):
            file.create_group(group)
        for name, (dtype, shape) in layout.items():
            space, number = h5py.h5s.create_simple(shape), h5py.h5t.py_create(np.dtype(dtype))
            dataset = h5py.h5d.create(file.id, name.encode(), number, space, settings)
            offsets[name] = int(dataset.get_offset()) if math.prod(shape) else USER_BLOCK
    return offsets


def _user_block(kind: str, layout: Layout, offsets: Mapping[str, int], size: int) -> bytes:
    places = {name: [dtype, shape, offsets[name]] for name, (dtype, shape) in layout.items()}
    unknown = {dtype for dtype, _ in layout.values()} - set(_TYPES)
    document = json.dumps({"kind": kind, "size": size, "arrays": places}, separators=(",", ":")).encode()
    if unknown or _PREFIX.size + len(document) > USER_BLOCK:
        raise ValueError(f"cannot describe {len(places)} arrays of types {unknown or set(_TYPES)}")
    return _PREFIX.pack(_MAGIC, zlib.crc32(document), len(document)) + document


def read_user_block(block: bytes) -> tuple[str, int, Places]:
    """Description of a file in its user block: kind, size in bytes, and positions of its arrays.

    Raises:
        ValueError: it says nothing, or what no file says.
    """
    if len(block) < USER_BLOCK:
        raise ValueError("it is empty or truncated")
    magic, checksum, length = _PREFIX.unpack_from(block)
    document = block[_PREFIX.size : _PREFIX.size + length]
    if magic != _MAGIC:
        raise ValueError("not an i2v-search file")
    if zlib.crc32(document) != checksum:
        raise ValueError("its user block is damaged")
    try:
        described = json.loads(document)
        kind, size, arrays = described["kind"], described["size"], described["arrays"]
        places = {name: (dtype, tuple(shape), offset) for name, (dtype, shape, offset) in arrays.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its user block describes no arrays: {error!r}") from error
    if type(size) is not int:
        raise ValueError(f"its user block gives {size!r} as its size")
    for name, place in places.items():
        _check_place(name, place, size)
    return kind, size, places


def _wrong_size(size: int, expected: int) -> str:
    if size < expected:
        return f"truncated: {size} bytes, expected {expected}"
    return f"{size - expected} bytes too long: {size} bytes, expected {expected}"


def _check_place(name: str, place: tuple[Any, tuple[Any, ...], Any], size: int) -> None:
    """Refuse an array that does not lie inside the file."""
    dtype, shape, offset = place
    numbers = (*shape, offset)
    if dtype not in _TYPES or len(shape) > 2 or not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
        raise ValueError(f"{name} is {dtype!r} of shape {shape} at {offset!r}; refused")
    end = offset + math.prod(shape) * np.dtype(dtype).itemsize
    if offset < USER_BLOCK or end > size:
        raise ValueError(f"{name} ends at {end}, the file at {size}")
