"""A damaged feature file, opened as far as its layout can be trusted, row by row."""

from __future__ import annotations

import itertools
import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.manifest import FILE_NAME, PartRecord
from i2v_search.parts import ROW_FIELDS, Part
from i2v_search.tags import CATEGORIES


class SalvagedPart(Part):
    """A feature file of which single rows may be damaged: it is opened as far as its layout can be trusted.

    Args:
        path: of the file.
        dimension: of its vectors.
        record: what the manifest says of it.

    Raises:
        CollectionDamagedError: the file is missing, truncated, or its layout is damaged.
    """

    def __init__(self, path: Path, dimension: int, record: PartRecord) -> None:
        self._record = record
        super().__init__(path, dimension)

    def _check_counts(self) -> None:
        if self._record.sha256 is not None:
            # A closed file is cut to its rows, and the manifest knows their number.
            self.rows, self.vocabulary_size = self._record.rows, self.capacity.vocabulary
        if not (
            self._record.rows <= self.rows <= self.capacity.rows
            and 0 <= self.vocabulary_size <= self.capacity.vocabulary
        ):
            raise CollectionDamagedError(f"it has {self.rows} rows, {FILE_NAME} says {self._record.rows}")

    @cached_property
    def good(self) -> NDArray[np.bool_]:
        """(rows,) bool: the rows whose checksum holds, some of them with an id that it put right."""
        placed = np.ones(self.rows, bool)
        for ends, limit in (("path/end", self.capacity.path_bytes), ("tags/end", self.capacity.tag_entries)):
            placed &= lies_inside(self[ends], limit)
        good = np.zeros(self.rows, bool)
        self._maps["id"] = self._maps["id"].copy()
        for row in np.flatnonzero(placed).tolist():
            good[row] = self.is_intact(row) or self._mend_id(row)
        return good

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
        """Numbers of the tags whose names cannot be read."""
        size = self.vocabulary_size
        placed = lies_inside(self._maps["vocabulary/end"][:size], self.capacity.vocabulary_bytes)
        placed &= self._maps["vocabulary/category"][:size] < len(CATEGORIES)
        return frozenset(
            number
            for number, tag in enumerate(self.vocabulary)
            if not placed[number] or not tag.name or "\ufffd" in tag.name
        )

    def tags_with(self, numbers: frozenset[int]) -> int:
        """How many of the good rows have one of these tags."""
        chosen = list(numbers)
        return sum(
            bool(np.isin(self.tag_entries(row)[0], chosen).any())
            for row in np.flatnonzero(self.good).tolist()
        )


def lies_inside(ends: NDArray[Any], limit: int) -> NDArray[np.bool_]:
    """Where what lies between one end and the next lies inside a heap, (n,) bool of (n,) integers."""
    values = np.asarray(ends, np.int64)
    starts = np.concatenate([[0], values[:-1]]) if len(values) else values
    return np.asarray((starts >= 0) & (starts <= values) & (values <= limit))
