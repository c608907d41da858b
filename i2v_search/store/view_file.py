"""Second vectors of pictures: what an encoder makes of their *views*, kept beside the feature store.

A view is the picture drawn in lines, or a part of it (`ViewKind`). A collection may have one file of each
kind, ``lines.cache`` and ``details.cache``. The colours of its pictures are kept in the same form, as
``colours.cache`` (`i2v_search.search.colour_codes`). What a file says is said of the SHA-256 of a picture's
content, not of a row: it stays true whatever becomes of rows. It may be deleted at any time; a damaged view
counts as none, and so does a file of another form.

=======  =====================================================================================
bytes    hold
=======  =====================================================================================
16       ``i2v-views 1``, padded with zeros
8        length of the description, its CRC-32
...      the description, JSON: `ViewForm`
n * s    a view each: `record_type`; those of a picture lie together
=======  =====================================================================================

Views are appended, and count as soon as their checksum holds: a process that is killed leaves a part of one
at most, which the next writer overwrites.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import naming, open_regular, replacing, sync, write_atomically
from i2v_search.store.checksums import Damage

ViewKind: TypeAlias = Literal["lines", "details"]
VIEW_KINDS: Final[tuple[ViewKind, ...]] = get_args(ViewKind)
#: What files of this form hold of pictures.
KeptKind: TypeAlias = Literal[ViewKind, "colours"]
KEPT_KINDS: Final[tuple[KeptKind, ...]] = (*VIEW_KINDS, "colours")

_MAGIC: Final = b"i2v-views 1".ljust(16, b"\0")
_PREFIX: Final = struct.Struct("<16sII")
_MOST_DESCRIBED: Final = 2**16
#: Numbers of a view, and views of a picture.
_LARGEST: Final = 2**16
#: Boxes are stored as shares of a picture's sides in units of this.
BOX_UNIT: Final = 2**-15
#: Views that are read or copied at a time.
_BLOCK: Final = 2**14


@dataclass(frozen=True)
class ViewForm:
    """What has to be the same for views to be comparable.

    Attributes:
        kind: of the views.
        encoder: identity of the encoder: its attributes in `i2v_search.store.manifest.EncoderRecord`.
        method: how the views are made and reduced.
        size: numbers of a view.
        count: views of a picture.
    """

    kind: KeptKind
    encoder: dict[str, Any]
    method: str
    size: int
    count: int


@dataclass(frozen=True)
class Views:
    """Views of one picture.

    Attributes:
        sha256: of its file's content, lower-case hex.
        boxes: (v, 4) floats: left, top, width and height of each, as shares of the picture's sides.
        codes: (v, k) int8; only the direction of each counts.
    """

    sha256: str
    boxes: NDArray[np.floating]
    codes: NDArray[np.int8]


def view_path(directory: Path, kind: KeptKind) -> Path:
    """The file of a collection's views of one kind."""
    return directory / f"{kind}.cache"


def record_type(size: int) -> np.dtype[Any]:
    """A view of `size` numbers, as it is stored: content, box, numbers, and the CRC-32 of all that."""
    return np.dtype([("sha256", "u1", 32), ("box", "<u2", 4), ("code", "i1", size), ("crc32", "<u4")])


def quantise(rows: NDArray[np.float32]) -> NDArray[np.int8]:
    """(n, k) float32 -> (n, k) int8 of nearly the same directions.

    >>> quantise(np.array([[0.5, -1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)).tolist()
    [[64, -127, 0], [0, 0, 0]]
    """
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    return np.asarray(np.rint(rows * (127 / np.maximum(largest, np.float32(1e-12)))), np.int8)


class ViewFile:
    """Views of the pictures of a collection, of one kind, open for reading.

    A reader keeps seeing the views that were there when it opened.

    Attributes:
        path: the file.
        form: of the views.
        records: (n,) `record_type`, all that are whole, damaged or not; a view of a memory map.
        end: bytes of the file up to the last of them.

    Raises:
        CollectionDamagedError: it is not such a file.
        OSError: it cannot be read, or there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_regular(path) as file:
            magic, length, checksum = _PREFIX.unpack(file.read(_PREFIX.size).ljust(_PREFIX.size, b"\0"))
            described = file.read(min(length, _MOST_DESCRIBED))
            if magic != _MAGIC or zlib.crc32(described) != checksum:
                raise CollectionDamagedError(f"{path} is damaged: its description cannot be read")
            self.form = _form(path, described)
            record, start = record_type(self.form.size), _PREFIX.size + len(described)
            count = (os.fstat(file.fileno()).st_size - start) // record.itemsize
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.records: NDArray[Any] = np.ndarray((count,), record, content, start)
        self.end = start + count * record.itemsize

    @classmethod
    def find(cls, directory: Path, form: ViewForm) -> Self | None:
        """The views of a collection; None if there are none of this form."""
        try:
            found = cls(view_path(directory, form.kind))
        except (CollectionDamagedError, OSError):
            return None
        return found if found.form == form else None

    @cached_property
    def intact(self) -> NDArray[np.int64]:
        """Numbers of the records whose checksum holds, ascending."""
        return np.array([number for number, record in self._contents() if _is_intact(record)], np.int64)

    def complete(self) -> set[bytes]:
        """SHA-256 of the pictures whose views are all intact."""
        counts = Counter(digest.tobytes() for digest in self.records["sha256"][self.intact])
        return {digest for digest, count in counts.items() if count >= self.form.count}

    def blocks(self, contents: Container[bytes]) -> Iterator[NDArray[Any]]:
        """The intact records of some pictures, by their SHA-256, a bounded number at a time."""
        for start in range(0, len(self.intact), _BLOCK):
            block = self.records[self.intact[start : start + _BLOCK]]
            yield block[[digest.tobytes() in contents for digest in block["sha256"]]]

    def _contents(self) -> Iterator[tuple[int, memoryview]]:
        width = self.records.dtype.itemsize
        for start in range(0, len(self.records), _BLOCK):
            content = memoryview(self.records[start : start + _BLOCK].tobytes())
            for number in range(len(content) // width):
                yield start + number, content[number * width : (number + 1) * width]


class ViewWriter:
    """Appends views to a collection's file; the caller holds the `WriterLock`.

    A file of another form is begun again.

    Args:
        directory: the collection.
        form: of the views.

    Attributes:
        known: SHA-256 of the pictures whose views are there.

    Raises:
        OSError: the disk is full or fails; views that are written stay.
    """

    def __init__(self, directory: Path, form: ViewForm) -> None:
        self.path = view_path(directory, form.kind)
        self._type = record_type(form.size)
        before = ViewFile.find(directory, form)
        if before is None:
            write_atomically(self.path, _head(form))
            before = ViewFile(self.path)
        self.known = before.complete()
        self._file = self.path.open("rb+", buffering=0)
        self._file.seek(before.end)

    def append(self, pictures: Sequence[Views]) -> None:
        """Write the views of some pictures; they survive a power cut from here on."""
        self._write(b"".join(record.tobytes() for views in pictures for record in self._records(views)))
        self.known.update(bytes.fromhex(views.sha256) for views in pictures)

    def copy(self, source: ViewFile, contents: Container[bytes]) -> None:
        """Write the views of some pictures as another file of the same form has them."""
        for block in source.blocks(contents):
            self._write(block.tobytes())

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        with naming(self.path):
            while left:
                left = left[self._file.write(left) :]
            sync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _records(self, views: Views) -> Iterator[NDArray[Any]]:
        for box, code in zip(views.boxes, views.codes, strict=True):
            record = np.zeros((), self._type)
            record["sha256"] = np.frombuffer(bytes.fromhex(views.sha256), np.uint8)
            record["box"], record["code"] = np.rint(np.asarray(box) / BOX_UNIT), code
            record["crc32"] = zlib.crc32(record.tobytes()[:-4])
            yield record


def keep_views(directory: Path, contents: Container[bytes] | None = None) -> None:
    """Write the files of views again without what is damaged, and only for some pictures, by their SHA-256.

    A file that cannot be read is deleted. The caller holds the `WriterLock`.

    Raises:
        OSError: the disk is full or fails; the files are as they were.
    """
    for kind in KEPT_KINDS:
        path = view_path(directory, kind)
        try:
            before = ViewFile(path)
        except CollectionDamagedError:
            path.unlink()
            continue
        except FileNotFoundError:
            continue
        wanted = before.complete()
        wanted = wanted if contents is None else {digest for digest in wanted if digest in contents}
        if sum(map(len, before.blocks(wanted))) == len(before.records):
            continue
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(_head(before.form))
            for block in before.blocks(wanted):
                file.write(block.tobytes())


def view_damages(directory: Path) -> list[Damage]:
    """What is damaged in the files of views of a collection; a part of a view at the end is not."""
    found = []
    for kind in KEPT_KINDS:
        path = view_path(directory, kind)
        try:
            views = ViewFile(path)
        except FileNotFoundError:
            continue
        except (CollectionDamagedError, OSError) as error:
            found.append(Damage(path.name, str(error).removeprefix(f"{path} ")))
            continue
        if bad := len(views.records) - len(views.intact):
            found.append(Damage(path.name, f"{bad:,} of {len(views.records):,} views are damaged"))
    return found


def _head(form: ViewForm) -> bytes:
    described = json.dumps(asdict(form)).encode()
    return _PREFIX.pack(_MAGIC, len(described), zlib.crc32(described)) + described


def _form(path: Path, described: bytes) -> ViewForm:
    """The description, which a stranger may have written with a right checksum."""
    try:
        form = ViewForm(**json.loads(described))
        sizes = (form.size, form.count)
    except (ValueError, TypeError, RecursionError):
        sizes = (0, 0)
    if not all(type(size) is int and 0 < size <= _LARGEST for size in sizes):
        raise CollectionDamagedError(f"{path} is damaged: its description is not one of views")
    return form


def _is_intact(record: memoryview) -> bool:
    return zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")
