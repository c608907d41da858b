"""One HDF5 feature file: fixed space for a number of rows, filled from the front.

Every dataset is contiguous, uncompressed and allocated whole when the file is made (sparse on disk), so an
append writes raw bytes at known offsets (`i2v_search.store.arrays`) and changes no HDF5 structure: a process
killed at any moment leaves a valid file. Rows count only once ``committed`` says so. Readers map the same
bytes.

Datasets, for ``rows`` rows of ``d`` dimensions (little-endian):

=========================  ===================  ===========================================================
``vectors``                (rows, d) float16    unit rows
``norms``                  (rows,) float32      length of the vector before normalisation
``id``                     (rows,) int64        the image's number in the collection
``sha256``                 (rows, 32) uint8     of the image file's content
``size``, ``mtime_ns``     (rows,) int64        of the image file, bytes and nanoseconds
``width``, ``height``      (rows,) int32        pixels as displayed
``crc32``                  (rows,) uint32       of everything else in the row
``path/bytes|end``         uint8, int64         the paths in turn, and where each ends
``vocabulary/bytes|end``   uint8, int64         the tag names in use, likewise
``vocabulary/category``    uint8                place in `i2v_search.tags.vocabulary.CATEGORIES`
``tags/number``            (entries,) int32     tags of all rows in turn, by place in the vocabulary
``tags/probability``       (entries,) float16   their probabilities
``tags/end``               (rows,) int64        where the tags of each row end
``committed``              (2,) int64           rows and vocabulary entries that are complete
=========================  ===================  ===========================================================
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import naming, replacing, sync
from i2v_search.store.arrays import ArrayFile, create_arrays, open_arrays, write_at
from i2v_search.store.manifest import repair_advice
from i2v_search.tags.vocabulary import CATEGORIES, Tag

FORMAT = "i2v-search features 1"
PART_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ImageRecord:
    """Data of an image in the feature store besides its vector.

    Attributes:
        path: relative to the image root, POSIX separators; bytes that are not UTF-8 are surrogate escapes.
        sha256: lower-case hex digest of the file's content.
        size: bytes.
        mtime_ns: nanoseconds since 1970.
        width: pixels as displayed.
        height: pixels as displayed.
        tags: in any order.
    """

    path: str
    sha256: str
    size: int
    mtime_ns: int
    width: int
    height: int
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class Capacity:
    """Capacity of one feature file."""

    rows: int
    path_bytes: int
    vocabulary: int
    vocabulary_bytes: int
    tag_entries: int

    @classmethod
    def for_dimension(cls, dimension: int) -> Self:
        """Room for about 64 MiB of vectors, with paths of 128 bytes and 64 tags a row on average."""
        rows = max(256, PART_BYTES // (2 * dimension))
        return cls(rows, max(2**20, 128 * rows), 2**16, 2**21, max(2**17, 64 * rows))


#: Of a part without a row: what is asked for there is how rows look.
NO_ROOM = Capacity(0, 0, 0, 0, 0)


def part_layout(capacity: Capacity, dimension: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every dataset of a part."""
    rows = (capacity.rows,)
    return {
        "vectors": ("<f2", (capacity.rows, dimension)),
        "norms": ("<f4", rows),
        "id": ("<i8", rows),
        "sha256": ("|u1", (capacity.rows, 32)),
        "size": ("<i8", rows),
        "mtime_ns": ("<i8", rows),
        "width": ("<i4", rows),
        "height": ("<i4", rows),
        "crc32": ("<u4", rows),
        "path/bytes": ("|u1", (capacity.path_bytes,)),
        "path/end": ("<i8", rows),
        "vocabulary/bytes": ("|u1", (capacity.vocabulary_bytes,)),
        "vocabulary/end": ("<i8", (capacity.vocabulary,)),
        "vocabulary/category": ("|u1", (capacity.vocabulary,)),
        "tags/number": ("<i4", (capacity.tag_entries,)),
        "tags/probability": ("<f2", (capacity.tag_entries,)),
        "tags/end": ("<i8", rows),
        "committed": ("<i8", (2,)),
    }


class FeatureFile:
    """A feature file opened for reading; its arrays are memory maps cut to the committed rows.

    Raises:
        CollectionDamagedError: the file is not a feature file of this dimension, or contradicts itself.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self.dimension = dimension
        self._file = self._map()
        self.capacity = _capacity(path, self._file, dimension)
        self.offsets, self._maps = self._file.offsets, self._file.arrays
        # One row is wanted here and another there; a system may read megabytes around each.
        self._file.expect_nothing(self.offsets["vectors"], self._maps["vectors"].nbytes)
        # Rows first: a writer raises them last, so their tags are in the vocabulary that is read next.
        self.committed, self.vocabulary_size = (int(count) for count in self._maps["committed"])
        self.rows = self.committed
        self._check_counts()

    def _map(self) -> ArrayFile:
        return open_arrays(self.path)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The committed rows of a per-row dataset."""
        return self._maps[name][: self.rows]

    def expect(self, row: int, count: int = 1) -> None:
        """Have the vectors of some rows in turn read ahead of their use."""
        width = 2 * self.dimension
        self._file.expect(self.offsets["vectors"] + row * width, count * width)

    def release(self) -> None:
        """Let go of the memory that reading has mapped."""
        self._file.release()

    def record(self, row: int) -> ImageRecord:
        """Everything known of one row besides its vector."""
        numbers, probabilities = self.tag_entries(row)
        vocabulary = self.vocabulary
        return ImageRecord(
            path=self.image_path(row),
            sha256=self["sha256"][row].tobytes().hex(),
            size=int(self["size"][row]),
            mtime_ns=int(self["mtime_ns"][row]),
            width=int(self["width"][row]),
            height=int(self["height"][row]),
            tags=tuple(
                Tag(vocabulary[number].name, probability, vocabulary[number].category)
                for number, probability in zip(numbers.tolist(), probabilities.tolist(), strict=True)
            ),
        )

    def image_path(self, row: int) -> str:
        """Path of one row."""
        return os.fsdecode(self._slice("path/bytes", "path/end", row).tobytes())

    def path_bytes(self, first: int, last: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The paths of some rows in turn as bytes, and where each ends there."""
        ends = self._maps["path/end"]
        start = int(ends[first - 1]) if first else 0
        stops = np.asarray(ends[first:last])
        return self._maps["path/bytes"][start : int(stops[-1])], stops - start

    def rows_with(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Rows that carry a tag, by its number, ascending, and its probability in each."""
        ends = self["tags/end"]
        count = int(ends[-1]) if self.rows else 0
        entries = np.flatnonzero(self._maps["tags/number"][:count] == number)
        return np.searchsorted(ends, entries, "right"), self._maps["tags/probability"][entries]

    def image_paths(self) -> Iterator[str]:
        """Paths of all rows, in order."""
        heap, start = self._maps["path/bytes"], 0
        for end in self["path/end"].tolist():
            yield os.fsdecode(heap[start:end].tobytes())
            start = end

    @cached_property
    def vocabulary(self) -> list[Tag]:
        """The tags this file uses, by number; their probability means nothing."""
        heap, start, tags = self._maps["vocabulary/bytes"], 0, []
        ends = self._maps["vocabulary/end"][: self.vocabulary_size].tolist()
        categories = self._maps["vocabulary/category"][: self.vocabulary_size].tolist()
        for end, category in zip(ends, categories, strict=True):
            name = heap[start:end].tobytes().decode("utf-8", "replace")
            tags.append(Tag(name, category=CATEGORIES[min(category, len(CATEGORIES) - 1)]))
            start = end
        return tags

    def tag_entries(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
        """Tag numbers and probabilities of one row."""
        ends = self._maps["tags/end"]
        entries = slice(ends.item(row - 1) if row else 0, ends.item(row))
        return self._maps["tags/number"][entries], self._maps["tags/probability"][entries]

    def all_tag_entries(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float16]]:
        """Row, tag number and probability of every tag of every row."""
        ends = np.asarray(self["tags/end"])
        rows = np.repeat(np.arange(self.rows), np.diff(ends, prepend=0))
        return rows, self._maps["tags/number"][: len(rows)], self._maps["tags/probability"][: len(rows)]

    def sha256(self) -> str:
        """SHA-256 of the whole file as it was when it was opened; see `ArrayFile.sha256`."""
        return self._file.sha256()

    def damaged_rows(self) -> list[int]:
        """Rows whose checksum does not hold."""
        return [row for row in range(self.rows) if not self.is_intact(row)]

    def is_intact(self, row: int) -> bool:
        """Whether the checksum of a row holds."""
        return self._row_crc32(row) == int(self._maps["crc32"][row])

    def _slice(self, heap: str, ends: str, row: int) -> NDArray[Any]:
        places = self._maps[ends]
        start = places.item(row - 1) if row else 0
        return self._maps[heap][start : places.item(row)]

    def _row_crc32(self, row: int) -> int:
        """`row_crc32` of a row as it is, without copies."""
        checksum = 0
        for name in ROW_FIELDS:
            checksum = zlib.crc32(self._maps[name][row : row + 1].data, checksum)
        for heap, ends in _HEAPS:
            checksum = zlib.crc32(self._slice(heap, ends, row).data, checksum)
        return checksum

    def _check_counts(self) -> None:
        if not (
            0 <= self.rows <= self.capacity.rows and 0 <= self.vocabulary_size <= self.capacity.vocabulary
        ):
            raise CollectionDamagedError(
                f"{self.path} claims {self.rows} rows and {self.vocabulary_size} tags, but has room for "
                f"{self.capacity.rows} and {self.capacity.vocabulary}; {repair_advice(self.path.parent)}"
            )
        for ends, count, limit in (
            ("path/end", self.rows, self.capacity.path_bytes),
            ("tags/end", self.rows, self.capacity.tag_entries),
            ("vocabulary/end", self.vocabulary_size, self.capacity.vocabulary_bytes),
        ):
            values = np.asarray(self._maps[ends][:count])
            if count and (values[0] < 0 or values[-1] > limit or np.any(values[1:] < values[:-1])):
                raise CollectionDamagedError(
                    f"{self.path}: {ends} is not an ascending list up to {limit}; "
                    f"{repair_advice(self.path.parent)}"
                )
        numbers = self.all_tag_entries()[1]
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= self.vocabulary_size):
            raise CollectionDamagedError(
                f"{self.path}: a row has a tag outside the vocabulary; {repair_advice(self.path.parent)}"
            )


#: What a row has of any length, and where it ends, in the order of its checksum.
_HEAPS = (("path/bytes", "path/end"), ("tags/number", "tags/end"), ("tags/probability", "tags/end"))
#: What a row holds besides its path and its tags.
ROW_FIELDS = ("vectors", "norms", "id", "sha256", "size", "mtime_ns", "width", "height")


class PartWriter:
    """Appends rows to a feature file that `create` or `expand` made.

    Rows become visible with `commit`. Writes go straight to the file, past the HDF5 library, so a full disk
    is an ordinary `OSError` and the rows committed before it stay.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        part = FeatureFile(path, dimension)
        self.path, self.dimension, self.capacity = path, dimension, part.capacity
        self.rows = part.rows
        self._offsets = part.offsets
        self._vocabulary = {(tag.name, tag.category): number for number, tag in enumerate(part.vocabulary)}
        self._ends = {
            "path": int(part["path/end"][-1]) if part.rows else 0,
            "tags": int(part["tags/end"][-1]) if part.rows else 0,
            "vocabulary": sum(len(name.encode()) for name, _ in self._vocabulary),
        }
        self._file = path.open("rb+", buffering=0)

    @staticmethod
    def create(path: Path, dimension: int, capacity: Capacity) -> None:
        """Make an empty feature file, atomically."""
        with replacing(path) as temporary:
            create_arrays(temporary, FORMAT, part_layout(capacity, dimension))

    @staticmethod
    def resize(path: Path, dimension: int, capacity: Capacity | None = None) -> None:
        """Rewrite a feature file with another capacity, by default no more than its rows need; atomically."""
        part = FeatureFile(path, dimension)
        if capacity is None:
            tags, paths = (int(part[f"{heap}/end"][-1]) if part.rows else 0 for heap in ("tags", "path"))
            names = int(part._maps["vocabulary/end"][part.vocabulary_size - 1]) if part.vocabulary_size else 0
            capacity = Capacity(part.rows, paths, part.vocabulary_size, names, tags)
        with replacing(path) as temporary:
            offsets = create_arrays(temporary, FORMAT, part_layout(capacity, dimension))
            with temporary.open("rb+", buffering=0) as file:
                for name, (_, shape) in part_layout(capacity, dimension).items():
                    source = part._maps[name]
                    write_at(file, offsets[name], source[: min(len(source), shape[0])])

    def fits(self, records: Sequence[ImageRecord]) -> int:
        """Number of `records`, from the first, that still fit."""
        free = self.capacity.rows - self.rows
        paths, tags, names, count = self._ends["path"], self._ends["tags"], self._ends["vocabulary"], 0
        new: set[tuple[str, str]] = set()
        for record in records[:free]:
            paths += len(os.fsencode(record.path))
            tags += len(record.tags)
            unknown = {(tag.name, tag.category) for tag in record.tags} - self._vocabulary.keys() - new
            names += sum(len(name.encode()) for name, _ in unknown)
            new |= unknown
            if (
                paths > self.capacity.path_bytes
                or tags > self.capacity.tag_entries
                or names > self.capacity.vocabulary_bytes
                or len(self._vocabulary) + len(new) > self.capacity.vocabulary
            ):
                break
            count += 1
        return count

    def append(
        self,
        records: Sequence[ImageRecord],
        ids: Sequence[int],
        unit_rows: NDArray[np.float16],
        norms: NDArray[np.float32],
    ) -> None:
        """Write rows behind the last one; `records` must fit. They count after `commit`.

        Args:
            records: n records.
            ids: n ids.
            unit_rows: (n, d) float16, unit length.
            norms: (n,) float32.

        Raises:
            OSError: the disk is full or fails; nothing committed is lost.
        """
        if not records:
            return
        numbers, probabilities, tag_counts = self._number_tags(records)
        paths = [os.fsencode(record.path) for record in records]
        columns: dict[str, NDArray[Any]] = {
            "vectors": unit_rows,
            "norms": norms,
            "id": np.array(ids, "<i8"),
            "sha256": np.frombuffer(bytes.fromhex("".join(r.sha256 for r in records)), np.uint8).reshape(
                -1, 32
            ),
            "size": np.array([r.size for r in records], "<i8"),
            "mtime_ns": np.array([r.mtime_ns for r in records], "<i8"),
            "width": np.array([r.width for r in records], "<i4"),
            "height": np.array([r.height for r in records], "<i4"),
            "path/end": self._ends["path"] + np.cumsum([len(path) for path in paths]),
            "tags/end": self._ends["tags"] + np.cumsum(tag_counts),
        }
        starts = columns["tags/end"] - tag_counts - self._ends["tags"]
        columns["crc32"] = np.array(
            [
                row_crc32(
                    [columns[name][row].tobytes() for name in ROW_FIELDS]
                    + [paths[row], numbers[start:end].tobytes(), probabilities[start:end].tobytes()]
                )
                for row, (start, end) in enumerate(zip(starts, starts + tag_counts, strict=True))
            ],
            "<u4",
        )
        for name, values in columns.items():
            self._write(name, self.rows, values)
        self._write("path/bytes", self._ends["path"], np.frombuffer(b"".join(paths), np.uint8))
        self._write("tags/number", self._ends["tags"], numbers)
        self._write("tags/probability", self._ends["tags"], probabilities)
        self._ends["path"] = int(columns["path/end"][-1])
        self._ends["tags"] = int(columns["tags/end"][-1])
        self.rows += len(records)

    def commit(self) -> None:
        """Make the appended rows count: they survive a kill from here on, and a power cut."""
        self._sync()
        self._write("committed", 1, np.array([len(self._vocabulary)], "<i8"))
        self._write("committed", 0, np.array([self.rows], "<i8"))
        self._sync()

    def close(self) -> None:
        """Close the file; rows that were not committed are forgotten."""
        self._file.close()

    def _number_tags(
        self, records: Sequence[ImageRecord]
    ) -> tuple[NDArray[np.int32], NDArray[np.float16], NDArray[np.int64]]:
        for record in records:
            for tag in record.tags:
                if (tag.name, tag.category) not in self._vocabulary:
                    self._add_to_vocabulary(tag)
        numbers = [self._vocabulary[tag.name, tag.category] for record in records for tag in record.tags]
        probabilities = [tag.probability for record in records for tag in record.tags]
        counts = [len(record.tags) for record in records]
        return np.array(numbers, "<i4"), np.array(probabilities, "<f2"), np.array(counts, np.int64)

    def _add_to_vocabulary(self, tag: Tag) -> None:
        number, name = len(self._vocabulary), np.frombuffer(tag.name.encode(), np.uint8)
        self._write("vocabulary/bytes", self._ends["vocabulary"], name)
        self._ends["vocabulary"] += len(name)
        self._write("vocabulary/end", number, np.array([self._ends["vocabulary"]], "<i8"))
        self._write("vocabulary/category", number, np.array([CATEGORIES.index(tag.category)], np.uint8))
        self._vocabulary[tag.name, tag.category] = number

    def _write(self, name: str, row: int, values: NDArray[Any]) -> None:
        dtype, shape = part_layout(self.capacity, self.dimension)[name]
        width = np.dtype(dtype).itemsize * int(np.prod(shape[1:]))
        with naming(self.path):
            write_at(self._file, self._offsets[name] + row * width, values.astype(dtype, copy=False))

    def _sync(self) -> None:
        with naming(self.path):
            sync(self._file.fileno())


def row_crc32(pieces: Sequence[bytes]) -> int:
    """Checksum of a row: `ROW_FIELDS`, the path, the tags' numbers and their probabilities, in this order."""
    return zlib.crc32(b"".join(pieces))


def capacity_of(sizes: Callable[[str], int]) -> Capacity:
    """The capacity of a file whose arrays have so many elements, by name."""
    return Capacity(*map(sizes, ("id", "path/bytes", "vocabulary/end", "vocabulary/bytes", "tags/number")))


def _capacity(path: Path, opened: ArrayFile, dimension: int) -> Capacity:
    """The capacity of a feature file, after comparing it with the layout that this capacity asks for."""
    arrays = opened.arrays
    if opened.kind != FORMAT or arrays.keys() != part_layout(NO_ROOM, 0).keys():
        raise CollectionDamagedError(
            f"{path} is {str(opened.kind)[:50]!r}, expected {FORMAT!r}; {repair_advice(path.parent)}"
        )
    capacity = capacity_of(lambda name: arrays[name].size)
    for name, (dtype, shape) in part_layout(capacity, dimension).items():
        if (arrays[name].dtype, arrays[name].shape) != (np.dtype(dtype), shape):
            raise CollectionDamagedError(
                f"{path}: {name} is {arrays[name].shape} {arrays[name].dtype}, "
                f"expected {shape} {np.dtype(dtype)}; {repair_advice(path.parent)}"
            )
    return capacity


def storable_time(mtime_ns: int) -> int:
    """A file's time as far as 64 bits go: file systems know later years than 2262.

    >>> storable_time(-(2**70)) == -(2**63), storable_time(2**70) == 2**63 - 1, storable_time(1)
    (True, True, 1)
    """
    return max(-(2**63), min(mtime_ns, 2**63 - 1))
