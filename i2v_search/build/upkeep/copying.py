"""Rows of feature files copied into new files, byte for byte, in blocks.

Tags are numbered again, so that a file names only those it uses, and the checksum of each row is computed
again with them. One source is mapped at a time: memory does not grow with the number of rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.files import replacing
from i2v_search.store.arrays import create_arrays, write_at
from i2v_search.store.feature_file import FORMAT, ROW_FIELDS, Capacity, FeatureFile, part_layout, row_crc32
from i2v_search.tags.vocabulary import CATEGORIES

#: Bytes of vectors that are copied at a time.
BLOCK_BYTES = 8 * 2**20

#: Gives the stored path that a stored path becomes; both in the file system's own bytes.
Rename: TypeAlias = Callable[[bytes], bytes]


def unchanged(path: bytes) -> bytes:
    """Keep a path as it is."""
    return path


@dataclass(frozen=True)
class KeptRows:
    """Rows of one feature file that are to be copied.

    Attributes:
        open: opens the file; called when its turn comes.
        rows: (m,) int64, ascending.
        without_tags: numbers of tags that are left out.
    """

    open: Callable[[], FeatureFile]
    rows: NDArray[np.int64]
    without_tags: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Room:
    """Space that rows need in a file; `vocabulary` in the order it is written: (name, place in
    `CATEGORIES`)."""

    rows: int = 0
    path_bytes: int = 0
    vocabulary: tuple[tuple[bytes, int], ...] = ()
    tag_entries: int = 0

    def __add__(self, other: Room) -> Room:
        return Room(
            self.rows + other.rows,
            self.path_bytes + other.path_bytes,
            tuple(dict.fromkeys(self.vocabulary + other.vocabulary)),
            self.tag_entries + other.tag_entries,
        )

    @property
    def capacity(self) -> Capacity:
        """Of the smallest file that has this room."""
        names = sum(len(name) for name, _ in self.vocabulary)
        return Capacity(self.rows, self.path_bytes, len(self.vocabulary), names, self.tag_entries)

    def fits(self, capacity: Capacity) -> bool:
        """Whether a file of this capacity has it."""
        return all(vars(self.capacity)[name] <= limit for name, limit in vars(capacity).items())


def measure_rows(kept: KeptRows, rename: Rename = unchanged) -> Room:
    """The room that rows need under their new paths."""
    part = kept.open()
    used = np.zeros(part.vocabulary_size, bool)
    path_bytes = tag_entries = 0
    for row in kept.rows.tolist():
        path_bytes += len(rename(os.fsencode(part.image_path(row))))
        numbers = _numbers(part, row, kept.without_tags)[0]
        tag_entries += len(numbers)
        used[numbers] = True
    vocabulary = _vocabulary(part)
    names = dict.fromkeys(vocabulary[number] for number in np.flatnonzero(used).tolist())
    return Room(len(kept.rows), path_bytes, tuple(names), tag_entries)


def copy_rows(
    path: Path,
    dimension: int,
    sources: Sequence[KeptRows],
    room: Room,
    rename: Rename = unchanged,
    *,
    copied: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a new feature file that holds rows of others, no larger than they need; atomically.

    Args:
        path: path of the new file.
        dimension: dimension of its vectors.
        sources: the rows, in order.
        room: the sum of `measure_rows` of all sources.
        rename: gives each row's new path.
        copied: told how many rows each block had.

    Raises:
        OSError: the disk is full or fails; nothing is left behind.
    """
    with replacing(path) as temporary:
        offsets = create_arrays(temporary, FORMAT, part_layout(room.capacity, dimension))
        with temporary.open("rb+", buffering=0) as file:
            target = _Target(file, offsets, room, dimension)
            for source in sources:
                part = source.open()
                for block in _blocks(source.rows, dimension):
                    target.append(part, block, rename, source.without_tags)
                    copied(len(block))
            target.finish()


class _Target:
    """A new feature file that is filled from the front."""

    def __init__(self, file: BinaryIO | Any, offsets: dict[str, int], room: Room, dimension: int) -> None:
        self._file, self._offsets, self._room = file, offsets, room
        self._layout = part_layout(room.capacity, dimension)
        self._numbers = {name: number for number, name in enumerate(room.vocabulary)}
        self._rows = self._path_bytes = self._entries = 0

    def append(
        self, part: FeatureFile, rows: NDArray[np.int64], rename: Rename, without_tags: frozenset[int]
    ) -> None:
        columns = {name: part[name][rows] for name in ROW_FIELDS}
        renumbered = np.array([self._numbers.get(name, -1) for name in _vocabulary(part)], np.int32)
        paths, numbers, probabilities, checksums = [], [], [], []
        for line, row in enumerate(rows.tolist()):
            paths.append(rename(os.fsencode(part.image_path(row))))
            old, probability = _numbers(part, row, without_tags)
            numbers.append(renumbered[old])
            probabilities.append(probability)
            fields = [columns[name][line].tobytes() for name in ROW_FIELDS]
            checksums.append(row_crc32([*fields, paths[-1], numbers[-1].tobytes(), probability.tobytes()]))
        path_ends = self._path_bytes + np.cumsum([len(path) for path in paths])
        tag_ends = self._entries + np.cumsum([len(found) for found in numbers])
        for name, values in columns.items():
            self._write(name, self._rows, values)
        self._write("crc32", self._rows, np.array(checksums, "<u4"))
        self._write("path/end", self._rows, path_ends)
        self._write("tags/end", self._rows, tag_ends)
        self._write("path/bytes", self._path_bytes, np.frombuffer(b"".join(paths), np.uint8))
        self._write("tags/number", self._entries, np.concatenate(numbers))
        self._write("tags/probability", self._entries, np.concatenate(probabilities))
        self._rows += len(rows)
        self._path_bytes, self._entries = int(path_ends[-1]), int(tag_ends[-1])

    def finish(self) -> None:
        names = [name for name, _ in self._room.vocabulary]
        self._write("vocabulary/bytes", 0, np.frombuffer(b"".join(names), np.uint8))
        self._write("vocabulary/end", 0, np.cumsum([len(name) for name in names], dtype=np.int64))
        categories = np.array([category for _, category in self._room.vocabulary], np.uint8)
        self._write("vocabulary/category", 0, categories)
        self._write("committed", 0, np.array([self._rows, len(names)]))

    def _write(self, name: str, row: int, values: NDArray[Any]) -> None:
        dtype, shape = self._layout[name]
        width = np.dtype(dtype).itemsize * int(np.prod(shape[1:]))
        write_at(self._file, self._offsets[name] + row * width, values.astype(dtype, copy=False))


def _blocks(rows: NDArray[np.int64], dimension: int) -> Iterator[NDArray[np.int64]]:
    size = max(1, BLOCK_BYTES // (2 * dimension))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _vocabulary(part: FeatureFile) -> list[tuple[bytes, int]]:
    return [(tag.name.encode(), CATEGORIES.index(tag.category)) for tag in part.vocabulary]


def _numbers(
    part: FeatureFile, row: int, without: frozenset[int]
) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
    numbers, probabilities = part.tag_entries(row)
    if not without:
        return numbers, probabilities
    kept = ~np.isin(numbers, list(without))
    return numbers[kept], probabilities[kept]
