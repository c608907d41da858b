"""The files that list what was removed: rows (tombstones), and images, which stay out until added by name.

Tombstones are the positions of rows, as ``.npy``. For each image that a person removed there is a line of
JSON: ``path``, as it was stored, and ``sha256`` of its content, or null if another image with that content
stayed. A path need not be Unicode: JSON keeps what stands for its other bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256, open_regular, replacing, write_atomically
from i2v_search.store.manifest import FileRecord, repair_advice

#: Of a stored path and what is around it, when every byte is spelled out.
_MAX_LINE = 2**18
#: Of a .npy file that holds one row of numbers.
_HEADER_BYTES = 128


@dataclass(frozen=True)
class Removal:
    """An image that was removed: its stored path, and the SHA-256 (hex) that it is known by elsewhere."""

    path: str
    sha256: str | None = None


class Removals:
    """Images that stay out of a collection, by path and, where they were moved, by content.

    >>> removals = Removals([Removal("a.png", "00"), Removal("b.png")])
    >>> removals.has_path("b.png"), removals.has_content("00"), len(removals.without({"a.png"}))
    (True, True, 1)
    """

    def __init__(self, items: Iterable[Removal] = ()) -> None:
        self._items = {item.path: item for item in items}
        self._contents = {item.sha256 for item in self._items.values()} - {None}

    def __iter__(self) -> Iterator[Removal]:
        """In the order of the paths."""
        return iter(sorted(self._items.values(), key=lambda item: item.path))

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        """Whether they are the same."""
        return isinstance(other, Removals) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def has_path(self, path: str) -> bool:
        """Whether the image at a stored path was removed."""
        return path in self._items

    def has_content(self, sha256: str) -> bool:
        """Whether an image with this content was removed, and none like it stayed."""
        return sha256 in self._contents

    def with_more(self, items: Iterable[Removal]) -> Self:
        """These and others; of one path the later counts."""
        return type(self)([*self._items.values(), *items])

    def without(self, paths: Iterable[str] = (), contents: Iterable[str] = ()) -> Self:
        """All but those at some paths or with some contents."""
        at, of = set(paths), set(contents)
        return type(self)(
            item for item in self._items.values() if item.path not in at and item.sha256 not in of
        )

    def renamed(self, rename: Callable[[str], str]) -> Self:
        """The same images under other paths."""
        return type(self)(replace(item, path=rename(item.path)) for item in self._items.values())


def read_removals(directory: Path, record: FileRecord | None) -> Removals:
    """Read the images that stay out of a collection.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or is not a list of images.
    """
    if record is None:
        return Removals()
    path, fix = directory / record.name, f"restore it from a backup, or {repair_advice(directory)}"
    try:
        if file_sha256(path) != record.sha256:
            raise CollectionDamagedError(f"{path} differs from its checksum; {fix}")
        with open_regular(path) as file:
            return Removals(map(_parse, iter(lambda: file.readline(_MAX_LINE), b"")))
    except OSError as error:
        raise CollectionDamagedError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise CollectionDamagedError(f"{path} is not a list of removed images; {fix}") from error


def write_removals(directory: Path, number: int, removals: Removals) -> FileRecord | None:
    """Keep removals in a file, if there are any; `number` is for its name, never used before."""
    if not removals:
        return None
    path = directory / f"removals-{number:05d}.jsonl"
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        for item in removals:
            file.write(json.dumps(vars(item)) + "\n")
    return FileRecord(name=path.name, sha256=file_sha256(path))


def _parse(line: bytes) -> Removal:
    document = json.loads(line)
    path, sha256 = document["path"], document["sha256"]
    if not isinstance(path, str) or not (sha256 is None or isinstance(sha256, str)):
        raise TypeError("a path and a checksum are text")
    return Removal(path, sha256)


def read_tombstones(directory: Path, record: FileRecord | None, rows: int) -> NDArray[np.int64]:
    """Positions of the removed ones among `rows` rows.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or is not a list of rows.
    """
    if record is None:
        return np.empty(0, np.int64)
    path, fix = directory / record.name, f"restore it from a backup, or {repair_advice(directory)}"
    try:
        with open_regular(path) as file:
            content = file.read(_HEADER_BYTES + 8 * rows + 1)
    except OSError as error:
        raise CollectionDamagedError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise CollectionDamagedError(f"{path} differs from its checksum; {fix}")
    count = max(0, len(content) - _HEADER_BYTES) // 8
    positions = np.frombuffer(content[-8 * count :] if count else b"", "<i8").astype(np.int64)
    if content != _tombstone_file(positions) or (
        len(positions) and not 0 <= positions.min() <= positions.max() < rows
    ):
        raise CollectionDamagedError(f"{path} is not a list of rows; {fix}")
    return positions


def write_tombstones(directory: Path, number: int, positions: NDArray[np.int64]) -> FileRecord:
    """Keep the positions of removed rows in a file; `number` is for its name, never used before."""
    path = directory / f"tombstones-{number:05d}.npy"
    write_atomically(path, _tombstone_file(positions))
    return FileRecord(name=path.name, sha256=file_sha256(path))


def _tombstone_file(positions: NDArray[np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, positions.astype("<i8"), allow_pickle=False)
    return buffer.getvalue()
