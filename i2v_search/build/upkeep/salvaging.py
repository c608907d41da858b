"""A damaged feature file, opened row by row: each row has a checksum of its own."""

from __future__ import annotations

import itertools
import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.upkeep.damaged_files import map_damaged
from i2v_search.store.arrays import ArrayFile
from i2v_search.store.feature_file import ROW_FIELDS, FeatureFile, row_crc32
from i2v_search.store.manifest import PartRecord
from i2v_search.tags.vocabulary import CATEGORIES

_HEAPS = ("path/end", "tags/end")
#: A longer path, or more tags, are not looked for.
_LONGEST = 2**12


class SalvagedPart(FeatureFile):
    """A feature file of which anything may be damaged; a row is good where its own checksum holds.

    Args:
        path: path of the file.
        dimension: dimension of its vectors.
        record: what the manifest says of it.

    Attributes:
        good: (rows,) bool, the rows whose checksum holds, some of them with an id or an end put right by it.

    Raises:
        CollectionDamagedError: the file is missing, or nothing tells where its arrays are.
        OSError: it is there and cannot be read now.
    """

    good: NDArray[np.bool_]

    def __init__(self, path: Path, dimension: int, record: PartRecord) -> None:
        self._record = record
        super().__init__(path, dimension)

    def _map(self) -> ArrayFile:
        return map_damaged(self.path, self.dimension)

    def _check_counts(self) -> None:
        """Find the rows that are good, and how many there are: any count may be damaged too."""
        sealed, capacity = self._record.sha256 is not None, self.capacity
        # A closed file is cut to its rows and names, and the manifest knows the number of its rows.
        cut = sealed and capacity.rows == self._record.rows
        plausible = cut or self._record.rows * (not sealed) <= self.rows <= capacity.rows
        committed = capacity.rows if cut else self.rows if plausible else 0
        names = self.vocabulary_size if 0 <= self.vocabulary_size <= capacity.vocabulary else 0
        self.rows, self.vocabulary_size = capacity.rows, capacity.vocabulary
        good = self._proven(committed)
        # Rows behind the last committed one count only where the count itself is in doubt.
        certain = not sealed and plausible and good[:committed].all()
        self.rows = committed if certain else max(committed, _last(good))
        self.good = good[: self.rows]
        self._used = self._tags_of(np.flatnonzero(self.good))
        self.vocabulary_size = capacity.vocabulary if cut else max(names, _last(self._used))

    def _proven(self, committed: int) -> NDArray[np.bool_]:
        """(capacity,) bool: the rows whose checksum holds."""
        for name in ("id", "path/end", "tags/end"):
            self._maps[name] = self._maps[name].copy()
        good = np.zeros(self.rows, bool)
        filled: NDArray[np.bool_] = np.any(self._maps["sha256"], axis=1)
        for row in range(max(committed, _last(filled))):
            placed = all(self._lies_inside(ends, row) for ends in _HEAPS)
            good[row] = (placed and (self.is_intact(row) or self._mend_id(row))) or self._mend_end(row)
            good[row] = good[row] and self._has_names(row)
        return good

    def _lies_inside(self, ends: str, row: int) -> bool:
        start, end = self._extent(ends, row)
        return 0 <= start <= end <= self._heap(ends)

    def _extent(self, ends: str, row: int) -> tuple[int, int]:
        values = self._maps[ends]
        return values.item(row - 1) if row else 0, values.item(row)

    def _heap(self, ends: str) -> int:
        """Size of the heap that the ends point into."""
        return self.capacity.path_bytes if ends == "path/end" else self.capacity.tag_entries

    def _mend_end(self, row: int) -> bool:
        """Put the end of a row's path or of its tags right if the checksum then holds.

        A wrong one would cost two rows, and a file that was cut has none at all for the rows behind the cut.
        """
        fields = row_crc32([self._maps[name][row].tobytes() for name in ROW_FIELDS])
        wanted = int(self._maps["crc32"][row])
        for ends, other in (_HEAPS, _HEAPS[::-1]):
            values, stored = self._maps[ends], self._maps[ends].item(row)
            for end in self._ends_to_try(ends, row) if wanted and self._lies_inside(other, row) else ():
                values[row] = end
                path = self._slice("path/bytes", "path/end", row).tobytes()
                tags = b"".join(entries.tobytes() for entries in self.tag_entries(row))
                if zlib.crc32(tags, zlib.crc32(path, fields)) == wanted:
                    return True
            values[row] = stored
        return False

    def _ends_to_try(self, ends: str, row: int) -> range:
        """Up to the next end, where that can be one."""
        values, (start, _) = self._maps[ends], self._extent(ends, row)
        last = min(self._heap(ends), start + _LONGEST)
        following = values.item(row + 1) if row + 1 < len(values) else -1
        return range(max(0, start), (following if start < following <= last else last) + 1)

    def _has_names(self, row: int) -> bool:
        """Whether the tags of a row are inside the vocabulary: a forged row has a right checksum too."""
        numbers = self.tag_entries(row)[0]
        return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < self.capacity.vocabulary)

    def _tags_of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(vocabulary,) bool: the tags that some rows have."""
        used = np.zeros(self.capacity.vocabulary, bool)
        for row in rows.tolist():
            used[self.tag_entries(row)[0]] = True
        return used

    def _mend_id(self, row: int) -> bool:
        """Put one byte of an id right if the checksum then holds: a wrong id would hide another image.

        What a change does to a CRC depends on nothing but the change and the length of what follows.
        """
        behind = ROW_FIELDS[ROW_FIELDS.index("id") + 1 :]
        length = sum(self._maps[name][row].nbytes for name in behind) + len(os.fsencode(self.image_path(row)))
        length += sum(values.nbytes for values in self.tag_entries(row))
        wanted = self._row_crc32(row) ^ int(self._maps["crc32"][row]) ^ zlib.crc32(bytes(8 + length))
        for place, value in itertools.product(range(8), range(1, 256)):
            change = bytes(place) + bytes([value]) + bytes(7 - place)
            if zlib.crc32(change + bytes(length)) == wanted:
                number = self._maps["id"][row : row + 1]
                number ^= np.frombuffer(change, "<i8")
                return True
        return False

    @cached_property
    def lost_tags(self) -> frozenset[int]:
        """Numbers of the tags of good rows whose names cannot be read."""
        size = self.vocabulary_size
        placed = lies_inside(self._maps["vocabulary/end"][:size], self.capacity.vocabulary_bytes)
        placed &= self._maps["vocabulary/category"][:size] < len(CATEGORIES)
        return frozenset(
            number
            for number, tag in enumerate(self.vocabulary)
            if self._used[number] and (not placed[number] or not tag.name or "\ufffd" in tag.name)
        )

    def tags_with(self, numbers: frozenset[int]) -> int:
        """Number of good rows with one of these tags."""
        chosen = list(numbers)
        return sum(
            bool(np.isin(self.tag_entries(row)[0], chosen).any())
            for row in np.flatnonzero(self.good).tolist()
        )


def lies_inside(ends: NDArray[Any], limit: int) -> NDArray[np.bool_]:
    """Whether the span between two ends lies inside a heap, (n,) bool of (n,) integers."""
    values = np.asarray(ends, np.int64)
    starts = np.concatenate([[0], values[:-1]]) if len(values) else values
    return np.asarray((starts >= 0) & (starts <= values) & (values <= limit))


def _last(chosen: NDArray[np.bool_]) -> int:
    """Number of places up to the last True."""
    places = np.flatnonzero(chosen)
    return int(places[-1]) + 1 if len(places) else 0
